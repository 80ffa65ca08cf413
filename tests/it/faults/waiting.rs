//! Somebody else holds a lock: only those wait whose row it is, and nobody waits for ever.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use tests::faults::{Ledger, Lock, Outcome, ask, health, health_until};
use tests::{Process, Reply, Store, on_postgres};

use super::{HEALED, PROGRAM, as_the_books_say, healed, only_unavailable, settings};

/// How long a neighbour may wait who has nothing to do with the lock: on a busy machine, and less than the five seconds for which those
/// wait who want it.
const AT_ONCE: Duration = Duration::from_secs(4);
/// Whoever is refused while the lock stands was refused for that: a request has more time than anybody here waits for its answer.
const LONG: (&str, &str) = ("TENANTRY__SERVER__REQUEST_TIMEOUT", "60s");

#[actix_web::test]
async fn a_writer_lock_held_by_another_process_is_waited_for_and_then_refused() {
    if on_postgres().is_some() {
        return;
    }
    let store = Store::empty().await;
    let process = Process::start(PROGRAM, &store, None, &settings([LONG])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    // A short one is only waited for.
    let lock = Lock::writer(&store).await.expect("the lock");
    let (reply, ()) = futures_util::join!(ledger.create(&scim, "short"), async {
        tokio::time::sleep(Duration::from_millis(700)).await;
        lock.release().await;
    });
    assert_eq!(Outcome::of(reply.as_ref()), Outcome::Acknowledged, "{reply:?}");
    let lock = Lock::writer(&store).await.expect("the lock");
    let replies = join_all((0..4).map(|number| {
        let (ledger, scim) = (ledger.clone(), scim.clone());
        async move { ledger.create(&scim, &format!("long-{number}")).await }
    }));
    let (replies, (status, took)) = futures_util::join!(replies, async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        health(&process.operator).await
    });
    assert!(replies.iter().all(|reply| Outcome::of(reply.as_ref()) == Outcome::Refused), "{replies:?}");
    assert!(took < AT_ONCE, "health ({status}) waits for nobody: {took:?}");
    lock.release().await;
    healed(&ledger, &scim, "lock").await;
    health_until(&process.operator, HEALED, |status| status == "healthy").await;
    only_unavailable(&ledger, "a lock");
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_tenant_whose_row_is_locked_waits_alone() {
    let store = Store::new().await;
    let Some(url) = store.superuser_url.clone() else { return };
    let process = Process::start(PROGRAM, &store, None, &settings([LONG])).await;
    let acme = tests::faults::tenant(&process, "acme").await;
    let other = tests::faults::tenant(&process, "other").await;
    let (ledger, theirs) = (Ledger::default(), Ledger::default());
    ledger.create(&acme, "before").await;
    theirs.create(&other, "before").await;
    let lock = Lock::tenant(&url, "acme").await.expect("the lock");
    let waiting = join_all((0..40).map(|number| {
        let (ledger, acme) = (ledger.clone(), acme.clone());
        async move { ledger.create(&acme, &format!("locked-{number}")).await }
    }));
    let neighbours = async {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let mut slowest = Duration::ZERO;
        for number in 0..15 {
            let at = Instant::now();
            let reply = theirs.create(&other, &format!("neighbour-{number}")).await;
            assert_eq!(Outcome::of(reply.as_ref()), Outcome::Acknowledged, "{reply:?}");
            slowest = slowest.max(at.elapsed());
            let at = Instant::now();
            let ready = ask(process.operator.anonymous().request(reqwest::Method::GET, "/ready")).await;
            assert_eq!(ready.map(|reply| reply.status.as_u16()), Some(200), "it takes requests");
            let (status, _) = health(&process.operator).await;
            assert_eq!(status, "healthy");
            slowest = slowest.max(at.elapsed());
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        slowest
    };
    let (replies, slowest) = futures_util::join!(waiting, neighbours);
    assert!(slowest < AT_ONCE, "a neighbour waited {slowest:?}");
    let refused = |reply: &Option<Reply>| Outcome::of(reply.as_ref()) == Outcome::Refused;
    let answered = replies.iter().find(|reply| !refused(reply));
    assert!(answered.is_none(), "the row was locked: {answered:?}");
    lock.release().await;
    healed(&ledger, &acme, "lock").await;
    only_unavailable(&ledger, "a locked row");
    let wrong = theirs.contradictions(&process.operator, &other, "other").await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    as_the_books_say(process, &store, &ledger, &acme, "acme").await;
}
