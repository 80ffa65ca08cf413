//! What callers without a credential leave behind: figures, rows, records.

use chrono::TimeDelta;
use reqwest::Method;
use serde_json::json;
use tests::{Reply, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::{place, rows};
use crate::sso::{connect, module};

#[actix_web::test]
async fn invented_methods_make_no_figures() {
    let app = TestApp::start().await;
    app.anyone().get("/health").await.expect(200);
    let before = app.anyone().get("/metrics").await.text.len();
    let mut socket = TcpStream::connect(place(&app.operator.base)).await.unwrap();
    let (mut reader, mut writer) = socket.split();
    let write = async {
        for number in 0..3_000 {
            let last = if number == 2_999 { "Connection: close\r\n" } else { "" };
            let request = format!("X{number} /health HTTP/1.1\r\nHost: x\r\n{last}\r\n");
            writer.write_all(request.as_bytes()).await.unwrap();
        }
    };
    let read = async {
        let (mut buffer, mut answers) = (vec![0; 64 << 10], 0);
        while let Ok(count @ 1..) = reader.read(&mut buffer).await {
            answers += String::from_utf8_lossy(&buffer[..count]).matches("HTTP/1.1 ").count();
        }
        answers
    };
    let ((), answers) = tokio::join!(write, read);
    assert!(answers > 2_950, "{answers} answers");
    let metrics = app.anyone().get("/metrics").await.text;
    assert!(metrics.contains("method=\"other\""), "they are counted: {metrics:.500}");
    assert!(!metrics.contains("X2998"));
    assert!(metrics.len() < before + 64_000, "{before} bytes became {}", metrics.len());
    app.stop().await;
}

/// Lines that were not logged, of all processes that share these figures.
async fn unlogged(app: &TestApp) -> u64 {
    let metrics = app.anyone().get("/metrics").await.text;
    let figure = metrics.lines().find_map(|line| line.strip_prefix("tenantry_log_lines_dropped_total "));
    figure.map_or(0, |figure| figure.parse().expect("a number"))
}

#[actix_web::test]
async fn a_flood_of_strangers_who_are_answered_rightly_writes_few_lines() {
    // On several threads: so many are answered within the minute in which 6,000 lines are logged.
    let app = TestApp::with(|config| config.server.workers = 4).await;
    let before = unlogged(&app).await;
    let flood = async || {
        let mut socket = TcpStream::connect(place(&app.operator.base)).await.unwrap();
        let (mut reader, mut writer) = socket.split();
        let write = async {
            let request = |last: &str| format!("GET /health HTTP/1.1\r\nHost: x\r\n{last}\r\n");
            let all = request("").repeat(1_599) + &request("Connection: close\r\n");
            writer.write_all(all.as_bytes()).await.unwrap();
        };
        let read = async {
            let (mut text, mut buffer) = (Vec::new(), vec![0; 64 << 10]);
            while let Ok(count @ 1..) = reader.read(&mut buffer).await {
                text.extend_from_slice(&buffer[..count]);
            }
            String::from_utf8_lossy(&text).matches("HTTP/1.1 200").count()
        };
        tokio::join!(write, read).1
    };
    let answers = tokio::join!(flood(), flood(), flood(), flood());
    assert_eq!(answers, (1_600, 1_600, 1_600, 1_600));
    let after = unlogged(&app).await;
    assert!(after >= before + 400, "{before} lines were not logged, then {after}");
    app.stop().await;
}

#[actix_web::test]
async fn junk_behind_an_authorization_request_is_not_stored() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let client = module(&app, "app", json!({})).await;
    let url = client.authorize(&app, &[]);
    // Too much of it is no request.
    let junk = format!("{url}&junk={}", "x".repeat(60_000));
    assert_eq!(app.anyone().get(&junk).await.status, 400);
    let many: String = (0..100).map(|number| format!("&p{number}=x")).collect();
    assert_eq!(app.anyone().get(&format!("{url}{many}")).await.status, 400);
    assert_eq!(rows(&app, "authorization_request").await, 0);
    // What a request needn't have is let go by, and not stored.
    let some: String = (0..7).map(|number| format!("&p{number}={}", "junk".repeat(500))).collect();
    assert_eq!(app.anyone().get(&format!("{url}{some}")).await.status, 200);
    let find = async |view: &platform::PlatformView| {
        view.query(
            &platform::CrossTenantStatement::new(
                "SELECT CAST(parameters AS TEXT) AS p FROM authorization_request",
            ),
            Vec::new(),
        )
        .await
    };
    let stored = app.running.service.db.read_platform(find).await.unwrap();
    let stored: Vec<String> = stored.iter().map(|row| row.try_get("", "p").unwrap()).collect();
    assert_eq!(stored.len(), 1);
    assert!(stored[0].contains("n0nce") && !stored[0].contains("junk"), "{}", stored[0]);
    // As many as one network may have wait at once, and no more.
    let mut statuses = Vec::new();
    for _ in 0..150 {
        statuses.push(app.anyone().get(&url).await.status.as_u16());
    }
    assert_eq!(statuses.iter().filter(|status| **status == 200).count(), 119, "{statuses:?}");
    assert_eq!(statuses.last(), Some(&429));
    assert_eq!(rows(&app, "authorization_request").await, 120);
    app.clock.advance(TimeDelta::minutes(31));
    app.sweep("authorization_request").await;
    assert_eq!(rows(&app, "authorization_request").await, 0);
    app.stop().await;
}

#[actix_web::test]
async fn sign_ins_that_strangers_begin_are_bounded_and_soon_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let idp = tests::saml::shared_pair("idp");
    let xml = tests::saml::idp_metadata("https://idp.example/e", "https://idp.example/sso", &[&idp]);
    let made = connect(&acme, json!({"type": "saml", "name": "Corp", "metadataXml": xml})).await;
    let path = format!("/login?connection={}", made.id);
    let mut begun = 0;
    for _ in 0..150 {
        // The provider isn't there: whoever is sent to it began.
        let answer = app.anyone().request(Method::GET, &path).send().await;
        begun += usize::from(answer.is_err_and(|error| error.is_connect()));
    }
    let _ = begun;
    assert_eq!(rows(&app, "sign_in").await, 120);
    app.clock.advance(TimeDelta::minutes(12));
    app.sweep("sign_in").await;
    assert_eq!(rows(&app, "sign_in").await, 120, "shown as abandoned for a while");
    app.clock.advance(TimeDelta::minutes(4));
    app.sweep("sign_in").await;
    assert_eq!(rows(&app, "sign_in").await, 0);
    app.stop().await;
}

#[actix_web::test]
async fn failed_sign_ins_of_strangers_leave_few_traces() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made = connect(
        &acme,
        json!({"type": "oidc", "name": "Corp", "issuer": "http://127.0.0.1:9", "clientId": "x", "clientSecret": "y"}),
    )
    .await;
    let path = format!("/login?connection={}", made.id);
    for _ in 0..60 {
        let status = app.anyone().get(&path).await.status;
        assert!(status.is_client_error() || status.is_server_error(), "{status}");
    }
    assert_eq!(rows(&app, "sign_in").await, 20);
    app.stop().await;
}

#[actix_web::test]
async fn unsigned_webhooks_and_wrong_credentials_are_recorded_a_few_times() {
    let app = TestApp::with(|config| {
        config.section_mut::<inbox::Settings>().stripe_secret =
            secrecy::SecretString::from("whsec_for-tests");
        config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()];
    })
    .await;
    let from = |address: String, method: Method, path: &str| {
        app.anyone().request(method, path).header("X-Forwarded-For", address)
    };
    for number in 0..100 {
        let request = from("203.0.113.7".to_owned(), Method::POST, "/api/webhooks/stripe");
        let reply = Reply::read(request.json(&json!({"id": number}))).await;
        assert_eq!(reply.status, 401);
    }
    assert_eq!(app.audit("inbox.receive").await.len(), 20);
    // One attacker has a /64, many have many networks.
    for host in 0..40 {
        let request = from(format!("2001:db8::{host:x}"), Method::GET, "/api/v1/tenants");
        assert_eq!(Reply::read(request.bearer_auth("tnt_key_wrong")).await.status, 401);
    }
    let recorded = rows(&app, "audit_event WHERE action = 'authenticate'").await;
    assert_eq!(recorded, 20);
    for host in 0..400 {
        let address = format!("198.51.{}.{}", host / 200, host % 200);
        let request = from(address, Method::GET, "/api/v1/tenants");
        assert_eq!(Reply::read(request).await.status, 401);
    }
    let recorded = rows(&app, "audit_event WHERE outcome = 'denied'").await;
    assert_eq!(recorded, 300, "all together in a minute");
    assert_eq!(rows(&app, "inbox_event").await, 0);
    app.stop().await;
}
