//! Tables of the service itself, and the two roles behind which Postgres keeps them.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000001_platform.sql")).await?;
        run(manager, include_str!("sql/m20261121_000001_seeds.sql")).await?;
        postgres::roles(manager).await?;
        postgres::share(manager, &["plan", "instance", "module", "issuer", "flag", "webhook_endpoint"])
            .await?;
        postgres::platform_only(manager, &["management_key", "idempotency_record", "signing_key"]).await?;
        postgres::protect(manager, "tenant_id", &["job", "outbox_event", "audit_event"]).await?;
        postgres::append_only(manager, &["audit_event"]).await
    }
}
