//! A store as a version before left it: the schema up to a migration, and rows in it.

use std::collections::BTreeMap;

use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, DbBackend, QueryResult, Statement, Value};
use sea_orm_migration::MigratorTrait as _;
use tests::{Store, TestApp};

use super::rows::*;

/// All rows of all tables, each column in the store's own spelling.
pub(super) type Everything = BTreeMap<String, Vec<BTreeMap<String, String>>>;

/// A store, and a way past its walls.
pub(super) struct Before {
    pub(super) store: Store,
    connection: DatabaseConnection,
}

impl Before {
    /// A store with every migration before this one, by the owner of the schema as in an installation.
    pub(super) async fn of(named: &str) -> Self {
        let store = Store::empty().await;
        let owner = match store.superuser_url {
            Some(_) => store.migration_url.clone(),
            None => format!("{}?mode=rwc", store.url),
        };
        let all = migration::Migrator::migrations();
        let before = all.iter().position(|one| one.name() == named).expect("a migration of this name");
        let connection = Database::connect(&owner).await.expect("the store opens");
        let before = u32::try_from(before).expect("a few");
        migration::Migrator::up(&connection, Some(before)).await.expect("the version before");
        connection.close().await.expect("closed");
        let writer = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
        let connection = Database::connect(&writer).await.expect("the store opens");
        Self { store, connection }
    }

    /// With two tenants, acme and beta, their organizations and quotas.
    pub(super) async fn with_tenants(named: &str) -> Self {
        let before = Self::of(named).await;
        for ((tenant, _), slug) in [(ACME, "acme"), (BETA, "beta")] {
            let row = vec![
                ("id", tenant.into()),
                ("slug", slug.into()),
                ("name", slug.into()),
                ("plan", "pro".into()),
                ("isolation", "shared".into()),
                ("status", "active".into()),
                ("identity_backend", "builtin".into()),
                ("identity_kind", "org".into()),
                ("identity_external_id", format!("org_{slug}").into()),
                ("instance_driver", "pool".into()),
                ("instance_mode", "shared".into()),
            ];
            before.insert("tenant", with(row, made(days_ago(40)))).await;
            for resource in ["users", "admins", "nodes", "groups", "connections"] {
                let row = vec![
                    ("tenant_id", tenant.into()),
                    ("resource", resource.into()),
                    ("limit_value", 50_i64.into()),
                    ("used", 10_i64.into()),
                    ("updated_at", days_ago(40).into()),
                ];
                before.insert("quota", row).await;
            }
        }
        for ((tenant, organization), slug) in [(ACME, "default"), (EMEA, "emea"), (BETA, "default")] {
            let row = vec![
                ("tenant_id", tenant.into()),
                ("id", organization.into()),
                ("slug", slug.into()),
                ("name", slug.into()),
            ];
            before.insert("organization", with(row, made(days_ago(40)))).await;
        }
        before
    }

    pub(super) fn is_postgres(&self) -> bool {
        self.connection.get_database_backend() == DbBackend::Postgres
    }

    fn statement(&self, sql: &str, values: Vec<Value>) -> Statement {
        Statement::from_sql_and_values(self.connection.get_database_backend(), sql, values)
    }

    pub(super) async fn insert(&self, table: &str, row: Row) {
        let (columns, values): (Vec<&str>, Vec<Value>) = row.into_iter().unzip();
        let places: Vec<String> = (1..=values.len()).map(|at| format!("${at}")).collect();
        let sql = format!("INSERT INTO {table} ({}) VALUES ({})", columns.join(", "), places.join(", "));
        let done = self.connection.execute_raw(self.statement(&sql, values)).await;
        done.unwrap_or_else(|error| panic!("{sql}: {error}"));
    }

    /// Somebody, with their address.
    pub(super) async fn user(&self, row: Row) {
        let value = |name: &str| {
            row.iter().find(|(one, _)| *one == name).map(|(_, value)| value.clone()).expect("a column")
        };
        let email = vec![
            ("tenant_id", value("tenant_id")),
            ("organization_id", value("organization_id")),
            ("user_id", value("id")),
            ("ordinal", 0_i64.into()),
            ("value_key", value("user_name_key")),
        ];
        self.insert("directory_user", row).await;
        self.insert("directory_user_email", email).await;
    }

    /// Whether the store takes this statement.
    pub(super) async fn takes(&self, sql: &str) -> bool {
        self.connection.execute_unprepared(sql).await.is_ok()
    }

    pub(super) async fn ask(&self, sql: &str, values: Vec<Value>) -> Vec<QueryResult> {
        let rows = self.connection.query_all_raw(self.statement(sql, values)).await;
        rows.unwrap_or_else(|error| panic!("{sql}: {error}"))
    }

    /// The first column of each row, which is a text.
    pub(super) async fn texts(&self, sql: &str, values: Vec<Value>) -> Vec<String> {
        let text = |row: &QueryResult| row.try_get_by_index::<String>(0).expect("a text");
        self.ask(sql, values).await.iter().map(text).collect()
    }

    /// As whom links stand in the store: issuer and subject, in order.
    pub(super) async fn links(&self, user: u128) -> Vec<(String, String)> {
        let sql = "SELECT issuer, subject FROM user_identity WHERE user_id = $1 ORDER BY issuer, subject";
        let text = |row: &QueryResult, at| row.try_get_by_index::<String>(at).expect("a text");
        self.ask(sql, vec![id(user).into()]).await.iter().map(|row| (text(row, 0), text(row, 1))).collect()
    }

    /// Brings the schema up to date as `tenantry migrate up` does; answers what was applied.
    pub(super) async fn upgrade(&self) -> Vec<String> {
        let mut config = tenantry::config::load(None, []).expect("the defaults").database;
        config.url = self.store.url.clone();
        config.migration_url = self.store.migration_url.clone();
        let applied = platform::db::migrate(&config, self.store.directory.path()).await;
        applied.expect("the schema is brought up to date")
    }

    /// The service on this store; it brings the schema up to date when it starts.
    pub(super) async fn start(&self) -> TestApp {
        TestApp::with(|config| {
            config.data.dir = self.store.directory.path().to_owned();
            config.database.url = self.store.url.clone();
            config.database.migration_url = self.store.migration_url.clone();
            config.rate_limit.enabled = false;
        })
        .await
    }

    pub(super) async fn everything(&self) -> Everything {
        let (tables, columns) = match self.is_postgres() {
            true => (
                "SELECT table_name::text FROM information_schema.tables WHERE table_schema = 'public' AND table_type = 'BASE TABLE'",
                "SELECT column_name::text FROM information_schema.columns WHERE table_schema = 'public' AND table_name = $1",
            ),
            false => (
                "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
                "SELECT name FROM pragma_table_info($1)",
            ),
        };
        let mut everything = Everything::new();
        for table in self.texts(tables, Vec::new()).await {
            let columns = self.texts(columns, vec![table.as_str().into()]).await;
            let spelled = |name: &String| match self.is_postgres() {
                true => format!("COALESCE(CAST(\"{name}\" AS TEXT), 'NULL')"),
                false => format!("quote(\"{name}\")"),
            };
            let spelled: Vec<String> = columns.iter().map(spelled).collect();
            let sql = format!("SELECT {} FROM \"{table}\"", spelled.join(", "));
            let text = |row: &QueryResult, at| row.try_get_by_index::<String>(at).expect("a text");
            let row = |row: QueryResult| {
                columns.iter().enumerate().map(|(at, name)| (name.clone(), text(&row, at))).collect()
            };
            let mut rows: Vec<BTreeMap<String, String>> =
                self.ask(&sql, Vec::new()).await.into_iter().map(row).collect();
            rows.sort();
            everything.insert(table, rows);
        }
        everything
    }
}
