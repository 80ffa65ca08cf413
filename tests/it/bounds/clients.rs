//! Failures count for the one who made them, requests for the tenant.

use std::time::Duration;

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::json;
use tests::{Reply, ScimToken, TestApp};

use crate::sso::{Module, module};

/// A request to the token endpoint from an address.
async fn token(app: &TestApp, from: &str, form: &[(&str, &str)]) -> Reply {
    let request = app.anyone().request(Method::POST, "/oauth2/token").header("X-Forwarded-For", from);
    Reply::read(request.form(form)).await
}

fn redeems<'a>(one: &'a Module, secret: &'a str) -> [(&'a str, &'a str); 6] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", &one.id),
        ("client_secret", secret),
        ("code", "tnt_ac_wrong"),
        ("redirect_uri", "https://app.example/cb"),
        ("code_verifier", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk"),
    ]
}

async fn proxied() -> TestApp {
    TestApp::with(|config| config.server.trusted_proxies = vec!["127.0.0.1/32".parse().unwrap()]).await
}

#[actix_web::test]
async fn bad_codes_through_a_modules_callback_lock_nobody_out() {
    let app = proxied().await;
    let acme = app.tenant("acme").await;
    let app_module = module(&app, "app", json!({})).await;
    let here = "203.0.113.7";
    for number in 0..30 {
        let refused = token(&app, here, &redeems(&app_module, &app_module.secret)).await;
        assert_eq!(
            (refused.status.as_u16(), refused.json()["error"].as_str()),
            (400, Some("invalid_grant")),
            "{number}"
        );
    }
    // Everything else from that address goes on.
    let request = app.anyone().request(Method::GET, "/login").header("X-Forwarded-For", here);
    assert_eq!(Reply::read(request).await.status, 200);
    let request =
        app.anyone().request(Method::GET, "/invitations/accept?token=x").header("X-Forwarded-For", here);
    assert!(matches!(Reply::read(request).await.status.as_u16(), 404 | 410));
    let client = json!({"name": "entra", "kind": "client"});
    let path = acme.path("scim-tokens");
    let made: ScimToken = app.operator.post(&path, client).await.created();
    let form = [
        ("grant_type", "client_credentials"),
        ("client_id", made.client_id.as_deref().unwrap()),
        ("client_secret", made.token.as_deref().unwrap()),
    ];
    assert_eq!(token(&app, here, &form).await.status, 200);
    app.stop().await;
}

#[actix_web::test]
async fn a_wrong_secret_locks_out_who_tried_it_and_not_the_client() {
    let app = proxied().await;
    let (one, other) = (module(&app, "app", json!({})).await, module(&app, "other", json!({})).await);
    let statuses = async |from: &str, form: &[(&str, &str)], times: usize| {
        let mut all = Vec::new();
        for _ in 0..times {
            all.push(token(&app, from, form).await.status.as_u16());
        }
        all
    };
    let tried = statuses("203.0.113.7", &redeems(&one, "wrong"), 25).await;
    assert_eq!(tried.iter().filter(|status| **status == 401).count(), 20, "{tried:?}");
    assert_eq!(tried.last(), Some(&429));
    // From elsewhere, and as another client from the same place: the secret is right, only the code is wrong.
    assert_eq!(statuses("203.0.113.8", &redeems(&one, &one.secret), 1).await, [400]);
    assert_eq!(statuses("203.0.113.7", &redeems(&other, &other.secret), 1).await, [400]);
    // A client that doesn't exist is nobody in particular: by the network, which for IPv6 is a /64.
    let nobody = Module { id: "nobody".to_owned(), secret: String::new() };
    let mut all = Vec::new();
    for host in 0..25 {
        all.extend(statuses(&format!("2001:db8::{host:x}"), &redeems(&nobody, "x"), 1).await);
    }
    assert_eq!(all.iter().filter(|status| **status == 401).count(), 20, "{all:?}");
    assert_eq!(all.last(), Some(&429));
    assert_eq!(statuses("2001:db8:0:1::1", &redeems(&nobody, "x"), 1).await, [401]);
    assert_eq!(statuses("2001:db8::1", &redeems(&one, &one.secret), 1).await, [400]);
    app.stop().await;
}

/// How many of these answers have each status.
fn count(replies: &[Reply], status: u16) -> usize {
    replies.iter().filter(|reply| reply.status == status).count()
}

/// Shows the page of an invitation, from an address.
async fn invitation(app: &TestApp, from: &str, token: &str) -> Reply {
    let path = format!("/invitations/accept?token={token}");
    Reply::read(app.anyone().request(Method::GET, &path).header("X-Forwarded-For", from)).await
}

#[actix_web::test]
async fn a_client_has_one_allowance_however_its_id_is_spelled() {
    let app = proxied().await;
    let acme = app.tenant("acme").await;
    let path = acme.path("scim-tokens");
    let made: ScimToken =
        app.operator.post(&path, json!({"name": "entra", "kind": "client"})).await.created();
    let id = made.client_id.as_deref().unwrap();
    let bare = id.replace('-', "");
    let spelled = [id.to_owned(), id.to_uppercase(), format!("{{{id}}}"), format!("urn:uuid:{id}"), bare];
    let asks = async |from: &str, id: &str, secret: &str| {
        let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret)];
        token(&app, from, &form).await
    };
    let mut all = Vec::new();
    for number in 0..40 {
        all.push(asks("203.0.113.7", &spelled[number % spelled.len()], "wrong").await);
    }
    assert_eq!((count(&all, 401), count(&all, 429)), (20, 20));
    let secret = made.token.as_deref().unwrap();
    assert_eq!(asks("203.0.113.7", id, secret).await.status, 429);
    assert_eq!(asks("203.0.113.8", id, secret).await.status, 200);
    // No id that the store could be asked about.
    let nul = app.anyone().request(Method::POST, "/oauth2/token").basic_auth("a\0b", Some("x"));
    assert_eq!(Reply::read(nul.form(&[("grant_type", "authorization_code")])).await.status, 401);
    app.stop().await;
}

#[actix_web::test]
async fn no_more_wrong_secrets_are_looked_at_than_may_fail_however_many_come_at_once() {
    let app = proxied().await;
    let one = module(&app, "app", json!({})).await;
    let form = redeems(&one, "wrong");
    let all = join_all((0..64).map(|_| token(&app, "203.0.113.7", &form))).await;
    assert_eq!((count(&all, 401), count(&all, 429)), (20, 44));
    let nobody = Module { id: "nobody".to_owned(), secret: String::new() };
    let form = redeems(&nobody, "wrong");
    let all = join_all((0..64).map(|_| token(&app, "203.0.113.8", &form))).await;
    assert_eq!((count(&all, 401), count(&all, 429)), (20, 44));
    let tokens: Vec<String> = (0..64).map(|number| format!("wrong{number}")).collect();
    let all = join_all(tokens.iter().map(|token| invitation(&app, "203.0.113.9", token))).await;
    assert_eq!((count(&all, 404) + count(&all, 410), count(&all, 429)), (20, 44));
    app.stop().await;
}

#[actix_web::test]
async fn those_who_are_right_wait_for_each_other_and_all_get_in() {
    let app = proxied().await;
    let acme = app.tenant("acme").await;
    let one = module(&app, "app", json!({})).await;
    let here = "203.0.113.7";
    // More than the twenty that may be at work; not so many that a slow machine needs the five seconds for which one waits.
    // The secret is right, only the code is wrong: that is the client's.
    let form = redeems(&one, &one.secret);
    let all = join_all((0..32).map(|_| token(&app, here, &form))).await;
    assert_eq!(count(&all, 400), 32);
    acme.invite("zoe@example.com", "contributor").await;
    let right = app.invitation_token("zoe@example.com").await;
    let all = join_all((0..32).map(|_| invitation(&app, here, &right))).await;
    assert_eq!(count(&all, 200), 32);
    // A few who are wrong among them take no place from the rest.
    let tokens: Vec<&str> = (0..32).map(|number| if number % 8 == 0 { "wrong" } else { &right }).collect();
    let all = join_all(tokens.iter().map(|token| invitation(&app, here, token))).await;
    assert_eq!((count(&all, 200), count(&all, 429)), (28, 0));
    app.stop().await;
}

#[actix_web::test]
async fn a_tenants_keys_share_one_window_and_its_scim_tokens_four() {
    let app = TestApp::start().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "free"})).await;
    let beta = app.tenant("beta").await;
    let id = &app.operator.tenant("acme").await.id;
    let (one, two) = (app.key("viewer", Some(id)).await, app.key("admin", Some(id)).await);
    let begun = std::time::Instant::now();
    let (mut passed, mut refused) = (0, None);
    for _ in 0..6 {
        let all = (0..40).map(|number| [&one, &two][number % 2].get("/api/v1/tenants/acme"));
        for reply in join_all(all).await {
            match reply.status.as_u16() {
                200 => passed += 1,
                _ => refused = Some(reply),
            }
        }
    }
    // A hundred at once, and as many again each minute; two windows would let pass all but forty at once.
    let most = 100.0 + begun.elapsed().as_secs_f64() * 100.0 / 60.0 + 1.0;
    assert!(passed >= 100 && f64::from(passed) <= most, "{passed} of two keys, of {most}");
    let refused = refused.expect("more than a hundred at once");
    assert!(refused.header("retry-after").parse::<u64>().is_ok());
    refused.refused(429, "rate.limited");
    // Who may not do something pays for the question too.
    let guest = beta.admin.get("/api/v1/tenants/acme").await;
    assert_eq!(guest.status, 404);
    let mut tokens = Vec::new();
    for number in 0..8 {
        tokens.push(app.scim_token(id, json!({"name": format!("t{number}")})).await);
    }
    let begun = std::time::Instant::now();
    let (mut passed, mut asked) = (0, 0);
    while begun.elapsed() < Duration::from_millis(1500) {
        let all = tokens.iter().map(|token| token.get("/scim/v2/ServiceProviderConfig"));
        let all = join_all(all).await;
        asked += all.len();
        passed += all.iter().filter(|reply| reply.status == 200).count();
    }
    // Four tokens' worth at once, and as much again each second.
    let most = 100.0 + 100.0 * begun.elapsed().as_secs_f64() + 10.0;
    assert!(asked <= passed || passed as f64 <= most, "{passed} of {asked}");
    app.stop().await;
}
