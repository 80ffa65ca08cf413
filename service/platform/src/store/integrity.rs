//! Corrupt pages, looked for before somebody needs them.
//!
//! SQLite tells of a damaged page only to whoever reads it. A slice a minute runs `quick_check` over one table, on a connection of
//! its own that holds up neither the writer nor the readers' pool; once a week the slices are `integrity_check`, which compares
//! indexes with rows as well. Postgres checks its pages itself if the cluster was made with data checksums: there its counter of
//! failures is read.

use sea_orm::DbBackend;
use sqlx::{Connection as _, Row as _, SqliteConnection};

use super::connection::opening;
use super::crash;
use super::fault::{Kind, Remedy};
use super::findings::{Depth, Round};
use super::opener::Opener;
use crate::db::Db;
use crate::{DbError, Timestamp};

pub use super::findings::Integrity;

/// Between two whole checks of SQLite, in days.
const WHOLE_CHECK_DAYS: i64 = 7;
/// Characters of a finding that are retained.
const FINDING_MAX: usize = 500;

/// Under what Postgres' failed checksums are retained; SQLite's findings are by table.
const CHECKSUMS: &str = "checksums";

impl Db {
    /// Looks at the next table; begins a new round after the last one.
    ///
    /// # Errors
    /// [`DbError`] if the store can't be asked; what is damaged isn't an error but a finding.
    pub async fn check_slice(&self) -> Result<(), DbError> {
        self.see_files().await?;
        match self.opener() {
            Some(opener) => self.check_table(opener).await,
            None => self.read_checksum_failures().await,
        }
    }

    /// Looks at all pages of all tables at once, where SQLite is the store: somebody waits for the answer.
    ///
    /// # Errors
    /// [`DbError`] if the store can't be asked.
    pub async fn check_whole(&self) -> Result<Integrity, DbError> {
        self.see_files().await?;
        let Some(opener) = self.opener() else {
            self.read_checksum_failures().await?;
            return Ok(self.integrity());
        };
        self.check_all(opener).await?;
        Ok(self.integrity())
    }

    async fn check_all(&self, opener: &Opener) -> Result<(), DbError> {
        for table in on(opener, async |connection| tables(connection).await).await? {
            let finding = check_pages_twice(opener, &table, Depth::Quick).await?;
            self.findings().report(&table, Depth::Quick, finding);
        }
        Ok(())
    }

    async fn check_table(&self, opener: &Opener) -> Result<(), DbError> {
        if self.findings().take_suspicion() {
            if let Err(error) = self.check_all(opener).await {
                self.findings().suspect();
                return Err(error);
            }
            if let Integrity::Corrupt(finding) = self.integrity() {
                tracing::error!(finding, "{}", Remedy::RestoreBackup);
            }
        }
        self.check_next(opener).await
    }

    async fn check_next(&self, opener: &Opener) -> Result<(), DbError> {
        let mut round = self.round().lock().await;
        let Some(table) = round.waiting.pop() else {
            let whole_is_due = self
                .last_whole_check()
                .await?
                .is_none_or(|last| (self.clock().now() - last).num_days() >= WHOLE_CHECK_DAYS);
            let depth = if whole_is_due { Depth::Whole } else { Depth::Quick };
            *round = Round { waiting: on(opener, async |connection| tables(connection).await).await?, depth };
            return Ok(());
        };
        let finding = match check_pages_twice(opener, &table, round.depth).await {
            Ok(finding) => finding,
            Err(error) => {
                round.waiting.push(table);
                return Err(error);
            }
        };
        if let Some(finding) = &finding {
            tracing::error!(table, %finding, "{}", Remedy::RestoreBackup);
        }
        self.findings().report(&table, round.depth, finding);
        if round.depth == Depth::Whole && round.waiting.is_empty() {
            self.record_whole_check().await?;
        }
        Ok(())
    }

    async fn read_checksum_failures(&self) -> Result<(), DbError> {
        let sql = "SELECT COALESCE(checksum_failures, 0)::bigint AS failures FROM pg_stat_database \
                   WHERE datname = current_database()";
        let row = self.ask(sql).await?;
        let failures: i64 = row.map(|row| row.try_get("", "failures")).transpose()?.unwrap_or(0);
        let finding = (failures > 0).then(|| format!("{failures} pages failed"));
        if finding.is_some() {
            tracing::error!(failures, "{}", Remedy::RestoreBackup);
        }
        self.findings().report(CHECKSUMS, Depth::Quick, finding);
        Ok(())
    }

    async fn last_whole_check(&self) -> Result<Option<Timestamp>, DbError> {
        let row = self.ask("SELECT checked_at FROM store_state WHERE id = 1").await?;
        Ok(row.map(|row| row.try_get("", "checked_at")).transpose()?.flatten())
    }

    async fn record_whole_check(&self) -> Result<(), DbError> {
        self.write_platform(&crate::Ctx::system("integrity"), async |tx| {
            crate::Work::housekeeping(tx);
            tx.execute(&SET_CHECKED_AT, vec![tx.now().into()]).await
        })
        .await
        .map(drop)
    }
}

const SET_CHECKED_AT: crate::CrossTenantStatement =
    crate::CrossTenantStatement::new("UPDATE store_state SET checked_at = $1 WHERE id = 1");

/// Asks on a connection of its own.
async fn on<T>(
    opener: &Opener,
    ask: impl AsyncFnOnce(&mut SqliteConnection) -> Result<T, DbError>,
) -> Result<T, DbError> {
    let mut connection = opener.reader().await.map_err(opening)?;
    let answer = ask(&mut connection).await;
    let _ = connection.close().await;
    answer
}

/// What the check of one table finds, and finds again on another connection: without memory SQLite takes a sound page for a damaged one.
///
/// # Errors
/// As for [`check_pages`].
async fn check_pages_twice(opener: &Opener, table: &str, depth: Depth) -> Result<Option<String>, DbError> {
    let check = || on(opener, async |connection| check_pages(connection, table, depth).await);
    match check().await? {
        None => Ok(None),
        Some(_) => check().await,
    }
}

/// The names of all tables, the last first.
async fn tables(connection: &mut SqliteConnection) -> Result<Vec<String>, DbError> {
    let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' ORDER BY name DESC";
    let names = sqlx::query(sql).fetch_all(connection).await.map_err(opening)?;
    let names: Result<Vec<String>, _> = names.iter().map(|row| row.try_get(0)).collect();
    names.map_err(opening)
}

/// What the check of one table finds; `None` if it is sound.
///
/// # Errors
/// [`DbError`] where the check could not be made: then nothing is known of the table.
async fn check_pages(
    connection: &mut SqliteConnection,
    table: &str,
    depth: Depth,
) -> Result<Option<String>, DbError> {
    let sql = format!("PRAGMA {}('{}')", depth.pragma(), table.replace('\'', "''"));
    let checked = sqlx::query(sqlx::AssertSqlSafe(sql)).fetch_all(connection);
    let found: Vec<String> = match crash::unless_one_dies(checked).await {
        Ok(rows) => rows.iter().filter_map(|row| row.try_get(0).ok()).collect(),
        // So damaged that the check itself can't go on.
        Err(error) if Kind::of(&error) == Kind::Damaged => vec![error.to_string()],
        Err(error) => return Err(opening(error)),
    };
    if found == ["ok"] {
        return Ok(None);
    }
    Ok(Some(found.join("; ").chars().take(FINDING_MAX).collect()))
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
