//! Rules that count and then decide, each raced 64 wide: what may succeed succeeds, no more.

mod locks;
mod passkey;
mod people;
mod proofs;

use std::panic::AssertUnwindSafe;

use entity::connections::{connection, domain};
use entity::directory::{group, role_mapping};
use entity::exchange::issuer;
use entity::flags::flag;
use entity::invitations::join_rule;
use entity::modules::module;
use entity::operators::{operator, passkey as passkey_row};
use entity::scim::token;
use entity::sessions::session;
use entity::sign_in::attempt as sign_in;
use entity::tenancy::organization;
use entity::webhooks::endpoint;
use futures_util::FutureExt as _;
use futures_util::future::{LocalBoxFuture, join_all};
use platform::config::Config;
use platform::rules::Rule;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Work as _};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Browser, Client, Issuer, OidcProvider, Page, Reply, Tenant, TestApp};
use uuid::Uuid;

/// How many at once.
const WIDE: usize = 64;
/// How many of them there is room for.
const ROOM: usize = 10;

const ORGANIZATIONS: &str = "/api/v1/tenants/acme/organizations";
const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";

#[actix_web::test]
async fn what_is_limited_stays_limited_however_many_ask_at_once() {
    let mut broken = Vec::new();
    for rule in Rule::ALL {
        let begun = std::time::Instant::now();
        if AssertUnwindSafe(race(*rule)).catch_unwind().await.is_err() {
            broken.push(rule.name());
        }
        println!("{} raced in {:?}", rule.name(), begun.elapsed());
    }
    assert!(broken.is_empty(), "rules that don't hold: {broken:?}");
}

async fn race(rule: Rule) {
    match rule {
        Rule::Operators => operators().await,
        Rule::Passkeys => passkeys().await,
        Rule::Modules => modules().await,
        Rule::WebhookEndpoints => webhook_endpoints().await,
        Rule::Flags => flags().await,
        Rule::IssuerRegistrations => issuer_registrations().await,
        Rule::Organizations => organizations().await,
        Rule::ScimSchemas => scim_schemas().await,
        Rule::ScimTokens => scim_tokens().await,
        Rule::Connections => connections().await,
        Rule::Domains => domains().await,
        Rule::JoinRules => join_rules().await,
        Rule::RoleMappings => role_mappings().await,
        Rule::GroupNesting => group_nesting().await,
        Rule::Invitations => invitations().await,
        Rule::People => people::people().await,
        Rule::FirstUser => people::first_user().await,
        Rule::LastAdmin => last_admin().await,
        Rule::InvitationBatches => invitation_batches().await,
        Rule::InvitationMails => invitation_mails().await,
        Rule::CodeMails => code_mails().await,
        Rule::StrangerMails => stranger_mails().await,
        Rule::TenantMails => tenant_mails().await,
        Rule::Sessions => sessions().await,
    }
}

/// A service without rate limits: they would refuse before the rule does.
async fn stage(adjust: impl FnOnce(&mut Config)) -> TestApp {
    TestApp::with(|config| {
        config.rate_limit.enabled = false;
        adjust(config);
    })
    .await
}

async fn acme(app: &TestApp) -> Tenant {
    app.tenant_with(
        json!({"slug": "acme", "name": "Acme", "plan": "enterprise", "identity": {"externalId": "org_acme"}}),
    )
    .await
}

/// Asks until somebody decides: a process that is busy says 503 and that it may be asked again.
async fn decided(client: Client, method: Method, path: String, body: Value) -> Reply {
    for _ in 0..200 {
        let reply = Reply::read(client.request(method.clone(), &path).json(&body)).await;
        let busy = reply.status == 503 || reply.status == 429 && reply.json()["code"] == "rate.limited";
        if !busy {
            return reply;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    panic!("nobody decides about {method} {path}");
}

/// Sends all at once.
async fn at_once(
    client: &Client,
    method: Method,
    asked: impl IntoIterator<Item = (String, Value)>,
) -> Vec<Reply> {
    let ask = |(path, body)| decided(client.clone(), method.clone(), path, body);
    join_all(asked.into_iter().map(ask)).await
}

/// So many succeeded; every other one was refused in this way.
#[track_caller]
fn only(replies: &[Reply], won: usize, status: u16, code: &str) {
    let (good, bad): (Vec<&Reply>, Vec<&Reply>) = replies.iter().partition(|reply| reply.status.is_success());
    for reply in &bad {
        assert_eq!(
            (reply.status.as_u16(), reply.json()["code"].as_str()),
            (status, Some(code)),
            "{}",
            reply.text
        );
    }
    assert_eq!((good.len(), bad.len()), (won, replies.len() - won));
}

/// Does something in the store, past all rules.
async fn behind<T>(app: &TestApp, work: impl AsyncFnOnce(&mut PlatformTx) -> Result<T, DbError>) -> T {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        work(tx).await
    };
    app.running.service.db.write_platform(&Ctx::system("test"), work).await.expect("the store does it")
}

/// Copies the one row of a table of the platform until there are so many.
macro_rules! fill {
    ($app:expr, $select:ident, $table:ident, $upto:expr, $change:expr) => {
        behind($app, async |tx: &mut PlatformTx| {
            let there = tx.all(tx.$select::<$table::Entity>()).await?;
            let first = there.first().expect("a row to copy").clone();
            let change: fn($table::Model, usize) -> $table::Model = $change;
            tx.insert_all((there.len()..$upto).map(|at| change(first.clone(), at)).collect()).await
        })
        .await
    };
}

/// How many rows there are.
macro_rules! rows {
    ($app:expr, $select:ident, $table:ident) => {
        count($app, async |view: &PlatformView| view.count(view.$select::<$table::Entity>()).await).await
    };
}

async fn count(app: &TestApp, work: impl AsyncFnOnce(&PlatformView) -> Result<u64, DbError>) -> usize {
    usize::try_from(app.running.service.db.read_platform(work).await.expect("a count")).expect("not so many")
}

fn new_id() -> Uuid {
    platform::ids::new()
}

async fn operators() {
    let app = stage(|_| ()).await;
    let one = |at: usize| json!({"email": format!("o{at}@example.com"), "name": "O"});
    app.operator.post("/api/v1/operators", one(1000)).await.expect(201);
    fill!(&app, platform, operator, 500 - ROOM, |row, at| operator::Model {
        id: new_id(),
        email: format!("filler{at}@example.com"),
        enrollment_digest: None,
        ..row
    });
    let asked = (0..WIDE).map(|at| ("/api/v1/operators".to_owned(), one(at)));
    only(&at_once(&app.operator, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, platform, operator), 500);
    app.stop().await;
}

async fn passkeys() {
    let port = tests::free_port();
    let origin = format!("http://localhost:{port}");
    let public = origin.clone();
    let app = stage(move |config| {
        config.server.listen = format!("127.0.0.1:{port}").parse().expect("an address");
        config.server.public_url = public;
    })
    .await;
    let made = app
        .operator
        .post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"}))
        .await
        .expect(201);
    let token = |made: &Value| {
        let url = made["enrollmentUrl"].as_str().expect("a link").to_owned();
        url.split_once("token=").expect("a token").1.to_owned()
    };
    let begin = "/operator/enroll/begin";
    let anyone = app.anyone();
    let answer = async |token: &str, begun: Value| {
        let credential = passkey::register(&begun["options"], &origin);
        json!({"token": token, "ceremony": begun["ceremony"], "credential": credential})
    };
    // The first one makes a row to copy.
    let first = token(&made);
    let begun = anyone.post(begin, json!({"token": first})).await.expect(200);
    anyone.post("/operator/enroll/finish", answer(&first, begun).await).await.expect(200);
    fill!(&app, platform, passkey_row, 19, |row, at| passkey_row::Model {
        id: new_id(),
        credential_id: vec![u8::try_from(at).expect("few"); 16],
        ..row
    });
    // A link is used once, however many ceremonies began with it; and the twentieth passkey is the last.
    let again = app
        .operator
        .post(&format!("/api/v1/operators/{}/enroll", made["id"].as_str().expect("an id")), json!({}))
        .await
        .expect(200);
    let second = token(&again);
    let mut asked = Vec::new();
    for _ in 0..WIDE {
        let begun = anyone.post(begin, json!({"token": second})).await.expect(200);
        asked.push(("/operator/enroll/finish".to_owned(), answer(&second, begun).await));
    }
    let replies = at_once(&anyone, Method::POST, asked).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{:?}", replies.first());
    assert_eq!(rows!(&app, platform, passkey_row), 20);
    let again = app
        .operator
        .post(&format!("/api/v1/operators/{}/enroll", made["id"].as_str().expect("an id")), json!({}))
        .await
        .expect(200);
    anyone.post(begin, json!({"token": token(&again)})).await.refused(403, "quota.exceeded");
    app.stop().await;
}

async fn modules() {
    let app = stage(|_| ()).await;
    let one = |at: usize| json!({"name": format!("m{at}"), "baseUrl": "https://m.example"});
    app.operator.post("/api/v1/modules", one(1000)).await.expect(201);
    fill!(&app, platform, module, 1000 - ROOM, |row, at| module::Model {
        id: new_id(),
        name: format!("filler{at}"),
        client_id: format!("filler{at}"),
        ..row
    });
    let asked = (0..WIDE).map(|at| ("/api/v1/modules".to_owned(), one(at)));
    only(&at_once(&app.operator, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, platform, module), 1000);
    app.stop().await;
}

async fn webhook_endpoints() {
    let app = stage(|_| ()).await;
    let one = json!({"url": "http://127.0.0.1:9/hook", "eventTypes": ["flag.changed"]});
    app.operator.post("/api/v1/webhook-endpoints", one.clone()).await.expect(201);
    fill!(&app, platform, endpoint, 1000 - ROOM, |row, _| endpoint::Model {
        id: new_id(),
        disabled_at: Some(row.created_at),
        ..row
    });
    let asked = (0..WIDE).map(|_| ("/api/v1/webhook-endpoints".to_owned(), one.clone()));
    only(&at_once(&app.operator, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, platform, endpoint), 1000);
    app.stop().await;
}

async fn flags() {
    let app = stage(|_| ()).await;
    let one = |at: usize| json!({"key": format!("f{at}"), "type": "boolean"});
    app.operator.post("/api/v1/flags", one(1000)).await.expect(201);
    fill!(&app, platform, flag, 1000 - ROOM, |row, at| flag::Model { key: format!("filler{at}"), ..row });
    let asked = (0..WIDE).map(|at| ("/api/v1/flags".to_owned(), one(at)));
    only(&at_once(&app.operator, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, platform, flag), 1000);
    // Two that come to need each other at the same moment: one of them may.
    let needs = |key: &str, other: &str| {
        let body = json!({"type": "boolean", "prerequisites": [{"flag": other, "variant": "on"}]});
        (format!("/api/v1/flags/{key}"), body)
    };
    let turns = (0..WIDE)
        .map(|at| if at % 2 == 0 { needs("filler1", "filler2") } else { needs("filler2", "filler1") });
    let replies = at_once(&app.operator, Method::PUT, turns).await;
    let won = |turn: usize| replies.iter().skip(turn).step_by(2).any(|reply| reply.status == 200);
    assert!(won(0) != won(1), "a circle of two, or nobody won: {:?}", replies.first());
    app.stop().await;
}

async fn issuer_registrations() {
    let app = stage(|_| ()).await;
    let one = |at: usize| json!({"issuer": "https://idp.example", "audience": format!("a{at}")});
    app.operator.post("/api/v1/issuers", one(1000)).await.expect(201);
    fill!(&app, platform, issuer, 50 - ROOM, |row, at| issuer::Model {
        id: new_id(),
        audience: format!("filler{at}"),
        ..row
    });
    let asked = (0..WIDE).map(|at| ("/api/v1/issuers".to_owned(), one(at)));
    only(&at_once(&app.operator, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, platform, issuer), 50);
    app.stop().await;
}

async fn organizations() {
    // Twenty times one, on the plan enterprise; the first is called default.
    let app = stage(|config| config.section_mut::<tenancy::Limits>().organizations = 1).await;
    let acme = acme(&app).await;
    let one = |at: usize| json!({"slug": format!("o{at}"), "name": "O"});
    fill!(&app, across, organization, 20 - ROOM, |row, at| organization::Model {
        id: new_id(),
        slug: format!("filler{at}"),
        ..row
    });
    let asked = (0..WIDE).map(|at| (ORGANIZATIONS.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, organization), 20);
    app.stop().await;
}

async fn scim_schemas() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = "/api/v1/tenants/acme/scim-schemas";
    let one = |at: usize| json!({"id": format!("urn:acme:s{at}"), "name": "S", "resourceType": "User", "attributes": [{"name": "number"}]});
    for at in 0..20 - ROOM {
        acme.admin.post(path, one(1000 + at)).await.expect(201);
    }
    let asked = (0..WIDE).map(|at| (path.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    let there = acme.admin.get(path).await.expect(200);
    assert_eq!(there["items"].as_array().map(Vec::len), Some(20));
    app.stop().await;
}

async fn scim_tokens() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = format!("{ORGANIZATIONS}/default/scim-tokens");
    fill!(&app, across, token, 50 - ROOM, |row, _| token::Model { id: new_id(), ..row });
    let asked = (0..WIDE).map(|_| (path.clone(), json!({"name": "one more"})));
    let replies = at_once(&acme.admin, Method::POST, asked).await;
    only(&replies, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, token), 50);
    // A place is free again when a token is revoked, for one of those who rotate or make one.
    let made = replies.iter().find(|reply| reply.status == 201).expect("one").json();
    let one = format!("{path}/{}", made["id"].as_str().expect("an id"));
    assert_eq!(acme.admin.delete(&one).await.status, 204);
    acme.admin
        .post(
            &format!(
                "{path}/{}/rotate",
                replies.iter().rfind(|reply| reply.status == 201).expect("one").json()["id"]
                    .as_str()
                    .expect("an id")
            ),
            json!({}),
        )
        .await
        .expect(201);
    acme.admin.post(&path, json!({"name": "too many"})).await.refused(403, "quota.exceeded");
    app.stop().await;
}

async fn connections() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = format!("{ORGANIZATIONS}/default/connections");
    let one = json!({"type": "oidc", "name": "Corp", "issuer": "https://idp.example", "clientId": "c"});
    acme.admin.post(&path, one.clone()).await.expect(201);
    fill!(&app, across, connection, 50 - ROOM, |row, _| connection::Model { id: new_id(), ..row });
    let asked = (0..WIDE).map(|_| (path.clone(), one.clone()));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, connection), 50);
    // Another name than that of the plan's quota.
    let refused = acme.admin.post(&path, one).await.refused(403, "quota.exceeded");
    assert_eq!((&refused["resource"], &refused["limit"]), (&json!("organization_connections"), &json!(50)));
    app.stop().await;
}

async fn domains() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = format!("{ORGANIZATIONS}/default/domains");
    let one = |at: usize| json!({"domain": format!("d{at}.example")});
    acme.admin.post(&path, one(1000)).await.expect(201);
    fill!(&app, across, domain, 200 - ROOM, |row, at| domain::Model {
        id: new_id(),
        name: format!("filler{at}.example"),
        ..row
    });
    let asked = (0..WIDE).map(|at| (path.clone(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, domain), 200);
    app.stop().await;
}

async fn join_rules() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = format!("{ORGANIZATIONS}/default/domains");
    acme.admin.post(&path, json!({"domain": "first.example"})).await.expect(201);
    fill!(&app, across, domain, 200, |row, at| {
        let name = format!("d{at}.example");
        domain::Model {
            id: new_id(),
            verified_name: Some(name.clone()),
            verified_at: Some(row.created_at),
            name,
            ..row
        }
    });
    let rule = |at: usize| format!("{ORGANIZATIONS}/default/join-rules/d{at}.example");
    acme.admin.put(&rule(199), json!({"mode": "auto"})).await.expect(200);
    fill!(&app, across, join_rule, 100 - ROOM, |row, at| join_rule::Model {
        domain: format!("filler{at}.example"),
        ..row
    });
    let asked = (1..=WIDE).map(|at| (rule(at), json!({"mode": "auto"})));
    only(&at_once(&acme.admin, Method::PUT, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, join_rule), 100);
    app.stop().await;
}

async fn role_mappings() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let path = format!("{ORGANIZATIONS}/default/role-mappings");
    let made = acme.scim.post("/scim/v2/Groups", json!({"displayName": "g"})).await.expect(201);
    acme.admin.post(&path, json!({"groupId": made["id"], "role": "guest"})).await.expect(201);
    fill!(&app, across, group, 600, |row, at| group::Model {
        id: new_id(),
        display_name: format!("g{at}"),
        display_name_key: format!("g{at}"),
        ..row
    });
    let free: Vec<Uuid> = behind(&app, async |tx: &mut PlatformTx| {
        let mapped =
            tx.all(tx.across::<role_mapping::Entity>()).await?.into_iter().next().expect("a mapping");
        let groups: Vec<Uuid> =
            tx.all(tx.across::<group::Entity>()).await?.into_iter().map(|row| row.id).collect();
        let free: Vec<Uuid> = groups.into_iter().filter(|id| *id != mapped.group_id).collect();
        let (taken, free) = free.split_at(499 - ROOM);
        let copies =
            taken.iter().map(|id| role_mapping::Model { id: new_id(), group_id: *id, ..mapped.clone() });
        tx.insert_all(copies.collect()).await?;
        Ok(free.to_vec())
    })
    .await;
    let asked = free.into_iter().take(WIDE).map(|id| (path.clone(), json!({"groupId": id, "role": "guest"})));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 403, "quota.exceeded");
    assert_eq!(rows!(&app, across, role_mapping), 500);
    app.stop().await;
}

async fn group_nesting() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let make = async |name: &str| {
        let made = acme.scim.post("/scim/v2/Groups", json!({"displayName": name})).await.expect(201);
        made["id"].as_str().expect("an id").to_owned()
    };
    let (one, two) = (make("one").await, make("two").await);
    let takes = |group: &str, member: &str| {
        let body = json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": member}]}]});
        (format!("/scim/v2/Groups/{group}"), body)
    };
    let turns = (0..WIDE).map(|at| if at % 2 == 0 { takes(&one, &two) } else { takes(&two, &one) });
    let replies = at_once(&acme.scim, Method::PATCH, turns).await;
    let won = |turn: usize| replies.iter().skip(turn).step_by(2).any(|reply| reply.status.is_success());
    assert!(won(0) != won(1), "a circle, or nobody won: {:?}", replies.first());
    for lost in replies.iter().filter(|reply| !reply.status.is_success()) {
        assert_eq!(
            (lost.status.as_u16(), &lost.json()["scimType"]),
            (400, &json!("invalidValue")),
            "{}",
            lost.text
        );
    }
    app.stop().await;
}

async fn invitations() {
    let app =
        stage(|config| config.section_mut::<invitations::Settings>().per_organization_per_day = ROOM as u64)
            .await;
    let acme = acme(&app).await;
    let one = |at: usize| json!({"email": format!("p{at}@example.com"), "role": "viewer"});
    let asked = (0..WIDE).map(|at| (INVITATIONS.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 429, "invitation.limited");
    let there = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.expect(200);
    assert_eq!(there["counts"]["pending"], json!(ROOM));
    app.stop().await;
}

async fn invitation_batches() {
    let app = stage(|_| ()).await;
    let free = json!({"slug": "acme", "name": "Acme", "identity": {"externalId": "org_acme"}});
    let acme = app.tenant_with(free).await;
    // 20 a day on this plan. The lines are no addresses: nobody is invited.
    let bulk = format!("{INVITATIONS}/bulk");
    let one = |at: usize| (bulk.clone(), json!({"invitations": [{"email": format!("nobody {at}")}]}));
    only(&at_once(&acme.admin, Method::POST, (0..20 - ROOM).map(one)).await, 20 - ROOM, 429, "");
    only(&at_once(&acme.admin, Method::POST, (0..WIDE).map(one)).await, ROOM, 429, "invitation.limited");
    let (path, body) = one(0);
    let refused = acme.admin.post(&path, body).await.refused(429, "invitation.limited");
    assert!(
        refused["per"] == "tenant" && refused["detail"].as_str().unwrap().contains("batches"),
        "{refused}"
    );
    app.stop().await;
}

/// Every door through which an admin can leave, all of them at once, for all admins that there are.
async fn last_admin() {
    let app = stage(|_| ()).await;
    let acme = acme(&app).await;
    let mut people = Vec::new();
    for at in 0..WIDE {
        let body = json!({"userName": format!("u{at}"), "active": true});
        let made = acme.scim.post("/scim/v2/Users", body).await.expect(201);
        people.push(made["id"].as_str().expect("an id").to_owned());
    }
    // The last quarter are admins by a group.
    let (by_hand, by_group) = people.split_at(WIDE / 4 * 3);
    for id in by_hand {
        acme.admin
            .patch(&format!("/api/v1/tenants/acme/users/{id}"), json!({"role": "admin"}))
            .await
            .expect(200);
    }
    let members: Vec<Value> = by_group.iter().map(|id| json!({"value": id})).collect();
    let body = json!({"displayName": "admins", "members": members});
    let group =
        acme.scim.post("/scim/v2/Groups", body).await.expect(201)["id"].as_str().expect("an id").to_owned();
    let mappings = format!("{ORGANIZATIONS}/default/role-mappings");
    acme.admin.post(&mappings, json!({"groupId": group, "role": "admin"})).await.expect(201);
    assert_eq!(admins(&app).await, WIDE);
    let leave = people.iter().enumerate().map(|(at, id)| {
        let user = format!("/scim/v2/Users/{id}");
        let (client, method, path, body) = match (at / (WIDE / 4), &acme) {
            (0, acme) => (
                &acme.admin,
                Method::PATCH,
                format!("/api/v1/tenants/acme/users/{id}"),
                json!({"role": "viewer"}),
            ),
            (1, acme) => (&acme.scim, Method::DELETE, user, Value::Null),
            (2, acme) => (
                &acme.scim,
                Method::PATCH,
                user,
                json!({"Operations": [{"op": "replace", "value": {"active": false}}]}),
            ),
            (_, acme) => {
                let path = format!("members[value eq \"{id}\"]");
                (
                    &acme.scim,
                    Method::PATCH,
                    format!("/scim/v2/Groups/{group}"),
                    json!({"Operations": [{"op": "remove", "path": path}]}),
                )
            }
        };
        decided(client.clone(), method, path, body)
    });
    let replies = join_all(leave).await;
    assert_eq!(admins(&app).await, 1, "of {WIDE} who leave at once one stays");
    let refused: Vec<&Reply> = replies.iter().filter(|reply| !reply.status.is_success()).collect();
    let kept = app.audit("user.role_kept").await.len();
    assert_eq!(refused.len() + kept, 1, "{refused:?}");
    assert!(refused.iter().all(|reply| reply.status == 409), "{refused:?}");
    // The quota says what the rows say.
    let quotas = app.operator.get("/api/v1/tenants/acme/quotas").await.expect(200);
    let quota = quotas["items"].as_array().expect("a list").iter().find(|one| one["resource"] == "admins");
    assert_eq!(quota.map(|quota| quota["used"].clone()), Some(json!(1)));
    app.stop().await;
}

async fn admins(app: &TestApp) -> usize {
    let sql = "SELECT COUNT(*) AS n FROM directory_user WHERE role = 'admin' AND active = $1";
    let read = async |view: &PlatformView| {
        let rows = view.query(&platform::CrossTenantStatement::new(sql), vec![true.into()]).await?;
        let n: i64 = rows.first().expect("a row").try_get("", "n")?;
        Ok::<_, DbError>(n.unsigned_abs())
    };
    count(app, read).await
}

async fn invitation_mails() {
    let app = stage(|config| config.section_mut::<invitations::Settings>().per_recipient_per_day = 5).await;
    let acme = acme(&app).await;
    fill!(&app, across, organization, WIDE, |row, at| organization::Model {
        id: new_id(),
        slug: format!("o{at}"),
        ..row
    });
    // One address, spelled in many ways, from as many organizations.
    let one = |at: usize| {
        let mask = at * 37;
        let email: String = "zoe@example.com"
            .chars()
            .enumerate()
            .map(|(place, c)| if mask >> (place % 12) & 1 == 1 { c.to_ascii_uppercase() } else { c })
            .collect();
        let organization = if at == 0 { "default".to_owned() } else { format!("o{at}") };
        (INVITATIONS.to_owned(), json!({"email": email, "role": "viewer", "organization": organization}))
    };
    only(&at_once(&acme.admin, Method::POST, (0..WIDE).map(one)).await, 5, 429, "invitation.limited");
    let to_zoe = app.mails().await.iter().filter(|mail| mail["template"] == "invitation").count();
    assert_eq!(to_zoe, 5);
    app.stop().await;
}

/// A tenant in which Alice has an account that nobody is linked to yet, and an identity provider that knows her.
async fn unlinked(app: &TestApp, op: &OidcProvider) -> (Tenant, super::sso::Module) {
    let acme = acme(app).await;
    let module = super::sso::module(app, "app", json!({})).await;
    super::sso::oidc_connection(op, &acme, json!({})).await;
    let invite = json!({"email": "alice@corp.example", "role": "viewer"});
    acme.admin.post(INVITATIONS, invite).await.expect(201);
    let token = app.invitation_token("alice@corp.example").await;
    app.anyone().post("/api/v1/invitations/accept", json!({"token": token})).await.expect(200);
    (acme, module)
}

async fn code_mails() {
    let (app, op) = (stage(|_| ()).await, OidcProvider::start().await);
    let (acme, module) = unlinked(&app, &op).await;
    // All of them are back from the provider but for the last step.
    let walk = async |_: usize| {
        let mut browser = Browser::default();
        super::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await
    };
    let pages = join_all((0..WIDE).map(walk)).await;
    let asked = pages.iter().filter(|page| page.text.contains("Is this account yours?")).count();
    assert_eq!(asked, 5, "{:?}", pages.iter().map(|page| page.status).collect::<Vec<_>>());
    for refused in pages.into_iter().filter(|page| !page.text.contains("Is this account yours?")) {
        refused.refused("mail.limited");
    }
    let mails = app.mails().await.iter().filter(|mail| mail["template"] == "account-proof").count();
    assert_eq!(mails, 5);
    app.stop().await;
}

async fn stranger_mails() {
    // Twenty times one, on the plan enterprise.
    let app = stage(|config| config.section_mut::<mail::Limits>().stranger_mails_per_day = 1).await;
    let acme = acme(&app).await;
    super::strangers::let_join(&app, &acme, "acme.example").await;
    let mails = async || app.mails().await.iter().filter(|mail| mail["template"] == "invitation").count();
    let ask = async |emails: Vec<String>, sent: usize| {
        let asked = emails
            .into_iter()
            .map(|email| ("/api/v1/join".to_owned(), json!({"tenant": "acme", "email": email})));
        let replies = at_once(&app.anyone(), Method::POST, asked).await;
        assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.first());
        let idle = "SELECT id FROM job WHERE kind = 'invitations.join' AND status <> 'done'";
        tests::eventually("the answers", async || {
            let read = async |view: &PlatformView| {
                Ok::<_, DbError>(
                    view.query(&platform::CrossTenantStatement::new(idle), vec![]).await?.len() as u64
                )
            };
            (count(&app, read).await == 0).then_some(())
        })
        .await;
        assert_eq!(mails().await, sent);
    };
    ask(super::strangers::spellings("zoe@acme.example", WIDE), 1).await;
    ask((0..WIDE).map(|at| format!("p{at}@acme.example")).collect(), 20).await;
    app.stop().await;
}

async fn tenant_mails() {
    // Twenty times one, on the plan enterprise.
    let app = stage(|config| config.section_mut::<mail::Limits>().mails_per_day = 1).await;
    let acme = acme(&app).await;
    let one = |at: usize| json!({"email": format!("p{at}@example.com"), "role": "viewer"});
    for at in 0..20 - ROOM {
        acme.admin.post(INVITATIONS, one(1000 + at)).await.expect(201);
    }
    let asked = (0..WIDE).map(|at| (INVITATIONS.to_owned(), one(at)));
    only(&at_once(&acme.admin, Method::POST, asked).await, ROOM, 429, "mail.limited");
    let there = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.expect(200);
    assert_eq!(there["counts"]["pending"], 20, "who gets no mail is not invited");
    // Of a file no line is half done: who gets no mail has no invitation and holds no seat.
    let lines: Vec<Value> = (3000..3003).map(one).collect();
    let file = json!({"invitations": lines});
    let made = app.operator.post(&format!("{INVITATIONS}/bulk"), file).await.expect(202);
    let batch = format!("{INVITATIONS}/bulk/{}", made["id"].as_str().expect("an id"));
    tests::eventually("the file to be worked off", async || {
        let batch = app.operator.get(&batch).await.expect(200);
        (batch["status"] == "done").then_some(())
    })
    .await;
    let lines = app.operator.get(&format!("{batch}/lines")).await.expect(200);
    let codes: Vec<&Value> =
        lines["items"].as_array().expect("a list").iter().map(|line| &line["code"]).collect();
    assert_eq!(codes, ["mail.limited"; 3]);
    let there = acme.admin.get(&format!("{INVITATIONS}?limit=200")).await.expect(200);
    assert_eq!(there["counts"]["pending"], 20);
    // The day after there is room again.
    app.clock.advance(chrono::TimeDelta::hours(25));
    acme.admin.post(INVITATIONS, one(2000)).await.expect(201);
    app.stop().await;
}

async fn sessions() {
    let (app, issuer) = (stage(|_| ()).await, Issuer::start());
    issuer.register(&app.operator).await;
    acme(&app).await;
    let ann = json!({"subjectToken": issuer.token("ann", "org_acme")});
    let path = "/api/internal/sso/exchange";
    app.operator.post(path, ann.clone()).await.expect(200);
    fill!(&app, across, session, 100 - ROOM, |row, _| session::Model { id: new_id(), ..row });
    let replies =
        at_once(&app.operator, Method::POST, (0..WIDE).map(|_| (path.to_owned(), ann.clone()))).await;
    assert!(replies.iter().all(|reply| reply.status == 200), "{:?}", replies.first());
    let all = behind(&app, async |tx: &mut PlatformTx| tx.all(tx.across::<session::Entity>()).await).await;
    assert_eq!(all.len(), 100 - ROOM + WIDE);
    assert_eq!(all.iter().filter(|one| one.ended_at.is_none()).count(), 100);
    app.stop().await;
    issuer.stop().await;
}

/// Codes and mails of the newest proof.
async fn mailed_code(app: &TestApp, number: usize) -> String {
    tests::eventually("the proof's mail", async || {
        let mails = app.mails().await;
        let all: Vec<&Value> = mails.iter().filter(|mail| mail["template"] == "account-proof").collect();
        let newest = all.first().filter(|_| all.len() == number)?;
        newest["subject"].as_str()?.rsplit(' ').next().map(ToOwned::to_owned)
    })
    .await
}

/// Sends codes on a page that asks for one, in its browser, as many at once as there are.
fn answers(
    app: &TestApp,
    browser: &Browser,
    page: &Page,
) -> impl Fn(String) -> LocalBoxFuture<'static, Reply> + use<> {
    let (url, fields) = page.form();
    let cookie = browser.cookie(url.as_str(), "tnt_browser").expect("a cookie of the browser");
    let anyone = app.anyone();
    move |code| {
        let mut fields = fields.clone();
        fields.retain(|(name, _)| name != "code");
        fields.push(("code".to_owned(), code));
        let request = anyone.request(Method::POST, url.as_str());
        Reply::read(request.header("cookie", format!("tnt_browser={cookie}")).form(&fields)).boxed_local()
    }
}

#[actix_web::test]
async fn of_a_hundred_and_fifty_codes_at_once_five_are_compared() {
    let (app, op) = (stage(|_| ()).await, OidcProvider::start().await);
    let (acme, module) = unlinked(&app, &op).await;
    let mut browser = Browser::default();
    let page = super::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await;
    assert!(page.text.contains("Is this account yours?"), "{}", page.text);
    let right = mailed_code(&app, 1).await;
    let send = answers(&app, &browser, &page);
    let wrong = (0..150).map(|at| format!("{at:06}")).filter(|code| *code != right);
    let replies = join_all(wrong.map(&send)).await;
    assert!(replies.iter().all(|reply| reply.status.is_client_error()), "{:?}", replies.first());
    let listed = acme.admin.get("/api/v1/tenants/acme/sign-ins").await.expect(200);
    let sign_in = &listed["items"][0];
    let compared =
        sign_in["steps"].as_array().expect("steps").iter().filter(|step| step["name"] == "proof.compared");
    assert_eq!(compared.count(), 5, "{sign_in}");
    assert_eq!((&sign_in["status"], &sign_in["reason"]), (&json!("failed"), &json!("sign_in.proof_wrong")));
    let stored = behind(&app, async |tx: &mut PlatformTx| tx.all(tx.across::<sign_in::Entity>()).await).await;
    assert_eq!(stored.iter().map(|row| row.proof_attempts).collect::<Vec<_>>(), [5]);
    // The right one comes too late; a new one counts.
    assert!(send(right).await.status.is_client_error());
    let mut browser = Browser::default();
    let page = super::sso::sign_in(&app, &mut browser, &module, &acme, "alice").await;
    let code = mailed_code(&app, 2).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    assert!(page.parameter("code").is_some(), "{}", page.text);
    app.stop().await;
}

#[actix_web::test]
async fn of_many_wrong_passwords_at_once_no_more_are_compared_than_may_be_wrong() {
    const PASSWORD: &str = "a horse, correct; and a battery";
    let app = stage(|config| config.section_mut::<operators::Settings>().operator_passwords = true).await;
    let made = app.operator.post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"})).await;
    let id: Uuid = made.expect(201)["id"].as_str().expect("an id").parse().expect("a UUID");
    let hash = app.running.service.secrets.hash_password(id, PASSWORD).await.expect("a hash");
    let set = async |failures: i64| {
        behind(&app, async |tx: &mut PlatformTx| {
            let row = tx.one(tx.platform::<operator::Entity>()).await?.expect("an operator");
            let password_hash = Some(hash.clone());
            tx.update(operator::Model { password_hash, password_failures: failures, ..row }).await
        })
        .await;
    };
    let failures = async || {
        behind(&app, async |tx: &mut PlatformTx| tx.one(tx.platform::<operator::Entity>()).await)
            .await
            .expect("an operator")
            .password_failures
    };
    let anyone = app.anyone();
    let enter = async |password: &str| loop {
        let form = [("email", "o@example.com"), ("password", password)];
        let reply = anyone.form("/operator/login", &form).await;
        // Argon2 has few places for one account.
        if !matches!(reply.status.as_u16(), 429 | 503) {
            return reply.status.as_u16();
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    };
    set(95).await;
    let tries: Vec<String> = (0..WIDE).map(|at| format!("a horse, wrong, number {at}")).collect();
    let answers = join_all(tries.iter().map(|password| enter(password))).await;
    assert!(answers.iter().all(|status| *status == 401), "{answers:?}");
    assert_eq!(failures().await, 100, "five were compared, the others were not");
    assert_eq!(enter(PASSWORD).await, 401, "the right one comes too late");
    // One that is set anew counts, and is wrong as often as before.
    set(0).await;
    assert_eq!(enter("a horse, wrong, once more").await, 401);
    assert_eq!(failures().await, 1);
    assert_eq!(enter(PASSWORD).await, 303);
    assert_eq!(failures().await, 0);
    app.stop().await;
}
