//! What the store knows of itself: whether it takes writes, when it was checked.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261126_000006_store_state.sql")).await?;
        postgres::platform_only(manager, &["store_state"]).await?;
        postgres::as_platform(manager, &["INSERT INTO store_state (id) VALUES (1)".to_owned()]).await
    }
}
