//! A store of one test's own.

use std::sync::OnceLock;

use sqlx::{Connection as _, Executor as _, PgConnection, SqliteConnection};
use tempfile::TempDir;

/// The advisory lock under which databases are made from the template: it must have no other connection meanwhile.
const LOCK: &str = "SELECT pg_advisory_lock(20261121)";
const OWNER: &str = "tenantry_test_owner";
const LOGIN: &str = "tenantry_test_login";

/// A store, thrown away with the test.
pub struct Store {
    pub directory: TempDir,
    pub url: String,
    pub migration_url: String,
    /// The superuser's URL of this database, for tests that look behind the service's back.
    pub superuser_url: Option<String>,
}

/// The Postgres that tests run on, if they do.
pub fn on_postgres() -> Option<String> {
    std::env::var("TENANTRY_TEST_DB").ok().filter(|url| !url.is_empty())
}

impl Store {
    pub async fn new() -> Self {
        Self::made(true).await
    }

    /// A store without any schema yet.
    pub async fn empty() -> Self {
        Self::made(false).await
    }

    /// Whether its commits wait for the disk; those of the stories' Postgres don't.
    pub async fn is_durable(&self) -> bool {
        let Some(url) = &self.superuser_url else { return true };
        let mut connection = PgConnection::connect(url).await.expect("Postgres answers");
        let fsync: String =
            sqlx::query_scalar("SHOW fsync").fetch_one(&mut connection).await.expect("a setting");
        connection.close().await.expect("closed");
        fsync == "on"
    }

    async fn made(migrated: bool) -> Self {
        let directory = owners_directory().expect("a directory");
        let Some(admin) = on_postgres() else {
            let url = format!("sqlite:{}", directory.path().join("tenantry.db").display());
            return Self { directory, url, migration_url: String::new(), superuser_url: None };
        };
        let template = template(&admin).await;
        let name = format!("tenantry_{}", platform::ids::new().simple());
        let mut connection = PgConnection::connect(&admin).await.expect("Postgres answers");
        connection.execute(LOCK).await.expect("a lock");
        let from = if migrated { template.as_str() } else { "template0" };
        let sql = format!("CREATE DATABASE {name} TEMPLATE {from} OWNER {OWNER} STRATEGY FILE_COPY");
        connection.execute(sqlx::AssertSqlSafe(sql)).await.expect("a database");
        connection.close().await.expect("closed");
        let on = |user: &str| with(&admin, Some(user), &name);
        Self {
            directory,
            url: on(LOGIN),
            migration_url: on(OWNER),
            superuser_url: Some(with(&admin, None, &name)),
        }
    }
}

/// A directory that nobody else can open: others are warned of.
fn owners_directory() -> std::io::Result<TempDir> {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new().permissions(std::fs::Permissions::from_mode(0o700)).tempdir()
}

impl Drop for Store {
    fn drop(&mut self) {
        let (Some(url), Some(admin)) = (self.superuser_url.take(), on_postgres()) else { return };
        // The databases of a run would fill a small disk; the thread has its own runtime, drop has none.
        let name = url.rsplit('/').next().unwrap_or_default().to_owned();
        let _ = std::thread::spawn(move || {
            let runtime =
                tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(async {
                if let Ok(mut connection) = PgConnection::connect(&admin).await {
                    let sql = format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)");
                    let _ = connection.execute(sqlx::AssertSqlSafe(sql)).await;
                }
            });
        })
        .join();
    }
}

impl Store {
    /// Lets Postgres count its rows, as its autovacuum would in a minute. SQLite plans without.
    pub async fn analyze(&self) {
        let Some(url) = &self.superuser_url else { return };
        let mut connection = PgConnection::connect(url).await.expect("Postgres answers");
        connection.execute("ANALYZE").await.expect("analyzed");
        connection.close().await.expect("closed");
    }
}

fn with(admin: &str, user: Option<&str>, database: &str) -> String {
    let (scheme, rest) = admin.split_once("://").expect("a URL");
    let (superuser, place) = rest.split_once('@').expect("a user");
    let host = place.split('/').next().expect("a host");
    format!("{scheme}://{}@{host}/{database}", user.unwrap_or(superuser))
}

/// A migrated database, made once a process.
async fn template(admin: &str) -> String {
    static NAME: OnceLock<String> = OnceLock::new();
    static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    let _one = MAKING.lock().await;
    if let Some(name) = NAME.get() {
        return name.clone();
    }
    let name = format!("tenantry_template_{}", std::process::id());
    let mut connection = PgConnection::connect(admin).await.expect("Postgres answers");
    connection.execute(LOCK).await.expect("a lock");
    let make = |role: &str, what: &str| {
        format!(
            "DO $$ BEGIN CREATE ROLE {role} LOGIN {what}; EXCEPTION WHEN duplicate_object THEN NULL; END $$"
        )
    };
    for sql in [
        make(OWNER, "CREATEROLE"),
        make(LOGIN, ""),
        format!("DROP DATABASE IF EXISTS {name} WITH (FORCE)"),
        format!("CREATE DATABASE {name} OWNER {OWNER}"),
    ] {
        connection.execute(sqlx::AssertSqlSafe(sql)).await.expect("prepared");
    }
    let mut config = tenantry::config::load(None, []).expect("the defaults").database;
    config.url = with(admin, Some(OWNER), &name);
    platform::db::migrate(&config, std::path::Path::new(".")).await.expect("migrated");
    let grant = format!("GRANT tenantry_app, tenantry_platform TO {LOGIN}");
    connection.execute(sqlx::AssertSqlSafe(grant)).await.expect("granted");
    connection.close().await.expect("closed");
    NAME.get_or_init(|| name).clone()
}

/// A job that is dead, or that still runs: its kind, its state, and how it failed.
pub(crate) type LeftOverJob = (String, String, Option<String>);

/// The jobs that are dead or still run, in the store at a URL, whose service has stopped.
pub(crate) async fn left_over_jobs(url: &str) -> Vec<LeftOverJob> {
    let sql =
        "SELECT kind, status, last_error FROM job WHERE status IN ('dead', 'running') ORDER BY created_at";
    // The service's own login sees no rows of tenants.
    match on_postgres().filter(|_| !url.starts_with("sqlite")) {
        Some(admin) => {
            let url = with(&admin, None, url.rsplit('/').next().unwrap_or_default());
            let mut connection = PgConnection::connect(&url).await.expect("Postgres answers");
            let found = sqlx::query_as(sql).fetch_all(&mut connection).await.expect("jobs");
            connection.close().await.expect("closed");
            found
        }
        None => {
            let mut connection = SqliteConnection::connect(url).await.expect("the file opens");
            let found = sqlx::query_as(sql).fetch_all(&mut connection).await.expect("jobs");
            connection.close().await.expect("closed");
            found
        }
    }
}

/// Everything in the store, as text: what somebody sees who steals it.
pub async fn dump(store: &Store) -> String {
    match &store.superuser_url {
        Some(url) => {
            let output = std::process::Command::new("pg_dump").arg(url).output().expect("pg_dump is there");
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        }
        None => {
            let mut text = String::new();
            for name in ["tenantry.db", "tenantry.db-wal"] {
                let bytes = std::fs::read(store.directory.path().join(name)).unwrap_or_default();
                text.push_str(&String::from_utf8_lossy(&bytes));
            }
            assert!(text.contains("acme"), "the dump holds what is stored");
            text
        }
    }
}
