//! What no other server has: the guard, dry runs, undo. And what every server should: deactivation that lasts.

use platform::Timestamp;
use serde_json::{Value, json};
use tests::{Bulk, Event, Restore, ScimRequest, ScimToken, ScimUser, Tenant, TestApp, User, eventually};

use super::{names, patch, user};

fn active(on: bool) -> Value {
    patch(json!([{"op": "replace", "value": {"active": on}}]))
}

async fn all(acme: &Tenant) -> Vec<String> {
    names(&acme.scim.get("/scim/v2/Users?sortBy=userName").await.expect(200))
}

#[actix_web::test]
async fn a_guard_holds_a_sync_that_removes_too_many() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "pro", "owner": {"email": "owner@example.com", "name": "O"}})).await;
    let mut users = Vec::new();
    for n in 0..12 {
        users.push(user(&acme, &format!("u{n:02}")).await);
    }
    let guard = acme.path("directory-guard");
    acme.admin.get(&guard).await.refused(404, "not_found");
    acme.admin.put(&guard, json!({"windowSeconds": 5})).await.refused(400, "validation.failed");
    acme.admin.put(&guard, json!({"usersMax": 3, "windowSeconds": 600})).await.expect(200);
    let state = async || acme.admin.get(&guard).await.expect(200)["state"].as_str().unwrap().to_owned();
    let remove = async |n: usize| acme.scim.delete(&format!("/scim/v2/Users/{}", users[n])).await;
    let path = |n: usize| format!("/scim/v2/Users/{}", users[n]);
    assert_eq!(remove(0).await.status, 204);
    assert_eq!(acme.scim.patch(&path(1), active(false)).await.status, 200);
    assert_eq!(acme.scim.put(&path(2), json!({"userName": "u02", "active": false})).await.status, 200);
    let held = acme.scim.patch(&path(3), active(false)).await;
    assert_eq!((held.status.as_u16(), held.header("retry-after")), (503, "600"));
    assert!(held.json()["detail"].as_str().unwrap().contains("admin"), "{}", held.text);
    assert_eq!(state().await, "blocked");
    // All else goes on.
    assert_eq!(
        acme.scim.patch(&path(3), patch(json!([{"op": "add", "path": "title", "value": "x"}]))).await.status,
        200
    );
    user(&acme, "new").await;
    assert_eq!(acme.scim.patch(&path(1), active(true)).await.status, 200);
    let bulk = json!({"Operations": [{"method": "DELETE", "path": format!("/Users/{}", users[4])}]});
    assert_eq!(acme.scim.post("/scim/v2/Bulk", bulk).await.found::<Bulk>().operations[0].status, "503");
    assert_eq!(all(&acme).await.len(), 12);
    let mail = app.mail("a mail to the owner", |mail| mail.recipient == "owner@example.com").await;
    assert!(mail.subject.contains("Acme"));
    let times = eventually("it to be told", async || {
        let events: Vec<Event> = app.operator.get("/api/v1/events?limit=200").await.items();
        let times = events.iter().filter(|one| one.kind == "directory.blocked").count();
        (times > 0).then_some(times)
    });
    assert_eq!(times.await, 1, "it says so once");
    assert_eq!(acme.admin.get(&guard).await.expect(200)["blockedCount"], 2);
    acme.admin.post(&format!("{guard}/reject"), json!({})).await.expect(200);
    remove(5).await.scim_refused(403, None);
    acme.admin.post(&format!("{guard}/confirm"), json!({})).await.expect(200);
    for n in 3..10 {
        assert_eq!(remove(n).await.status, 204, "u{n:02}");
    }
    app.clock.advance(chrono::TimeDelta::seconds(601));
    assert_eq!(remove(10).await.status, 204, "armed again, and the window is empty");
    acme.admin.post(&format!("{guard}/confirm"), json!({})).await.refused(409, "conflict");
    assert_eq!(acme.admin.delete(&guard).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn a_guard_counts_percent_and_sees_those_who_remove_at_once() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let mut users = Vec::new();
    for n in 0..20 {
        users.push(user(&acme, &format!("u{n:02}")).await);
    }
    acme.admin
        .put(&acme.path("directory-guard"), json!({"percentMax": 25, "windowSeconds": 600}))
        .await
        .expect(200);
    let off =
        users.iter().take(12).map(|id| acme.scim.patch_owned(format!("/scim/v2/Users/{id}"), active(false)));
    let done = futures_util::future::join_all(off).await;
    let applied = done.iter().filter(|reply| reply.status == 200).count();
    assert_eq!(applied, 5, "a quarter of twenty, however many ask at once");
    app.stop().await;
}

#[actix_web::test]
async fn a_rehearsal_is_answered_like_the_real_thing_and_changes_nothing() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (user(&acme, "ann").await, user(&acme, "bob").await);
    let team = acme.group("team", &[&ann]).await;
    let tokens = acme.path("scim-tokens");
    let made: ScimToken =
        acme.admin.post(&tokens, json!({"name": "dry run", "dryRun": true})).await.created();
    let dry = app.operator.with(made.token.unwrap());
    let ready = eventually("the copy", async || {
        let reply = dry.get("/scim/v2/Users").await;
        (reply.status == 200).then(|| reply.json())
    });
    assert_eq!(names(&ready.await), ["ann", "bob"]);
    let before =
        (all(&acme).await, acme.scim.get("/scim/v2/Groups").await.text, app.audit("user.create").await.len());
    let quotas = app.operator.get(&format!("/api/v1/tenants/{}/quotas", acme.slug)).await.text;
    let new = dry.post("/scim/v2/Users", json!({"userName": "new"})).await.created_id();
    let there: ScimUser = dry.get(&format!("/scim/v2/Users/{new}")).await.found();
    assert_eq!(there.user_name, "new", "what it made is there for it");
    dry.post("/scim/v2/Users", json!({"userName": "NEW"})).await.scim_refused(409, Some("uniqueness"));
    let add = patch(
        json!([{"op": "add", "path": "members", "value": [{"value": new}, {"value": bob}]}, {"op": "remove", "path": format!("members[value eq \"{ann}\"]")}]),
    );
    assert_eq!(dry.patch(&format!("/scim/v2/Groups/{team}"), add).await.status, 204);
    assert!(!dry.patch(&format!("/scim/v2/Users/{bob}"), active(false)).await.found::<ScimUser>().active);
    assert_eq!(dry.delete(&format!("/scim/v2/Users/{ann}")).await.status, 204);
    let diff = acme.admin.get(&format!("{tokens}/{}/dry-run", made.id)).await.expect(200);
    let count = |name: &str| diff[name].as_i64().unwrap_or_else(|| panic!("{name} in {diff}"));
    assert_eq!(
        (count("usersCreated"), count("usersDeactivated"), count("usersDeleted"), count("usersChanged")),
        (1, 1, 1, 0)
    );
    assert_eq!((count("membersAdded"), count("membersRemoved"), count("groupsChanged")), (2, 1, 0));
    let listed = diff["differences"].as_array().unwrap();
    assert!(listed.iter().any(|one| one["action"] == "created" && one["name"] == "new"));
    assert!(listed.iter().any(|one| one["kind"] == "group" && one["name"] == "team" && one["added"] == 2));
    let after =
        (all(&acme).await, acme.scim.get("/scim/v2/Groups").await.text, app.audit("user.create").await.len());
    assert_eq!(after, before, "nothing of it was applied, audited or told");
    assert_eq!(app.operator.get(&format!("/api/v1/tenants/{}/quotas", acme.slug)).await.text, quotas);
    let after = acme.user("after").await;
    let events = eventually("what came after", async || {
        let events: Vec<Event> = app.operator.get("/api/v1/events?limit=200").await.items();
        events.iter().any(|one| one.data["userId"] == after).then_some(events)
    })
    .await;
    assert_eq!(events.iter().filter(|one| one.kind == "user.deleted").count(), 0);
    assert_eq!(app.operator.get("/api/v1/tenants").await.count(), 1, "the copy is nobody's tenant");
    let logged = eventually("the log", async || {
        let log: Vec<ScimRequest> = acme.admin.get(&acme.path("scim-requests?limit=200")).await.items();
        (log.iter().filter(|one| one.dry_run).count() >= 6).then_some(())
    });
    logged.await;
    assert_eq!(acme.admin.delete(&format!("{tokens}/{}", made.id)).await.status, 204);
    dry.get("/scim/v2/Users").await.scim_refused(401, None);
    app.stop().await;
}

#[actix_web::test]
async fn a_directory_goes_back_to_what_it_was() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let (ann, bob, cid) = (user(&acme, "ann").await, user(&acme, "bob").await, user(&acme, "cid").await);
    let inner = acme.group("inner", &[&cid]).await;
    let team = acme.group("team", &[&ann, &bob, &inner]).await;
    acme.admin
        .patch(&format!("/api/v1/tenants/{}/users/{ann}", acme.slug), json!({"role": "contributor"}))
        .await
        .expect(200);
    let picture = async || {
        let users = acme.scim.get("/scim/v2/Users?sortBy=userName&excludedAttributes=meta").await.expect(200);
        let groups =
            acme.scim.get("/scim/v2/Groups?sortBy=displayName&excludedAttributes=meta").await.expect(200);
        (users["Resources"].clone(), groups["Resources"].clone())
    };
    let before = picture().await;
    app.clock.advance(chrono::TimeDelta::seconds(10));
    let moment: Timestamp = app.clock.now();
    app.clock.advance(chrono::TimeDelta::seconds(10));
    // A disaster: names change, people go and come, groups are emptied, filled and deleted.
    acme.scim
        .put(&format!("/scim/v2/Users/{ann}"), json!({"userName": "renamed", "title": "x"}))
        .await
        .expect(200);
    acme.scim.patch(&format!("/scim/v2/Users/{bob}"), active(false)).await.expect(200);
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Users/{cid}")).await.status, 204);
    let usurper = user(&acme, "cid").await;
    let swapped = patch(
        json!([{"op": "replace", "path": "members", "value": [{"value": usurper}]}, {"op": "replace", "path": "displayName", "value": "mob"}]),
    );
    assert_eq!(acme.scim.patch(&format!("/scim/v2/Groups/{team}"), swapped).await.status, 204);
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Groups/{inner}")).await.status, 204);
    acme.group("inner", &[&usurper]).await;
    let restores = acme.path("directory-restores");
    let body = json!({"moment": moment.to_rfc3339()});
    let plan = acme.admin.post(&format!("{restores}/preview"), body.clone()).await.expect(200);
    assert_eq!(
        plan,
        json!({"usersRemoved": 1, "usersRestored": 3, "groupsRemoved": 1, "groupsRestored": 2, "memberships": 2})
    );
    for wrong in ["2020-01-01T00:00:00Z", "2100-01-01T00:00:00Z"] {
        acme.admin.post(&restores, json!({"moment": wrong})).await.refused(400, "validation.failed");
    }
    acme.admin.post(&restores, body.clone()).await.expect(202);
    acme.admin.post(&restores, body).await.refused(409, "conflict");
    let done = async |wanted: usize| {
        eventually("the restore", async || {
            let all: Vec<Restore> = acme.admin.get(&restores).await.items();
            assert!(all.iter().all(|one| one.status != "failed"), "{all:?}");
            (all.iter().filter(|one| one.status == "done").count() == wanted).then_some(())
        })
        .await
    };
    done(1).await;
    assert_eq!(picture().await, before);
    assert_eq!(acme.admin.user(&acme.slug, &ann).await.role, "contributor");
    acme.scim.get(&format!("/scim/v2/Users/{usurper}")).await.scim_refused(404, None);
    assert_eq!(app.operator.quota(&acme.slug, "users").await.used, 3, "quotas went with it");
    // A restore is itself a change that can be undone.
    let undone = json!({"moment": (moment + chrono::TimeDelta::seconds(10)).to_rfc3339()});
    let plan = acme.admin.post(&format!("{restores}/preview"), undone).await.expect(200);
    assert!(plan["usersRestored"].as_i64().unwrap() >= 1, "{plan}");
    app.stop().await;
}

#[actix_web::test]
async fn who_was_deactivated_comes_back_as_the_same_and_whose_name_was_freed_does_not() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = user(&acme, "ann").await;
    let path = format!("/scim/v2/Users/{ann}");
    acme.scim.patch(&path, active(false)).await.expect(200);
    let found = acme.scim.find("/scim/v2/Users", "userName eq \"ann\"").await.results::<ScimUser>().resources;
    assert_eq!((&found[0].id, found[0].active), (&ann, false), "the row stays");
    acme.scim.post("/scim/v2/Users", json!({"userName": "ann"})).await.scim_refused(409, Some("uniqueness"));
    let back: ScimUser = acme.scim.patch(&path, active(true)).await.found();
    assert_eq!((&back.id, back.active), (&ann, true));
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    assert_ne!(user(&acme, "ann").await, ann, "a name is free again; an id never is");
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_that_goes_takes_its_copies_and_its_history_with_it() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = user(&acme, "ann-of-acme").await;
    let title = patch(json!([{"op": "add", "path": "title", "value": "x"}]));
    acme.scim.patch(&format!("/scim/v2/Users/{ann}"), title).await.expect(200);
    let schemas = format!("/api/v1/tenants/{}/scim-schemas", acme.slug);
    let declared = json!({"id": "urn:acme:badge", "name": "Badge", "resourceType": "User", "attributes": [{"name": "number"}]});
    acme.admin.post(&schemas, declared).await.expect(201);
    let dry = json!({"name": "dry", "dryRun": true});
    let dry = app.operator.with(acme.admin.post(&acme.path("scim-tokens"), dry).await.created_token());
    eventually("the copy", async || (dry.get("/scim/v2/Users").await.status == 200).then_some(())).await;
    assert_eq!(app.operator.delete(&format!("/api/v1/tenants/{}", acme.id)).await.status, 202);
    eventually("the end", async || (app.operator.tenant(&acme.id).await.status == "deleted").then_some(()))
        .await;
    let db = &app.running.service.db;
    for table in [
        "directory_user",
        "directory_group",
        "directory_change",
        "scim_request",
        "scim_schema",
        "scim_rehearsal",
        "scim_token",
        "organization",
    ] {
        eventually(&format!("{table} to be empty"), async || {
            let sql = format!("SELECT COUNT(*) AS n FROM {table}");
            let read = async |view: &platform::PlatformView| {
                view.query(&platform::CrossTenantStatement::built(sql.clone()), Vec::new()).await
            };
            let rows = db.read_platform(read).await.expect("a count");
            (rows[0].try_get::<i64>("", "n").expect("a number") == 0).then_some(())
        })
        .await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn what_an_identity_provider_owns_is_not_edited_here_and_the_rest_is() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let users = format!("/api/v1/tenants/{}/users", acme.slug);
    let edit = async |id: &str, body: Value| acme.admin.patch(&format!("{users}/{id}"), body).await;
    // While nothing is pushed yet: later it is the identity provider who adds people.
    let invited = json!({"email": "zoe@example.com", "role": "viewer"});
    acme.admin.post(&format!("/api/v1/tenants/{}/invitations", acme.slug), invited).await.expect(201);
    let ann = user(&acme, "ann").await;
    for body in
        [json!({"displayName": "Ann"}), json!({"active": false}), json!({"role": "viewer", "active": false})]
    {
        edit(&ann, body).await.refused(409, "user.managed");
    }
    edit(&ann, json!({"role": "contributor"})).await.expect(200);
    edit(&ann, json!({})).await.refused(400, "validation.failed");
    edit(&ann, json!({"userName": "x"})).await.refused(400, "validation.failed");
    let token = app.invitation_token("zoe@example.com").await;
    let accepted =
        app.anyone().post("/api/v1/invitations/accept", json!({"token": token, "name": "Zoe"})).await;
    assert!(accepted.status.is_success(), "{}", accepted.text);
    let all = acme.admin.users(&acme.slug).await;
    let zoe = &all.iter().find(|one| one.source == "invitation").unwrap().id;
    let edited: User = edit(zoe, json!({"displayName": "Zoë", "active": false})).await.found();
    assert_eq!(
        (edited.display_name.as_deref(), edited.active, edited.source.as_str()),
        (Some("Zoë"), false, "invitation")
    );
    edit(zoe, json!({"active": true})).await.expect(200);
    // The identity provider finds her and writes: from then on she is its.
    let on = patch(json!([{"op": "replace", "path": "title", "value": "Dr."}]));
    acme.scim.patch(&format!("/scim/v2/Users/{zoe}"), on).await.expect(200);
    edit(zoe, json!({"displayName": "Z"})).await.refused(409, "user.managed");
    app.stop().await;
}
