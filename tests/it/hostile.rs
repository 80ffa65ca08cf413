//! Bad input: a clear 4xx, never a 5xx, nothing written.

use reqwest::Method;
use serde_json::json;
use tests::{Reply, TestApp};

async fn raw(app: &TestApp, request: &str) -> String {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let mut socket = tokio::net::TcpStream::connect(app.running.address).await.unwrap();
    socket.write_all(request.as_bytes()).await.unwrap();
    let mut answer = vec![0; 4096];
    let n = tokio::time::timeout(std::time::Duration::from_secs(30), socket.read(&mut answer))
        .await
        .unwrap()
        .unwrap();
    String::from_utf8_lossy(&answer[..n]).into_owned()
}

#[actix_web::test]
async fn bodies_that_are_none_are_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let before = app.operator.get("/api/v1/tenants").await.text;
    let send = async |body: Vec<u8>, kind: &str| {
        let request =
            app.operator.request(Method::POST, "/api/v1/tenants").header("Content-Type", kind).body(body);
        Reply::read(request).await
    };
    let deep = "[".repeat(100_000);
    for (body, status, code) in [
        ("", 400, "validation.malformed"),
        ("{", 400, "validation.malformed"),
        ("{} x", 400, "validation.failed"),
        ("null", 400, "validation.failed"),
        ("[]", 400, "validation.failed"),
        ("\"x\"", 400, "validation.failed"),
        (deep.as_str(), 400, "validation.failed"),
        (r#"{"slug":"a","name":"b\u0000"}"#, 400, "validation.failed"),
        (r#"{"slug":"a","slug":"b","name":"c"}"#, 400, "validation.failed"),
        (r#"{"slug":"a","name":"b","id":"x"}"#, 400, "validation.failed"),
        (r#"{"slug":"a","name":"\ud800"}"#, 400, "validation.malformed"),
    ] {
        send(body.as_bytes().to_vec(), "application/json").await.refused(status, code);
    }
    send(vec![0xff, 0xfe, b'{', b'}'], "application/json").await.refused(400, "validation.malformed");
    send(b"{}".to_vec(), "text/plain").await.refused(415, "validation.media_type");
    send(vec![b' '; 10 << 20], "application/json").await.refused(413, "validation.too_large");
    let zipped = app
        .operator
        .request(Method::POST, "/api/v1/tenants")
        .header("Content-Encoding", "gzip")
        .header("Content-Type", "application/json")
        .body("x");
    Reply::read(zipped).await.refused(415, "validation.media_type");
    for body in ["", "{", "[]", "{\"userName\":7}", "{\"userName\":\"\\u0000\"}", &deep] {
        let request = acme
            .scim
            .request(Method::POST, "/scim/v2/Users")
            .header("Content-Type", "application/scim+json")
            .body(body.to_owned());
        let reply = Reply::read(request).await;
        assert_eq!(reply.status, 400, "{body:.40}: {}", reply.text);
        assert_eq!(reply.header("content-type"), "application/scim+json");
    }
    assert_eq!(acme.scim.get("/scim/v2/Users?count=0").await.total(), 0);
    assert_eq!(app.operator.get("/api/v1/tenants").await.text, before);
    app.stop().await;
}

#[actix_web::test]
async fn filters_that_attack_are_refused_at_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for filter in [
        "(".repeat(20_000),
        "(".repeat(4000),
        "not(".repeat(1000),
        "a[".repeat(2000),
        "a eq 1 and ".repeat(300),
        "userName eq \"\\u0000\"".to_owned(),
        "💥".repeat(500),
    ] {
        let reply = acme.scim.find("/scim/v2/Users", &filter).await;
        assert!(
            matches!(reply.status.as_u16(), 400 | 414 | 431),
            "{}: {}",
            &filter[..8.min(filter.len())],
            reply.status
        );
    }
    // Longer than any client's library lets through: by hand.
    let token = acme.scim.bearer.clone().unwrap();
    let long = "(".repeat(100_000);
    let answer = raw(&app, &format!("GET /scim/v2/Users?filter={long} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\nConnection: close\r\n\r\n")).await;
    assert!(answer.starts_with("HTTP/1.1 4"), "{answer:.80}");
    assert_eq!(acme.scim.get("/scim/v2/Users?filter=userName%20eq%20%22a%00%22").await.status, 400);
    assert_eq!(acme.scim.get("/scim/v2/Users?startIndex=x").await.status, 400);
    app.stop().await;
}

#[actix_web::test]
async fn strange_paths_lead_nowhere_and_past_no_gate() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let key = app.operator.bearer.clone().unwrap();
    for path in [
        "/api/v1/tenants/acme%2Fx",
        "/api/v1/tenants/acme%00",
        "/api/v1/tenants/%61cme%0d%0aX:y",
        "/api/v1/tenants/..%2f..",
        "/api/v1/tenants/%ff",
        "/api/v1/tenants/acme/users/%2e%2e",
        "/api/v1/tenants/acme/users/00000000000000000000000000000000",
        "/api/v1/tenants/ACME",
        "/api/v1/jobs/x",
        "/api/v1/flags/%00",
        "/api/v1//tenants/acme",
        "/api/v1/tenants/acme/",
        "/api/v1/tenants/acme;x=1",
    ] {
        let answer = raw(
            &app,
            &format!(
                "GET {path} HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nConnection: close\r\n\r\n"
            ),
        )
        .await;
        assert!(answer.starts_with("HTTP/1.1 404"), "{path}: {answer:.80}");
    }
    for path in [
        "/%73cim/v2/Users",
        "/scim/v2/%55sers",
        "/scim/v2/Users/../Users",
        "/Scim/v2/Users",
        "//scim/v2/Users",
        "/scim/v2/Users/%2e",
    ] {
        let answer = raw(&app, &format!("GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")).await;
        assert!(
            answer.starts_with("HTTP/1.1 401") || answer.starts_with("HTTP/1.1 404"),
            "{path}: {answer:.80}"
        );
    }
    drop(acme);
    app.stop().await;
}

#[actix_web::test]
async fn a_body_that_does_not_come_is_not_waited_for() {
    let app =
        TestApp::with(|config| config.server.body_timeout = std::time::Duration::from_millis(300)).await;
    let key = app.operator.bearer.clone().unwrap();
    let answer = raw(&app, &format!("POST /api/v1/tenants HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {key}\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{{")).await;
    assert!(answer.starts_with("HTTP/1.1 408") && answer.contains("validation.timeout"), "{answer:.200}");
    app.stop().await;
}

#[actix_web::test]
async fn credentials_that_are_none_are_refused_alike() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.anyone().get("/api/v1/tenants").await.refused(401, "auth.required");
    let scim = acme.scim.bearer.clone().unwrap();
    let key = acme.admin.bearer.clone().unwrap();
    for wrong in ["x", "tnt_key_", scim.as_str(), &key[..key.len() - 1], &format!("{key}x"), &"x".repeat(600)]
    {
        app.operator.with(wrong).get("/api/v1/tenants").await.refused(401, "auth.invalid");
    }
    acme.scim.with(key.as_str()).get("/scim/v2/Users").await.scim_refused(401, None);
    for header in ["Basic eDp5", "Bearer", "Bearer ", "bearer\tx", "Token x"] {
        let request = app.anyone().request(Method::GET, "/api/v1/tenants").header("Authorization", header);
        assert_eq!(Reply::read(request).await.status, 401, "{header}");
    }
    let denied = app.audit("authenticate").await;
    assert!(!denied.is_empty() && denied.iter().all(|event| event.outcome == "denied"));
    app.stop().await;
}

#[actix_web::test]
async fn urls_that_point_inside_are_refused() {
    let app = TestApp::with(|config| config.outbound.allow_private = false).await;
    for url in [
        "http://example.com",
        "https://127.0.0.1",
        "https://169.254.169.254/latest",
        "https://[::1]/",
        "https://2130706433/",
        "ftp://example.com",
        "https://u:p@example.com",
    ] {
        app.operator
            .post("/api/v1/modules", json!({"name": "m", "baseUrl": url}))
            .await
            .refused(400, "outbound.refused");
        app.operator
            .post("/api/v1/webhook-endpoints", json!({"url": url}))
            .await
            .refused(400, "outbound.refused");
        app.operator
            .post("/api/v1/issuers", json!({"issuer": url, "audience": "a"}))
            .await
            .refused(400, "outbound.refused");
    }
    app.operator
        .post("/api/v1/modules", json!({"name": "m", "baseUrl": "nonsense"}))
        .await
        .refused(400, "validation.failed");
    app.stop().await;
}
