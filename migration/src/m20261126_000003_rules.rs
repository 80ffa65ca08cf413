//! Allowances: what was spent, counted by the statement that decides.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261126_000003_rules.sql")).await?;
        postgres::protect(manager, "tenant_id", &["allowance"]).await?;
        postgres::churns(manager, &["allowance"]).await
    }
}
