//! Rules that count and then decide, each raced 64 wide: what may succeed succeeds, no more.

mod guesses;
mod locks;
mod mails;
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
use tests::{
    BatchLine, Browser, Client, Exchanged, InvitationBatch, Invitations, Issuer, OidcProvider, Page,
    RecordedMail, Reply, Restore, SignIn, Tenant, TestApp,
};
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

/// Each on the heap: one future over all of them needs more stack than a test has.
fn race(rule: Rule) -> LocalBoxFuture<'static, ()> {
    match rule {
        Rule::Operators => Box::pin(operators()),
        Rule::Passkeys => Box::pin(passkey::passkeys()),
        Rule::Modules => Box::pin(modules()),
        Rule::WebhookEndpoints => Box::pin(webhook_endpoints()),
        Rule::Flags => Box::pin(flags()),
        Rule::IssuerRegistrations => Box::pin(issuer_registrations()),
        Rule::Organizations => Box::pin(organizations()),
        Rule::ScimSchemas => Box::pin(scim_schemas()),
        Rule::ScimTokens => Box::pin(scim_tokens()),
        Rule::Connections => Box::pin(connections()),
        Rule::Domains => Box::pin(domains()),
        Rule::JoinRules => Box::pin(join_rules()),
        Rule::RoleMappings => Box::pin(role_mappings()),
        Rule::GroupNesting => Box::pin(group_nesting()),
        Rule::Invitations => Box::pin(mails::invitations()),
        Rule::People => Box::pin(people::people()),
        Rule::FirstUser => Box::pin(people::first_user()),
        Rule::LastAdmin => Box::pin(people::last_admin()),
        Rule::InvitationBatches => Box::pin(mails::invitation_batches()),
        Rule::InvitationMails => Box::pin(mails::invitation_mails()),
        Rule::CodeMails => Box::pin(mails::code_mails()),
        Rule::StrangerMails => Box::pin(mails::stranger_mails()),
        Rule::TenantMails => Box::pin(mails::tenant_mails()),
        Rule::Sessions => Box::pin(people::sessions()),
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
        let busy =
            reply.status == 503 || reply.status == 429 && reply.code().as_deref() == Some("rate.limited");
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
        assert_eq!((reply.status.as_u16(), reply.code().as_deref()), (status, Some(code)), "{}", reply.text);
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

use {fill, rows};

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
    assert_eq!(acme.admin.get(path).await.count(), 20);
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
    assert_eq!(
        (refused.fact("resource"), refused.fact("limit")),
        (&json!("organization_connections"), &json!(50))
    );
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
    let made = acme.group("g", &[]).await;
    acme.admin.post(&path, json!({"groupId": made, "role": "guest"})).await.expect(201);
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
    let (one, two) = (acme.group("one", &[]).await, acme.group("two", &[]).await);
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
