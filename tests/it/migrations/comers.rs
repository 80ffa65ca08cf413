//! People of the version before come again: the service is started on their store, and they are who they were.

use serde_json::json;
use tests::{Browser, Exchanged, Invitation, Tokens};

use super::rows::*;
use super::world::*;
use crate::sso::{claims as claims_of, module};

const ALICE: &str = "alice@corp.example";

#[actix_web::test]
async fn a_link_whose_issuer_can_not_be_told_is_proved_once() {
    let old = Old::acme().await;
    old.user(with(person(ACME, 1, ALICE), vec![("role", "contributor".into())])).await;
    old.link(ACME, 1, (&links_of(CHANGED), "alice"), (20, 15)).await;
    let world = old.start().await;
    for email in [None, Some(ALICE), Some("other@x.test")] {
        world.by("changed", "alice", email).await.refused(409, "sso.link_required");
    }
    assert_eq!(world.before.links(1).await, [(links_of(CHANGED), "alice".to_owned())]);
    assert_eq!(world.users().await.len(), 1);
    // In a browser she is mailed a code.
    let module = module(&world.app, "app", json!({})).await;
    let connection = id(CHANGED).to_string();
    let url = module.authorize(&world.app, &[("tenant", "acme"), ("connection", &connection)]);
    world.answers("alice", ALICE);
    let mut browser = Browser::default();
    let page = browser.open(&url).await.expect(200);
    let code = world.mailed_code(ALICE).await;
    let page = browser.submit(&page, &[("code", &code)]).await;
    let code = page.parameter("code").unwrap_or_else(|| panic!("no code: {} {}", page.url, page.text));
    let tokens: Tokens = module.redeem(&world.app, &code).await.found();
    assert_eq!(claims_of(tokens.id())["sub"], id(1).to_string());
    // From then on she is known, at every door of the connection.
    assert_eq!(world.before.links(1).await, [(links_at(CHANGED, &world.corp.url), "alice".to_owned())]);
    for email in [None, Some(ALICE), Some("other@x.test")] {
        assert_eq!(came_in(world.by("changed", "alice", email).await), who(1, "contributor", ACME));
    }
    let page = Browser::default().open(&url).await;
    assert!(page.parameter("code").is_some(), "{} {}", page.url, page.text);
    world.by("changed", "mallory", Some(ALICE)).await.refused(409, "sso.subject_other");
    // The next start finds nothing to do, and asks nobody again.
    let World { before, corp, issuer, app } = world;
    app.stop().await;
    assert_eq!(before.upgrade().await, Vec::<String>::new());
    let world = Old { before, corp, issuer }.start().await;
    assert_eq!(came_in(world.by("changed", "alice", None).await), who(1, "contributor", ACME));
    world.stop().await;
}

#[actix_web::test]
async fn a_link_whose_issuer_is_told_comes_in_as_before() {
    let old = Old::acme().await;
    let table = [
        // By a connection that nobody has changed; linked since the other one was changed; seen since.
        (1, "bob", "same", (25, 15)),
        (2, "carl", "changed", (5, 5)),
        (3, "dora", "changed", (20, 3)),
    ];
    for (user, name, client, days) in table {
        old.user(with(person(ACME, user, &format!("{name}@x.test")), vec![("role", "guest".into())])).await;
        let connection = if client == "same" { SAME } else { CHANGED };
        old.link(ACME, user, (&links_of(connection), name), days).await;
    }
    let world = old.start().await;
    for (user, name, client, _) in table {
        for email in [None, Some("somebody.else@x.test"), Some(ALICE)] {
            assert_eq!(came_in(world.by(client, name, email).await), who(user, "guest", ACME), "{name}");
        }
    }
    // At the other connection they are nobody yet; nobody was asked for anything.
    let other = came_in(world.by("changed", "bob", None).await);
    assert_ne!(other.0, id(1).to_string());
    assert!(world.app.audit("sign_in.ask_proof").await.is_empty());
    assert_eq!(world.users().await.len(), 4);
    world.stop().await;
}

#[actix_web::test]
async fn a_token_goes_to_the_connection_that_was_there_first_or_has_answered() {
    let old = Old::acme().await;
    let add = async |row: Row| old.before.insert("connection", row).await;
    // beta's is older than acme's, but was pointed there later.
    let since = |row: Row, days: i64| with(row, changed(days_ago(days)));
    let older = vec![("created_at", days_ago(35).into())];
    add(since(with(oidc(BETA, 0xc3, (&old.corp.url, "same")), older), 2)).await;
    // acme's was there first, but only beta's has been tested since.
    add(with(oidc(ACME, 0xc4, (&old.corp.url, "both")), Vec::new())).await;
    let tested = vec![("tested_at", days_ago(1).into())];
    add(with(since(oidc(BETA, 0xc5, (&old.corp.url, "both")), 20), tested)).await;
    // acme's was tested only before it was changed.
    let tested = vec![("tested_at", days_ago(28).into())];
    add(with(since(oidc(ACME, 0xc6, (&old.corp.url, "late")), 15), tested)).await;
    add(since(oidc(BETA, 0xc7, (&old.corp.url, "late")), 20)).await;
    let world = old.start().await;
    for (client, tenant) in [("same", "acme"), ("both", "beta"), ("late", "beta")] {
        let done: Exchanged = world.by(client, "eve", None).await.found();
        assert_eq!(done.tenant_slug, tenant, "{client}");
    }
    world.stop().await;
}

#[actix_web::test]
async fn a_link_by_issuer_is_the_same_user_with_their_role_and_organization() {
    let old = Old::acme().await;
    old.user(with(person(EMEA, 1, "iris@x.test"), vec![("role", "contributor".into())])).await;
    old.user(with(person(ACME, 2, "gina@x.test"), vec![("role", "admin".into())])).await;
    let issuer = old.issuer.url.clone();
    old.link(EMEA, 1, (&issuer, "iris"), (20, 20)).await;
    old.link(ACME, 2, ("gateway", "g-1"), (20, 20)).await;
    let world = old.start().await;
    for (email, verified) in [(None, false), (Some("gina@x.test"), false), (Some("new@x.test"), true)] {
        let done = world.by_issuer("iris", email, verified).await;
        assert_eq!(came_in(done), who(1, "contributor", EMEA), "{email:?}");
    }
    assert_eq!(came_in(world.by_gateway("g-1").await), who(2, "admin", ACME));
    // Who is called so elsewhere, or nearly so here, is somebody else.
    let others = [
        world.by_issuer("IRIS", None, false).await,
        world.by("same", "iris", None).await,
        world.by_gateway("iris").await,
        world.by_issuer("g-1", None, false).await,
    ];
    for other in others {
        let (user, role, _) = came_in(other);
        assert!(![1, 2].map(|one| id(one).to_string()).contains(&user) && role == "viewer", "{user} {role}");
    }
    world.stop().await;
}

#[actix_web::test]
async fn an_invitation_is_what_it_was() {
    let old = Old::acme().await;
    let (by_token, by_door, accepted, revoked, over) = (1, 2, 3, 4, 5);
    let add = async |row: Row| old.before.insert("invitation", row).await;
    for (number, place, who) in
        [(by_token, ACME, ("Zoe@X.test", "admin")), (by_door, EMEA, ("yan@x.test", "contributor"))]
    {
        add(invitation(place, number, who, &format!("token {number}"))).await;
        old.before.insert("directory_expected", expected(place, number, who)).await;
    }
    let made = vec![("source", "invitation".into()), ("role", "contributor".into())];
    old.user(with(person(EMEA, 0x10, "xia@x.test"), made)).await;
    let ended = |status: &str, at: &'static str| vec![("status", status.into()), (at, days_ago(18).into())];
    let row = invitation(EMEA, accepted, ("xia@x.test", "contributor"), "token 3");
    let row = with(with(row, ended("accepted", "accepted_at")), vec![("user_id", id(0x10).into())]);
    add(row).await;
    let row = invitation(ACME, revoked, ("will@x.test", "admin"), "token 4");
    add(with(row, ended("revoked", "revoked_at"))).await;
    let row = invitation(ACME, over, ("vera@x.test", "admin"), "token 5");
    add(with(row, vec![("expires_at", days_ago(1).into())])).await;
    let world = old.start().await;

    let zoe: Invitation = world.accept("token 1").await.found();
    assert_eq!((zoe.status.as_str(), zoe.role.as_str()), ("accepted", "admin"));
    let zoe = (zoe.user_id.unwrap(), "admin".to_owned(), ACME.1.to_string());
    assert_eq!(came_in(world.by_issuer("z", Some("zoe@x.test"), true).await), zoe);
    // By another door than the token, where the address is said by who may say it.
    world.by_issuer("y", Some("yan@x.test"), false).await.refused(409, "sso.link_required");
    let yan = came_in(world.by_issuer("y", Some("yan@x.test"), true).await);
    assert_eq!((yan.1.as_str(), yan.2), ("contributor", EMEA.1.to_string()));
    // Who accepted before is known by the address from then on.
    world.by_issuer("x", Some("xia@x.test"), false).await.refused(409, "sso.link_required");
    assert_eq!(came_in(world.by_issuer("x", Some("xia@x.test"), true).await), who(0x10, "contributor", EMEA));
    for token in ["token 1", "token 2", "token 3", "token 4", "token 5"] {
        world.accept(token).await.refused(410, "invitation.gone");
    }
    for name in ["will", "vera"] {
        let done = came_in(world.by_issuer(name, Some(&format!("{name}@x.test")), true).await);
        assert_eq!(done.1, "viewer", "{name}");
    }
    for (number, status) in
        [(by_token, "accepted"), (by_door, "accepted"), (accepted, "accepted"), (revoked, "revoked")]
    {
        assert_eq!(world.status(number).await, status, "{number}");
    }
    assert_eq!(world.users().await.len(), 5);
    world.stop().await;
}

#[actix_web::test]
async fn who_was_switched_off_stays_out_until_somebody_lets_them_in_who_may() {
    let old = Old::acme().await;
    let (hal, ian) = ("hal@x.test", "ian@x.test");
    old.user(with(person(ACME, 1, hal), off(hal))).await;
    let resource = json!({"userName": ian, "active": false, "externalId": "ext-ian"});
    let pushed = vec![
        ("source", "scim".into()),
        ("external_id", "ext-ian".into()),
        ("resource", resource.clone().into()),
        ("folded", resource.into()),
    ];
    old.user(with(with(person(ACME, 2, ian), off(ian)), pushed)).await;
    let issuer = old.issuer.url.clone();
    old.link(ACME, 1, (&issuer, "hal"), (20, 20)).await;
    old.link(ACME, 1, (&links_of(SAME), "hal"), (20, 20)).await;
    old.link(ACME, 1, (&links_of(CHANGED), "hal"), (20, 20)).await;
    old.before.insert("invitation", invitation(ACME, 3, (hal, "admin"), "token")).await;
    let world = old.start().await;
    let replies = [
        world.by_issuer("hal", None, false).await,
        world.by("same", "hal", None).await,
        world.by("changed", "hal", Some(hal)).await,
        world.by("changed", "hal", None).await,
        world.by_issuer("another", Some(hal), true).await,
        world.by("same", "another", Some(hal)).await,
        world.accept("token").await,
        world.by_issuer("ext-ian", None, false).await,
        world.by_issuer("another", Some(ian), true).await,
    ];
    for reply in replies {
        reply.refused(403, "user.deactivated");
    }
    let users = world.users().await;
    assert!(users.len() == 2 && users.iter().all(|user| !user.active), "{users:?}");
    // An admin lets in whom no directory keeps, and a directory its own.
    let on = json!({"active": true});
    let [hal, ian] = [1, 2].map(|user| format!("{USERS}/{}", id(user)));
    world.app.operator.patch(&hal, on.clone()).await.expect(200);
    world.app.operator.patch(&ian, on.clone()).await.refused(409, "user.managed");
    let directory = world.app.scim_token("acme", json!({"name": "idp"})).await;
    let on = json!({"Operations": [{"op": "replace", "value": on}]});
    directory.patch(&format!("/scim/v2/Users/{}", id(2)), on).await.expect(200);
    assert_eq!(came_in(world.by_issuer("hal", None, false).await), who(1, "viewer", ACME));
    assert_eq!(came_in(world.by_issuer("ext-ian", None, false).await), who(2, "viewer", ACME));
    world.stop().await;
}
