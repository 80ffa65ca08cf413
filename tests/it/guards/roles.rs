//! What the roles of Postgres may do, read from its catalogue: the platform's tables are written by the platform's role.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use sqlx::{Connection as _, Executor as _, PgConnection, Row as _};
use tests::Store;

/// Tables without a tenant that a tenant's transaction reads, and why. The list may only become shorter.
const READ_BY_TENANTS: [(&str, &str); 5] = [
    ("flag", "a tenant's variants are of a flag that is defined, and are evaluated by its rules"),
    ("instance", "a tenant looks for room on one"),
    ("plan", "its quotas become the tenant's limits, its multiplier the rate of its credentials"),
    ("quota_resource", "what modules declared limits the tenant too"),
    ("seaql_migrations", "a process looks whether the schema is the one that it knows"),
];
/// Statements over tables of the platform that run in a tenant's transaction, as the platform. The list may only become shorter.
const STATEMENTS: [&str; 7] = [
    "CLOSE_INSTANCE",
    "FORGET_INSTANCE",
    "FORGET_ISSUER",
    "GIVE_PLACE",
    "LEAVE_DEPLOYMENT",
    "REGISTER_ISSUER",
    "TAKE_PLACE",
];

async fn texts(connection: &mut PgConnection, sql: &'static str) -> Vec<Vec<String>> {
    let rows = connection.fetch_all(sql).await.expect(sql);
    rows.iter().map(|row| (0..row.len()).map(|at| row.get::<String, _>(at)).collect()).collect()
}

#[actix_web::test]
async fn the_platform_role_alone_writes_the_tables_of_the_platform() {
    let store = Store::new().await;
    let Some(superuser) = store.superuser_url.clone() else { return };
    let mut admin = PgConnection::connect(&superuser).await.unwrap();
    let open = texts(
        &mut admin,
        "SELECT relname::text FROM pg_class WHERE relkind IN ('r', 'p') AND relnamespace = 'public'::regnamespace \
         AND NOT (relrowsecurity AND relforcerowsecurity)",
    )
    .await;
    assert!(open.is_empty(), "without forced row-level security: {open:?}");
    // Of a tenant is what one of its rows names; its policy holds every row that the role sees or leaves to the scope.
    let scoped = texts(
        &mut admin,
        "SELECT tablename::text FROM pg_policies WHERE schemaname = 'public' AND policyname = 'tenant' \
         AND roles = '{tenantry_app}' AND cmd = 'ALL' AND qual LIKE '%app.tenant_id%' AND with_check LIKE '%app.tenant_id%'",
    )
    .await;
    let scoped: BTreeSet<String> = scoped.into_iter().flatten().collect();
    assert!(scoped.contains("tenant") && scoped.contains("directory_user"));
    // PUBLIC is every role, and so is a role of which the service's roles are members.
    let grants = texts(
        &mut admin,
        "SELECT table_name::text, privilege_type::text FROM information_schema.role_table_grants \
         WHERE table_schema = 'public' AND grantee NOT IN ('tenantry_platform', 'tenantry_test_owner', 'postgres') ORDER BY 1, 2",
    )
    .await;
    let mut beyond: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for grant in grants.into_iter().filter(|grant| !scoped.contains(&grant[0])) {
        beyond.entry(grant[0].clone()).or_default().push(grant[1].clone());
    }
    let wanted: BTreeMap<String, Vec<String>> =
        READ_BY_TENANTS.iter().map(|(table, _)| ((*table).to_owned(), vec!["SELECT".to_owned()])).collect();
    assert_eq!(beyond, wanted, "what the app role may do to tables of the platform");
    let columns = texts(
        &mut admin,
        "SELECT c.relname::text, a.attname::text FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid \
         WHERE c.relnamespace = 'public'::regnamespace AND a.attacl IS NOT NULL",
    )
    .await;
    assert!(columns.is_empty(), "grants on single columns: {columns:?}");
    let policies = texts(
        &mut admin,
        "SELECT tablename::text, policyname::text, cmd::text FROM pg_policies WHERE schemaname = 'public' \
         AND policyname NOT IN ('tenant', 'platform') ORDER BY 1",
    )
    .await;
    let others = READ_BY_TENANTS.iter().map(|(table, _)| match *table {
        "seaql_migrations" => vec![(*table).to_owned(), "versions".to_owned(), "ALL".to_owned()],
        table => vec![table.to_owned(), "tenants_read".to_owned(), "SELECT".to_owned()],
    });
    assert_eq!(policies, others.collect::<Vec<_>>());
    admin.close().await.unwrap();
    refuses(&store).await;
}

/// The service's own login, as it stands after it connected.
async fn refuses(store: &Store) {
    let mut app = PgConnection::connect(&store.url).await.unwrap();
    app.execute("SET ROLE tenantry_app").await.unwrap();
    app.execute("SET app.tenant_id = '01890a5d-ac96-774b-bcce-b302099a8057'").await.unwrap();
    for sql in [
        "INSERT INTO issuer (id, issuer, audience, tenant_claim, version, created_at, updated_at) \
         VALUES ('01890a5d-ac96-774b-bcce-b302099a8057', 'https://evil.example', 'a', 'org', 1, now(), now())",
        "SELECT * FROM issuer",
        "UPDATE module SET client_secret_hash = 'x'",
        "SELECT client_secret_hash FROM module",
        "SELECT secret FROM webhook_endpoint",
        "UPDATE plan SET quotas = '{}'",
        "DELETE FROM flag",
        "UPDATE instance SET tenant_count = 0",
        "UPDATE quota_resource SET limits = '{}'",
        "SELECT * FROM deployment",
        "DELETE FROM seaql_migrations",
        "SELECT * FROM management_key",
        "SELECT * FROM signing_key",
        "SELECT * FROM lookup_key",
    ] {
        let refused = app.execute(sql).await.expect_err(sql).to_string();
        assert!(refused.contains("permission denied"), "{sql}: {refused}");
    }
    // And what it needs, it may.
    for (table, _) in READ_BY_TENANTS {
        let sql = format!("SELECT count(*) FROM {table}");
        app.fetch_one(sqlx::AssertSqlSafe(sql)).await.expect(table);
    }
    app.close().await.unwrap();
}

#[test]
fn a_tenants_transaction_acts_for_the_platform_by_statements_that_are_listed() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("a root").join("service");
    let (mut named, mut made) = (Vec::new(), 0);
    let mut folders = vec![root];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            let path = entry.path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|ending| ending == "rs") {
                let text = std::fs::read_to_string(&path).expect("a file");
                made += text.matches("PlatformStatement::new(").count();
                let constants = text.lines().filter_map(|line| line.split_once(": PlatformStatement ="));
                let names = constants.filter_map(|(before, _)| before.trim_start().strip_prefix("const "));
                named.extend(names.map(ToOwned::to_owned));
            }
        }
    }
    named.sort();
    assert_eq!(named, STATEMENTS);
    assert_eq!(made, STATEMENTS.len(), "each is a constant");
}
