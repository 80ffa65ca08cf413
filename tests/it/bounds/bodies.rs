//! Bytes of bodies in memory.

use std::time::Duration;

use serde_json::json;
use tests::{Process, Store, TestApp};

use super::{MIB, by_hand, peak, place, resident};
use crate::crash::PROGRAM;

#[actix_web::test]
async fn what_is_sent_to_nobody_is_not_read() {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[("TENANTRY__RATE_LIMIT__ENABLED", "false")]).await;
    let place = place(&process.operator.base).to_owned();
    let attack = async |target: &str| {
        let head = format!("POST {target} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded");
        let all = (0..300).map(|_| by_hand(&place, &head, 520_000, 520_000));
        let all: Vec<u16> = futures_util::future::join_all(all).await;
        all
    };
    // What the first requests need, of whatever kind, isn't what an attack leaves behind.
    attack("/oauth2/authorize").await;
    process.operator.get("/api/v1/tenants").await.expect(200);
    tokio::time::sleep(Duration::from_secs(3)).await;
    let before = resident(process.id());
    for (target, status) in [
        ("/sso/saml/019c0000-0000-7000-8000-00000000dead/acs", 404),
        ("/realms/nobody/oauth2/authorize", 404),
        ("/there/is/nothing", 404),
        ("/health", 405),
        ("/api/v1/tenants", 401),
    ] {
        let mut answers = Vec::new();
        let memory = peak(process.id(), async { answers = attack(target).await }).await;
        // Fifty large ones of one network come at once; those beyond are asked to come back.
        let fits = |answer: &u16| [status, 429, 0].contains(answer);
        assert!(answers.iter().all(fits), "{target}: {answers:?}");
        // To some who still write, the end of the connection comes before the answer.
        assert!(answers.iter().filter(|answer| **answer == status).count() > 20, "{target} answers");
        // Three hundred of them at once are 156 MB; what a connection has read before it is refused is the socket's buffer.
        assert!(memory < 100 * MIB, "{target}: {} MiB", memory / MIB);
    }
    // Some thirty megabytes stay after the first burst of a fresh process (debug build), and none more after the next ones.
    let mut after = resident(process.id());
    for _ in 0..150 {
        if after <= before + 40 * MIB {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        after = resident(process.id());
    }
    assert!(after <= before + 40 * MIB, "{} MiB became {} MiB", before / MIB, after / MIB);
    process.operator.get("/api/v1/tenants").await.expect(200);
    process.kill().await;
}

#[actix_web::test]
async fn bodies_of_strangers_are_read_as_far_as_there_is_room() {
    let store = Store::new().await;
    let settings =
        [("TENANTRY__RATE_LIMIT__ENABLED", "false"), ("TENANTRY__SERVER__BODIES_IN_MEMORY", "8388608")];
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    let place = place(&process.operator.base).to_owned();
    process.operator.made_tenant(json!({"slug": "acme", "name": "Acme"})).await;
    let idp = tests::saml::shared_pair("idp");
    let xml = tests::saml::idp_metadata("https://idp.example/e", "https://idp.example/sso", &[&idp]);
    let body = json!({"type": "saml", "name": "Corp", "metadataXml": xml});
    let path = "/api/v1/tenants/acme/organizations/default/connections";
    let made = process.operator.post(path, body).await.expect(201);
    let target = format!("/sso/saml/{}/acs", made["id"].as_str().unwrap());
    let head = format!("POST {target} HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded");
    // What the first requests need isn't what bodies take.
    assert_eq!(by_hand(&place, &head, 1000, 1000).await, 400);
    let mut answers = Vec::new();
    let memory = peak(process.id(), async {
        let all = (0..100).map(|_| by_hand(&place, &head, 500_000, 500_000));
        answers = futures_util::future::join_all(all).await;
    })
    .await;
    // Whoever found no room within the time is asked to come back, and who found it piece by piece may be too late; who found it is told that
    // this is no response.
    assert!(answers.iter().all(|status| matches!(status, 0 | 400 | 408 | 429 | 503)), "{answers:?}");
    assert!(answers.contains(&400), "{answers:?}");
    // Fifty megabytes, of which eight have room; the rest is what sockets and their buffers hold.
    assert!(memory < 80 * MIB, "{} MiB", memory / MIB);
    process.kill().await;
}

#[actix_web::test]
async fn one_callers_uploads_leave_room_for_others_and_for_small_ones() {
    let app = TestApp::with(|config| {
        config.server.bodies_in_memory = 8 << 20;
        config.rate_limit.enabled = false;
        // Who stops in the middle keeps its share for as long as this lasts.
        config.server.body_timeout = Duration::from_secs(60);
    })
    .await;
    let (acme, beta) = (app.tenant("acme").await, app.tenant("beta").await);
    let place = place(&app.operator.base).to_owned();
    let upload = |bearer: &str, bytes: usize, sent: usize| {
        let head = format!(
            "POST /scim/v2/Users HTTP/1.1\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/scim+json"
        );
        let place = place.clone();
        async move { by_hand(&place, &head, bytes, sent).await }
    };
    let (one, other) = (acme.scim.bearer.clone().unwrap(), beta.scim.bearer.clone().unwrap());
    // acme announces as much as it may have, and stops in the middle.
    let mut stuck = actix_web::rt::spawn(upload(&one, 4 << 20, 1 << 20));
    tests::eventually("its share to be taken", async || {
        if stuck.is_finished() {
            // It came behind the other one below, and was refused itself.
            stuck = actix_web::rt::spawn(upload(&one, 4 << 20, 1 << 20));
            return None;
        }
        (upload(&one, 2 << 20, 2 << 20).await == 429).then_some(())
    })
    .await;
    assert_eq!(upload(&other, 2 << 20, 2 << 20).await, 400, "another's isn't");
    assert_eq!(upload(&one, 1000, 1000).await, 400, "small ones pass");
    app.anyone().get("/health").await.expect(200);
    // A stranger gets room for what came: announcing takes nobody's.
    let idle: Vec<_> = (0..20)
        .map(|_| {
            let head = "POST /oauth2/token HTTP/1.1\r\nContent-Type: application/x-www-form-urlencoded";
            let place = place.clone();
            actix_web::rt::spawn(async move { by_hand(&place, head, 60_000, 10).await })
        })
        .collect();
    tokio::time::sleep(Duration::from_millis(200)).await;
    let form = [("grant_type", "x")];
    assert_eq!(app.anyone().form("/oauth2/token", &form).await.status, 400);
    stuck.abort();
    idle.into_iter().for_each(|one| one.abort());
    app.stop().await;
}
