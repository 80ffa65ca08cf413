//! Every read, write, sync, truncation, mapping, opening and allocation of SQLite's while a user is created fails, one after the other.

use std::str::FromStr as _;
use std::time::{Duration, Instant};

use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions as _, SqliteConnection};
use tests::faults::{Act, Call, Errno, Fault, Faults, Ledger, Of, Outcome};
use tests::{Client, Process, Store, on_postgres};

use super::{PROGRAM, as_the_books_say, healed, only_unavailable, settings};

/// No walk is longer; one that is doesn't end by itself.
const PLACES_MAX: i64 = 3_000;
/// How long one answer may take while something fails: less than the half a minute after which one that hangs is given up.
const ANSWERED: Duration = Duration::from_secs(20);
/// So many creates write far more pages than there are between two checkpoints.
const CREATES_MAX: usize = 2_000;

struct Walk {
    store: Store,
    faults: Faults,
    process: Process,
    scim: Client,
    ledger: Ledger,
    /// A look at the file from outside, past whatever the service believes.
    outside: SqliteConnection,
}

impl Walk {
    async fn begin() -> Self {
        let store = Store::empty().await;
        let faults = Faults::new(store.directory.path());
        let process = Process::start(PROGRAM, &store, None, &settings(faults.settings())).await;
        let scim = tests::faults::tenant(&process, "acme").await;
        let options = SqliteConnectOptions::from_str(&store.url).expect("a URL").read_only(true);
        let outside = options.connect().await.expect("the file opens");
        Self { store, faults, process, scim, ledger: Ledger::default(), outside }
    }

    async fn is_there(&mut self, name: &str) -> bool {
        let sql = "SELECT count(*) FROM directory_user WHERE user_name = $1";
        let count: i64 =
            sqlx::query_scalar(sql).bind(name).fetch_one(&mut self.outside).await.expect("the file is read");
        count > 0
    }

    /// Creates a user while `fault` stands, and answers how often it struck.
    async fn under(&mut self, fault: &Fault, name: &str) -> i64 {
        self.faults.inject(fault);
        let begun = Instant::now();
        let reply = self.ledger.create(&self.scim, name).await;
        let hits = self.faults.clear();
        assert!(begun.elapsed() < ANSWERED, "{name}: answered after {:?}", begun.elapsed());
        assert!(!self.process.has_ended(), "{name}: the process lives");
        only_unavailable(&self.ledger, name);
        match Outcome::of(reply.as_ref()) {
            Outcome::Acknowledged => {
                assert!(self.is_there(name).await, "{name}: acknowledged, and not in the file")
            }
            Outcome::Refused => assert!(!self.is_there(name).await, "{name}: refused, and in the file"),
            Outcome::Unknown => {}
        }
        healed(&self.ledger, &self.scim, name).await;
        only_unavailable(&self.ledger, name);
        hits
    }

    /// From the first such call on, each `stride`-th place, until a user is created without reaching the place.
    async fn through(&mut self, what: &str, call: Call, act: Act, times: Option<i64>, stride: usize) -> i64 {
        for from in (1..PLACES_MAX).step_by(stride) {
            let fault = Fault { from, times, ..Fault::each(call, act) };
            if self.under(&fault, &format!("{what}-{from}")).await == 0 {
                return from;
            }
        }
        panic!("{what}: {PLACES_MAX} places, and no end");
    }

    async fn end(self) {
        let Self { store, process, scim, ledger, outside, .. } = self;
        drop(outside);
        as_the_books_say(process, &store, &ledger, &scim, "acme").await;
    }
}

#[actix_web::test]
async fn a_create_survives_the_failure_of_each_write_and_sync() {
    if on_postgres().is_some() {
        return;
    }
    let mut walk = Walk::begin().await;
    for (call, errno) in [
        (Call::Write, Errno::NoSpace),
        (Call::Write, Errno::Io),
        (Call::Write, Errno::ReadOnly),
        (Call::Sync, Errno::Io),
        (Call::Sync, Errno::NoSpace),
    ] {
        for (times, how) in [(Some(1), "once"), (None, "lasting")] {
            let what = format!("{call:?}-{errno:?}-{how}");
            let places = walk.through(&what, call, Act::Fail(errno), times, 1).await;
            assert!(places > 1, "{what}: a create writes and syncs");
        }
    }
    walk.end().await;
}

#[actix_web::test]
async fn a_create_survives_the_failure_of_each_read_and_of_what_a_new_connection_needs() {
    if on_postgres().is_some() {
        return;
    }
    let mut walk = Walk::begin().await;
    for (call, errno) in [
        (Call::Read, Errno::Io),
        (Call::Open, Errno::TooManyFiles),
        (Call::Map, Errno::NoMemory),
        (Call::Truncate, Errno::Io),
    ] {
        for (times, how) in [(Some(1), "once"), (None, "lasting")] {
            walk.through(&format!("{call:?}-{errno:?}-{how}"), call, Act::Fail(errno), times, 1).await;
        }
    }
    // A connection is thrown away by the first failure: its successor opens, maps and reads under the next ones.
    let mut fault = Fault::each(Call::Write, Act::Fail(Errno::Io));
    fault.calls = vec![Call::Write, Call::Open, Call::Map, Call::Read];
    for from in 1..12 {
        fault.from = from;
        walk.under(&fault, &format!("successor-{from}")).await;
    }
    walk.end().await;
}

#[actix_web::test]
async fn a_create_survives_memory_that_sqlite_does_not_get() {
    if on_postgres().is_some() {
        return;
    }
    let mut walk = Walk::begin().await;
    let places = walk.through("memory-once", Call::Memory, Act::Fail(Errno::NoMemory), Some(1), 11).await;
    assert!(places > 11, "SQLite's allocator is found in the program: {places}");
    walk.through("memory-lasting", Call::Memory, Act::Fail(Errno::NoMemory), None, 37).await;
    walk.end().await;
}

#[actix_web::test]
#[ignore = "minutes: tests/interop runs it"]
async fn a_create_survives_memory_that_sqlite_does_not_get_at_any_place() {
    if on_postgres().is_some() {
        return;
    }
    let mut walk = Walk::begin().await;
    walk.through("memory-once", Call::Memory, Act::Fail(Errno::NoMemory), Some(1), 1).await;
    walk.through("memory-lasting", Call::Memory, Act::Fail(Errno::NoMemory), None, 3).await;
    walk.end().await;
}

#[actix_web::test]
async fn interruptions_and_short_transfers_go_unnoticed() {
    if on_postgres().is_some() {
        return;
    }
    let mut walk = Walk::begin().await;
    let interrupted = Act::Fail(Errno::Interrupted);
    for (what, call, act, times) in [
        ("write-short", Call::Write, Act::Short, Some(1)),
        ("writes-short", Call::Write, Act::Short, None),
        ("write-interrupted", Call::Write, interrupted, Some(3)),
        ("read-interrupted", Call::Read, interrupted, Some(3)),
    ] {
        walk.through(what, call, act, times, 1).await;
    }
    assert_eq!(walk.ledger.count(Outcome::Refused), 0, "nobody noticed");
    walk.end().await;
}

#[actix_web::test]
async fn a_checkpoint_that_fails_loses_nothing() {
    if on_postgres().is_some() {
        return;
    }
    let walk = Walk::begin().await;
    // Only a checkpoint writes the database itself; it comes once in about a thousand pages.
    for (call, errno, from) in
        [(Call::Write, Errno::NoSpace, 1), (Call::Write, Errno::Io, 7), (Call::Sync, Errno::Io, 1)]
    {
        let fault = Fault { of: Of::Database, from, ..Fault::each(call, Act::Fail(errno)) };
        walk.faults.inject(&fault);
        let mut number = 0;
        while walk.faults.hits() == 0 {
            assert!(number < CREATES_MAX, "there is a checkpoint");
            walk.ledger.create(&walk.scim, &format!("{call:?}-{errno:?}-{number}")).await;
            number += 1;
        }
        for more in 0..3 {
            walk.ledger.create(&walk.scim, &format!("{call:?}-{errno:?}-more-{more}")).await;
        }
        walk.faults.clear();
        only_unavailable(&walk.ledger, "a checkpoint");
        healed(&walk.ledger, &walk.scim, &format!("{call:?}-{errno:?}")).await;
    }
    walk.end().await;
}
