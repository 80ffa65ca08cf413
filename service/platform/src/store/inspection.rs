//! What a store is before anybody trusts it: asked by a connection of its own that makes nothing and changes nothing.

use std::path::{Path, PathBuf};
use std::str::FromStr as _;
use std::time::Duration;

use sea_orm::{
    ConnectionTrait as _, DatabaseConnection, DbBackend, DbErr, QueryResult, SqlxPostgresConnector,
    SqlxSqliteConnector, Statement,
};
use sea_orm_migration::MigratorTrait as _;
use sqlx::postgres::{PgConnectOptions, PgPoolOptions};
use sqlx::sqlite::{SqliteConnectOptions, SqlitePoolOptions};
use sqlx::{ConnectOptions as _, Connection as _};
use tokio::time::timeout;
use uuid::Uuid;

use super::leftover;
use super::place::log_of;
use crate::config::Database;
use crate::crypto::{Envelope, open_lookup_key};
use crate::{DbError, Timestamp};

/// How long a store may take to answer all that is asked here.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);

/// What the store says of itself.
#[derive(Debug, Default)]
pub struct Inspection {
    /// How its schema stands to this binary's.
    pub schema: Schema,
    /// Something that only the right master key opens; `None`: nothing was ever sealed there.
    pub canary: Option<Canary>,
    /// When the newest of its records was written.
    pub newest: Option<Timestamp>,
}

/// How a store's schema stands to this binary's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Schema {
    /// There is no store yet, or nothing in it.
    #[default]
    Absent,
    /// Changes are missing: these.
    Behind(Vec<String>),
    /// It has all changes and no others.
    Current,
    /// A newer binary made these changes, which this one doesn't know.
    Newer(Vec<String>),
}

/// Something sealed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Canary {
    /// The lookup key.
    LookupKey(Vec<u8>),
    /// Values from before there was a lookup key: purpose, id, sealed bytes. A store may have been served under a wrong key
    /// for a while, so one that opens is enough.
    Older(Vec<(&'static str, Uuid, Vec<u8>)>),
}

impl Canary {
    /// Whether the master key behind `envelope` is the one that sealed it.
    pub fn opens(&self, envelope: &Envelope) -> bool {
        match self {
            Canary::LookupKey(sealed) => open_lookup_key(envelope, sealed).is_ok(),
            Canary::Older(values) => values
                .iter()
                .any(|(purpose, id, sealed)| envelope.open(purpose, id.as_bytes(), sealed).is_ok()),
        }
    }
}

/// Why a store can't be looked at, and what to do.
#[derive(Debug, thiserror::Error)]
pub enum InspectionError {
    /// Connected, or not even that, and then nothing.
    #[error(
        "Postgres at {0} does not answer within {seconds} s: is the server up, and does a firewall or a proxy in between swallow \
         the connection? Check database.url",
        seconds = ANSWER_TIMEOUT.as_secs()
    )]
    Silent(String),
    /// Nobody there.
    #[error("Postgres at {0} can't be reached ({1}): is the server up? Check database.url")]
    Unreachable(String, String),
    /// Somebody there, who refuses.
    #[error("Postgres at {0} refuses the login ({1}): check user, password and database in database.url")]
    Refused(String, String),
    /// The login isn't one that the service can work as.
    #[error(
        "the login of database.url may not act as {0} ({1}): as the schema's owner run `GRANT tenantry_app, \
         tenantry_platform TO` that login"
    )]
    NotAMember(&'static str, String),
    /// Anything else.
    #[error("the store can't be read: {}", crate::error::explain(.0))]
    Store(DbError),
}

impl From<DbError> for InspectionError {
    // No `source`: its text is in this one's already.
    fn from(error: DbError) -> Self {
        InspectionError::Store(error)
    }
}

impl From<DbErr> for InspectionError {
    fn from(error: DbErr) -> Self {
        InspectionError::Store(error.into())
    }
}

/// The file of the embedded store; `None` on Postgres.
///
/// # Errors
/// [`InspectionError::Store`] if the URL names none.
pub fn sqlite_file(config: &Database, data_dir: &Path) -> Result<Option<PathBuf>, InspectionError> {
    if config.is_postgres() {
        return Ok(None);
    }
    let options = SqliteConnectOptions::from_str(&config.url_or_default(data_dir)).map_err(broken)?;
    Ok(Some(options.get_filename().to_owned()))
}

fn broken(error: sqlx::Error) -> InspectionError {
    DbErr::Conn(sea_orm::RuntimeErr::SqlxError(error.into())).into()
}

/// Looks at the store that `config` names.
///
/// # Errors
/// [`InspectionError`], which says what to do.
pub async fn inspect(config: &Database, data_dir: &Path) -> Result<Inspection, InspectionError> {
    let connection = match sqlite_file(config, data_dir)? {
        Some(file) if !file.exists() => {
            leftover::check(&file).map_err(|leftover| broken(leftover.into()))?;
            return Ok(Inspection::default());
        }
        Some(file) => Asked(sqlite(&file).await?, DbBackend::Sqlite),
        None => Asked(postgres(config).await?, DbBackend::Postgres),
    };
    let inspected = timeout(ANSWER_TIMEOUT, connection.inspect()).await;
    let _ = timeout(ANSWER_TIMEOUT, connection.0.close()).await;
    inspected.map_err(|_| InspectionError::Silent(place(config)))?
}

/// Without a log to read beside it the file is opened as one that nobody changes: then not even a lock file is made.
async fn sqlite(file: &Path) -> Result<DatabaseConnection, InspectionError> {
    let has_log = std::fs::metadata(log_of(file)).is_ok_and(|log| log.len() > 0);
    let options = SqliteConnectOptions::new().filename(file).read_only(true).immutable(!has_log);
    let pool = SqlitePoolOptions::new().max_connections(1).connect_with(options).await.map_err(broken)?;
    Ok(SqlxSqliteConnector::from_sqlx_sqlite_pool(pool))
}

/// Where a Postgres is, without the password.
fn place(config: &Database) -> String {
    let options = PgConnectOptions::from_str(&config.url);
    options.map_or_else(|_| "?".to_owned(), |url| format!("{}:{}", url.get_host(), url.get_port()))
}

/// Asked once by a bare connection: a pool would go on trying.
async fn postgres(config: &Database) -> Result<DatabaseConnection, InspectionError> {
    let options = PgConnectOptions::from_str(&config.url).map_err(broken)?.application_name("tenantry");
    let connected = timeout(ANSWER_TIMEOUT, options.connect()).await;
    match connected.map_err(|_| InspectionError::Silent(place(config)))? {
        Ok(connection) => drop(timeout(ANSWER_TIMEOUT, connection.close()).await),
        Err(sqlx::Error::Database(error)) => {
            return Err(InspectionError::Refused(place(config), error.message().to_owned()));
        }
        Err(error) => return Err(InspectionError::Unreachable(place(config), error.to_string())),
    }
    let pool = PgPoolOptions::new().max_connections(1).acquire_timeout(ANSWER_TIMEOUT);
    let pool = pool.connect_with(options).await.map_err(broken)?;
    Ok(SqlxPostgresConnector::from_sqlx_postgres_pool(pool))
}

struct Asked(DatabaseConnection, DbBackend);

impl Asked {
    async fn rows(&self, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
        self.0.query_all_raw(Statement::from_string(self.1, sql)).await
    }

    /// The rows; none if this schema doesn't have the table or column yet.
    async fn rows_if_there(&self, sql: &str) -> Result<Vec<QueryResult>, DbErr> {
        match self.rows(sql).await {
            Err(error) => {
                let text = error.to_string();
                let missing = ["no such table", "no such column", "does not exist"];
                if missing.iter().any(|one| text.contains(one)) { Ok(Vec::new()) } else { Err(error) }
            }
            rows => rows,
        }
    }

    async fn inspect(&self) -> Result<Inspection, InspectionError> {
        let there = match self.1 {
            DbBackend::Sqlite => {
                "SELECT 1 FROM sqlite_master WHERE type = 'table' AND name = 'seaql_migrations'"
            }
            // The first change grants it to the roles: without that, a first start was interrupted before its end.
            _ => {
                "SELECT 1 FROM pg_class, aclexplode(relacl) AS one \
                 WHERE pg_class.oid = to_regclass('seaql_migrations') AND one.privilege_type = 'SELECT' \
                 AND one.grantee = to_regrole('tenantry_platform')"
            }
        };
        if self.rows(there).await?.is_empty() {
            return Ok(Inspection::default());
        }
        if self.1 == DbBackend::Postgres {
            let role = migration::postgres::PLATFORM_ROLE;
            let put_on = self.0.execute_unprepared(&format!("SET ROLE {role}")).await;
            put_on.map_err(|error| InspectionError::NotAMember(role, error.to_string()))?;
        }
        let schema = self.schema().await?;
        if schema == Schema::Absent {
            return Ok(Inspection::default());
        }
        Ok(Inspection { schema, canary: self.canary().await?, newest: self.newest().await? })
    }

    async fn schema(&self) -> Result<Schema, InspectionError> {
        let rows = self.rows("SELECT version FROM seaql_migrations ORDER BY version").await?;
        let seen: Vec<String> =
            rows.iter().map(|row| row.try_get("", "version")).collect::<Result<_, _>>()?;
        Ok(compare(known_migrations(), seen))
    }

    async fn canary(&self) -> Result<Option<Canary>, InspectionError> {
        let rows = self.rows_if_there("SELECT sealed_key FROM lookup_key").await?;
        if let Some(row) = rows.first() {
            return Ok(Some(Canary::LookupKey(row.try_get("", "sealed_key")?)));
        }
        let mut older = Vec::new();
        for (table, column, purpose) in [
            ("signing_key", "private_key", "signing_key"),
            ("module", "webhook_secret", "module"),
            ("webhook_endpoint", "secret", "webhook_endpoint"),
            ("connection", "client_secret", "connection"),
            ("connection_key", "private_key", "connection_key"),
            ("mail_message", "content", "mail"),
        ] {
            let sql = format!(
                "SELECT id, {column} AS sealed FROM {table} WHERE length({column}) > 0 ORDER BY id LIMIT 1"
            );
            for row in self.rows_if_there(&sql).await? {
                older.push((purpose, row.try_get("", "id")?, row.try_get("", "sealed")?));
            }
        }
        Ok((!older.is_empty()).then_some(Canary::Older(older)))
    }

    /// By the keys, which sort by time: no table is read through.
    async fn newest(&self) -> Result<Option<Timestamp>, InspectionError> {
        let mut newest = None;
        for (table, column) in
            [("audit_event", "occurred_at"), ("outbox_event", "occurred_at"), ("job", "created_at")]
        {
            let sql = format!("SELECT {column} AS at FROM {table} ORDER BY id DESC LIMIT 1");
            for row in self.rows_if_there(&sql).await? {
                newest = newest.max(Some(row.try_get::<Timestamp>("", "at")?));
            }
        }
        Ok(newest)
    }
}

/// The schema changes that this binary knows, in their order.
pub fn known_migrations() -> Vec<String> {
    migration::Migrator::migrations().iter().map(|one| one.name().to_owned()).collect()
}

/// What this binary knows against what the store has seen.
fn compare(known: Vec<String>, seen: Vec<String>) -> Schema {
    if seen.is_empty() {
        return Schema::Absent;
    }
    let newer: Vec<String> = seen.iter().filter(|name| !known.contains(name)).cloned().collect();
    if !newer.is_empty() {
        return Schema::Newer(newer);
    }
    let behind: Vec<String> = known.into_iter().filter(|name| !seen.contains(name)).collect();
    if behind.is_empty() { Schema::Current } else { Schema::Behind(behind) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_schema_is_absent_behind_current_or_newer() {
        let names = |text: &str| text.split_whitespace().map(ToOwned::to_owned).collect::<Vec<_>>();
        for (known, seen, schema) in [
            ("a b", "", Schema::Absent),
            ("a b", "a", Schema::Behind(names("b"))),
            ("a b", "a b", Schema::Current),
            ("a b", "a b c", Schema::Newer(names("c"))),
            ("a b", "a c", Schema::Newer(names("c"))),
        ] {
            assert_eq!(compare(names(known), names(seen)), schema, "{known} / {seen}");
        }
    }
}
