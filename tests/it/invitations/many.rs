//! Many at once, by domain, within limits; seats.

use serde_json::{Value, json};
use tests::{Reply, Tenant, TestApp, eventually};

use super::LIST;

const BULK: &str = "/api/v1/tenants/acme/invitations/bulk";

async fn finished(tenant: &Tenant, batch: &Value) -> Value {
    let path = format!("{BULK}/{}", batch["id"].as_str().unwrap());
    eventually("the batch's end", async || {
        let state = tenant.admin.get(&path).await.expect(200);
        (state["status"] == "done").then_some(state)
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
    let batch = Reply::read(request).await.expect(202);
    assert_eq!(batch["total"], 7);
    let state = finished(&acme, &batch).await;
    assert_eq!((&state["invited"], &state["refused"], &state["waiting"]), (&json!(2), &json!(5), &json!(0)));
    let lines = format!("{BULK}/{}/lines", batch["id"].as_str().unwrap());
    let report = acme.admin.get(&format!("{lines}?limit=200")).await.expect(200);
    let of = |number: usize| &report["items"][number - 1];
    let said =
        |number: usize| (of(number)["status"].as_str().unwrap(), of(number)["code"].as_str().unwrap_or("-"));
    assert_eq!(said(2), ("invited", "-"));
    assert_eq!(said(3), ("refused", "validation.failed"));
    assert_eq!(of(3)["detail"], "is in the file twice");
    assert_eq!(said(5), ("refused", "invitation.pending"));
    assert_eq!((said(6), &of(6)["role"]), (("invited", "-"), &json!("guest")));
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
    let again =
        app.operator.post(BULK, json!({"invitations": [{"email": "ann@example.com"}]})).await.expect(202);
    assert_eq!(finished(&acme, &again).await["refused"], 1);
    let counts = acme.admin.get(&format!("{LIST}?status=pending&email=AN&limit=1")).await.expect(200);
    assert_eq!(
        (&counts["counts"]["pending"], &counts["items"][0]["email"]),
        (&json!(1), &json!("ann@example.com"))
    );
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
    let b = invite("b@example.com").await.expect(201);
    assert_eq!(seats(&acme).await, (0, 2));
    invite("c@example.com").await.refused(403, "quota.exceeded");
    let batch =
        app.operator.post(BULK, json!({"invitations": [{"email": "c@example.com"}]})).await.expect(202);
    assert_eq!(finished(&acme, &batch).await["refused"], 1);
    // Taken back: free. Accepted: a user has it.
    assert_eq!(app.operator.delete(&format!("{LIST}/{}", b["id"].as_str().unwrap())).await.status, 204);
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
    let d = app.operator.post(LIST, body).await.expect(201);
    let mail = eventually("the mail", async || {
        app.mails().await.into_iter().find(|mail| mail["recipient"] == "d@example.com")
    })
    .await;
    assert_eq!((&mail["locale"], &mail["subject"]), (&json!("de"), &json!("Sie sind zu acme eingeladen")));
    app.clock.advance(chrono::TimeDelta::hours(3));
    invite("e@example.com").await.expect(201);
    invitations::sweep(&app.running.service).await.unwrap();
    let over = app.operator.get(&format!("{LIST}/{}", d["id"].as_str().unwrap())).await.expect(200);
    assert_eq!(over["status"], "expired");
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
    assert_eq!((&refused["per"], &refused["limit"]), (&json!("organization"), &json!(3)));
    let batch = acme.admin.post(BULK, json!({"invitations": [{"email": "d@example.com"}]})).await.expect(202);
    let state = finished(&acme, &batch).await;
    assert_eq!(state["refused"], 1);
    app.operator.post(LIST, json!({"email": "d@example.com", "role": "viewer"})).await.expect(201);
    let list = acme.admin.get(&format!("{LIST}?email=a@")).await.expect(200);
    let path = format!("{LIST}/{}/resend", list["items"][0]["id"].as_str().unwrap());
    for _ in 0..4 {
        acme.admin.post(&path, json!({})).await.expect(200);
    }
    // Whoever asks: it is the person who gets the mails that is protected.
    let again = json!({"email": "A@example.com", "role": "viewer"});
    for client in [&acme.admin, &app.operator] {
        let refused = client.post(&path, json!({})).await;
        assert!(comes_back_in_a_day(&refused), "{:?}", refused.headers);
        assert_eq!(refused.refused(429, "invitation.limited")["per"], "recipient");
    }
    assert_eq!(app.operator.delete(path.trim_end_matches("/resend")).await.status, 204);
    app.operator.post(LIST, again.clone()).await.refused(429, "invitation.limited");
    let batch = app.operator.post(BULK, json!({"invitations": [again]})).await.expect(202);
    assert_eq!(finished(&acme, &batch).await["refused"], 1);
    app.clock.advance(chrono::TimeDelta::hours(25));
    invite("e@example.com").await.expect(201);
    // An identity provider that pushes its people has the last word.
    acme.user("u").await;
    let refused = invite("f@example.com").await.refused(409, "invitation.directory_managed");
    assert!(refused["detail"].as_str().unwrap().contains("SCIM"));
    acme.admin
        .post(BULK, json!({"invitations": [{"email": "f@example.com"}]}))
        .await
        .refused(409, "invitation.directory_managed");
    app.stop().await;
}

pub(crate) async fn prove(app: &TestApp, tenant: &Tenant, domain: &str) {
    let base = format!("/api/v1/tenants/{}/organizations/default/domains", tenant.slug);
    let made = tenant.admin.post(&base, json!({"domain": domain})).await.expect(201);
    app.dns.set(made["recordName"].as_str().unwrap(), made["recordValue"].as_str().unwrap());
    tenant
        .admin
        .post(&format!("{base}/{}/verify", made["id"].as_str().unwrap()), json!({}))
        .await
        .expect(200);
}

#[actix_web::test]
async fn people_of_a_proven_domain_join_or_ask_to() {
    let app = with_a_day_of(2).await;
    let acme = app.tenant("acme").await;
    let rules = "/api/v1/tenants/acme/organizations/default/join-rules";
    let rule = async |domain: &str, body: Value| acme.admin.put(&format!("{rules}/{domain}"), body).await;
    rule("acme.example", json!({"mode": "auto"})).await.refused(409, "join.domain_unverified");
    rule("gmail.com", json!({"mode": "auto"})).await.refused(400, "validation.failed");
    prove(&app, &acme, "acme.example").await;
    prove(&app, &acme, "sub.example").await;
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
    let token = app.invitation_token("zoe@acme.example").await;
    assert!(!app.mails().await.iter().any(|mail| mail["recipient"].as_str().unwrap().starts_with("eve")));
    let accept = async |token: &str| {
        let body = json!({"token": token, "displayName": "Zoë"});
        app.anyone().post("/api/v1/invitations/accept", body).await.expect(200)
    };
    let joined = accept(&token).await;
    let user =
        acme.admin.get(&format!("/api/v1/tenants/acme/users/{}", joined["userId"].as_str().unwrap())).await;
    assert_eq!(user.expect(200)["role"], "contributor");
    // The other domain's people ask; the admins hear of it by mail, and one of them decides.
    let page = app.anyone().get("/join?tenant=acme").await;
    assert!(page.status == 200 && page.text.contains("name=\"email\""));
    let form = [("tenant", "acme"), ("email", "kim@sub.example")];
    let sent =
        app.anyone().http.post(format!("{}/join", app.operator.base)).form(&form).send().await.unwrap();
    assert!(sent.text().await.unwrap().contains("Look into your mail"));
    let wrong = app.anyone().form("/join", &[("tenant", "Not a slug"), ("email", "x")]).await;
    assert!(wrong.status == 400 && wrong.text.contains("Please look again"), "{}", wrong.text);
    let asked = accept(&app.invitation_token("kim@sub.example").await).await;
    assert!(asked["userId"].is_null());
    let requests = acme.admin.get("/api/v1/tenants/acme/join-requests").await.expect(200);
    let request = &requests["items"][0];
    assert_eq!((&request["email"], &request["status"]), (&json!("kim@sub.example"), &json!("pending")));
    let path = format!("/api/v1/tenants/acme/join-requests/{}", request["id"].as_str().unwrap());
    let other = app.tenant("other").await;
    let elsewhere = path.replace("acme", "other");
    assert_eq!(other.admin.post(&format!("{elsewhere}/approve"), json!({})).await.status, 404);
    let approved = acme.admin.post(&format!("{path}/approve"), json!({"role": "guest"})).await.expect(200);
    assert_eq!((&approved["status"], &approved["role"]), (&json!("approved"), &json!("guest")));
    assert!(approved["userId"].is_string());
    acme.admin.post(&format!("{path}/decline"), json!({})).await.refused(409, "join.decided");
    // Strangers have a day's allowance of their own: the third is told the same and gets nothing, an admin still invites.
    join("third@acme.example").await;
    // A job decides, on the same day.
    tests::eventually("the answer to the third", async || {
        let mut waiting = Vec::new();
        for status in ["pending", "running"] {
            waiting.extend(app.operator.jobs(&format!("status={status}")).await);
        }
        waiting.iter().all(|job| job.kind != "invitations.join").then_some(())
    })
    .await;
    let invited = json!({"email": "x@example.com", "role": "viewer"});
    acme.admin.post(LIST, invited).await.expect(201);
    app.clock.advance(chrono::TimeDelta::hours(25));
    assert_eq!(acme.admin.delete(&format!("{rules}/acme.example")).await.status, 204);
    join("late@acme.example").await;
    tokio::time::sleep(std::time::Duration::from_millis(300)).await;
    assert!(!app.mails().await.iter().any(|mail| mail["recipient"] == "late@acme.example"));
    assert!(!app.mails().await.iter().any(|mail| mail["recipient"] == "third@acme.example"));
    app.stop().await;
}
