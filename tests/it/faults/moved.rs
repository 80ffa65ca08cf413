//! The store's files are moved, replaced or removed beneath a running service: nothing is acknowledged that the next start won't find.

use std::path::PathBuf;
use std::time::Duration;

use serde_json::json;
use tests::faults::{Ledger, Outcome, health, health_until};
use tests::{Client, Process, Store, eventually, on_postgres};

use super::{HEALED, NOTICED, PROGRAM, as_the_books_say, healed, only_unavailable, settings};

struct Served {
    store: Store,
    process: Process,
    scim: Client,
    ledger: Ledger,
}

impl Served {
    /// A service that has acknowledged twenty users, of whom some are in the log only.
    async fn start() -> Self {
        let store = Store::empty().await;
        let process = Process::start(PROGRAM, &store, None, &settings([])).await;
        let scim = tests::faults::tenant(&process, "acme").await;
        let served = Self { store, process, scim, ledger: Ledger::default() };
        served.create("before", 20).await;
        assert_eq!(served.ledger.count(Outcome::Acknowledged), 20);
        served
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.store.directory.path().join(format!("tenantry.db{suffix}"))
    }

    fn away(&self) -> PathBuf {
        self.store.directory.path().join("away")
    }

    /// What a command beside the service comes to.
    async fn command(&self, arguments: &[&str]) -> std::process::Output {
        let mut command = tests::command(PROGRAM, &self.store);
        command.args(arguments).env("TENANTRY_LISTEN", "127.0.0.1:0").output().await.expect("it runs")
    }

    async fn create(&self, prefix: &str, count: usize) {
        for number in 0..count {
            self.ledger.create(&self.scim, &format!("{prefix}-{number}")).await;
        }
    }

    /// Everything is refused, and said why.
    async fn is_refused(&self, what: &str) {
        let acknowledged = self.ledger.count(Outcome::Acknowledged);
        self.create(what, 5).await;
        assert_eq!(self.ledger.count(Outcome::Acknowledged), acknowledged, "{what}: nothing is acknowledged");
        assert_eq!(self.ledger.count(Outcome::Unknown), 0, "{what}: and it is known");
        only_unavailable(&self.ledger, what);
        let tenant = json!({"slug": "other", "name": "other"});
        let reply = self.process.operator.post("/api/v1/tenants", tenant).await;
        assert_eq!((reply.status.as_u16(), reply.json()["code"].as_str()), (503, Some("store.moved")));
        self.is_unhealthy().await;
    }

    /// Nobody needs to write for it to be seen.
    async fn is_unhealthy(&self) {
        let operator = &self.process.operator;
        health_until(operator, NOTICED, |status| status == "unhealthy").await;
        let said = operator.anonymous().get("/health").await.expect(200);
        assert!(
            said["reason"].as_str().is_some_and(|text| text.contains("put the same file back")),
            "{said}"
        );
        // What a sign of life said is everybody's for a second.
        eventually("nothing is sent here", async || {
            (operator.anonymous().get("/ready").await.status == 503).then_some(())
        })
        .await;
    }

    async fn is_well(&self, what: &str) {
        healed(&self.ledger, &self.scim, what).await;
        health_until(&self.process.operator, HEALED, |status| status == "healthy").await;
        let said = self.process.operator.anonymous().get("/health").await.expect(200);
        assert!(said["reason"].is_null(), "{said}");
    }

    async fn ends_as_the_books_say(self) {
        as_the_books_say(self.process, &self.store, &self.ledger, &self.scim, "acme").await;
    }
}

#[actix_web::test]
async fn a_store_that_was_moved_away_is_refused_until_it_is_back() {
    if on_postgres().is_some() {
        return;
    }
    let served = Served::start().await;
    std::fs::rename(served.file(""), served.away()).expect("moved");
    // Seen by whoever asks how the service is, before anybody writes.
    served.is_unhealthy().await;
    served.is_refused("away").await;
    // A new store in its place would take the log that is still there for its own.
    for arguments in [&["serve"][..], &["migrate", "up"], &["tenant", "list"], &["doctor"]] {
        let ran = served.command(arguments).await;
        let said = [ran.stdout, ran.stderr].concat();
        let said = String::from_utf8_lossy(&said);
        assert!(!ran.status.success() && said.contains("put the file back"), "{arguments:?}: {said}");
    }
    assert!(!served.file("").exists(), "nothing is made in its place");
    std::fs::rename(served.away(), served.file("")).expect("moved back");
    served.is_well("back").await;
    // And by who writes, before anybody asks.
    std::fs::rename(served.file(""), served.away()).expect("moved");
    served.is_refused("away-again").await;
    std::fs::rename(served.away(), served.file("")).expect("moved back");
    served.is_well("back-again").await;
    served.ends_as_the_books_say().await;
}

#[actix_web::test]
async fn a_store_that_was_moved_away_has_everything_without_its_log() {
    if on_postgres().is_some() {
        return;
    }
    let served = Served::start().await;
    std::fs::rename(served.file(""), served.away()).expect("moved");
    served.is_refused("away").await;
    let Served { store, mut process, scim, ledger } = served;
    process.end().await;
    let (file, away) = (store.directory.path().join("tenantry.db"), store.directory.path().join("away"));
    for suffix in ["-wal", "-shm"] {
        std::fs::remove_file(format!("{}{suffix}", file.display())).expect("removed");
    }
    std::fs::rename(away, file).expect("moved back");
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_store_that_was_replaced_by_a_copy_is_not_written_and_starts_with_everything() {
    if on_postgres().is_some() {
        return;
    }
    let served = Served::start().await;
    std::fs::copy(served.file(""), served.away()).expect("copied");
    std::fs::rename(served.away(), served.file("")).expect("moved over");
    served.is_refused("replaced").await;
    served.ends_as_the_books_say().await;
}

#[actix_web::test]
async fn a_service_that_is_stopped_touches_nothing_of_what_replaced_its_store() {
    if on_postgres().is_some() {
        return;
    }
    let served = Served::start().await;
    std::fs::copy(served.file(""), served.away()).expect("copied");
    std::fs::rename(served.away(), served.file("")).expect("moved over");
    let log = b"somebody else's".as_slice();
    std::fs::write(served.away(), log).expect("written");
    std::fs::rename(served.away(), served.file("-wal")).expect("moved over");
    let copy = std::fs::read(served.file("")).expect("read");
    served.is_refused("replaced").await;
    let (file, beside) = (served.file(""), served.file("-wal"));
    assert_eq!(served.process.terminate().await, Some(0));
    assert!(std::fs::read(file).expect("read") == copy);
    assert_eq!(std::fs::read(beside).expect("it is still there"), log);
}

#[actix_web::test]
async fn a_log_that_was_removed_is_brought_into_the_store() {
    if on_postgres().is_some() {
        return;
    }
    for suffix in ["-wal", "-shm"] {
        let served = Served::start().await;
        std::fs::remove_file(served.file(suffix)).expect("removed");
        served.is_refused(&format!("without{suffix}")).await;
        served.ends_as_the_books_say().await;
    }
}

#[actix_web::test]
async fn commands_beside_the_service_and_a_time_without_requests_are_no_alarm() {
    if on_postgres().is_some() {
        return;
    }
    let served = Served::start().await;
    for arguments in [
        &["doctor"][..],
        &["tenant", "list"],
        &["tenant", "create", "beside", "--name", "Beside"],
        &["key", "create", "--role", "auditor", "--name", "beside"],
        &["migrate", "up"],
    ] {
        let ran = served.command(arguments).await;
        assert!(ran.status.success(), "{arguments:?}: {}", String::from_utf8_lossy(&ran.stderr));
        assert_eq!(health(&served.process.operator).await.0, "healthy", "{arguments:?}");
        let before = served.ledger.count(Outcome::Acknowledged);
        served.create(&format!("beside-{}", arguments.join("-")), 3).await;
        assert_eq!(served.ledger.count(Outcome::Acknowledged), before + 3, "{arguments:?}");
    }
    let beside = served.process.operator.get("/api/v1/tenants/beside").await.expect(200);
    assert_eq!(beside["status"], "active", "what a command wrote is there");
    tokio::time::sleep(Duration::from_secs(5)).await;
    assert_eq!(health(&served.process.operator).await.0, "healthy");
    served.is_well("beside").await;
    served.ends_as_the_books_say().await;
}
