//! Groups: nested, large, changed by many at once, and giving roles.

use futures_util::future::join_all;
use serde_json::{Value, json};
use tests::{Bulk, BulkOperation, Group, ScimUser, SearchResults, TestApp};

use super::{patch, user};

fn add(ids: &[&str]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    patch(json!([{"op": "add", "path": "members", "value": members}]))
}

#[actix_web::test]
async fn groups_hold_groups_and_never_themselves() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (user(&acme, "ann").await, user(&acme, "bob").await);
    let inner = acme.group("inner", &[&ann]).await;
    let middle = acme.group("middle", &[&inner]).await;
    let outer = acme.group("outer", &[&bob, &middle]).await;
    let members = acme.scim.get(&format!("/scim/v2/Groups/{outer}")).await.found::<Group>().members;
    let kinds: Vec<Option<&str>> = members.iter().map(|one| one.kind.as_deref()).collect();
    assert_eq!(kinds, [Some("User"), Some("Group")]);
    assert!(members[1].location.as_ref().unwrap().ends_with(&format!("/scim/v2/Groups/{middle}")));
    let of_ann: ScimUser = acme.scim.get(&format!("/scim/v2/Users/{ann}")).await.found();
    let mut groups: Vec<(String, String)> =
        of_ann.groups.into_iter().map(|one| (one.display, one.kind)).collect();
    groups.sort();
    let pair = |name: &str, kind: &str| (name.to_owned(), kind.to_owned());
    assert_eq!(groups, [pair("inner", "direct"), pair("middle", "indirect"), pair("outer", "indirect")]);
    for (of, member) in [(&inner, &inner), (&inner, &middle), (&inner, &outer), (&middle, &outer)] {
        let refused = acme.scim.patch(&format!("/scim/v2/Groups/{of}"), add(&[member])).await;
        refused.scim_refused(400, Some("invalidValue"));
    }
    let put = json!({"displayName": "inner", "members": [{"value": ann}, {"value": outer}]});
    acme.scim.put(&format!("/scim/v2/Groups/{inner}"), put).await.scim_refused(400, Some("invalidValue"));
    let out = patch(json!([{"op": "remove", "path": format!("members[value eq \"{middle}\"]")}]));
    assert_eq!(acme.scim.patch(&format!("/scim/v2/Groups/{outer}"), out).await.status, 204);
    assert_eq!(
        acme.scim.patch(&format!("/scim/v2/Groups/{inner}"), add(&[&outer])).await.status,
        204,
        "no circle any more"
    );
    // 69: what goes takes its memberships with it.
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Groups/{inner}")).await.status, 204);
    let middle: Group = acme.scim.get(&format!("/scim/v2/Groups/{middle}")).await.found();
    assert!(middle.members.is_empty());
    assert!(
        acme.scim
            .get(&format!("/scim/v2/Users/{ann}"))
            .await
            .expect(200)
            .get("groups")
            .is_none_or(|list| list == &json!([]))
    );
    app.stop().await;
}

#[actix_web::test]
async fn two_groups_that_take_each_other_in_at_once_make_no_circle() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    for round in 0..5 {
        let mut ids = Vec::new();
        for n in 0..4 {
            ids.push(acme.group(&format!("{round}-{n}"), &[]).await);
        }
        let ring = (0..4)
            .map(|n| acme.scim.patch_owned(format!("/scim/v2/Groups/{}", ids[n]), add(&[&ids[(n + 1) % 4]])));
        let done = join_all(ring).await;
        let taken = done.iter().filter(|reply| reply.status == 204).count();
        assert!(
            (1..4).contains(&taken),
            "{taken} of 4 edges of a ring: {:?}",
            done.iter().map(|one| one.status).collect::<Vec<_>>()
        );
    }
    app.stop().await;
}

#[actix_web::test]
async fn sixteen_clients_lose_no_member() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let mut users = Vec::new();
    for n in 0..64 {
        users.push(user(&acme, &format!("u{n}")).await);
    }
    let team = acme.group("team", &[]).await;
    let path = format!("/scim/v2/Groups/{team}");
    for chunk in users.chunks(16) {
        let added = join_all(chunk.iter().map(|id| acme.scim.patch_owned(path.clone(), add(&[id])))).await;
        assert!(added.iter().all(|reply| reply.status == 204));
    }
    let count = async || acme.scim.get(&path).await.found::<Group>().members.len();
    assert_eq!(count().await, 64);
    let gone = users.iter().take(16).map(|id| {
        let remove = patch(json!([{"op": "remove", "path": format!("members[value eq \"{id}\"]")}]));
        acme.scim.patch_owned(path.clone(), remove)
    });
    assert!(join_all(gone).await.iter().all(|reply| reply.status == 204));
    assert_eq!(count().await, 48);
    let without = acme.scim.get(&format!("{path}?excludedAttributes=members")).await.expect(200);
    assert!(without.get("members").is_none());
    app.stop().await;
}

#[actix_web::test]
async fn a_large_group_is_streamed_whole_and_as_asked() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let unlimited = json!({"items": [{"resource": "users", "limit": null}]});
    app.operator.put(&format!("/api/v1/tenants/{}/quotas", acme.slug), unlimited).await.expect(200);
    let mut ids = Vec::new();
    // 3,000: more than the 2,000 that are gathered at once.
    for batch in 0..6 {
        let operations: Vec<Value> = (0..500)
            .map(|n| json!({"method": "POST", "path": "/Users", "bulkId": format!("{n}"), "data": {"userName": format!("u{batch}-{n}")}}))
            .collect();
        let done: Bulk = acme.scim.post("/scim/v2/Bulk", json!({"Operations": operations})).await.found();
        ids.extend(done.operations.iter().map(BulkOperation::id));
    }
    let small = acme.group("small", &[&ids[0]]).await;
    let mut members: Vec<&str> = ids.iter().map(String::as_str).collect();
    members.push(&small);
    let body: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let made: Group =
        acme.scim.post("/scim/v2/Groups", json!({"displayName": "large", "members": body})).await.created();
    let path = format!("/scim/v2/Groups/{}", made.id);
    let seen = |of: &Group| -> Vec<String> {
        let mut seen: Vec<String> = of.members.iter().map(|one| one.value.clone()).collect();
        seen.sort();
        seen
    };
    let mut all: Vec<String> = members.iter().map(ToString::to_string).collect();
    all.sort();
    let whole: Group = acme.scim.get(&path).await.found();
    assert_eq!(seen(&whole), all);
    assert_eq!(whole.members[3000].kind.as_deref(), Some("Group"));
    assert_eq!(seen(&made), all);
    let slim = acme.scim.get(&format!("{path}?attributes=members.value")).await.expect(200);
    assert_eq!(slim["members"][7].as_object().unwrap().keys().collect::<Vec<_>>(), ["value"]);
    let listed: SearchResults<Group> = acme.scim.get("/scim/v2/Groups").await.results();
    assert_eq!(listed.total_results, 2);
    let by_name = |name: &str| listed.resources.iter().find(|one| one.display_name == name).unwrap();
    assert_eq!(seen(by_name("large")), all);
    assert_eq!(seen(by_name("small")), [ids[0].clone()]);
    // Where all places for streams are taken a write is done all the same, and answered without the members.
    let tenant = acme.id.parse().expect("an id");
    let take = || app.running.service.streams.take(&[web::StreamOf::Tenant(tenant)]).ok();
    let places: Vec<web::Place> = std::iter::from_fn(take).collect();
    acme.scim.get(&path).await.scim_refused(429, None);
    let everybody: Vec<Value> = members.iter().map(|id| json!({"value": id})).collect();
    let put = acme.scim.put(&path, json!({"displayName": "larger", "members": everybody})).await.expect(200);
    assert_eq!((&put["displayName"], put.get("members")), (&json!("larger"), None));
    let renamed = patch(json!([{"op": "replace", "path": "displayName", "value": "large"}]));
    let asked = format!("{path}?attributes=displayName,members");
    let patched = acme.scim.patch(&asked, renamed).await.expect(200);
    assert_eq!((&patched["displayName"], patched.get("members")), (&json!("large"), None));
    drop(places);
    assert_eq!(seen(&acme.scim.get(&path).await.found::<Group>()), all);
    let fewer: Vec<Value> = ids.iter().take(2).map(|id| json!({"value": id})).collect();
    let put: Group = acme.scim.put(&path, json!({"displayName": "large", "members": fewer})).await.found();
    assert_eq!(put.members.len(), 2);
    app.stop().await;
}

#[actix_web::test]
async fn a_group_gives_its_members_a_role() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (user(&acme, "ann").await, user(&acme, "bob").await);
    let inner = acme.group("inner", &[&ann]).await;
    let admins = acme.group("admins", &[]).await;
    let role = async |id: &str| {
        let user = acme.admin.user(&acme.slug, id).await;
        (user.role, user.role_source)
    };
    let is = |role: &str, source: &str| (role.to_owned(), source.to_owned());
    let mappings = acme.path("role-mappings");
    let map = async |group: &str, role: &str| {
        acme.admin.post(&mappings, json!({"groupId": group, "role": role})).await
    };
    let contributors = map(&inner, "contributor").await.created_id();
    assert_eq!(role(&ann).await, is("contributor", "group"), "members have it at once");
    map(&inner, "viewer").await.refused(409, "conflict");
    map("01890a5d-ac96-774b-bcce-b302099a8057", "viewer").await.refused(400, "validation.failed");
    map(&admins, "operator").await.refused(400, "validation.failed");
    map(&admins, "admin").await.expect(201);
    acme.scim.patch(&format!("/scim/v2/Groups/{admins}"), add(&[&inner, &bob])).await;
    assert_eq!(
        (role(&ann).await, role(&bob).await),
        (is("admin", "group"), is("admin", "group")),
        "the highest counts, nested too"
    );
    let local = acme
        .admin
        .patch(&format!("/api/v1/tenants/{}/users/{ann}", acme.slug), json!({"role": "guest"}))
        .await;
    local.refused(409, "user.managed");
    let remove =
        |member: &str| patch(json!([{"op": "remove", "path": format!("members[value eq \"{member}\"]")}]));
    acme.scim.patch(&format!("/scim/v2/Groups/{admins}"), remove(&inner)).await;
    assert_eq!(role(&ann).await, is("contributor", "group"));
    acme.scim.patch(&format!("/scim/v2/Groups/{admins}"), remove(&bob)).await;
    assert_eq!(role(&bob).await, is("admin", "group"), "the last admin stays one");
    assert_eq!(app.audit("user.role_unchanged").await.len(), 1);
    acme.scim.delete(&format!("/scim/v2/Users/{bob}")).await.scim_refused(409, None);
    let off = patch(json!([{"op": "replace", "value": {"active": false}}]));
    acme.scim.patch(&format!("/scim/v2/Users/{bob}"), off).await.scim_refused(409, None);
    assert_eq!(acme.admin.delete(&format!("{mappings}/{contributors}")).await.status, 204);
    assert_eq!(role(&ann).await, is("viewer", "local"));
    assert_eq!(acme.scim.delete(&format!("/scim/v2/Groups/{admins}")).await.status, 204);
    assert_eq!(acme.admin.get(&mappings).await.count(), 0);
    app.stop().await;
}
