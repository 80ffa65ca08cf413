//! Forward-only schema changes, one set for both stores.
//!
//! A migration is an SQL file whose column types are words in braces; `spell` writes them for the store at hand.
//! On Postgres each table is then put behind row-level security by `postgres::protect`: the role
//! `tenantry_app` sees the rows of the tenant that the transaction named, `tenantry_platform` sees all.

use sea_orm::DbBackend;
use sea_orm_migration::prelude::*;

mod m20261121_000001_platform;
mod m20261121_000002_tenants;
mod m20261121_000003_directory;
mod m20261121_000004_sso;
mod m20261121_000005_provisioning;
mod m20261121_000006_flags;
mod m20261121_000007_events;
mod m20261121_000008_flag_pushes;
mod m20261121_000009_mail;
mod m20261121_000010_invitations;
mod m20261126_000001_lookup_key;
mod m20261126_000002_platform_tables;
mod m20261126_000003_rules;
mod m20261126_000004_folding;
mod m20261126_000005_bounds;
mod m20261126_000006_store_state;
mod m20261127_000001_people;
mod m20261128_000001_placement;
mod m20261129_000001_roles;
mod m20261130_000001_mailbox;
mod m20261201_000001_unreadable;
mod m20261202_000001_names;
pub mod postgres;

/// The list of migrations, in order.
#[derive(Debug)]
pub struct Migrator;

impl MigratorTrait for Migrator {
    fn migrations() -> Vec<Box<dyn MigrationTrait>> {
        vec![
            Box::new(m20261121_000001_platform::Migration),
            Box::new(m20261121_000002_tenants::Migration),
            Box::new(m20261121_000003_directory::Migration),
            Box::new(m20261121_000004_sso::Migration),
            Box::new(m20261121_000005_provisioning::Migration),
            Box::new(m20261121_000006_flags::Migration),
            Box::new(m20261121_000007_events::Migration),
            Box::new(m20261121_000008_flag_pushes::Migration),
            Box::new(m20261121_000009_mail::Migration),
            Box::new(m20261121_000010_invitations::Migration),
            Box::new(m20261126_000001_lookup_key::Migration),
            Box::new(m20261126_000002_platform_tables::Migration),
            Box::new(m20261126_000003_rules::Migration),
            Box::new(m20261126_000004_folding::Migration),
            Box::new(m20261126_000005_bounds::Migration),
            Box::new(m20261126_000006_store_state::Migration),
            Box::new(m20261127_000001_people::Migration),
            Box::new(m20261128_000001_placement::Migration),
            Box::new(m20261129_000001_roles::Migration),
            Box::new(m20261130_000001_mailbox::Migration),
            Box::new(m20261201_000001_unreadable::Migration),
            Box::new(m20261202_000001_names::Migration),
        ]
    }
}

/// Spells the column types of `sql` for `backend`.
///
/// SQLite tables become `STRICT`, so that a wrong type is refused there as it is on Postgres.
fn spell(backend: DbBackend, sql: &str) -> String {
    let types: [(&str, &str); 8] = if backend == DbBackend::Sqlite {
        [
            ("{id}", "BLOB"),
            ("{time}", "TEXT"),
            ("{json}", "TEXT"),
            ("{bytes}", "BLOB"),
            ("{bool}", "INTEGER"),
            ("{int}", "INTEGER"),
            ("{false}", "0"),
            ("{first_instance}", "x'019c0000000070008000000000000001'"),
        ]
    } else {
        [
            ("{id}", "uuid"),
            ("{time}", "timestamptz"),
            ("{json}", "jsonb"),
            ("{bytes}", "bytea"),
            ("{bool}", "boolean"),
            ("{int}", "bigint"),
            ("{false}", "false"),
            ("{first_instance}", "'019c0000-0000-7000-8000-000000000001'"),
        ]
    };
    let mut spelled = types.iter().fold(sql.to_owned(), |text, (word, name)| text.replace(word, name));
    if backend == DbBackend::Sqlite {
        spelled =
            spelled.replace("\n);\nCREATE", "\n) STRICT;\nCREATE").replace("\n);\n\n", "\n) STRICT;\n\n");
        if spelled.ends_with("\n);\n") {
            spelled.truncate(spelled.len() - 4);
            spelled.push_str("\n) STRICT;\n");
        }
    }
    spelled
}

/// Runs `sql` in the spelling of the store behind `manager`.
async fn run(manager: &SchemaManager<'_>, sql: &str) -> Result<(), DbErr> {
    let connection = manager.get_connection();
    let spelled = spell(manager.get_database_backend(), sql);
    connection.execute_unprepared(&spelled).await?;
    Ok(())
}
