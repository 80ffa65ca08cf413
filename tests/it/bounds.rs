//! What comes in is bounded by its sum: bodies, streams, connections, what strangers leave behind.

mod ahead;
mod bodies;
mod clients;
mod connections;
mod searches;
mod strangers;
mod streams;

use tests::TestApp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;
use web::Access;

/// Bytes that a process has in memory for itself: pages of its program come and go as the machine likes.
pub(crate) fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let line = status.lines().find(|line| line.starts_with("RssAnon:")).expect("a line");
    let kilobytes: u64 = line.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes << 10
}

/// The most that the process had in memory while `work` ran, beyond what it had before.
pub(crate) async fn peak(process: u32, work: impl Future<Output = ()>) -> u64 {
    let before = resident(process);
    let mut most = before;
    tokio::pin!(work);
    loop {
        tokio::select! {
            () = &mut work => return most.saturating_sub(before),
            () = tokio::time::sleep(std::time::Duration::from_millis(20)) => most = most.max(resident(process)),
        }
    }
}

pub(crate) const MIB: u64 = 1 << 20;

/// The address of a base URL.
pub(crate) fn place(base: &str) -> &str {
    base.strip_prefix("http://").expect("a plain URL")
}

/// Sends a request by hand, with a body of `sent` bytes of which `announced` are announced, and answers the status; 0 if none came.
pub(crate) async fn by_hand(place: &str, head: &str, announced: usize, sent: usize) -> u16 {
    let Ok(mut socket) = TcpStream::connect(place).await else { return 0 };
    let head = format!("{head}\r\nHost: x\r\nConnection: close\r\nContent-Length: {announced}\r\n\r\n");
    let body = vec![b'a'; sent];
    let (mut reader, mut writer) = socket.split();
    let mut answer = Vec::new();
    // Who refuses early reads no further: that a write fails is no failure here.
    let write = async {
        let _ = writer.write_all(head.as_bytes()).await;
        for chunk in body.chunks(16 << 10) {
            if writer.write_all(chunk).await.is_err() {
                break;
            }
        }
    };
    let read = async {
        let mut buffer = [0; 4096];
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            answer.extend_from_slice(&buffer[..count]);
            if answer.len() > 16 {
                break;
            }
        }
    };
    let both = async {
        tokio::select! {
            () = read => {}
            () = async { write.await; std::future::pending::<()>().await } => {}
        }
    };
    let _ = tokio::time::timeout(std::time::Duration::from_secs(60), both).await;
    String::from_utf8_lossy(&answer).split(' ').nth(1).and_then(|code| code.parse().ok()).unwrap_or_default()
}

/// Rows of a table, whoever they belong to.
pub(crate) async fn rows(app: &TestApp, table: &str) -> i64 {
    let sql = format!("SELECT COUNT(*) AS n FROM {table}");
    let count = async |view: &platform::PlatformView| {
        view.query(&platform::CrossTenantStatement::built(sql.clone()), Vec::new()).await
    };
    let rows = app.running.service.db.read_platform(count).await.expect("counted");
    rows[0].try_get("", "n").expect("a number")
}

#[test]
fn what_a_stranger_sends_a_body_about_is_looked_up_first() {
    let routes = tenantry::routes();
    let named: Vec<_> = routes
        .iter()
        .filter(|route| matches!(route.access, Access::Public(_)) && route.pattern.contains('{'))
        .filter(|route| !matches!(route.method.as_str(), "GET" | "HEAD"))
        .collect();
    assert!(named.len() >= 4, "{named:?}");
    for route in named {
        assert!(route.knows_its_target(), "{route:?}: its body would be read whoever it is about");
    }
}

#[test]
fn refusals_are_recorded_through_the_one_door_that_counts_them() {
    let mut found = Vec::new();
    let mut folders = vec![std::path::PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/../service"))];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "rs")
                && std::fs::read_to_string(&path).expect("a text").contains("db.record_denied(")
            {
                found.push(path);
            }
        }
    }
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].ends_with("web/src/strangers.rs"));
}
