//! Many connections of one issuer: what another tenant makes changes nothing, and each is found.

use entity::connections::connection;
use platform::{Ctx, PlatformTx, Work as _};
use tests::Browser;

use super::*;
use crate::sso::module;

/// Connections of one issuer beside the one that is looked for.
const CROWD: usize = 200;

#[actix_web::test]
async fn another_tenants_copy_of_a_connection_takes_nothing_from_the_first() {
    let stage = Stage::set().await;
    let (evil, corp) = (stage.app.tenant("evil").await, Issuer::start());
    let ours = connected(&stage.acme, &corp, "c1", json!({})).await;
    let alice = id_claims(&corp, "c1", "alice", "alice@corp.example");
    let come = async |named: Value| present(&stage.app, &corp, &alice, named).await;
    let first: Exchanged = come(json!({})).await.found();
    assert_eq!(first.tenant_id, stage.acme.id.as_str());
    let copy = connected(&evil, &corp, "c1", json!({})).await;
    let disabled = connected(&evil, &corp, "c1", json!({"enabled": false})).await;
    for named in [
        json!({}),
        json!({"tenant": "acme"}),
        json!({"tenant": stage.acme.id}),
        json!({"connection": ours.id}),
        json!({"tenant": "acme", "connection": ours.id, "organization": "default"}),
    ] {
        let done: Exchanged = come(named.clone()).await.found();
        assert_eq!(done.tenant_id, first.tenant_id, "{named}");
        assert_eq!(done.user.id, first.user.id, "{named}");
    }
    // Whoever names the other one gets the other one.
    for named in [json!({"tenant": "evil"}), json!({"connection": copy.id})] {
        assert_eq!(come(named.clone()).await.found::<Exchanged>().tenant_id, evil.id.as_str(), "{named}");
    }
    come(json!({"connection": disabled.id})).await.refused(403, "connection.disabled");
    let crossed = json!({"tenant": "acme", "connection": copy.id});
    come(crossed).await.refused(401, "sso.token_refused");
    come(json!({"tenant": "nobody"})).await.refused(404, "sso.tenant_unknown");
    come(json!({"organization": "nobody"})).await.refused(404, "sso.organization_unknown");
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn a_token_of_a_registered_issuer_is_for_no_other_tenant_than_it_names() {
    let stage = Stage::set().await;
    stage.app.tenant("evil").await;
    let ann = stage.claims("ann", "ann@x.test");
    stage.exchange_naming(&ann, json!({"tenant": "evil"})).await.refused(404, "sso.tenant_unknown");
    stage.exchange_naming(&ann, json!({"tenant": "acme"})).await.expect(200);
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
}

#[actix_web::test]
async fn of_equal_connections_the_one_whose_provider_has_answered_counts() {
    let stage = Stage::set().await;
    let (evil, corp) = (stage.app.tenant("evil").await, Issuer::start());
    // Evil was first, and nobody ever came in by its copy.
    connected(&evil, &corp, "c1", json!({})).await;
    connected(&stage.acme, &corp, "c1", json!({"clientSecret": "s"})).await;
    let module = module(&stage.app, "app", json!({})).await;
    answers(&corp, "alice", "alice@corp.example");
    let page = Browser::default().open(module.authorize(&stage.app, &[("tenant", "acme")])).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
    let alice = id_claims(&corp, "c1", "alice", "alice@corp.example");
    let done: Exchanged = present(&stage.app, &corp, &alice, json!({})).await.found();
    assert_eq!(done.tenant_id, stage.acme.id.as_str());
    assert_eq!(stage.users().await.len(), 1);
    stage.stop().await;
    corp.stop().await;
}

#[actix_web::test]
async fn the_last_of_two_hundred_and_one_connections_of_an_issuer_is_found() {
    let stage = Stage::set().await;
    let (other, corp) = (stage.app.tenant("other").await, Issuer::start());
    connected(&stage.acme, &corp, "c0", json!({})).await;
    // Past the limits of one organization, which are not what this is about.
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let there = tx.all(tx.across::<connection::Entity>()).await?;
        let first = there.first().expect("a row to copy").clone();
        let copy = |at: usize| {
            let client = format!("filler{at}");
            let settings = with(first.settings.clone(), "clientId", client.as_str());
            let id = platform::ids::new();
            connection::Model { id, client_id: Some(client), settings, ..first.clone() }
        };
        tx.insert_all((1..CROWD).map(copy).collect()).await
    };
    let db = &stage.app.running.service.db;
    db.write_platform(&Ctx::system("test"), work).await.expect("the store does it");
    connected(&other, &corp, "last", json!({})).await;
    for (client, tenant) in [("last", &other), ("filler199", &stage.acme), ("c0", &stage.acme)] {
        let claims = id_claims(&corp, client, client, &format!("{client}@corp.example"));
        let done: Exchanged = present(&stage.app, &corp, &claims, json!({})).await.found();
        assert_eq!(done.tenant_id, tenant.id.as_str(), "{client}");
    }
    let unknown = id_claims(&corp, "nobody", "x", "x@corp.example");
    present(&stage.app, &corp, &unknown, json!({})).await.refused(401, "sso.token_refused");
    stage.stop().await;
    corp.stop().await;
}
