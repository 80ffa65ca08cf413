//! Many who change one thing at the same moment.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Exchanged, Group, Invitation, Issuer, Reply, TestApp};

/// How many at once.
const PARALLEL: usize = 200;

#[actix_web::test]
async fn of_many_redemptions_of_one_invitation_one_succeeds() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    acme.invite("z@example.com", "viewer").await;
    let token = app.invitation_token("z@example.com").await;
    let all =
        join_all((0..PARALLEL).map(|_| {
            app.operator.anonymous().post_owned("/api/v1/invitations/accept", json!({"token": token}))
        }))
        .await;
    let won = all.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(won, 1);
    assert!(
        all.iter().all(|reply| matches!(reply.status.as_u16(), 200 | 410)),
        "{:?}",
        all.iter().map(|reply| reply.status).collect::<Vec<_>>()
    );
    assert_eq!(acme.admin.users("acme").await.len(), 1);
    app.stop().await;
}

/// Whoever an admin invites may have asked themselves, and accepts at that moment: what was accepted stays accepted.
#[actix_web::test]
async fn an_invitation_that_is_accepted_while_another_takes_its_place_is_one_of_both() {
    const WIDE: usize = 64;
    let app = TestApp::with(|config| {
        config.rate_limit.enabled = false;
        config.section_mut::<mail::Limits>().stranger_mails_per_day = 1_000;
    })
    .await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    crate::strangers::let_join(&app, &acme, "acme.example").await;
    let email = |at: usize| format!("u{at}@acme.example");
    let asks =
        |at: usize| app.anyone().post_owned("/api/v1/join", json!({"tenant": "acme", "email": email(at)}));
    for reply in join_all((0..WIDE).map(asks)).await {
        reply.expect(200);
    }
    let mut tokens = Vec::new();
    for at in 0..WIDE {
        tokens.push(app.invitation_token(&email(at)).await);
    }
    let accept =
        |at: usize| app.anyone().post_owned("/api/v1/invitations/accept", json!({"token": tokens[at]}));
    let invite = |at: usize| {
        acme.admin
            .post_owned("/api/v1/tenants/acme/invitations", json!({"email": email(at), "role": "viewer"}))
    };
    let (accepted, invited) =
        futures_util::join!(join_all((0..WIDE).map(accept)), join_all((0..WIDE).map(invite)));
    let all: Vec<Invitation> = acme.admin.get("/api/v1/tenants/acme/invitations?limit=200").await.items();
    for (at, (accepted, invited)) in accepted.iter().zip(&invited).enumerate() {
        let statuses: Vec<&str> =
            all.iter().filter(|one| one.email == email(at)).map(|one| one.status.as_str()).collect();
        let count = |status: &str| statuses.iter().filter(|one| **one == status).count();
        let said = (accepted.status.as_u16(), invited.status.as_u16());
        // Accepted first: the new invitation waits for somebody who is there. Ended first: only the new one counts.
        match said {
            (200, 201) => assert_eq!((count("accepted"), count("pending")), (1, 1), "{statuses:?}"),
            (410, 201) => assert_eq!((count("revoked"), count("pending")), (1, 1), "{statuses:?}"),
            (200, 409) => assert_eq!((count("accepted"), count("pending")), (1, 0), "{statuses:?}"),
            other => panic!("{other:?}: {} {}", accepted.text, invited.text),
        }
    }
    let there = accepted.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(acme.admin.users("acme").await.len(), there);
    app.stop().await;
}

#[actix_web::test]
async fn of_many_uses_of_one_refresh_token_one_succeeds() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    app.tenant("acme").await;
    let session: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    let form = [("grant_type", "refresh_token"), ("refresh_token", session.refresh_token.as_str())];
    let anyone = app.anyone();
    let all = join_all((0..PARALLEL).map(|_| anyone.form("/oauth2/token", &form))).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 200).count(), 1);
    assert!(all.iter().all(|reply| matches!(reply.status.as_u16(), 200 | 400)));
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_quota_of_ten_lets_ten_of_fifty_in() {
    let app = TestApp::start().await;
    let acme = app
        .tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise", "quotas": {"users": 10}}))
        .await;
    let create =
        |number: usize| acme.scim.post_owned("/scim/v2/Users", json!({"userName": format!("u{number}")}));
    let all = join_all((0..50).map(create)).await;
    assert_eq!(all.iter().filter(|reply| reply.status == 201).count(), 10);
    assert!(all.iter().all(|reply| matches!(reply.status.as_u16(), 201 | 403)));
    assert_eq!(acme.scim.get("/scim/v2/Users?count=0").await.total(), 10);
    let users = app.operator.quota("acme", "users").await;
    assert_eq!((users.used, users.remaining), (10, Some(0)));
    app.stop().await;
}

#[actix_web::test]
async fn two_first_sign_ins_make_one_user() {
    let app = TestApp::start().await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let acme = app.tenant("acme").await;
    let token = issuer.token("ann", "org_acme");
    let all = join_all((0..20).map(|_| app.operator.exchange(&token))).await;
    let users: std::collections::BTreeSet<String> =
        all.into_iter().map(|reply| reply.found::<Exchanged>().user.id).collect();
    assert_eq!(users.len(), 1);
    assert_eq!(acme.admin.users("acme").await.len(), 1);
    issuer.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn concurrent_patches_of_one_group_lose_no_member() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    let path = format!("/scim/v2/Groups/{}", acme.group("all", &[]).await);
    let mut ids: Vec<String> = Vec::new();
    for number in 0..32 {
        ids.push(acme.user(&format!("u{number}")).await);
    }
    let add = |id: &String| {
        acme.scim.patch_owned(
            path.clone(),
            json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": id}]}]}),
        )
    };
    let all = join_all(ids.iter().map(add)).await;
    assert!(all.iter().all(|reply| reply.status == 204));
    assert_eq!(acme.scim.get(&path).await.found::<Group>().members.len(), 32);
    app.stop().await;
}

#[actix_web::test]
async fn one_idempotency_key_does_the_work_once() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({"slug": "emea", "name": "EMEA"});
    let request = || {
        let request = acme.admin.request(reqwest::Method::POST, "/api/v1/tenants/acme/organizations");
        tests::Reply::read(request.header("Idempotency-Key", "\"k-1\"").json(&body))
    };
    let all = join_all((0..30).map(|_| request())).await;
    let made: std::collections::BTreeSet<String> =
        all.iter().filter(|reply| reply.status == 201).map(|reply| reply.text.clone()).collect();
    assert_eq!(made.len(), 1);
    assert!(all.iter().all(|reply| matches!(reply.status.as_u16(), 201 | 409)));
    assert_eq!(acme.admin.get("/api/v1/tenants/acme/organizations").await.count(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn of_many_who_saw_one_version_one_changes_it() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    app.tenant("acme").await;
    let made = async |list: &str, body: Value, name: &str| {
        let made = app.operator.post(list, body).await.expect(201);
        format!("{list}/{}", made[name].as_str().unwrap())
    };
    let issuer = json!({"issuer": "http://127.0.0.1:9", "audience": "a"});
    let resource = json!({"key": "runs", "name": "Runs", "limits": {"free": 1}});
    let plan = json!({"key": "p", "name": "P", "quotas": {"users": 1}, "rateMultiplier": 1});
    let flag = json!({"key": "f", "type": "boolean", "defaultVariant": "on"});
    let module = json!({"name": "m", "baseUrl": "http://127.0.0.1:9"});
    let endpoint = json!({"url": "http://127.0.0.1:9"});
    let branding = "/api/v1/tenants/acme/branding".to_owned();
    app.operator.put(&branding, json!({"senderName": "A"})).await.expect(200);
    let organization = json!({"slug": "o", "name": "o"});
    let cases = [
        (
            made("/api/v1/tenants/acme/organizations", organization, "id").await,
            Method::PATCH,
            json!({"name": "n"}),
        ),
        (made("/api/v1/issuers", issuer.clone(), "id").await, Method::PUT, issuer),
        (made("/api/v1/quota-resources", resource.clone(), "key").await, Method::PUT, resource),
        (made("/api/v1/plans", plan.clone(), "key").await, Method::PUT, plan),
        (made("/api/v1/flags", flag.clone(), "key").await, Method::PUT, flag),
        (made("/api/v1/modules", module, "id").await, Method::PATCH, json!({"name": "n"})),
        (made("/api/v1/webhook-endpoints", endpoint, "id").await, Method::PATCH, json!({"description": "n"})),
        (branding, Method::PUT, json!({"senderName": "B"})),
        ("/api/v1/tenants/acme".to_owned(), Method::PATCH, json!({"name": "n"})),
    ];
    for (path, method, change) in cases {
        let seen = app.operator.get(&path).await.header("etag").to_owned();
        let all = join_all((0..64).map(|_| {
            let request = app.operator.request(method.clone(), &path).json(&change);
            Reply::read(request.header("If-Match", &seen))
        }))
        .await;
        let with = |status: u16| all.iter().filter(|reply| reply.status == status).count();
        assert_eq!((with(200), with(412)), (1, 63), "{method} {path}: {}", all[0].text);
    }
    app.stop().await;
}
