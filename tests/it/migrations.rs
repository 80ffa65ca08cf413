//! A store of the last version is brought up to date with what is in it.

mod before;
mod comers;
mod going_on;
mod names;
mod people;
mod renamed;
mod rows;
mod saml;
mod world;

use platform::crypto::{BearerSecret, LookupKey, SecretKind, Secrets};
use sea_orm::{ConnectionTrait as _, Database};
use sea_orm_migration::MigratorTrait as _;
use serde_json::json;
use tests::{Process, Store};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
/// Migrations of the version before.
const BEFORE: u32 = 4;

/// A tenant as the version before left it: provisioned, with a limit of its own, an admin and a connection.
const ROWS: [&str; 8] = [
    "INSERT INTO tenant (id, slug, name, plan, isolation, status, identity_backend, identity_kind, identity_external_id, instance_driver, \
     instance_mode, version, created_at, updated_at) VALUES ({1}, 'acme', 'Acme', 'pro', 'shared', 'active', 'builtin', 'org', 'org_acme', \
     'pool', 'shared', 1, {at}, {at})",
    "INSERT INTO organization (tenant_id, id, slug, name, version, created_at, updated_at) VALUES ({1}, {2}, 'default', 'Default', 1, {at}, {at})",
    "INSERT INTO provisioning_run (tenant_id, id, kind, status, quotas, created_at, finished_at) VALUES ({1}, {3}, 'provision', 'done', '{\"users\":7}', {at}, {at})",
    "INSERT INTO provisioning_step (tenant_id, run_id, ordinal, name, status, attempts, started_at, finished_at) VALUES ({1}, {3}, 0, 'reserve_slug', 'done', 1, {at}, {at})",
    "INSERT INTO quota (tenant_id, resource, limit_override, limit_value, used, updated_at) VALUES ({1}, 'users', 7, 7, 1, {at})",
    "INSERT INTO quota (tenant_id, resource, limit_override, limit_value, used, updated_at) VALUES ({1}, 'nodes', NULL, 25, 0, {at})",
    "INSERT INTO directory_user (tenant_id, organization_id, id, user_name, user_name_key, active, role, source, resource, version, created_at, updated_at) \
     VALUES ({1}, {2}, {4}, 'ann', 'ann', TRUE, 'admin', 'jit', '{\"userName\":\"ann\",\"active\":true}', 1, {at}, {at})",
    "INSERT INTO connection (tenant_id, organization_id, id, type, name, enabled, settings, version, created_at, updated_at) \
     VALUES ({1}, {2}, {5}, 'oidc', 'c', TRUE, '{}', 1, {at}, {at})",
];

#[actix_web::test]
async fn a_store_of_the_version_before_is_brought_up_to_date() {
    let store = Store::empty().await;
    let on_postgres = store.superuser_url.is_some();
    let owner = if on_postgres { store.migration_url.clone() } else { format!("{}?mode=rwc", store.url) };
    let connection = Database::connect(&owner).await.expect("the store opens");
    migration::Migrator::up(&connection, Some(BEFORE)).await.expect("the version before");
    connection.close().await.expect("closed");
    let writer = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
    let connection = Database::connect(&writer).await.expect("the store opens");
    for row in ROWS {
        let mut sql = row.replace("{at}", "'2026-11-21T12:00:00+00:00'");
        for number in 1..=5 {
            let id = format!("019c000000007000800000000000{number:04}");
            let spelled = if on_postgres { format!("'{id}'") } else { format!("x'{id}'") };
            sql = sql.replace(&format!("{{{number}}}"), &spelled);
        }
        connection.execute_unprepared(&sql).await.expect(row);
    }
    connection.close().await.expect("closed");
    // The service migrates when it starts.
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let operator = &process.operator;
    let run = operator.run("acme").await;
    assert_eq!((&*run.status, &*run.steps[0].name), ("done", "reserve_slug"));
    let of = async |resource: &str| {
        let found = operator.quota("acme", resource).await;
        (found.limit, found.used, found.own)
    };
    assert_eq!(of("users").await, (Some(7), 1, true));
    assert_eq!(of("nodes").await, (Some(25), 0, false));
    assert_eq!((of("admins").await, of("connections").await), ((None, 1, false), (None, 1, false)));
    // And it goes on as any other: another plan, and away.
    operator.patch("/api/v1/tenants/acme", json!({"plan": "free"})).await.expect(200);
    operator.delete("/api/v1/tenants/acme").await.expect(202);
    tests::status(operator, "019c0000-0000-7000-8000-000000000001", "deleted").await;
    process.kill().await;
}

/// Migrations before secrets had HMACs.
const BEFORE_HMACS: u32 = 10;

#[actix_web::test]
async fn secrets_of_the_version_before_go_on_and_get_their_hmacs() {
    let store = Store::empty().await;
    let on_postgres = store.superuser_url.is_some();
    let owner = if on_postgres { store.migration_url.clone() } else { format!("{}?mode=rwc", store.url) };
    let connection = Database::connect(&owner).await.expect("the store opens");
    migration::Migrator::up(&connection, Some(BEFORE_HMACS)).await.expect("the version before");
    connection.close().await.expect("closed");
    let writer = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
    let connection = Database::connect(&writer).await.expect("the store opens");
    let secrets = Secrets::new(LookupKey::throw_away());
    let id = |number: u128| uuid::Uuid::from_u128(0x019c_0000_0000_7000_8000_0000_0000_0000 + number);
    let (key, token) =
        (BearerSecret::generate("tnt_key_", id(3)), BearerSecret::generate("tnt_scim_", id(4)));
    let hash = async |secret: &BearerSecret| {
        let proof = secrets
            .protect(
                SecretKind::ManagementKey,
                secret.id,
                entity::ids::TenantId(uuid::Uuid::nil()),
                &secret.text,
            )
            .await;
        proof.expect("a hash").hash
    };
    let rows = [
        ROWS[0].to_owned(),
        ROWS[1].to_owned(),
        "INSERT INTO management_key (id, name, role, secret_hash, created_at) VALUES ({3}, 'k', 'auditor', '{hash}', {at})"
            .replace("{hash}", &hash(&key).await),
        "INSERT INTO scim_token (tenant_id, organization_id, id, name, profile, secret_hash, created_at) \
         VALUES ({1}, {2}, {4}, 't', 'compat', '{hash}', {at})"
            .replace("{hash}", &hash(&token).await),
    ];
    for row in rows {
        let mut sql = row.replace("{at}", "'2026-11-21T12:00:00+00:00'");
        for number in 1..=4 {
            let id = id(number).simple();
            let spelled = if on_postgres { format!("'{id}'") } else { format!("x'{id}'") };
            sql = sql.replace(&format!("{{{number}}}"), &spelled);
        }
        connection.execute_unprepared(&sql).await.expect(&sql);
    }
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let use_both = async |process: &Process| {
        let at = &process.operator;
        at.with(key.text.to_string()).get("/api/v1/plans").await.expect(200);
        at.with(token.text.to_string()).get("/scim/v2/Users").await.expect(200);
    };
    use_both(&process).await;
    process.kill().await;
    // From now on without their hashes, so by their HMACs.
    for table in ["management_key", "scim_token"] {
        let spoil = format!("UPDATE {table} SET secret_hash = 'no hash'");
        connection.execute_unprepared(&spoil).await.expect("spoilt");
    }
    connection.close().await.expect("closed");
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    use_both(&process).await;
    process.kill().await;
}
