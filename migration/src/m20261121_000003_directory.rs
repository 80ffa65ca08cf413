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
        // Rows that were written before: `active` stands in the document now; names and texts in lower case, see
        // `scim_core::fold`.
        let active = match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => {
                "UPDATE directory_user SET resource = jsonb_set(resource, '{active}', to_jsonb(active)) \
                 WHERE NOT jsonb_exists(resource, 'active')"
            }
            _ => {
                "UPDATE directory_user SET resource = json_set(resource, '$.active', \
                 json(CASE WHEN active THEN 'true' ELSE 'false' END)) WHERE json_type(resource, '$.active') IS NULL"
            }
        };
        let fold = |table: &str| match manager.get_database_backend() {
            sea_orm::DbBackend::Postgres => {
                format!("UPDATE {table} SET folded = lower(resource::text)::jsonb")
            }
            _ => format!("UPDATE {table} SET folded = lower(resource)"),
        };
        let fold = [active.to_owned(), fold("directory_user"), fold("directory_group")];
        postgres::as_platform(manager, &fold).await
    }
}
