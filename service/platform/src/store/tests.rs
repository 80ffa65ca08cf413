//! Connections that are not believed, on a SQLite file of each test's own.

use std::time::{Duration, Instant};

use futures_util::FutureExt as _;
use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tempfile::TempDir;

use super::connection::{Connection, Connections, Uncommitted};
use super::open::{self, Files};
use super::opener::Purpose;
use super::pool::{Plan, Pool};
use super::raw::Pools;
use crate::DbError;

async fn store() -> ((TempDir, Files), Connections, Connections) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open::sqlite(&url, Duration::ZERO).await.unwrap();
    let writer = Connections::new(Pools::Sqlite(store.writer), store.watch.clone());
    let reader = Connections::new(Pools::Sqlite(store.readers), store.watch);
    let made = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    made.execute_unprepared("CREATE TABLE thing (id INTEGER PRIMARY KEY)").await.unwrap();
    made.commit().await.unwrap();
    ((folder, store.files), writer, reader)
}

async fn insert(connection: &Connection, id: i64) -> Result<u64, sea_orm::DbErr> {
    let sql = "INSERT INTO thing (id) VALUES ($1)";
    let statement = Statement::from_sql_and_values(DbBackend::Sqlite, sql, [id.into()]);
    connection.execute_raw(statement).await.map(|done| done.rows_affected())
}

async fn count(reader: &Connections) -> i64 {
    let sql = "SELECT count(*) AS n FROM thing";
    let row = reader.query_one(Statement::from_string(DbBackend::Sqlite, sql)).await.unwrap().unwrap();
    row.try_get("", "n").unwrap()
}

#[tokio::test]
async fn what_is_committed_is_there_and_what_is_rolled_back_is_not() {
    let (_folder, writer, reader) = store().await;
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    one.commit().await.unwrap();
    let two = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&two, 2).await.unwrap();
    two.roll_back().await;
    assert_eq!(count(&reader).await, 1);
}

#[tokio::test]
async fn a_transaction_with_a_refused_statement_is_not_committed() {
    let (_folder, writer, reader) = store().await;
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    insert(&one, 1).await.unwrap_err();
    // It may still be asked, as on a store that goes on after a refusal.
    assert!(matches!(one.commit().await, Err(Uncommitted::Refused(_))));
    assert_eq!(count(&reader).await, 0);
}

#[tokio::test]
async fn a_transaction_that_is_dropped_unfinished_leaves_nothing_and_nobody_waits_for_it() {
    let (_folder, writer, reader) = store().await;
    for id in 0..5 {
        let dropped = writer.begin("BEGIN IMMEDIATE").await.unwrap();
        insert(&dropped, id).await.unwrap();
        drop(dropped);
    }
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 9).await.unwrap();
    one.commit().await.unwrap();
    assert_eq!(count(&reader).await, 1);
}

#[tokio::test]
async fn a_connection_that_still_has_a_transaction_is_thrown_away_at_the_next_beginning() {
    let (_folder, writer, reader) = store().await;
    // Behind our back a transaction stays open on the only connection: a driver that counts would nest the next one in it.
    let mut raw = writer.pools().acquire().await.unwrap();
    raw.run("BEGIN IMMEDIATE").await.unwrap();
    raw.run("INSERT INTO thing (id) VALUES (7)").await.unwrap();
    drop(raw);
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    one.commit().await.unwrap();
    writer.close().await;
    assert_eq!(count(&reader).await, 1);
}

#[tokio::test]
async fn after_a_failure_that_may_have_ended_the_transaction_nothing_more_is_written() {
    let (folder, writer, reader) = store().await;
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    // A statement that fails for another reason than a constraint: here, a table that isn't there.
    one.execute_unprepared("INSERT INTO nowhere VALUES (1)").await.unwrap_err();
    insert(&one, 2).await.unwrap_err();
    assert!(matches!(one.commit().await, Err(Uncommitted::Refused(_))));
    assert_eq!(count(&reader).await, 0);
    drop(folder);
}

#[tokio::test]
async fn a_beginning_that_is_cancelled_leaves_no_transaction_to_the_next_one() {
    let (_folder, writer, reader) = store().await;
    for id in 0..5 {
        {
            let mut beginning = std::pin::pin!(writer.begin("BEGIN IMMEDIATE"));
            // As far as it comes without waiting: the driver has the statement, and mostly nobody its answer.
            if futures_util::poll!(&mut beginning).is_pending() {
                let _ = futures_util::poll!(&mut beginning);
            }
        }
        let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
        insert(&one, id).await.unwrap();
        one.commit().await.unwrap();
    }
    assert_eq!(count(&reader).await, 5);
}

#[tokio::test]
async fn a_file_that_was_moved_takes_no_commit_until_it_is_back() {
    let (folder, writer, reader) = store().await;
    let (path, away) = (folder.0.path().join("store.db"), folder.0.path().join("away.db"));
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    std::fs::rename(&path, &away).unwrap();
    // Refused by SQLite itself, before anything was written.
    assert!(matches!(one.commit().await, Err(Uncommitted::Refused(_))));
    // The writer was thrown away, and another is not opened: neither where there is nothing nor on what somebody put there.
    writer.begin("BEGIN IMMEDIATE").await.unwrap_err();
    assert!(!path.exists());
    std::fs::copy(&away, &path).unwrap();
    writer.begin("BEGIN IMMEDIATE").await.unwrap_err();
    std::fs::rename(&away, &path).unwrap();
    let two = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&two, 2).await.unwrap();
    two.commit().await.unwrap();
    assert_eq!(count(&reader).await, 1);
}

#[tokio::test]
async fn who_waits_for_the_writer_does_not_open_what_was_put_in_its_place() {
    let (folder, writer, _reader) = store().await;
    let path = folder.0.path().join("store.db");
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    std::fs::rename(&path, folder.0.path().join("away.db")).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    // The commit is refused and its connection thrown away, while others wait for it.
    let waiting = futures_util::future::join_all((0..8).map(|_| writer.begin("BEGIN IMMEDIATE")));
    let (refused, begun) = futures_util::future::join(one.commit(), waiting).await;
    assert!(matches!(refused, Err(Uncommitted::Refused(_))));
    for error in begun.into_iter().map(Result::unwrap_err) {
        assert!(matches!(DbError::from(error), DbError::Moved(_)));
    }
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
}

#[tokio::test]
async fn a_log_that_was_removed_takes_no_commit() {
    let (folder, writer, _reader) = store().await;
    for name in ["store.db-wal", "store.db-shm"] {
        let (path, away) = (folder.0.path().join(name), folder.0.path().join("away"));
        let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
        std::fs::rename(&path, &away).unwrap();
        assert!(matches!(one.commit().await, Err(Uncommitted::Refused(_))), "{name}");
        std::fs::rename(&away, &path).unwrap();
        writer.begin("BEGIN IMMEDIATE").await.unwrap().commit().await.unwrap();
    }
}

#[tokio::test]
async fn the_log_stays_when_all_others_were_thrown_away() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open::sqlite(&url, Duration::ZERO).await.unwrap();
    for _ in 0..3 {
        for pool in [Pools::Sqlite(store.readers.clone()), Pools::Sqlite(store.writer.clone())] {
            pool.acquire().await.unwrap().close().await;
        }
        assert_eq!((store.readers.size(), store.writer.size()), (0, 0));
        store.watch.check_files().await.unwrap();
    }
    // A store without a file is nowhere to be moved from.
    let store = open::sqlite("sqlite::memory:", Duration::ZERO).await.unwrap();
    store.watch.check_files().await.unwrap();
}

#[tokio::test]
async fn nobody_has_the_place_of_a_connection_whose_thread_is_still_at_work() {
    let (folder, writer, reader) = store().await;
    let url = format!("sqlite:{}", folder.0.path().join("store.db").display());
    // Somebody else has the lock: a thread that waits for it can't be stopped.
    let other = open::sqlite(&url, Duration::ZERO).await.unwrap();
    let other = Connections::new(Pools::Sqlite(other.writer), other.watch);
    let locked = other.begin("BEGIN IMMEDIATE").await.unwrap();
    let soon = Duration::from_millis(50);
    let mut raw = writer.pools().acquire().await.unwrap();
    tokio::time::timeout(soon, raw.run("BEGIN IMMEDIATE")).await.unwrap_err();
    let begun = Instant::now();
    raw.close().await;
    assert!(begun.elapsed() < Duration::from_secs(4), "{:?}", begun.elapsed());
    assert!(tokio::time::timeout(soon, writer.pools().acquire()).await.is_err());
    locked.roll_back().await;
    let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    insert(&one, 1).await.unwrap();
    one.commit().await.unwrap();
    assert_eq!(count(&reader).await, 1);
}

#[test]
fn a_check_that_comes_to_no_end_finds_nothing_in_place() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = runtime.block_on(open::sqlite(&url, Duration::ZERO)).unwrap();
    let gone = runtime.handle().clone();
    runtime.shutdown_background();
    let _gone = gone.enter();
    let displaced = store.watch.check_files().now_or_never().unwrap().unwrap_err();
    assert!(displaced.to_string().contains("could not be looked for"), "{displaced}");
}

#[tokio::test]
async fn what_writes_beside_the_pool_writes_to_the_file_that_was_opened_only() {
    let ((folder, files), writer, _reader) = store().await;
    let made = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    made.execute_unprepared("CREATE TABLE store_state (id INTEGER PRIMARY KEY, fences INTEGER)")
        .await
        .unwrap();
    made.execute_unprepared("INSERT INTO store_state VALUES (1, 0)").await.unwrap();
    made.commit().await.unwrap();
    files.opener.overwrite_end_of_log().await.unwrap();
    let (path, away) = (folder.path().join("store.db"), folder.path().join("away.db"));
    std::fs::rename(&path, &away).unwrap();
    std::fs::write(&path, "somebody else's").unwrap();
    files.opener.overwrite_end_of_log().await.unwrap_err();
    files.opener.reader().await.unwrap_err();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "somebody else's");
    std::fs::rename(&away, &path).unwrap();
    files.opener.overwrite_end_of_log().await.unwrap();
}

/// A statement that would run for minutes.
const ENDLESS: &str = "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < 1000000000) SELECT count(*) AS n FROM s";

/// A single reader, whose statements have a time.
async fn reader(statement_timeout: Duration) -> ((TempDir, Files), Connections) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let store = open::sqlite(&url, Duration::ZERO).await.unwrap();
    let opener = store.files.opener.clone();
    let plan = Plan { opener, purpose: Purpose::Read, count: 1, statement_timeout };
    let one = Pool::open(plan).await.unwrap();
    ((folder, store.files), Connections::new(Pools::Sqlite(one), store.watch))
}

#[tokio::test]
async fn a_reader_whose_caller_is_gone_stops_and_the_next_one_has_its_place() {
    let (_folder, reader) = reader(Duration::ZERO).await;
    let endless = || Statement::from_string(DbBackend::Sqlite, ENDLESS);
    let answer = || Statement::from_string(DbBackend::Sqlite, "SELECT 42 AS n");
    let soon = Duration::from_millis(50);
    for _ in 0..3 {
        let view = reader.begin("BEGIN").await.unwrap();
        tokio::time::timeout(soon, view.query_all_raw(endless())).await.unwrap_err();
        drop(view);
        tokio::time::timeout(soon, reader.query_one(endless())).await.unwrap_err();
        let begun = Instant::now();
        let row = reader.query_one(answer()).await.unwrap().unwrap();
        assert_eq!(row.try_get::<i64>("", "n").unwrap(), 42);
        assert!(begun.elapsed() < Duration::from_secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test]
async fn a_statement_of_a_reader_has_its_time_and_the_next_one_its_own() {
    let defaults: toml::Table = crate::config::DEFAULTS.parse().unwrap();
    let settings: crate::config::Database = defaults["database"].clone().try_into().unwrap();
    assert_eq!(settings.statement_timeout, Duration::from_secs(120));
    let (_folder, reader) = reader(Duration::from_millis(100)).await;
    let begun = Instant::now();
    let view = reader.begin("BEGIN").await.unwrap();
    let late = view.query_all_raw(Statement::from_string(DbBackend::Sqlite, ENDLESS)).await.unwrap_err();
    assert!(matches!(DbError::from(late), DbError::Busy(_)));
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    view.roll_back().await;
    let view = reader.begin("BEGIN").await.unwrap();
    for _ in 0..3 {
        tokio::time::sleep(Duration::from_millis(60)).await;
        // So many instructions that the brake is asked.
        let short = ENDLESS.replace("1000000000", "5000");
        view.query_all_raw(Statement::from_string(DbBackend::Sqlite, short)).await.unwrap();
    }
    view.roll_back().await;
}
