//! HMACs beside the hashes of bearer secrets, and the key under which they are made.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261126_000001_lookup_key.sql")).await?;
        postgres::platform_only(manager, &["lookup_key"]).await
    }
}
