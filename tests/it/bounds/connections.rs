//! Open connections.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use tests::TestApp;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::place;

/// How long after `begun` the other side closed the connection; `None` if it didn't within the time.
async fn closed(socket: &mut TcpStream, begun: Instant, within: Duration) -> Option<Duration> {
    let mut buffer = [0; 4096];
    let read = async { while !matches!(socket.read(&mut buffer).await, Ok(0) | Err(_)) {} };
    tokio::time::timeout(within, read).await.ok().map(|()| begun.elapsed())
}

#[actix_web::test]
async fn who_sends_half_a_head_keeps_no_connection() {
    let app = TestApp::start().await;
    let place = place(&app.operator.base).to_owned();
    // Before any connection: the service counts from later on, so nobody is closed too early because this took its time.
    let begun = Instant::now();
    // The first head of a connection, and the second: the framework bounds only the first.
    let mut first = TcpStream::connect(&place).await.unwrap();
    first.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    let mut second = TcpStream::connect(&place).await.unwrap();
    second.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let mut buffer = [0; 4096];
    assert!(second.read(&mut buffer).await.unwrap() > 0);
    second.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: ").await.unwrap();
    // No head at all, before the first request and after an answer.
    let mut silent = TcpStream::connect(&place).await.unwrap();
    let mut idle = TcpStream::connect(&place).await.unwrap();
    idle.write_all(b"GET /health HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    let limit = Duration::from_secs(30);
    let (first, second, silent, idle) = tokio::join!(
        closed(&mut first, begun, limit),
        closed(&mut second, begun, limit),
        closed(&mut silent, begun, limit),
        closed(&mut idle, begun, limit)
    );
    for (what, after, seconds) in [
        ("first", first, 14..30),
        ("second", second, 14..30),
        ("silent", silent, 14..30),
        ("idle", idle, 4..14),
    ] {
        assert!(after.is_some_and(|after| seconds.contains(&after.as_secs())), "{what}: {after:?}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn one_network_has_a_quarter_of_the_connections() {
    let app = TestApp::with(|config| config.server.connections_max = 40).await;
    let place = place(&app.operator.base).to_owned();
    let mut open = Vec::new();
    for _ in 0..20 {
        open.push(TcpStream::connect(&place).await.unwrap());
    }
    // Those that have a place are closed when they said nothing for fifteen seconds; the others at once.
    let (begun, limit) = (Instant::now(), Duration::from_secs(10));
    let mut ends: FuturesUnordered<_> = open.iter_mut().map(|socket| closed(socket, begun, limit)).collect();
    for number in 0..10 {
        assert!(ends.next().await.is_some_and(|end| end.is_some()), "{number} of twenty were refused");
    }
    drop(ends);
    let looks = open.iter_mut().map(|socket| closed(socket, begun, Duration::from_millis(200)));
    let kept = join_all(looks).await.iter().filter(|end| end.is_none()).count();
    assert!((8..=10).contains(&kept), "{kept} of twenty");
    drop(open);
    tests::eventually("a place", async || {
        let answer = app.anyone().request(reqwest::Method::GET, "/health").send().await;
        answer.is_ok_and(|answer| answer.status() == 200).then_some(())
    })
    .await;
    app.stop().await;
}
