//! A first start is killed in the middle, and the next one always starts.

use std::process::Stdio;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection};
use sea_orm_migration::MigratorTrait as _;
use tests::faults::{Act, Call, Fault, Faults};
use tests::{Process, Store, on_postgres};

use super::{PROGRAM, settings};

const KILLS: u32 = 40;

#[actix_web::test]
async fn a_first_start_killed_at_any_moment_is_made_good_by_the_next() {
    let store = Store::empty().await;
    let begun = Instant::now();
    Process::start(PROGRAM, &store, None, &settings([])).await.kill().await;
    let whole = begun.elapsed();
    // As it was found, from 5 to 161 ms; stretched to a whole start of this build on this machine.
    let moments = (0..KILLS).map(|number| {
        let found = Duration::from_millis(5 + 4 * u64::from(number));
        if number % 2 == 0 { found } else { Duration::from_millis(5) + whole * number / KILLS }
    });
    futures_util::stream::iter(moments).for_each_concurrent(3, killed_after).await;
}

async fn killed_after(moment: Duration) {
    let store = Store::empty().await;
    let first = Process::begin(PROGRAM, &store, &settings([]), Stdio::null());
    tokio::time::sleep(moment).await;
    first.kill().await;
    starts(&store, &format!("killed after {moment:?}")).await;
}

async fn starts(store: &Store, what: &str) {
    let mut process =
        Process::begin(PROGRAM, store, &settings([("TENANTRY_LOG", "error")]), Stdio::inherit());
    assert!(process.is_ready().await, "{what}: it starts again");
    let tenants = process.operator.get("/api/v1/tenants").await.expect(200);
    assert_eq!(tenants["items"].as_array().map(Vec::len), Some(0), "{what}: and works");
    process.kill().await;
}

#[actix_web::test]
async fn a_first_start_killed_at_each_sync_is_made_good_by_the_next() {
    if on_postgres().is_some() {
        return;
    }
    // How many calls a first start makes.
    let store = Store::empty().await;
    let faults = Faults::new(store.directory.path());
    faults.inject(&Fault {
        from: i64::MAX,
        calls: vec![Call::Sync, Call::Write],
        ..Fault::each(Call::Sync, Act::Kill)
    });
    Process::start(PROGRAM, &store, None, &settings(faults.settings())).await.kill().await;
    let (syncs, writes) = (faults.calls(Call::Sync), faults.calls(Call::Write));
    assert!(syncs > 5 && writes > 100, "{syncs} {writes}");
    let stride = usize::try_from(writes / 12).expect("some");
    let places = (1..=syncs)
        .step_by(usize::try_from(syncs / 12).unwrap_or(1).max(1))
        .map(|n| (Call::Sync, Act::Kill, n));
    let places = places.chain((1..=writes).step_by(stride).map(|n| (Call::Write, Act::Torn, n)));
    futures_util::stream::iter(places).for_each_concurrent(3, killed_at).await;
}

async fn killed_at((call, act, n): (Call, Act, i64)) {
    let store = Store::empty().await;
    let faults = Faults::new(store.directory.path());
    faults.inject(&Fault::once(call, act, n));
    let mut first = Process::begin(PROGRAM, &store, &settings(faults.settings()), Stdio::null());
    // The number of calls differs a little from start to start: the last places may lie behind it.
    if first.is_ready().await {
        first.kill().await;
    }
    faults.clear();
    starts(&store, &format!("killed at {call:?} {n}")).await;
}

/// What an older binary left on SQLite, which wrote the statements of a change one by one and its record last.
#[actix_web::test]
async fn a_store_that_an_older_binary_left_half_migrated_is_made_good_or_clearly_refused() {
    if on_postgres().is_some() {
        return;
    }
    for changes in [1, 2, 4, 10] {
        let store = Store::empty().await;
        let connection = opened(&store).await;
        migration::Migrator::up(&connection, Some(changes)).await.expect("the changes before");
        // Its tables are all there, its record is not.
        connection
            .execute_unprepared(
                "DELETE FROM seaql_migrations WHERE version = (SELECT max(version) FROM seaql_migrations)",
            )
            .await
            .expect("a record less");
        connection.close().await.expect("closed");
        starts(&store, &format!("{changes} changes, the last without its record")).await;
    }
    // Killed after some of the statements of the first change, before there was a table of records' first row.
    for tables in [1, 3, 7] {
        let store = Store::empty().await;
        let connection = opened(&store).await;
        migration::Migrator::up(&connection, Some(1)).await.expect("the first change");
        let sql = "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND name <> 'seaql_migrations' ORDER BY rowid";
        let rows = connection
            .query_all_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql))
            .await
            .expect("tables");
        for row in rows.iter().skip(tables).rev() {
            let name: String = row.try_get("", "name").expect("a name");
            connection.execute_unprepared(&format!("DROP TABLE \"{name}\"")).await.expect("gone");
        }
        connection.execute_unprepared("DELETE FROM seaql_migrations").await.expect("no record");
        connection.close().await.expect("closed");
        starts(&store, &format!("{tables} tables of the first change")).await;
    }
}

/// Where people's data is in it, nothing is cleared away: it says what is wrong.
#[actix_web::test]
async fn a_half_migrated_store_with_data_in_it_is_refused_and_left_as_it_is() {
    if on_postgres().is_some() {
        return;
    }
    let store = Store::empty().await;
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    tests::faults::tenant(&process, "acme").await;
    process.kill().await;
    let connection = opened(&store).await;
    connection
        .execute_unprepared("DELETE FROM seaql_migrations WHERE version = 'm20261121_000010_invitations'")
        .await
        .expect("a record less");
    connection.close().await.expect("closed");
    let complaints = store.directory.path().join("complaints");
    let file = std::fs::File::create(&complaints).expect("a file");
    let mut process = Process::begin(PROGRAM, &store, &settings([]), Stdio::from(file));
    assert!(!process.is_ready().await, "it refuses to start");
    let text = std::fs::read_to_string(&complaints).expect("what it complains of");
    assert!(text.contains("m20261121_000010_invitations"), "it names the change: {text}");
    let tenants: i64 = found(&store, "SELECT count(*) FROM tenant WHERE slug = 'acme'").await;
    assert_eq!(tenants, 1, "nothing was cleared away");
}

/// A file of another program, which has a table by the name of one of ours: of the first change, and of a later one.
#[actix_web::test]
async fn a_file_that_is_not_ours_is_refused_and_left_as_it_is() {
    if on_postgres().is_some() {
        return;
    }
    for table in ["job", "store_state"] {
        let store = Store::empty().await;
        let connection = opened(&store).await;
        for sql in [format!("CREATE TABLE {table} (title TEXT)"), "CREATE TABLE page (text TEXT)".to_owned()]
        {
            connection.execute_unprepared(&sql).await.expect("a table");
        }
        connection.execute_unprepared("INSERT INTO page VALUES ('theirs')").await.expect("a row");
        connection.close().await.expect("closed");
        let mut process = Process::begin(PROGRAM, &store, &settings([]), Stdio::null());
        assert!(!process.is_ready().await, "it refuses to start: {table}");
        let sql = format!("SELECT text FROM page, (SELECT count(title) FROM {table})");
        assert_eq!(found::<String>(&store, &sql).await, "theirs", "{table}");
    }
}

/// The one value that a query finds.
async fn found<T: sea_orm::TryGetable>(store: &Store, sql: &str) -> T {
    let connection = opened(store).await;
    let row =
        connection.query_one_raw(sea_orm::Statement::from_string(sea_orm::DbBackend::Sqlite, sql)).await;
    let value = row.expect("it can be read").expect("a row").try_get_by_index(0).expect("a value");
    connection.close().await.expect("closed");
    value
}

async fn opened(store: &Store) -> DatabaseConnection {
    Database::connect(format!("{}?mode=rwc", store.url)).await.expect("the store opens")
}
