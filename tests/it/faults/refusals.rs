//! What was refused stays refused, also through a kill in the worst moment; a kill inside a write leaves all of a transaction or nothing.

use tests::faults::{Act, Call, Errno, Fault, Faults, Ledger, Of, Outcome};
use tests::{Process, Store, on_postgres};

use super::{PROGRAM, UNAVAILABLE, as_the_books_say, settings};

#[actix_web::test]
async fn a_commit_whose_sync_failed_does_not_come_back_after_a_kill() {
    if on_postgres().is_some() {
        return;
    }
    // The frames of the refused commit stand whole in the log when its sync fails: recovery would find them.
    for (from, errno) in [(1, Errno::Io), (2, Errno::Io), (1, Errno::NoSpace)] {
        let store = Store::empty().await;
        let faults = Faults::new(store.directory.path());
        let process = Process::start(PROGRAM, &store, None, &settings(faults.settings())).await;
        let scim = tests::faults::tenant(&process, "acme").await;
        let ledger = Ledger::default();
        ledger.create(&scim, "before").await;
        // Until one is refused: the background syncs as well, and may be the one that meets the failure.
        let fault = Fault { of: Of::Wal, from, ..Fault::each(Call::Sync, Act::Fail(errno)) };
        faults.inject(&fault);
        for number in 0..20 {
            let reply = ledger.create(&scim, &format!("ghost-{number}")).await.expect("an answer");
            if !reply.status.is_success() {
                assert!(UNAVAILABLE.contains(&reply.status.as_u16()), "{}", reply.text);
                break;
            }
        }
        assert!(ledger.count(Outcome::Acknowledged) < 21, "the failure was met");
        as_the_books_say(process, &store, &ledger, &scim, "acme").await;
    }
}

#[actix_web::test]
async fn a_kill_at_any_write_or_sync_leaves_what_was_acknowledged() {
    if on_postgres().is_some() {
        return;
    }
    let store = Store::empty().await;
    let faults = Faults::new(store.directory.path());
    let process = Process::start(PROGRAM, &store, None, &settings(faults.settings())).await;
    let token = tests::faults::tenant(&process, "acme").await.bearer.expect("a token");
    process.kill().await;
    let ledger = Ledger::default();
    for (call, act, from) in [
        (Call::Write, Act::Torn, 3),
        (Call::Write, Act::Torn, 20),
        (Call::Write, Act::Kill, 35),
        (Call::Write, Act::Torn, 52),
        (Call::Sync, Act::Kill, 1),
        (Call::Sync, Act::Kill, 2),
        (Call::Sync, Act::Kill, 5),
    ] {
        let mut process = Process::start(PROGRAM, &store, None, &settings(faults.settings())).await;
        let scim = process.operator.with(&token);
        faults.inject(&Fault::once(call, act, from));
        for number in 0.. {
            assert!(number < 200, "{call:?} {act:?} {from}: it is killed");
            if ledger.create(&scim, &format!("{call:?}-{act:?}-{from}-{number}")).await.is_none() {
                break;
            }
        }
        process.killed().await;
        faults.clear();
    }
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = process.operator.with(&token);
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}
