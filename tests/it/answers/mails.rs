//! The mails that people get, as text and as a page.

use serde_json::{Value, json};
use tests::{Browser, TestApp};

use super::text_is;

/// The newest mail of this template: sender's words, text and what its page shows.
pub(super) async fn mail_is(app: &TestApp, template: &str) {
    let mail = app.mail("the mail", |mail| mail.template == template).await;
    let body = mail.html.split_once("<body").map_or(mail.html.as_str(), |(_, body)| body);
    let shown = format!("To: {}\nSubject: {}\n\n{}\n\n<body{body}", mail.recipient, mail.subject, mail.text);
    // The code of a proof ends the subject.
    let last = mail.code();
    let is_code = last.len() == 6 && last.bytes().all(|byte| byte.is_ascii_digit());
    let shown = if is_code { shown.replace(&last, "[six digits]") } else { shown };
    text_is(&format!("mail_{}", template.replace('-', "_")), &shown);
}

#[actix_web::test]
async fn an_invitation_and_a_request_to_join() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let brand = json!({"footer": "Acme Ltd, 1 Example Street", "color": "#0055aa", "supportUrl": "https://acme.example/help"});
    app.operator.put("/api/v1/tenants/acme/branding", brand).await.expect(200);
    let invite = json!({"email": "zoe@example.com", "role": "contributor", "message": "See you on Monday."});
    acme.admin.post("/api/v1/tenants/acme/invitations", invite).await.expect(201);
    mail_is(&app, "invitation").await;
    accept(&app, "zoe@example.com").await;
    crate::strangers::let_join(&app, &acme, "acme.example").await;
    let admin = json!({"email": "ann@acme.example", "role": "admin"});
    acme.admin.post("/api/v1/tenants/acme/invitations", admin).await.expect(201);
    accept(&app, "ann@acme.example").await;
    let rule = "/api/v1/tenants/acme/organizations/default/join-rules/acme.example";
    acme.admin.put(rule, json!({"mode": "request", "role": "viewer"})).await.expect(200);
    let asked: Value = json!({"tenant": "acme", "email": "bob@acme.example"});
    app.anyone().post("/api/v1/join", asked).await.expect(200);
    accept(&app, "bob@acme.example").await;
    mail_is(&app, "join-request").await;
    app.stop().await;
}

async fn accept(app: &TestApp, email: &str) {
    let token = app.invitation_token(email).await;
    let mut browser = Browser::default();
    let page = browser.open(format!("{}/invitations/accept?token={token}", app.operator.base)).await;
    browser.submit(&page.expect(200), &[("displayName", "Somebody")]).await;
}
