//! Names in the store that the glossary replaced: kinds of jobs, a step, types of events, states of mails and of the directory guard.

use sea_orm_migration::prelude::*;

use crate::{postgres, run, spell};

#[derive(DeriveMigrationName)]
pub(crate) struct Migration;

/// Names, before and after.
type Names = [(&'static str, &'static str)];

/// Columns whose whole value is a name, and the names that changed.
const RENAMED: [(&str, &str, &Names); 5] = [
    (
        "job",
        "kind",
        &[
            ("inbox.settle", "inbox.process"),
            ("identity.converge", "identity.reconcile"),
            ("instances.grow", "instances.scale_out"),
            ("scim.prepare_rehearsal", "scim.prepare_dry_run"),
            ("scim.discard_rehearsal", "scim.discard_dry_run"),
            ("session.tell_more", "session.notify_more"),
        ],
    ),
    ("tenant_run_step", "name", &[("cut_off", "suspend_access")]),
    ("outbox_event", "type", &EVENTS),
    ("webhook_delivery", "type", &EVENTS),
    ("mail_message", "template", &[("directory-held", "directory-blocked")]),
];

const EVENTS: [(&str, &str); 2] = [("directory.held", "directory.blocked"), ("user.arrived", "user.joined")];

/// What holds a name among other text, or goes with one. A lane is the jobs' that stand in it already.
const OTHERS: [&str; 6] = [
    "UPDATE job SET lane = REPLACE(lane, 'grow:', 'scale_out:') WHERE kind = 'instances.scale_out' AND lane LIKE 'grow:%'",
    "UPDATE outbox_event SET data = CAST(REPLACE(CAST(data AS TEXT), '\"planKept\":', '\"currentPlan\":') AS {json}) \
     WHERE type = 'billing.price_unknown'",
    "UPDATE webhook_endpoint SET event_types = CAST(REPLACE(REPLACE(CAST(event_types AS TEXT), \
     '\"directory.held\"', '\"directory.blocked\"'), '\"user.arrived\"', '\"user.joined\"') AS {json}) \
     WHERE CAST(event_types AS TEXT) LIKE '%\"directory.held\"%' OR CAST(event_types AS TEXT) LIKE '%\"user.arrived\"%'",
    "UPDATE mail_message SET dedupe_key = REPLACE(dedupe_key, 'directory-held', 'directory-blocked') \
     WHERE template = 'directory-blocked'",
    "UPDATE mail_message SET status_now = CASE WHEN status = 'kept' THEN 'stored' ELSE status END",
    "UPDATE directory_guard SET state_now = CASE WHEN state = 'held' THEN 'blocked' ELSE state END",
];

#[async_trait::async_trait]
impl MigrationTrait for Migration {
    async fn up(&self, manager: &SchemaManager) -> Result<(), DbErr> {
        run(manager, include_str!("sql/m20261202_000001_names.sql")).await?;
        let mut statements = Vec::new();
        for (table, column, names) in RENAMED {
            for (old, new) in names {
                statements.push(format!("UPDATE {table} SET {column} = '{new}' WHERE {column} = '{old}'"));
            }
        }
        let backend = manager.get_database_backend();
        statements.extend(OTHERS.iter().map(|sql| spell(backend, sql)));
        postgres::as_platform(manager, &statements).await?;
        run(
            manager,
            "ALTER TABLE mail_message DROP COLUMN status;\n\
             ALTER TABLE mail_message RENAME COLUMN status_now TO status;\n\
             ALTER TABLE directory_guard DROP COLUMN state;\n\
             ALTER TABLE directory_guard RENAME COLUMN state_now TO state;",
        )
        .await
    }
}
