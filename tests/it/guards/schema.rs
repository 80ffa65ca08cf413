//! The store's own walls, read from its catalogue: a new table can't be forgotten.

use platform::Work as _;
use platform::retention::{End, Retained};
use sqlx::{Connection as _, Executor as _, PgConnection, Row as _, SqliteConnection};
use tests::{Store, TestApp};

/// Tables of the platform that hold nothing of a tenant.
const WITHOUT_TENANT: [&str; 9] = [
    "deployment",
    "flag",
    "instance",
    "issuer",
    "module",
    "plan",
    "quota_resource",
    "seaql_migrations",
    "webhook_endpoint",
];
/// Tables that the platform role alone may touch.
const PLATFORM_ONLY: [&str; 12] = [
    "authorization_request",
    "ceremony",
    "event_sink",
    "inbox_event",
    "lookup_key",
    "mail_suppression",
    "operator",
    "operator_session",
    "outbox_state",
    "passkey",
    "store_state",
    "webhook_attempt",
];
/// Tables with a tenant that are not the tenant's own: its history, and what others keep about it.
const HISTORY: [&str; 8] = [
    "audit_event",
    "job",
    "management_key",
    "outbox_event",
    "signing_key",
    "tenant_run",
    "tenant_run_step",
    "webhook_delivery",
];

/// What goes with a tenant, and what is exported, is every table with a tenant but its history.
fn nothing_is_forgotten(mut with_tenant: Vec<String>) {
    with_tenant.retain(|table| !HISTORY.contains(&table.as_str()));
    with_tenant.sort();
    let mut owned: Vec<String> = provisioning::owned_tables().iter().map(ToString::to_string).collect();
    owned.sort();
    assert_eq!(owned, with_tenant, "entity::scope::OWNED_BY_TENANT");
}

/// Each table's owner says how long its rows stay, once; what belongs to something belongs to a table that there is.
fn each_says_how_long_its_rows_stay(mut tables: Vec<String>) {
    tables.sort();
    let all = tenantry::retained();
    let mut declared: Vec<&str> = all.iter().map(Retained::table).collect();
    declared.sort_unstable();
    assert_eq!(
        declared, tables,
        "`.retains(…)` in the `capability.rs` of the table's owner; ours: platform/src/tables.rs"
    );
    let owned = provisioning::owned_tables();
    for one in &all {
        for end in one.ends() {
            if let End::With(other) = end {
                assert!(declared.contains(other), "{} goes with {other}, which is no table", one.table());
                assert!(
                    *other != "tenant" || owned.contains(&one.table()),
                    "{} goes with no tenant",
                    one.table()
                );
            }
        }
    }
}

#[actix_web::test]
async fn every_sweep_is_a_statement_that_the_store_takes() {
    let app = TestApp::start().await;
    for table in tenantry::retained() {
        app.sweep(table.table()).await;
    }
    let beyond = async |tx: &mut platform::PlatformTx| {
        tx.housekeeping();
        platform::tables::remove_dead_beyond(tx).await
    };
    let service = &app.running.service;
    service.db.write_platform(&platform::Ctx::system("test"), beyond).await.expect("a sweep");
    app.stop().await;
}

#[actix_web::test]
async fn every_table_of_a_tenant_is_behind_a_wall() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    match app.store.superuser_url.clone() {
        Some(url) => postgres(&app.store, &url).await,
        None => sqlite(&app.store).await,
    }
    app.stop().await;
}

async fn names(connection: &mut PgConnection, sql: &'static str) -> Vec<String> {
    let rows = connection.fetch_all(sql).await.expect(sql);
    rows.into_iter().map(|row| row.get::<String, _>(0)).collect()
}

/// With the scope unset the app role sees no row of a tenant (that row-level security is forced everywhere: `roles.rs`);
/// no role of the service owns anything or may bypass.
async fn postgres(store: &Store, superuser: &str) {
    let mut admin = PgConnection::connect(superuser).await.unwrap();
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relkind IN ('r', 'p')";
    each_says_how_long_its_rows_stay(names(&mut admin, tables).await);
    let with_column = names(
        &mut admin,
        "SELECT table_name::text FROM information_schema.columns WHERE table_schema = 'public' AND column_name = 'tenant_id' ORDER BY 1",
    )
    .await;
    assert!(with_column.iter().all(|table| !WITHOUT_TENANT.contains(&table.as_str())));
    nothing_is_forgotten(with_column.clone());
    let strong = names(
        &mut admin,
        "SELECT rolname::text FROM pg_roles WHERE rolname IN ('tenantry_app', 'tenantry_platform', 'tenantry_test_login') \
         AND (rolsuper OR rolbypassrls OR rolcreaterole OR rolcreatedb)",
    )
    .await;
    assert!(strong.is_empty(), "{strong:?}");
    let owned = names(
        &mut admin,
        "SELECT relname::text FROM pg_class WHERE relnamespace = 'public'::regnamespace AND relowner IN \
         (SELECT oid FROM pg_roles WHERE rolname IN ('tenantry_app', 'tenantry_platform', 'tenantry_test_login'))",
    )
    .await;
    assert!(owned.is_empty(), "{owned:?}");
    let definers = names(
        &mut admin,
        "SELECT proname::text FROM pg_proc WHERE pronamespace = 'public'::regnamespace AND (NOT prosecdef OR proconfig IS NULL \
         OR has_function_privilege('public', oid, 'execute'))",
    )
    .await;
    assert!(
        definers.is_empty(),
        "look-ups must be definers with a search_path and not for everybody: {definers:?}"
    );
    let mut app = PgConnection::connect(&store.url).await.unwrap();
    app.execute("SET ROLE tenantry_app").await.unwrap();
    for scope in ["", "SET app.tenant_id = ''", "SET app.tenant_id = '01890a5d-ac96-774b-bcce-b302099a8057'"]
    {
        if !scope.is_empty() {
            app.execute(scope).await.unwrap();
        }
        for table in with_column.iter().map(String::as_str).chain(["tenant"]) {
            match app.fetch_one(sqlx::AssertSqlSafe(format!("SELECT count(*) FROM \"{table}\""))).await {
                Ok(row) => assert_eq!(row.get::<i64, _>(0), 0, "{table} with scope {scope:?}"),
                // Tables of the platform role alone.
                Err(error) => assert!(error.to_string().contains("permission denied"), "{table}: {error}"),
            }
        }
    }
    let foreign = "INSERT INTO organization (tenant_id, id, slug, name, version, created_at, updated_at) \
                   SELECT '01890a5d-ac96-774b-bcce-b302099a8058', '01890a5d-ac96-774b-bcce-b302099a8057', 'x', 'x', 1, now(), now()";
    assert!(app.execute(foreign).await.unwrap_err().to_string().contains("row-level security"));
    assert!(app.execute("TRUNCATE tenant CASCADE").await.is_err());
    assert!(
        app.execute("UPDATE audit_event SET action = 'x'")
            .await
            .unwrap_err()
            .to_string()
            .contains("permission denied")
    );
}

/// SQLite has no roles: there the keys stand. Every table with a tenant carries it in its primary key or is a queue of the
/// platform, every foreign key between such tables carries it, and all tables are strict.
async fn sqlite(store: &Store) {
    let mut connection = SqliteConnection::connect(&store.url).await.unwrap();
    let tables = connection.fetch_all("SELECT name, strict FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND name NOT LIKE 'sqlite%'").await.unwrap();
    let mut with_tenant = Vec::new();
    each_says_how_long_its_rows_stay(tables.iter().map(|table| table.get(0)).collect());
    for table in tables {
        let (name, strict): (String, bool) = (table.get(0), table.get(1));
        assert!(strict || name == "seaql_migrations", "{name} is not strict");
        let columns = connection
            .fetch_all(sqlx::AssertSqlSafe(format!("SELECT name, pk FROM pragma_table_info('{name}')")))
            .await
            .unwrap();
        let Some(tenant) = columns.iter().find(|column| column.get::<String, _>(0) == "tenant_id") else {
            assert!(
                WITHOUT_TENANT.contains(&name.as_str())
                    || PLATFORM_ONLY.contains(&name.as_str())
                    || matches!(name.as_str(), "tenant" | "idempotency_record"),
                "{name} has no tenant"
            );
            continue;
        };
        with_tenant.push(name.clone());
        let queue = matches!(
            name.as_str(),
            "job" | "outbox_event" | "audit_event" | "management_key" | "signing_key" | "webhook_delivery"
        );
        assert!(tenant.get::<i64, _>(1) == 1 || queue, "{name}: the tenant is not first in the primary key");
        let keys = connection
            .fetch_all(sqlx::AssertSqlSafe(format!(
                "SELECT id, \"table\", \"from\" FROM pragma_foreign_key_list('{name}')"
            )))
            .await
            .unwrap();
        let mut by_id: std::collections::BTreeMap<i64, (String, Vec<String>)> = Default::default();
        for key in keys {
            by_id.entry(key.get(0)).or_insert_with(|| (key.get(1), Vec::new())).1.push(key.get(2));
        }
        for (target, columns) in by_id.into_values() {
            let shared = WITHOUT_TENANT.contains(&target.as_str());
            assert!(
                shared || columns.iter().any(|column| column == "tenant_id"),
                "{name} → {target} doesn't carry the tenant"
            );
        }
    }
    nothing_is_forgotten(with_tenant);
    let broken = connection.fetch_all("PRAGMA foreign_key_check").await.unwrap();
    assert!(broken.is_empty());
}
