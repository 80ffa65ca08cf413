//! Connections that are not believed, on a SQLite file of each test's own.

use std::sync::Arc;

use sea_orm::{ConnectionTrait as _, DbBackend, Statement};
use tempfile::TempDir;

use super::connection::{Connection, Connections, Uncommitted};
use super::health::Watch;
use super::open;
use super::raw::Pools;

async fn store() -> (TempDir, Connections, Connections) {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("sqlite:{}", folder.path().join("store.db").display());
    let (writer, reader) = open::sqlite(&url).await.unwrap();
    let watch = Arc::new(Watch::default());
    let writer = Connections::new(Pools::Sqlite(writer), watch.clone());
    let reader = Connections::new(Pools::Sqlite(reader), watch);
    let made = writer.begin("BEGIN IMMEDIATE").await.unwrap();
    made.execute_unprepared("CREATE TABLE thing (id INTEGER PRIMARY KEY)").await.unwrap();
    made.commit().await.unwrap();
    (folder, writer, reader)
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
            // As far as it comes without waiting: the driver has the statement, and nobody its answer.
            let _ = futures_util::poll!(&mut beginning);
            let _ = futures_util::poll!(&mut beginning);
        }
        let one = writer.begin("BEGIN IMMEDIATE").await.unwrap();
        insert(&one, id).await.unwrap();
        one.commit().await.unwrap();
    }
    assert_eq!(count(&reader).await, 5);
}
