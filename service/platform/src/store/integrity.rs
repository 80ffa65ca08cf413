//! Corrupt pages, looked for before somebody needs them.
//!
//! SQLite tells of a damaged page only to whoever reads it. A slice a minute runs `quick_check` over one table, on a connection of
//! its own that holds up neither the writer nor the readers' pool; once a week the slices are `integrity_check`, which compares
//! indexes with rows as well. Postgres checks its pages itself if the cluster was made with data checksums: there its counter of
//! failures is read.

use sea_orm::DbBackend;
use sqlx::{ConnectOptions as _, Connection as _, Row as _, SqliteConnection};

use super::connection::opening;
use super::open;
use crate::db::Db;
use crate::{DbError, Timestamp};

/// Between two whole checks of SQLite, in days.
const WHOLE_CHECK_DAYS: i64 = 7;
/// Characters of a finding that are retained.
const FINDING_MAX: usize = 500;

/// What the checks found.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Integrity {
    /// Nothing is damaged, as far as was looked.
    #[default]
    Sound,
    /// Something is: what the database says of it.
    Corrupt(String),
}

/// Which tables the current round still has to look at.
#[derive(Debug, Default)]
pub(crate) struct Round {
    waiting: Vec<String>,
    whole: bool,
}

impl Db {
    /// Looks at the next table; begins a new round after the last one.
    ///
    /// # Errors
    /// [`DbError`] if the store can't be asked; what is damaged isn't an error but a finding.
    pub async fn check_slice(&self) -> Result<(), DbError> {
        match self.file() {
            Some(url) => self.check_table(&url).await,
            None => self.read_checksum_failures().await,
        }
    }

    async fn check_table(&self, url: &str) -> Result<(), DbError> {
        let options = open::sqlite_options(url)?.create_if_missing(false).read_only(true);
        let mut connection = options.connect().await.map_err(opening)?;
        let checked = self.check_next(&mut connection).await;
        let _ = connection.close().await;
        checked
    }

    async fn check_next(&self, connection: &mut SqliteConnection) -> Result<(), DbError> {
        let mut round = self.round().lock().await;
        let Some(table) = round.waiting.pop() else {
            let whole_is_due = self
                .last_whole_check()
                .await?
                .is_none_or(|last| (self.clock().now() - last).num_days() >= WHOLE_CHECK_DAYS);
            let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name DESC";
            let names = sqlx::query(sql).fetch_all(&mut *connection).await.map_err(opening)?;
            let names: Result<Vec<String>, _> = names.iter().map(|row| row.try_get(0)).collect();
            *round = Round { waiting: names.map_err(opening)?, whole: whole_is_due };
            return Ok(());
        };
        let pragma = if round.whole { "integrity_check" } else { "quick_check" };
        let sql = format!("PRAGMA {pragma}('{}')", table.replace('\'', "''"));
        let found = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(&mut *connection).await;
        let found: Vec<String> = match found {
            Ok(rows) => rows.iter().filter_map(|row| row.try_get(0).ok()).collect(),
            // So damaged that the check itself can't go on.
            Err(error) => vec![error.to_string()],
        };
        if found != ["ok"] {
            let finding: String = found.join("; ").chars().take(FINDING_MAX).collect();
            tracing::error!(table, %finding, "the store is damaged: restore a backup");
            self.found(Integrity::Corrupt(format!("{table}: {finding}")));
        }
        if round.whole && round.waiting.is_empty() {
            self.note_whole_check().await?;
        }
        Ok(())
    }

    async fn read_checksum_failures(&self) -> Result<(), DbError> {
        let sql = "SELECT COALESCE(checksum_failures, 0)::bigint AS failures FROM pg_stat_database \
                   WHERE datname = current_database()";
        let row = self.ask(sql).await?;
        let failures: i64 = row.map(|row| row.try_get("", "failures")).transpose()?.unwrap_or(0);
        if failures > 0 {
            tracing::error!(failures, "pages of the store failed their checksums: restore a backup");
            self.found(Integrity::Corrupt(format!("{failures} pages failed their checksums")));
        }
        Ok(())
    }

    async fn last_whole_check(&self) -> Result<Option<Timestamp>, DbError> {
        let row = self.ask("SELECT checked_at FROM store_state WHERE id = 1").await?;
        Ok(row.map(|row| row.try_get("", "checked_at")).transpose()?.flatten())
    }

    async fn note_whole_check(&self) -> Result<(), DbError> {
        self.write_platform(&crate::Ctx::system("integrity"), async |tx| {
            crate::Work::housekeeping(tx);
            tx.execute("UPDATE store_state SET checked_at = $1 WHERE id = 1", vec![tx.now().into()]).await
        })
        .await
        .map(drop)
    }
}

/// Whether Postgres guards its pages: data checksums are chosen when a cluster is made. `None` on SQLite.
///
/// # Errors
/// [`DbError`] if the store can't be asked.
pub async fn has_data_checksums(db: &Db) -> Result<Option<bool>, DbError> {
    if db.backend() != DbBackend::Postgres {
        return Ok(None);
    }
    let row = db.ask("SELECT current_setting('data_checksums') = 'on' AS guarded").await?;
    Ok(row.map(|row| row.try_get("", "guarded")).transpose()?)
}
