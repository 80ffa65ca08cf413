//! The store fails: below SQLite call by call, on a disk that is really full, by locks, kills and a Postgres that hangs. What was
//! acknowledged is there afterwards, what was refused is not, and the service heals by itself.
//!
//! Stories about one store return at once on the other.

mod answers;
mod first_start;
mod full;
mod mixed;
mod moved;
mod pages;
mod places;
mod refusals;
mod servers;
mod waiting;

use std::time::{Duration, Instant};

use tests::faults::{Ledger, Outcome};
use tests::{Client, Process, Store};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
/// What a refusal by a failing store may be.
const UNAVAILABLE: [u16; 2] = [503, 507];
/// How soon `/health` says that the store fails: what was said holds for a second. If nobody looked when asked, the service's own look
/// would find it, each half a minute.
const NOTICED: Duration = Duration::from_secs(10);
/// How soon everything is well again when the cause is gone: a failing store is asked each quarter of a second, otherwise each half a minute.
const HEALED: Duration = Duration::from_secs(20);

/// The settings of a process whose rate limits are not what is looked at, and some more.
fn settings<'a>(more: impl IntoIterator<Item = (&'a str, &'a str)>) -> Vec<(&'a str, &'a str)> {
    let mut all = vec![
        ("TENANTRY__RATE_LIMIT__ENABLED", "false"),
        ("TENANTRY_LOG", "off"),
        // A process that dies on purpose needn't say where for seconds.
        ("RUST_BACKTRACE", "0"),
    ];
    all.extend(more);
    all
}

/// Creates users until one is acknowledged; each refusal until then is one that may be.
async fn healed(ledger: &Ledger, scim: &Client, prefix: &str) {
    let begun = Instant::now();
    for number in 0.. {
        let reply = ledger.create(scim, &format!("{prefix}-healed-{number}")).await;
        if Outcome::of(reply.as_ref()) == Outcome::Acknowledged {
            return;
        }
        assert!(begun.elapsed() < HEALED, "{prefix}: not well again after {HEALED:?}: {reply:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Every answer since the last look was a success or said that the store is unavailable.
fn only_unavailable(ledger: &Ledger, what: &str) {
    let statuses = ledger.take_statuses();
    let wrong = statuses.keys().any(|status| !(200..300).contains(status) && !UNAVAILABLE.contains(status));
    assert!(!wrong, "{what}: {statuses:?}");
}

/// Kills the process, starts another on the store, and compares what is there with the books.
async fn as_the_books_say(process: Process, store: &Store, ledger: &Ledger, scim: &Client, slug: &str) {
    process.kill().await;
    let process = Process::start(PROGRAM, store, None, &settings([])).await;
    let scim = process.operator.with(scim.bearer.clone().expect("a token"));
    let wrong = ledger.contradictions(&process.operator, &scim, slug).await;
    assert!(wrong.is_empty(), "{wrong:#?}");
    process.kill().await;
}
