//! Mail: language, ends, branding, suppression.

use sea_orm_migration::prelude::*;

use crate::{postgres, run};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261121_000009_mail.sql")).await?;
        postgres::protect(manager, "tenant_id", &["mail_message", "mail_branding"]).await?;
        postgres::platform_only(manager, &["mail_suppression"]).await?;
        let copy = "INSERT INTO mail_message (tenant_id, id, dedupe_key, template, locale, recipient, subject, content, \
                    status, created_at, send_at, sent_at) \
                    SELECT tenant_id, id, dedupe_key, template, 'en', recipient, subject, content, status, created_at, \
                    created_at, sent_at FROM mail_message_before";
        postgres::as_platform(manager, &[copy.to_owned()]).await?;
        run(manager, "DROP TABLE mail_message_before;").await
    }
}
