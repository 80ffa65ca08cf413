//! What the complete SCIM server keeps.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000003_directory.sql")).await?;
        postgres::protect(
            manager,
            "tenant_id",
            &[
                "directory_group_child",
                "directory_change",
                "directory_guard",
                "directory_restore",
                "directory_role_mapping",
                "scim_schema",
                "scim_rehearsal",
                "scim_request",
                "scim_assertion",
            ],
        )
        .await?;
        postgres::churns(manager, &["directory_group", "quota"]).await?;
        // Rows that were written before: names and texts in lower case, see `scim_core::fold`.
        let fold = |table: &str| match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => {
                format!("UPDATE {table} SET folded = lower(resource::text)::jsonb")
            }
            _ => format!("UPDATE {table} SET folded = lower(resource)"),
        };
        postgres::as_platform(manager, &[fold("directory_user"), fold("directory_group")]).await
    }
}
