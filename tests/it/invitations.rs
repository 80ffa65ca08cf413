//! An invitation, from the mail to the member.

pub(crate) mod many;

use serde_json::json;
use tests::{Invitation, Job, Reply, SmtpServer, TestApp};

const LIST: &str = "/api/v1/tenants/acme/invitations";

#[actix_web::test]
async fn a_person_is_invited_accepts_once_and_becomes_a_user() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made =
        acme.admin.post(LIST, json!({"email": "zoe@example.com", "role": "contributor"})).await.expect(201);
    assert!(made.get("token").is_none());
    let token = app.invitation_token("zoe@example.com").await;
    for _ in 0..3 {
        let page = app.anyone().get(&format!("/invitations/accept?token={token}")).await;
        assert_eq!(page.status, 200);
        assert!(
            page.text.contains("zoe@example.com")
                && page.header("content-security-policy").contains("default-src 'none'")
        );
    }
    let accepted: Invitation = app
        .anyone()
        .post("/api/v1/invitations/accept", json!({"token": token, "displayName": "Zoë"}))
        .await
        .found();
    assert_eq!(accepted.status, "accepted");
    let user = acme.admin.user("acme", &accepted.user_id.unwrap()).await;
    assert_eq!(
        (user.role.as_str(), user.source.as_str(), user.display_name.as_deref()),
        ("contributor", "invitation", Some("Zoë"))
    );
    app.anyone()
        .post("/api/v1/invitations/accept", json!({"token": token}))
        .await
        .refused(410, "invitation.gone");
    let page = app.anyone().get(&format!("/invitations/accept?token={token}")).await;
    assert_eq!(page.status, 410);
    assert!(!page.text.contains("zoe@example.com"), "a dead token tells nothing");
    app.stop().await;
}

#[actix_web::test]
async fn an_invitation_that_is_over_revoked_or_resent_cannot_be_accepted() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let accept =
        async |token: &str| app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await;
    acme.invite("a@example.com", "viewer").await;
    acme.admin
        .post(LIST, json!({"email": "A@example.com", "role": "viewer"}))
        .await
        .refused(409, "invitation.pending");
    let token = app.invitation_token("a@example.com").await;
    app.clock.advance(chrono::TimeDelta::days(8));
    accept(&token).await.refused(410, "invitation.gone");
    let path = format!("{LIST}/{}", acme.invite("a@example.com", "viewer").await.id);
    let old = app.invitation_token("a@example.com").await;
    acme.admin.post(&format!("{path}/resend"), json!({})).await.expect(200);
    let new = tests::eventually("a second mail", async || {
        let token = app.invitation_token("a@example.com").await;
        (token != old).then_some(token)
    })
    .await;
    accept(&old).await.refused(404, "invitation.unknown");
    assert_eq!(acme.admin.delete(&path).await.status, 204);
    accept(&new).await.refused(410, "invitation.gone");
    acme.admin.delete(&path).await.refused(409, "invitation.not_pending");
    for wrong in ["", "x", &new[..new.len() - 1]] {
        accept(wrong).await.refused(404, "invitation.unknown");
    }
    app.stop().await;
}

#[actix_web::test]
async fn mail_leaves_by_smtp_and_is_tried_again() {
    let mut smtp = SmtpServer::start().await;
    let url = smtp.url();
    let app = TestApp::with(|config| config.section_mut::<mail::Settings>().url = url.into()).await;
    let acme = app.tenant("acme").await;
    assert_eq!(app.anyone().get("/dev/mail").await.status, 404);
    acme.invite("zoe@example.com", "viewer").await;
    let mail = smtp.0.next().await;
    assert_eq!(mail["to"], json!(["zoe@example.com"]));
    let raw = mail["raw"].as_str().unwrap();
    assert!(
        raw.contains("multipart/alternative") && raw.contains("Message-ID:") && raw.contains("text/html")
    );
    acme.invite("later@example.com", "viewer").await;
    assert_eq!(smtp.0.next().await["to"], json!(["later@example.com"]), "greylisted, then taken");
    acme.invite("never@example.com", "viewer").await;
    let dead = tests::eventually("a dead letter", async || {
        app.operator.jobs("status=dead").await.into_iter().next()
    })
    .await;
    assert_eq!(dead.kind, "mail.send");
    assert!(dead.last_error.as_ref().unwrap().contains("550"), "{dead:?}");
    let retried = app.operator.post(&format!("/api/v1/jobs/{}/retry", dead.id), json!({})).await;
    assert_eq!(retried.found::<Job>().status, "pending");
    app.stop_with_dead_letters(&["mail.send"]).await;
}

#[actix_web::test]
async fn no_forged_host_reaches_a_link() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let hostile = [
        ("X-Forwarded-Host", "evil.example"),
        ("X-Forwarded-Server", "evil.example"),
        ("Forwarded", "host=evil.example;proto=https"),
        ("X-Host", "evil.example"),
        ("X-Original-Host", "evil.example"),
        ("X-Forwarded-Proto", "evil"),
        ("X-Original-URL", "//evil.example/"),
        ("Host", "evil.example"),
    ];
    for (number, (name, value)) in hostile.into_iter().enumerate() {
        let body = json!({"email": format!("z{number}@example.com"), "role": "viewer"});
        let request = acme.admin.request(reqwest::Method::POST, LIST).header(name, value).json(&body);
        Reply::read(request).await.expect(201);
        app.invitation_token(&format!("z{number}@example.com")).await;
    }
    assert!(!app.anyone().mail_list().await.expect(200).to_string().contains("evil"));
    app.stop().await;
}
