//! What can happen to something in which state: the tables that the code asks, walked at the API, and verbs that end in different states
//! raced 30 wide.

use chrono::TimeDelta;
use entity::invitations::states::{InvitationStatus, InvitationVerb};
use entity::scim::states::{TokenState, TokenVerb};
use entity::tenancy::status::{Status, Verb};
use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, Issuer, Reply, TestApp, eventually, status};

/// Requests at once.
const WIDE: usize = 30;

async fn app() -> TestApp {
    TestApp::with(|config| {
        config.rate_limit.enabled = false;
        config.provisioning.recycle_period = std::time::Duration::from_secs(3600);
        config.invitations.per_organization_per_day = 10_000;
    })
    .await
}

/// Sends two requests by turns, all at once; answers how many of each succeeded.
async fn race(first: impl AsyncFn() -> Reply, second: impl AsyncFn() -> Reply) -> (usize, usize) {
    let all = (0..WIDE).map(async |at| if at % 2 == 0 { first().await } else { second().await });
    let replies = join_all(all).await;
    let good = |at: usize| {
        replies
            .iter()
            .enumerate()
            .filter(|(number, reply)| number % 2 == at && reply.status.is_success())
            .count()
    };
    for reply in &replies {
        assert!(!reply.status.is_server_error(), "{}", reply.text);
    }
    (good(0), good(1))
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("{name} in {value}"))
}

async fn send(client: &Client, method: Method, path: &str, body: Value) -> Reply {
    Reply::read(client.request(method, path).json(&body)).await
}

/// A new invitation, its path and its token.
async fn invitation(app: &TestApp, name: &str) -> (String, String) {
    let body = json!({"email": format!("{name}@acme.example"), "role": "viewer"});
    let made = app.operator.post("/api/v1/tenants/acme/invitations", body).await.expect(201);
    let token = app.invitation_token(&format!("{name}@acme.example")).await;
    (format!("/api/v1/tenants/acme/invitations/{}", text(&made, "id")), token)
}

async fn invitation_verb(app: &TestApp, (path, token): &(String, String), verb: InvitationVerb) -> Reply {
    match verb {
        InvitationVerb::Accept => {
            app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await
        }
        InvitationVerb::Resend => app.operator.post(&format!("{path}/resend"), json!({})).await,
        InvitationVerb::Revoke => app.operator.delete(path).await,
        InvitationVerb::Expire => panic!("the clock does that"),
    }
}

#[actix_web::test]
async fn an_invitation_goes_where_its_table_says() {
    let app = app().await;
    app.tenant("acme").await;
    for state in InvitationStatus::ALL.iter().copied() {
        for verb in InvitationVerb::ALL.iter().copied().filter(|verb| *verb != InvitationVerb::Expire) {
            let one = invitation(&app, &format!("{state}-{}", verb as u8)).await;
            match state {
                InvitationStatus::Pending => {}
                InvitationStatus::Accepted => {
                    drop(invitation_verb(&app, &one, InvitationVerb::Accept).await.expect(200))
                }
                InvitationStatus::Revoked => {
                    assert_eq!(invitation_verb(&app, &one, InvitationVerb::Revoke).await.status, 204);
                }
                InvitationStatus::Expired => {
                    app.clock.advance(TimeDelta::days(91));
                    eventually("it to be over", async || {
                        (app.operator.get(&one.0).await.expect(200)["status"] == "expired").then_some(())
                    })
                    .await;
                }
            }
            let reply = invitation_verb(&app, &one, verb).await;
            let after = app.operator.get(&one.0).await.expect(200)["status"].clone();
            assert_eq!(after, state.after(verb).unwrap_or(state).as_str(), "{state} {verb:?}");
            assert_eq!(
                reply.status.is_success(),
                state.after(verb).is_some(),
                "{state} {verb:?}: {}",
                reply.text
            );
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn of_accepting_and_revoking_one_happens() {
    let app = app().await;
    app.tenant("acme").await;
    for round in 0..3 {
        let one = invitation(&app, &format!("p{round}")).await;
        let (accepted, revoked) = race(
            async || invitation_verb(&app, &one, InvitationVerb::Accept).await,
            async || invitation_verb(&app, &one, InvitationVerb::Revoke).await,
        )
        .await;
        assert_eq!(accepted + revoked, 1);
        let after = app.operator.get(&one.0).await.expect(200);
        assert_eq!(after["status"], if accepted == 1 { "accepted" } else { "revoked" });
        assert_eq!(after["userId"].is_string(), accepted == 1);
    }
    let users = app.operator.get("/api/v1/tenants/acme/users").await.expect(200);
    let quotas = app.operator.get("/api/v1/tenants/acme/quotas").await.expect(200);
    let seats =
        quotas["items"].as_array().unwrap().iter().find(|one| one["resource"] == "users").unwrap().clone();
    assert_eq!(seats["used"], users["items"].as_array().unwrap().len());
    assert_eq!(seats["reserved"], 0);
    app.stop().await;
}

#[actix_web::test]
async fn an_invitation_that_was_revoked_is_not_sent_again() {
    let app = app().await;
    app.tenant("acme").await;
    let one = invitation(&app, "p").await;
    let (_, revoked) = race(
        async || invitation_verb(&app, &one, InvitationVerb::Resend).await,
        async || invitation_verb(&app, &one, InvitationVerb::Revoke).await,
    )
    .await;
    assert_eq!(revoked, 1);
    assert_eq!(app.operator.get(&one.0).await.expect(200)["status"], "revoked");
    app.stop().await;
}

#[actix_web::test]
async fn a_request_to_join_is_decided_once() {
    let app = app().await;
    let acme = app.tenant("acme").await;
    crate::invitations::many::prove(&app, &acme, "acme.example").await;
    let rule = "/api/v1/tenants/acme/organizations/default/join-rules/acme.example";
    acme.admin.put(rule, json!({"mode": "request"})).await.expect(200);
    let ask = json!({"tenant": "acme", "email": "kim@acme.example"});
    app.anyone().post("/api/v1/join", ask).await.expect(200);
    let token = app.invitation_token("kim@acme.example").await;
    app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.expect(200);
    let list = "/api/v1/tenants/acme/join-requests";
    let asked = acme.admin.get(list).await.expect(200)["items"][0].clone();
    let path = format!("{list}/{}", text(&asked, "id"));
    let (approved, declined) = race(
        async || acme.admin.post(&format!("{path}/approve"), json!({})).await,
        async || acme.admin.post(&format!("{path}/decline"), json!({})).await,
    )
    .await;
    assert_eq!(approved + declined, 1);
    let after = acme.admin.get(list).await.expect(200)["items"][0].clone();
    assert_eq!(after["status"], if approved == 1 { "approved" } else { "declined" });
    let users = acme.admin.get("/api/v1/tenants/acme/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), approved);
    app.stop().await;
}

async fn tenant_verb(operator: &Client, verb: Verb) -> Reply {
    match verb {
        Verb::Suspend => operator.post("/api/v1/tenants/acme/suspend", json!({})).await,
        Verb::Resume | Verb::Restore(_) => operator.post("/api/v1/tenants/acme/resume", json!({})).await,
        Verb::Retry => operator.post("/api/v1/tenants/acme/retry", json!({})).await,
        Verb::Deprovision => operator.delete("/api/v1/tenants/acme").await,
        Verb::Activate | Verb::Fail | Verb::Delete => panic!("a run does that"),
    }
}

#[actix_web::test]
async fn a_tenant_goes_where_its_table_says() {
    let app = app().await;
    app.tenant("acme").await;
    let is = async || app.operator.get("/api/v1/tenants/acme").await.expect(200)["status"].clone();
    let verbs = [Verb::Suspend, Verb::Resume, Verb::Retry, Verb::Deprovision];
    for state in [Status::Active, Status::Suspended, Status::Deprovisioning] {
        for verb in verbs {
            // Back to where it is active, then to the state.
            if is().await == "deprovisioning" {
                tenant_verb(&app.operator, Verb::Resume).await.expect(200);
            }
            if is().await == "suspended" {
                tenant_verb(&app.operator, Verb::Resume).await.expect(200);
            }
            match state {
                Status::Suspended => drop(tenant_verb(&app.operator, Verb::Suspend).await.expect(200)),
                Status::Deprovisioning => {
                    drop(tenant_verb(&app.operator, Verb::Deprovision).await.expect(202))
                }
                _ => {}
            }
            assert_eq!(is().await, state.as_str());
            let reply = tenant_verb(&app.operator, verb).await;
            // `resume` of what is being deleted takes the deletion back.
            let meant = match (state, verb) {
                (Status::Deprovisioning, Verb::Resume) => Verb::Restore(Status::Active),
                _ => verb,
            };
            assert_eq!(
                is().await,
                state.after(meant).unwrap_or(state).as_str(),
                "{state} {verb:?}: {}",
                reply.text
            );
            // Where a run is under way, `retry` is nothing but "look again now".
            let hurries = (state, verb) == (Status::Deprovisioning, Verb::Retry);
            let may = state.after(meant).is_some() || hurries;
            assert_eq!(reply.status.is_success(), may, "{state} {verb:?}: {}", reply.text);
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_that_is_deleted_and_suspended_at_once_ends_in_one_state_with_one_run() {
    let app = app().await;
    app.tenant("acme").await;
    let verb = async |verb: Verb| tenant_verb(&app.operator, verb).await;
    let open = async || {
        let runs = app.operator.get("/api/v1/tenants/acme/runs?limit=200").await.expect(200);
        runs["items"].as_array().unwrap().iter().filter(|run| run["status"] == "running").count()
    };
    let (deleted, _) = race(async || verb(Verb::Deprovision).await, async || verb(Verb::Suspend).await).await;
    assert!(deleted >= 1);
    let is = app.operator.get("/api/v1/tenants/acme").await.expect(200);
    assert_eq!((is["status"].as_str(), open().await), (Some("deprovisioning"), 1));
    let (_, restored) = race(async || verb(Verb::Deprovision).await, async || verb(Verb::Resume).await).await;
    assert!(restored >= 1);
    let is = app.operator.get("/api/v1/tenants/acme").await.expect(200);
    let expected = usize::from(is["status"] == "deprovisioning");
    assert_eq!(open().await, expected, "{is}");
    assert_eq!(is["recycleUntil"].is_string(), expected == 1, "{is}");
    if expected == 1 {
        verb(Verb::Resume).await.expect(200);
    }
    let (suspended, resumed) =
        race(async || verb(Verb::Suspend).await, async || verb(Verb::Resume).await).await;
    assert_eq!((suspended, resumed), (WIDE / 2, WIDE / 2));
    verb(Verb::Resume).await.expect(200);
    status(&app.operator, "acme", "active").await;
    app.stop().await;
}

#[actix_web::test]
async fn a_scim_token_goes_where_its_table_says_and_a_revoked_one_has_no_successor_after_it() {
    let app = app().await;
    app.tenant("acme").await;
    let list = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let make = async || {
        let until = app.clock.now() + TimeDelta::days(1);
        let made = app.operator.post(list, json!({"name": "t", "expiresAt": until})).await.expect(201);
        (format!("{list}/{}", text(&made, "id")), text(&made, "token").to_owned())
    };
    let verb = async |(path, token): &(String, String), verb: TokenVerb| match verb {
        TokenVerb::Use => app.operator.with(token).get("/scim/v2/Users?count=0").await,
        TokenVerb::Rotate => app.operator.post(&format!("{path}/rotate"), json!({"overlapSeconds": 0})).await,
        TokenVerb::Revoke => app.operator.delete(path).await,
    };
    for state in TokenState::ALL.iter().copied() {
        for one in TokenVerb::ALL.iter().copied() {
            let token = make().await;
            match state {
                TokenState::Live => {}
                TokenState::Replaced => {
                    let overlap = json!({"overlapSeconds": 3600});
                    app.operator.post(&format!("{}/rotate", token.0), overlap).await.expect(201);
                }
                TokenState::Over => app.clock.advance(TimeDelta::days(2)),
                TokenState::Revoked => assert_eq!(verb(&token, TokenVerb::Revoke).await.status, 204),
            }
            let reply = verb(&token, one).await;
            assert_eq!(
                reply.status.is_success(),
                state.after(one).is_some(),
                "{state} {one:?}: {}",
                reply.text
            );
            // An organization has so many that count.
            let all = app.operator.get(&format!("{list}?limit=200")).await.expect(200);
            for left in all["items"].as_array().unwrap().iter().filter(|left| left["revokedAt"].is_null()) {
                app.operator.delete(&format!("{list}/{}", text(left, "id"))).await;
            }
        }
    }
    let token = make().await;
    let (rotated, revoked) = race(
        async || verb(&token, TokenVerb::Rotate).await,
        async || send(&app.operator, Method::DELETE, &token.0, json!({})).await,
    )
    .await;
    assert_eq!(revoked, WIDE / 2);
    let all = app.operator.get(&format!("{list}?limit=200")).await.expect(200);
    let live = all["items"].as_array().unwrap().iter().filter(|one| one["revokedAt"].is_null()).count();
    assert_eq!(live, rotated, "each rotation that succeeded left one, and none came after the end");
    app.stop().await;
}

#[actix_web::test]
async fn a_session_that_ended_is_refreshed_no_more() {
    let app = app().await;
    app.tenant("acme").await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let body = json!({"subjectToken": issuer.token("ann", "org_acme")});
    let session = app.operator.post("/api/internal/sso/exchange", body).await.expect(200);
    let token = text(&session, "refreshToken").to_owned();
    let anyone = app.anyone();
    let user = text(&session["user"], "id").to_owned();
    let off = async || {
        let path = format!("/api/v1/tenants/acme/users/{user}");
        app.operator.patch(&path, json!({"active": false})).await
    };
    let form = [("grant_type", "refresh_token"), ("refresh_token", token.as_str())];
    let (refreshed, ended) = race(async || anyone.form("/oauth2/token", &form).await, off).await;
    assert!(refreshed <= 1 && ended >= 1, "{refreshed} {ended}");
    app.operator
        .patch(&format!("/api/v1/tenants/acme/users/{user}"), json!({"active": true}))
        .await
        .expect(200);
    assert_eq!(anyone.form("/oauth2/token", &form).await.status, 400);
    issuer.stop().await;
    app.stop().await;
}
