//! Tables of one tenant.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000002_tenants.sql")).await?;
        postgres::protect(manager, "id", &["tenant"]).await?;
        postgres::protect(
            manager,
            "tenant_id",
            &[
                "organization",
                "provisioning_run",
                "provisioning_step",
                "quota",
                "directory_user",
                "directory_user_email",
                "directory_group",
                "directory_group_member",
                "user_identity",
                "scim_token",
                "session",
                "refresh_token",
                "invitation",
                "mail_message",
                "flag_override",
                "flag_push",
                "webhook_delivery",
            ],
        )
        .await?;
        postgres::lookup(manager, "tenant", "slug", "text", "id").await?;
        postgres::lookup(manager, "tenant", "identity_external_id", "text", "id").await?;
        postgres::lookup(manager, "scim_token", "id", "uuid", "tenant_id").await?;
        postgres::lookup(manager, "refresh_token", "digest", "bytea", "tenant_id").await?;
        postgres::lookup(manager, "invitation", "token_digest", "bytea", "tenant_id").await
    }
}
