//! Many at once, by domain, within limits; seats.

use serde_json::{Value, json};
use tests::{
    BatchLine, Invitation, InvitationBatch, Invitations, JoinRequest, Reply, Tenant, TestApp, eventually,
};

use super::LIST;
use crate::sso::prove_domain;

const BULK: &str = "/api/v1/tenants/acme/invitations/bulk";

async fn finished(tenant: &Tenant, batch: &InvitationBatch) -> InvitationBatch {
    let path = format!("{BULK}/{}", batch.id);
    eventually("the batch's end", async || {
        let state: InvitationBatch = tenant.admin.get(&path).await.found();
        (state.status == "done").then_some(state)
    })
    .await
}

async fn seats(tenant: &Tenant) -> (i64, i64) {
    let users = tenant.admin.quota("acme", "users").await;
    (users.used, users.reserved)
}

#[actix_web::test]
async fn a_file_is_taken_as_a_whole_and_every_line_says_what_came_of_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.post(LIST, json!({"email": "there@example.com", "role": "viewer"})).await.expect(201);
    let file = "\u{feff}Email,role,message\n\
        =cmd|'/c calc'!A1@example.com,viewer,\n\
        ann@example.com,admin,\"Hello, Ann\"\n\
        ANN@example.com,viewer,\n\
        not an address,viewer,\n\
        there@example.com,viewer,\n\
        bob@example.com,,\n\
        eve@example.com,operator,\n";
    let request = app.operator.request(reqwest::Method::POST, &format!("{BULK}?role=guest"));
    let request = request.header("Content-Type", "text/csv").body(file);
    let batch: InvitationBatch = Reply::read(request).await.accepted();
    assert_eq!(batch.total, 7);
    let state = finished(&acme, &batch).await;
    assert_eq!((state.invited, state.refused, state.waiting), (2, 5, 0));
    let lines = format!("{BULK}/{}/lines", batch.id);
    let report: Vec<BatchLine> = acme.admin.get(&format!("{lines}?limit=200")).await.items();
    let of = |number: usize| &report[number - 1];
    let said = |number: usize| (of(number).status.as_str(), of(number).code.as_deref().unwrap_or("-"));
    assert_eq!(said(2), ("invited", "-"));
    assert_eq!(said(3), ("refused", "validation.failed"));
    assert_eq!(of(3).detail.as_deref(), Some("is in the file twice"));
    assert_eq!(said(5), ("refused", "invitation.pending"));
    assert_eq!((said(6), of(6).role.as_str()), (("invited", "-"), "guest"));
    assert_eq!(said(7), ("refused", "validation.failed"));
    // As a spreadsheet: no cell of it is a formula.
    let request = acme.admin.request(reqwest::Method::GET, &lines).header("Accept", "text/csv");
    let csv = Reply::read(request).await;
    assert!(
        csv.header("content-type").starts_with("text/csv")
            && csv.header("content-disposition").contains("attachment")
    );
    assert!(csv.text.contains("'=cmd") && !csv.text.lines().any(|line| line.contains(",=")), "{}", csv.text);
    // The same addresses again: everybody is invited already.
    let again: InvitationBatch =
        app.operator.post(BULK, json!({"invitations": [{"email": "ann@example.com"}]})).await.accepted();
    assert_eq!(finished(&acme, &again).await.refused, 1);
    let there: Invitations = acme.admin.get(&format!("{LIST}?status=pending&email=AN&limit=1")).await.found();
    assert_eq!((there.counts.pending, there.items[0].email.as_str()), (1, "ann@example.com"));
    for wrong in [
        json!({"invitations": []}),
        json!({"invitations": [{"email": "a@b.example"}], "colour": "red"}),
        json!({"invitations": vec![json!({"email": "a@b.example"}); 10_001]}),
    ] {
        app.operator.post(BULK, wrong).await.refused(400, "validation.failed");
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_pending_invitation_holds_a_seat_until_it_ends() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.limit("acme", "users", 2).await;
    let invite = async |email: &str| app.operator.post(LIST, json!({"email": email, "role": "viewer"})).await;
    invite("a@example.com").await.expect(201);
    let b = invite("b@example.com").await.created_id();
    assert_eq!(seats(&acme).await, (0, 2));
    invite("c@example.com").await.refused(403, "quota.exceeded");
    let batch: InvitationBatch =
        app.operator.post(BULK, json!({"invitations": [{"email": "c@example.com"}]})).await.accepted();
    assert_eq!(finished(&acme, &batch).await.refused, 1);
    // Taken back: free. Accepted: a user has it.
    assert_eq!(app.operator.delete(&format!("{LIST}/{b}")).await.status, 204);
    assert_eq!(seats(&acme).await, (0, 1));
    app.accept_invitation("a@example.com").await;
    assert_eq!(seats(&acme).await, (1, 0));
    app.operator
        .post(LIST, json!({"email": "a@example.com", "role": "viewer"}))
        .await
        .refused(409, "invitation.member");
    // Over: the seat is free although nobody has looked yet, and the clean-up says so.
    let ends = app.clock.now() + chrono::TimeDelta::hours(2);
    let body = json!({"email": "d@example.com", "role": "viewer", "expiresAt": ends, "locale": "de-AT"});
    let d = app.operator.post(LIST, body).await.created_id();
    let mail = app.mail("the mail", |mail| mail.recipient == "d@example.com").await;
    assert_eq!((mail.locale.as_str(), mail.subject.as_str()), ("de", "Sie sind zu acme eingeladen"));
    app.clock.advance(chrono::TimeDelta::hours(3));
    invite("e@example.com").await.expect(201);
    invitations::sweep(&app.running.service).await.unwrap();
    let over: Invitation = app.operator.get(&format!("{LIST}/{d}")).await.found();
    assert_eq!(over.status, "expired");
    assert_eq!(app.audit("invitation.expire").await.len(), 1);
    assert_eq!(seats(&acme).await, (1, 1));
    for wrong in [app.clock.now(), app.clock.now() + chrono::TimeDelta::days(91)] {
        let body = json!({"email": "f@example.com", "role": "viewer", "expiresAt": wrong});
        app.operator.post(LIST, body).await.refused(400, "validation.failed");
    }
    app.stop().await;
}

/// Whether an answer says to come back when the 24 hours are over, which have just begun.
fn comes_back_in_a_day(reply: &Reply) -> bool {
    reply.header("retry-after").parse().is_ok_and(|seconds: u64| (86_000..=86_401).contains(&seconds))
}

/// An organization's own people may invite so many a day.
async fn with_a_day_of(invitations: u64) -> TestApp {
    TestApp::with(|config| {
        config.section_mut::<::invitations::Settings>().per_organization_per_day = invitations;
    })
    .await
}

#[actix_web::test]
async fn nobody_is_flooded_and_scim_goes_first() {
    let app = with_a_day_of(3).await;
    let acme = app.tenant("acme").await;
    let invite = async |email: &str| acme.admin.post(LIST, json!({"email": email, "role": "viewer"})).await;
    for name in ["a", "b", "c"] {
        invite(&format!("{name}@example.com")).await.expect(201);
    }
    let refused = invite("d@example.com").await;
    assert!(comes_back_in_a_day(&refused), "{:?}", refused.headers);
    let refused = refused.refused(429, "invitation.limited");
    assert_eq!((refused.fact("per"), refused.fact("limit")), (&json!("organization"), &json!(3)));
    let batch: InvitationBatch =
        acme.admin.post(BULK, json!({"invitations": [{"email": "d@example.com"}]})).await.accepted();
    assert_eq!(finished(&acme, &batch).await.refused, 1);
    app.operator.post(LIST, json!({"email": "d@example.com", "role": "viewer"})).await.expect(201);
    let there: Invitation = acme.admin.get(&format!("{LIST}?email=a@")).await.first();
    let path = format!("{LIST}/{}/resend", there.id);
    for _ in 0..4 {
        acme.admin.post(&path, json!({})).await.expect(200);
    }
    // Whoever asks: it is the person who gets the mails that is protected.
    let again = json!({"email": "A@example.com", "role": "viewer"});
    for client in [&acme.admin, &app.operator] {
        let refused = client.post(&path, json!({})).await;
        assert!(comes_back_in_a_day(&refused), "{:?}", refused.headers);
        assert_eq!(*refused.refused(429, "invitation.limited").fact("per"), "recipient");
    }
    assert_eq!(app.operator.delete(path.trim_end_matches("/resend")).await.status, 204);
    app.operator.post(LIST, again.clone()).await.refused(429, "invitation.limited");
    let batch: InvitationBatch = app.operator.post(BULK, json!({"invitations": [again]})).await.accepted();
    assert_eq!(finished(&acme, &batch).await.refused, 1);
    app.clock.advance(chrono::TimeDelta::hours(25));
    invite("e@example.com").await.expect(201);
    // An identity provider that pushes its people has the last word.
    acme.user("u").await;
    let refused = invite("f@example.com").await.refused(409, "invitation.directory_managed");
    assert!(refused.detail.contains("SCIM"));
    acme.admin
        .post(BULK, json!({"invitations": [{"email": "f@example.com"}]}))
        .await
        .refused(409, "invitation.directory_managed");
    app.stop().await;
}

#[actix_web::test]
async fn people_of_a_proven_domain_join_or_ask_to() {
    let app = with_a_day_of(2).await;
    let acme = app.tenant("acme").await;
    let rules = "/api/v1/tenants/acme/organizations/default/join-rules";
    let rule = async |domain: &str, body: Value| acme.admin.put(&format!("{rules}/{domain}"), body).await;
    rule("acme.example", json!({"mode": "auto"})).await.refused(409, "join.domain_unverified");
    rule("gmail.com", json!({"mode": "auto"})).await.refused(400, "validation.failed");
    prove_domain(&app, &acme, "acme.example").await;
    prove_domain(&app, &acme, "sub.example").await;
    rule("acme.example", json!({"mode": "auto", "role": "admin"})).await.refused(400, "validation.failed");
    rule("acme.example", json!({"mode": "auto", "role": "contributor"})).await.expect(200);
    rule("sub.example", json!({"mode": "request"})).await.expect(200);
    let join = async |email: &str| {
        app.anyone().post("/api/v1/join", json!({"tenant": "acme", "email": email})).await.expect(200)
    };
    // Everybody hears the same, whether there is a tenant, a rule, or neither.
    let said = join("zoe@acme.example").await;
    for other in ["eve@evil.example", "eve@acme.example.evil.example", "eve@notacme.example"] {
        assert_eq!(join(other).await, said);
    }
    let nobody =
        app.anyone().post("/api/v1/join", json!({"tenant": "nobody", "email": "a@acme.example"})).await;
    assert_eq!(nobody.expect(200), said);
    app.operator.no_more_of("invitations.join").await;
    let token = app.invitation_token("zoe@acme.example").await;
    assert!(!app.anyone().mails().await.iter().any(|mail| mail.recipient.starts_with("eve")));
    let accept = async |token: &str| {
        let body = json!({"token": token, "displayName": "Zoë"});
        app.anyone().post("/api/v1/invitations/accept", body).await.found::<Invitation>()
    };
    let joined = accept(&token).await;
    assert_eq!(acme.admin.user("acme", &joined.user_id.unwrap()).await.role, "contributor");
    // The other domain's people ask; the admins hear of it by mail, and one of them decides.
    let page = app.anyone().get("/join?tenant=acme").await;
    assert!(page.status == 200 && page.text.contains("name=\"email\""));
    let form = [("tenant", "acme"), ("email", "kim@sub.example")];
    let sent =
        app.anyone().http.post(format!("{}/join", app.operator.base)).form(&form).send().await.unwrap();
    assert!(sent.text().await.unwrap().contains("Check your e-mail"));
    let wrong = app.anyone().form("/join", &[("tenant", "Not a slug"), ("email", "x")]).await;
    assert!(wrong.status == 400 && wrong.text.contains("Please check"), "{}", wrong.text);
    let asked = accept(&app.invitation_token("kim@sub.example").await).await;
    assert_eq!(asked.user_id, None);
    let request: JoinRequest = acme.admin.get("/api/v1/tenants/acme/join-requests").await.first();
    assert_eq!((request.email.as_str(), request.status.as_str()), ("kim@sub.example", "pending"));
    let path = format!("/api/v1/tenants/acme/join-requests/{}", request.id);
    let other = app.tenant("other").await;
    let elsewhere = path.replace("acme", "other");
    assert_eq!(other.admin.post(&format!("{elsewhere}/approve"), json!({})).await.status, 404);
    let approved: JoinRequest =
        acme.admin.post(&format!("{path}/approve"), json!({"role": "guest"})).await.found();
    assert_eq!((approved.status.as_str(), approved.role.as_str()), ("approved", "guest"));
    assert!(approved.user_id.is_some());
    acme.admin.post(&format!("{path}/decline"), json!({})).await.refused(409, "join.decided");
    // Strangers have a day's allowance of their own: the third is told the same and gets nothing, an admin still invites.
    join("third@acme.example").await;
    // A job decides, on the same day.
    app.operator.no_more_of("invitations.join").await;
    let invited = json!({"email": "x@example.com", "role": "viewer"});
    acme.admin.post(LIST, invited).await.expect(201);
    app.clock.advance(chrono::TimeDelta::hours(25));
    assert_eq!(acme.admin.delete(&format!("{rules}/acme.example")).await.status, 204);
    join("late@acme.example").await;
    app.operator.no_more_of("invitations.join").await;
    assert!(!app.anyone().mails().await.iter().any(|mail| mail.recipient == "late@acme.example"));
    assert!(!app.anyone().mails().await.iter().any(|mail| mail.recipient == "third@acme.example"));
    app.stop().await;
}
