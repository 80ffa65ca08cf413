//! Postgres ends connections, is restarted, hangs.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures_util::future::join_all;
use sqlx::Connection as _;
use tests::faults::{Ledger, Server, ask, health, health_until, terminate_backends};
use tests::{Client, Process, Store, on_postgres};

use super::{HEALED, PROGRAM, as_the_books_say, healed, only_unavailable, settings};

/// How soon the probes answer whatever the server does: they give up after a second. Who waits for the server waits as long as a request
/// may take, half a minute.
const PROBED: Duration = Duration::from_secs(15);

/// Four callers who create users until they are stopped.
struct Load {
    over: Arc<AtomicBool>,
    lanes: Vec<tokio::task::JoinHandle<()>>,
}

impl Load {
    fn start(ledger: &Ledger, scim: &Client) -> Self {
        let over = Arc::new(AtomicBool::new(false));
        let lane = |lane: usize| {
            let (over, ledger, scim) = (over.clone(), ledger.clone(), scim.clone());
            actix_web::rt::spawn(async move {
                for number in 0.. {
                    if over.load(Ordering::Relaxed) {
                        return;
                    }
                    ledger.create(&scim, &format!("lane-{lane}-{number}")).await;
                    tokio::time::sleep(Duration::from_millis(10)).await;
                }
            })
        };
        let lanes = (0..4).map(lane).collect();
        Self { over, lanes }
    }

    async fn stop(self) {
        self.over.store(true, Ordering::Relaxed);
        join_all(self.lanes).await;
    }
}

#[actix_web::test]
async fn connections_that_the_server_ends_lose_nothing() {
    let store = Store::new().await;
    let Some(url) = store.superuser_url.clone() else { return };
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    let load = Load::start(&ledger, &scim);
    for round in 0..8 {
        tokio::time::sleep(Duration::from_millis(150 + 37 * round)).await;
        terminate_backends(&url).await;
    }
    tokio::time::sleep(Duration::from_millis(300)).await;
    load.stop().await;
    healed(&ledger, &scim, "connections").await;
    health_until(&process.operator, HEALED, |status| status == "healthy").await;
    only_unavailable(&ledger, "connections that end");
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_server_that_hangs_or_is_restarted_is_seen_at_once_and_loses_nothing() {
    if on_postgres().is_none() {
        return;
    }
    let server = Server::start();
    let store = server.store();
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    let load = Load::start(&ledger, &scim);
    for _ in 0..2 {
        tokio::time::sleep(Duration::from_millis(400)).await;
        server.crash();
        tokio::time::sleep(Duration::from_millis(300)).await;
        server.resume();
        health_until(&process.operator, HEALED, |status| status == "healthy").await;
    }
    server.hang();
    // The last answer is everybody's for a second.
    health_until(&process.operator, PROBED, |status| status != "healthy").await;
    for _ in 0..3 {
        let (status, took) = health(&process.operator).await;
        assert!(status != "healthy" && took < PROBED, "health is {status} after {took:?}");
        let begun = Instant::now();
        let ready = ask(process.operator.anonymous().request(reqwest::Method::GET, "/ready")).await;
        let (ready, took) = (ready.map(|reply| reply.status.as_u16()), begun.elapsed());
        assert!(ready == Some(503) && took < PROBED, "/ready answers {ready:?} after {took:?}");
    }
    server.wake();
    load.stop().await;
    healed(&ledger, &scim, "server").await;
    health_until(&process.operator, HEALED, |status| status == "healthy").await;
    only_unavailable(&ledger, "a server that hangs");
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_replica_that_freezes_inside_a_transaction_holds_up_nobody_for_ever() {
    let store = Store::new().await;
    let Some(url) = store.superuser_url.clone() else { return };
    let timeouts =
        [("TENANTRY__DATABASE__LOCK_TIMEOUT", "1s"), ("TENANTRY__DATABASE__STATEMENT_TIMEOUT", "2s")];
    let frozen = Process::start(PROGRAM, &store, None, &settings(timeouts)).await;
    let other = Process::start(PROGRAM, &store, None, &settings(timeouts)).await;
    let scim = tests::faults::tenant(&frozen, "acme").await;
    let theirs = other.operator.with(scim.bearer.clone().expect("a token"));
    let ledger = Ledger::default();
    let load = Load::start(&ledger, &scim);
    let signal = |name: &str| {
        let done = std::process::Command::new("kill").args([name, &frozen.id().to_string()]).status();
        assert!(done.expect("kill is there").success());
    };
    let mut outside = sqlx::PgConnection::connect(&url).await.expect("Postgres answers");
    for round in 0..2 {
        for tries in 0.. {
            assert!(tries < 200, "it is caught inside a transaction");
            tokio::time::sleep(Duration::from_millis(7)).await;
            signal("-STOP");
            tokio::time::sleep(Duration::from_millis(3)).await;
            let sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                       AND state LIKE 'idle in transaction%'";
            let open: i64 = sqlx::query_scalar(sql).fetch_one(&mut outside).await.expect("a number");
            if open > 0 {
                break;
            }
            signal("-CONT");
        }
        healed(&ledger, &theirs, &format!("frozen-{round}")).await;
        signal("-CONT");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    load.stop().await;
    healed(&ledger, &scim, "thawed").await;
    only_unavailable(&ledger, "a frozen replica");
    other.kill().await;
    as_the_books_say(frozen, &store, &ledger, &scim, "acme").await;
}
