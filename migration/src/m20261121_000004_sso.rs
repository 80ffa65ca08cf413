//! What single sign-on keeps.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000004_sso.sql")).await?;
        postgres::protect(
            manager,
            "tenant_id",
            &[
                "connection",
                "connection_key",
                "sso_policy",
                "domain",
                "sign_in",
                "assertion_use",
                "browser_session",
                "authorization_code",
            ],
        )
        .await?;
        postgres::platform_only(
            manager,
            &["authorization_request", "operator", "passkey", "operator_session", "ceremony"],
        )
        .await?;
        postgres::lookup(manager, "connection", "id", "uuid", "tenant_id").await?;
        postgres::lookup(manager, "domain", "verified_name", "text", "tenant_id").await?;
        postgres::lookup(manager, "browser_session", "digest", "bytea", "tenant_id").await?;
        postgres::lookup(manager, "authorization_code", "digest", "bytea", "tenant_id").await
    }
}
