//! Invitations by the thousand and by domain, with their seats.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000010_invitations.sql")).await?;
        let tables = [
            "invitation",
            "directory_expected",
            "invitation_batch",
            "invitation_batch_row",
            "join_rule",
            "join_request",
        ];
        postgres::protect(manager, "tenant_id", &tables).await?;
        let copy = "INSERT INTO invitation (tenant_id, organization_id, id, kind, email, email_key, role, token_digest, status, \
                    message, inviter, user_id, version, created_at, updated_at, expires_at, accepted_at, revoked_at) \
                    SELECT tenant_id, organization_id, id, 'personal', email, email_key, role, token_digest, status, \
                    message, inviter, user_id, version, created_at, updated_at, expires_at, accepted_at, revoked_at \
                    FROM invitation_before";
        postgres::as_platform(manager, &[copy.to_owned()]).await?;
        run(manager, "DROP TABLE invitation_before;").await
    }
}
