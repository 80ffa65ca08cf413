//! The platform role alone writes the platform's tables; every table is behind row-level security. Dead jobs are found by an index.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

/// What a tenant's transaction reads of the platform: limits of its plan, room on instances, definitions of flags, resources
/// that modules declared.
const READABLE: [&str; 4] = ["plan", "instance", "flag", "quota_resource"];
/// What it never sees: issuers that are believed, secrets of clients and receivers, what is at Azure.
const HIDDEN: [&str; 4] = ["issuer", "module", "webhook_endpoint", "deployment"];

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        postgres::unshare(manager, &READABLE).await?;
        postgres::unshare(manager, &HIDDEN).await?;
        postgres::readable_by_tenants(manager, &READABLE).await?;
        postgres::versions(manager).await?;
        run(manager, "CREATE INDEX job_dead_idx ON job (finished_at) WHERE status = 'dead';").await
    }
}
