//! Damaged pages are found before somebody needs them.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::str::FromStr as _;

use platform::store::integrity::{Integrity, has_data_checksums};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, Connection as _, PgConnection};
use tests::faults::{Server, health};
use tests::{TestApp, on_postgres};

/// More slices than there are tables.
const SLICES: usize = 400;

/// Overwrites the middle of a page.
fn damage(file: &Path, page: u64, size: u64) {
    let file = std::fs::File::options().read(true).write(true).open(file).expect("the file opens");
    let noise: Vec<u8> = (0..size / 2).map(|at| u8::try_from(at * 7 % 251).expect("a byte")).collect();
    file.write_all_at(&noise, page * size).expect("written");
    file.sync_all().expect("synced");
}

/// Looks on until something is found.
async fn found(app: &TestApp) -> Option<String> {
    let db = &app.running.service.db;
    for _ in 0..SLICES {
        db.check_slice().await.expect("a finding is no error");
        if let Integrity::Corrupt(finding) = db.integrity() {
            return Some(finding);
        }
    }
    None
}

#[actix_web::test]
async fn a_damaged_page_of_sqlite_is_found_while_the_service_runs() {
    if on_postgres().is_some() {
        return;
    }
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for number in 0..30 {
        acme.user(&format!("user-{number}")).await;
    }
    assert_eq!(found(&app).await, None, "a store that is sound");
    assert_eq!(health(&app.operator).await.0, "healthy");
    let options = SqliteConnectOptions::from_str(&app.store.url).expect("a URL");
    let mut outside = options.connect().await.expect("the file opens");
    // What lies in the log is read from there: it has to be in the file.
    sqlx::query("PRAGMA wal_checkpoint(TRUNCATE)").execute(&mut outside).await.expect("a checkpoint");
    let sql = "SELECT rootpage FROM sqlite_schema WHERE name = 'directory_user'";
    let page: i64 = sqlx::query_scalar(sql).fetch_one(&mut outside).await.expect("a page");
    let size: i64 = sqlx::query_scalar("PRAGMA page_size").fetch_one(&mut outside).await.expect("a size");
    outside.close().await.expect("closed");
    let file = app.store.directory.path().join("tenantry.db");
    damage(&file, u64::try_from(page - 1).expect("a page"), u64::try_from(size).expect("a size"));
    let finding = found(&app).await.expect("the damage is found");
    assert!(finding.contains("directory_user"), "{finding}");
    assert_eq!(health(&app.operator).await.0, "degraded");
    app.abandon().await;
}

#[actix_web::test]
async fn a_page_that_fails_its_checksum_on_postgres_is_reported() {
    if on_postgres().is_none() {
        return;
    }
    let server = Server::start();
    let url = server.url();
    let app = TestApp::with(|config| {
        (config.database.url, config.database.migration_url) = (url.clone(), url.clone())
    })
    .await;
    let acme = app.tenant("acme").await;
    for number in 0..30 {
        acme.user(&format!("user-{number}")).await;
    }
    let db = &app.running.service.db;
    assert_eq!(has_data_checksums(db).await.expect("an answer"), Some(true), "doctor would say so");
    assert_eq!(found(&app).await, None, "a store that is sound");
    let mut outside = PgConnection::connect(&url).await.expect("Postgres answers");
    let file: String = sqlx::query_scalar(
        "SELECT current_setting('data_directory') || '/' || pg_relation_filepath('directory_user')",
    )
    .fetch_one(&mut outside)
    .await
    .expect("a path");
    sqlx::query("CHECKPOINT").execute(&mut outside).await.expect("a checkpoint");
    drop(outside);
    server.crash();
    damage(&PathBuf::from(file), 0, 8192);
    server.resume();
    let mut outside = PgConnection::connect(&url).await.expect("Postgres answers");
    let read = sqlx::query("SELECT count(resource) FROM directory_user").execute(&mut outside).await;
    assert!(read.is_err(), "the damaged page is refused");
    // The counter is published when the session that met the failure ends or idles.
    let finding = tests::eventually("the failure to be counted", async || {
        let _ = sqlx::query("SELECT pg_stat_force_next_flush()").execute(&mut outside).await;
        app.running.service.db.check_slice().await.ok()?;
        match app.running.service.db.integrity() {
            Integrity::Corrupt(finding) => Some(finding),
            Integrity::Sound => None,
        }
    })
    .await;
    assert!(finding.contains("checksum"), "{finding}");
    assert_eq!(health(&app.operator).await.0, "degraded");
    app.abandon().await;
}
