//! A disk that is really full or read-only, memory that there really isn't, and a second opinion on the failures: Debian's libfiu.

use std::process::{Command, Stdio};
use std::time::Duration;

use tests::faults::{Act, Call, Disk, Errno, Fault, Faults, Ledger, Libfiu, Outcome, health_until};
use tests::{Process, Store, on_postgres};

use super::{HEALED, NOTICED, PROGRAM, as_the_books_say, healed, only_unavailable, settings};

#[actix_web::test]
async fn a_full_disk_refuses_writes_and_heals_when_there_is_room() {
    if on_postgres().is_some() {
        return;
    }
    let disk = Disk::new(30);
    let store = disk.store();
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    for number in 0..20 {
        ledger.create(&scim, &format!("before-{number}")).await;
    }
    assert_eq!(ledger.count(Outcome::Acknowledged), 20);
    disk.fill();
    for number in 0..40 {
        ledger.create(&scim, &format!("full-{number}")).await;
    }
    // The log may have had room of its own for some: until it is used up.
    for number in 40..400 {
        if ledger.count(Outcome::Refused) > 0 {
            break;
        }
        ledger.create(&scim, &format!("full-{number}")).await;
    }
    assert!(ledger.count(Outcome::Refused) > 0, "a full disk refuses something");
    only_unavailable(&ledger, "a full disk");
    health_until(&process.operator, NOTICED, |status| status != "healthy").await;
    disk.free();
    healed(&ledger, &scim, "room").await;
    health_until(&process.operator, HEALED, |status| status == "healthy").await;
    only_unavailable(&ledger, "room again");
    let before = ledger.count(Outcome::Acknowledged);
    for number in 0..20 {
        ledger.create(&scim, &format!("after-{number}")).await;
    }
    assert_eq!(ledger.count(Outcome::Acknowledged), before + 20, "each of them");
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_store_that_takes_no_writes_is_unhealthy_and_readable_until_it_does() {
    if on_postgres().is_some() {
        return;
    }
    let store = Store::empty().await;
    let faults = Faults::new(store.directory.path());
    let process = Process::start(PROGRAM, &store, None, &settings(faults.settings())).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    ledger.create(&scim, "before").await;
    for (call, errno) in [
        (Call::Write, Errno::ReadOnly),
        (Call::Write, Errno::NoSpace),
        (Call::Write, Errno::Io),
        (Call::Sync, Errno::Io),
    ] {
        let what = format!("{call:?}-{errno:?}");
        faults.inject(&Fault::each(call, Act::Fail(errno)));
        let reply = ledger.create(&scim, &what).await.expect("an answer");
        let full = errno == Errno::NoSpace;
        assert_eq!(reply.status.as_u16(), if full { 507 } else { 503 }, "{what}: {}", reply.text);
        health_until(&process.operator, NOTICED, |status| status != "healthy").await;
        let page = scim.get("/scim/v2/Users?filter=userName%20eq%20%22before%22").await.expect(200);
        assert_eq!(page["totalResults"], 1, "{what}: what is there can be read");
        // Refused again and again, and each time at once.
        for number in 0..5 {
            ledger.create(&scim, &format!("{what}-{number}")).await;
        }
        only_unavailable(&ledger, &what);
        faults.clear();
        healed(&ledger, &scim, &what).await;
        health_until(&process.operator, HEALED, |status| status == "healthy").await;
        only_unavailable(&ledger, &what);
    }
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_start_on_a_read_only_disk_is_refused_or_unhealthy() {
    if on_postgres().is_some() {
        return;
    }
    let disk = Disk::new(30);
    let store = disk.store();
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    ledger.create(&scim, "before").await;
    process.kill().await;
    disk.read_only();
    // Reading is possible, and so is refusing to start: but not to look well.
    let mut process = Process::begin(PROGRAM, &store, &settings([]), Stdio::null());
    if process.is_ready().await {
        ledger.create(&process.operator.with(scim.bearer.clone().expect("a token")), "read-only").await;
        assert_eq!(ledger.count(Outcome::Refused), 1, "nothing can be written");
        only_unavailable(&ledger, "a read-only disk");
        health_until(&process.operator, NOTICED, |status| status != "healthy").await;
    }
    process.end().await;
    disk.writable();
    let process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = process.operator.with(scim.bearer.expect("a token"));
    healed(&ledger, &scim, "writable").await;
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

#[actix_web::test]
async fn a_process_without_memory_loses_nothing() {
    let store = Store::new().await;
    let mut process = Process::start(PROGRAM, &store, None, &settings([])).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    for room in [0, 256 * 1024, 2 * 1024 * 1024] {
        let limit = format!("--as={}:", address_space(process.id()) + room);
        let prlimit =
            |limit: &str, id: u32| Command::new("prlimit").args(["--pid", &id.to_string(), limit]).status();
        assert!(prlimit(&limit, process.id()).expect("prlimit is there").success());
        for number in 0..40 {
            let scim = process.operator.with(scim.bearer.clone().expect("a token"));
            if ledger.create(&scim, &format!("room-{room}-{number}")).await.is_none() {
                // It is dying, and writes down where.
                for _ in 0..100 {
                    if process.has_ended() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
                break;
            }
        }
        // Rust ends a process that gets no memory; a store's own allocation may be refused and answered.
        if process.has_ended() {
            process = Process::start(PROGRAM, &store, None, &settings([])).await;
        } else {
            assert!(prlimit("--as=unlimited:", process.id()).expect("prlimit is there").success());
        }
        let scim = process.operator.with(scim.bearer.clone().expect("a token"));
        healed(&ledger, &scim, &format!("room-{room}")).await;
    }
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}

/// Bytes of a process' address space.
fn address_space(id: u32) -> u64 {
    let pages = std::fs::read_to_string(format!("/proc/{id}/statm")).expect("the process lives");
    pages.split(' ').next().and_then(|pages| pages.parse::<u64>().ok()).expect("a number") * 4096
}

#[actix_web::test]
async fn libfiu_finds_no_lost_write_either() {
    if on_postgres().is_some() {
        return;
    }
    let store = Store::empty().await;
    let libfiu = Libfiu::new(store.directory.path());
    let process = Process::start(PROGRAM, &store, None, &settings(libfiu.settings())).await;
    let scim = tests::faults::tenant(&process, "acme").await;
    let ledger = Ledger::default();
    for (name, share, errno) in [
        ("posix/io/rw/pwrite", 0.05, Errno::NoSpace),
        ("posix/io/rw/pwrite", 0.05, Errno::Io),
        ("posix/io/rw/pread", 0.2, Errno::Io),
        ("posix/io/sync/fsync", 0.3, Errno::Io),
    ] {
        libfiu.enable(process.id(), name, share, errno);
        for number in 0..25 {
            ledger.create(&scim, &format!("{name}-{errno:?}-{number}")).await;
        }
        libfiu.disable(process.id(), name);
        healed(&ledger, &scim, &format!("{name}-{errno:?}")).await;
        only_unavailable(&ledger, name);
    }
    assert!(ledger.count(Outcome::Refused) > 0, "libfiu struck");
    tokio::time::sleep(Duration::from_millis(100)).await;
    as_the_books_say(process, &store, &ledger, &scim, "acme").await;
}
