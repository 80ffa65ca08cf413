//! What is sent ahead of the answers.

use std::time::Duration;

use tests::{Process, Store, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{MIB, peak, place};
use crate::crash::PROGRAM;

/// Sends all of `bytes`, and reads until the answers hold `count` of `what`, or for the time.
async fn converse(place: &str, bytes: &[u8], what: &str, count: usize) -> String {
    let mut socket = TcpStream::connect(place).await.expect("it listens");
    let (mut reader, mut writer) = socket.split();
    let mut answers = Vec::new();
    let read = async {
        let mut buffer = [0; 16 << 10];
        while let Ok(read @ 1..) = reader.read(&mut buffer).await {
            answers.extend_from_slice(&buffer[..read]);
            if String::from_utf8_lossy(&answers).matches(what).count() >= count {
                break;
            }
        }
    };
    let write = async {
        let _ = writer.write_all(bytes).await;
        std::future::pending::<()>().await;
    };
    let both = async {
        tokio::select! { () = read => {}, () = write => {} }
    };
    let _ = tokio::time::timeout(Duration::from_secs(60), both).await;
    String::from_utf8_lossy(&answers).into_owned()
}

/// A body in chunks of one byte.
fn crumbs(body: &str) -> String {
    let mut chunks: String = body.chars().map(|one| format!("1\r\n{one}\r\n")).collect();
    chunks.push_str("0\r\n\r\n");
    chunks
}

#[actix_web::test]
async fn requests_sent_ahead_are_answered_in_their_order() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let place = place(&app.operator.base).to_owned();
    let bearer = app.operator.bearer.clone().expect("a key");
    let mut all = String::new();
    let mut expected = Vec::new();
    for number in 0..600 {
        expected.push(format!("r{number}"));
        let head = format!("Host: x\r\nX-Request-Id: r{number}\r\nAuthorization: Bearer {bearer}\r\n");
        // Long heads go over several reads.
        all.push_str(&match number % 3 {
            0 => format!("GET /api/v1/tenants HTTP/1.1\r\n{head}\r\n"),
            1 => format!("GET /health HTTP/1.1\r\n{head}X-Long: {}\r\n\r\n", "l".repeat(5000)),
            _ => format!("HEAD /health HTTP/1.1\r\n{head}\r\n"),
        });
    }
    let answers = converse(&place, all.as_bytes(), "x-request-id: ", 600).await;
    let ids: Vec<&str> =
        answers.lines().filter_map(|line| line.strip_prefix("x-request-id: ")).map(str::trim).collect();
    assert_eq!(ids, expected);
    for (status, count) in [("HTTP/1.1 200", 400), ("HTTP/1.1 405", 200)] {
        assert_eq!(answers.matches(status).count(), count, "{status}");
    }
    app.stop().await;
}

/// Statuses of the answers, as one reads them who knows which of the requests were HEAD: those have no body.
fn framed(mut answers: &str, methods: &[&str]) -> Vec<u16> {
    let mut all = Vec::new();
    for method in methods {
        let Some((head, rest)) = answers.split_once("\r\n\r\n") else { break };
        let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        let length = length.and_then(|length| length.parse().ok()).unwrap_or(0);
        let length = if *method == "HEAD" { 0 } else { length };
        all.push(status);
        answers = &rest[length.min(rest.len())..];
    }
    assert!(answers.is_empty(), "more than was asked for: {answers}");
    all
}

#[actix_web::test]
async fn each_of_several_requests_in_one_piece_has_its_own_answer() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let place = place(&app.operator.base).to_owned();
    let bearer = app.operator.bearer.clone().expect("a key");
    let one = |method: &str, target: &str, version: &str, more: &str| {
        format!("{method} {target} HTTP/{version}\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n{more}\r\n")
    };
    let get = one("GET", "/health", "1.1", "");
    let head = one("HEAD", "/health", "1.1", "");
    let body = r#"{"slug": "", "name": "n"}"#;
    let json = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", body.len());
    let post = format!("{}{body}", one("POST", "/api/v1/tenants", "1.1", &json));
    let last = one("GET", "/health", "1.1", "Connection: close\r\n");
    let old = one("GET", "/health", "1.0", "");
    for (what, requests, methods, statuses) in [
        ("POST, HEAD, GET", vec![&post, &head, &get], vec!["POST", "HEAD", "GET"], vec![400, 405, 200]),
        ("GET, HEAD, GET", vec![&get, &head, &get], vec!["GET", "HEAD", "GET"], vec![200, 405, 200]),
        ("GET, POST, GET", vec![&get, &post, &get], vec!["GET", "POST", "GET"], vec![200, 400, 200]),
        ("the last, and one more", vec![&get, &last, &get], vec!["GET", "GET", "GET"], vec![200, 200]),
        ("one of HTTP/1.0 behind", vec![&get, &old], vec!["GET", "GET"], vec![200, 200]),
    ] {
        let pieces: String = requests.into_iter().map(String::as_str).collect();
        let answers = converse(&place, pieces.as_bytes(), "HTTP/1.", statuses.len()).await;
        assert_eq!(framed(&answers, &methods), statuses, "{what}: {answers}");
        assert!(
            answers.starts_with("HTTP/1.1 ") && !answers.split_once("\r\n\r\n").unwrap().0.contains("close"),
            "{what}"
        );
    }
    app.stop().await;
}

#[actix_web::test]
async fn who_stalls_or_wants_another_protocol_is_answered_and_let_go() {
    let app = TestApp::with(|config| config.server.body_timeout = Duration::from_secs(1)).await;
    let bearer = app.operator.bearer.clone().expect("a key");
    let head = format!("HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\n");
    for (what, request, status) in [
        (
            "a chunk",
            format!(
                "POST /api/v1/tenants {head}Content-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab"
            ),
            408,
        ),
        (
            "a body",
            format!(
                "POST /api/v1/tenants {head}Content-Type: application/json\r\nContent-Length: 5\r\n\r\nab"
            ),
            408,
        ),
        (
            "another protocol",
            format!("GET /health {head}Connection: upgrade\r\nUpgrade: websocket\r\n\r\n"),
            400,
        ),
    ] {
        let mut socket = TcpStream::connect(place(&app.operator.base)).await.unwrap();
        socket.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        let read = tokio::time::timeout(Duration::from_secs(30), socket.read_to_end(&mut answer));
        read.await.unwrap_or_else(|_| panic!("{what}: it isn't closed")).unwrap();
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{what}: {answer}");
        assert!(answer.contains("connection: close"), "{what}: {answer}");
    }
    app.stop().await;
}

#[actix_web::test]
async fn bodies_of_every_size_come_in_on_one_connection() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let mut socket = TcpStream::connect(place(&app.operator.base)).await.unwrap();
    let bearer = app.operator.bearer.clone().expect("a key");
    let mut buffer = vec![0; 64 << 10];
    // Around what is read at a time, whole and in chunks of one byte.
    for length in [0, 1, 500, 1023, 1024, 1025, 16_383, 16_384, 16_385, 40_000, 200_000] {
        let body = format!(r#"{{"slug": "", "name": "{}"}}"#, "n".repeat(length));
        let whole = format!("Content-Length: {}\r\n\r\n{body}", body.len());
        let chunked = format!("Transfer-Encoding: chunked\r\n\r\n{}", crumbs(&body));
        for framed in [whole, chunked] {
            let head = "POST /api/v1/tenants HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n";
            let request = format!("{head}Authorization: Bearer {bearer}\r\n{framed}");
            socket.write_all(request.as_bytes()).await.unwrap();
            let mut answer = String::new();
            while !answer.ends_with('}') {
                let read = tokio::time::timeout(Duration::from_secs(20), socket.read(&mut buffer));
                let count = read.await.expect("an answer in time").unwrap();
                assert!(count > 0, "{length}: {answer}");
                answer.push_str(std::str::from_utf8(&buffer[..count]).unwrap());
            }
            assert!(answer.starts_with("HTTP/1.1 400") && answer.contains("/slug"), "{length}: {answer}");
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn who_stops_sending_still_gets_the_answer() {
    let app = TestApp::start().await;
    let mut socket = TcpStream::connect(place(&app.operator.base)).await.unwrap();
    let bearer = app.operator.bearer.clone().expect("a key");
    let body = r#"{"slug": "acme", "name": "Acme"}"#;
    let request = format!(
        "POST /api/v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\nPrefer: wait=20\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // In pieces, as a slow network brings them.
    for piece in request.as_bytes().chunks(40) {
        socket.write_all(piece).await.unwrap();
        socket.flush().await.unwrap();
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    socket.shutdown().await.unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 201"), "{answer}");
    app.stop().await;
}

#[actix_web::test]
async fn what_is_sent_ahead_stays_with_its_sender() {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[("TENANTRY__RATE_LIMIT__ENABLED", "false")]).await;
    let place = place(&process.operator.base).to_owned();
    let bearer = process.operator.bearer.clone().expect("a key");
    let many = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4000);
    let crumbs = format!(
        "POST /api/v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n{}",
        crumbs(&format!(r#"{{"slug": "", "name": "{}"}}"#, "c".repeat(32_000)))
    );
    // The first requests need memory of whatever kind.
    converse(&place, many.as_bytes(), "HTTP/1.1 200", 4000).await;
    // 400,000 requests, and 3,200,000 chunks: read ahead they were 1,200 and 180 MiB.
    for (what, bytes, found, connections) in
        [("requests", &many, "HTTP/1.1 200", 100), ("chunks", &crumbs, "HTTP/1.1 4", 100)]
    {
        let count = if what == "requests" { 400 } else { 1 };
        let mut answers = Vec::new();
        let memory = peak(process.id(), async {
            let all = (0..connections).map(|_| converse(&place, bytes.as_bytes(), found, count));
            answers = futures_util::future::join_all(all).await;
        })
        .await;
        assert!(answers.iter().all(|answer| answer.contains(found)), "{what} are answered");
        assert!(memory < 60 * MIB, "{what}: {} MiB", memory / MIB);
    }
    process.operator.get("/api/v1/tenants").await.expect(200);
    process.kill().await;
}
