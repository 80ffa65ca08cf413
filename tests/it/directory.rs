//! Users and groups over SCIM, as identity providers send them.

use serde_json::{Value, json};
use tests::{Group, Reply, ScimToken, ScimUser, SearchResults, Tenant, TestApp, User};

const PATCH: &str = "urn:ietf:params:scim:api:messages:2.0:PatchOp";

async fn create(acme: &Tenant, name: &str) -> String {
    let body = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": name, "externalId": format!("ext-{name}"),
        "emails": [{"value": format!("{name}@example.com"), "type": "work", "primary": true}], "active": true});
    acme.scim.post("/scim/v2/Users", body).await.created_id()
}

#[actix_web::test]
async fn a_user_lives_through_scim() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let made = acme
        .scim
        .post(
            "/scim/v2/Users",
            json!({"userName": "Ann@Example.com", "externalId": "0", "password": "hush",
        "name": {"givenName": "Ann", "familyName": "Ö"}}),
        )
        .await;
    assert_eq!(made.status, 201);
    let (location, etag) = (made.header("location").to_owned(), made.header("etag").to_owned());
    assert_eq!(made.json()["meta"]["location"], location.as_str());
    assert!(!made.text.contains("hush"));
    let ann: ScimUser = made.created();
    assert_eq!((ann.user_name.as_str(), ann.active), ("Ann@Example.com", true));
    let path = format!("/scim/v2/Users/{}", ann.id);
    let unchanged = acme.scim.request(reqwest::Method::GET, &path).header("If-None-Match", &etag);
    assert_eq!(Reply::read(unchanged).await.status, 304);
    acme.scim
        .post("/scim/v2/Users", json!({"userName": "ann@EXAMPLE.com"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    acme.scim
        .post("/scim/v2/Users", json!({"userName": "x", "externalId": "0"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    let found: SearchResults<ScimUser> =
        acme.scim.find("/scim/v2/Users", "userName eq \"ANN@example.com\"").await.results();
    assert_eq!((found.total_results, &found.resources[0].id), (1, &ann.id));
    let replaced = acme.scim.put(&path, json!({"userName": "ann2", "title": "Dr."})).await.expect(200);
    assert_eq!((replaced["title"].as_str(), replaced.get("externalId")), (Some("Dr."), None));
    let stale = acme
        .scim
        .request(reqwest::Method::PUT, &path)
        .header("If-Match", &etag)
        .json(&json!({"userName": "x"}));
    assert_eq!(Reply::read(stale).await.status, 412);
    let patch =
        json!({"schemas": [PATCH], "Operations": [{"op": "Replace", "path": "active", "value": "False"}]});
    assert!(!acme.scim.patch(&path, patch.clone()).await.found::<ScimUser>().active);
    let version = acme.scim.get(&path).await.header("etag").to_owned();
    acme.scim.patch(&path, patch).await.expect(200);
    assert_eq!(acme.scim.get(&path).await.header("etag"), version, "a change of nothing is no new version");
    assert_eq!(acme.scim.find("/scim/v2/Users", "userName eq \"ann2\"").await.total(), 1);
    let on = json!({"Operations": [{"op": "replace", "value": {"active": true}}]});
    assert_eq!(acme.scim.patch(&path, on).await.found::<ScimUser>().id, ann.id);
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    acme.scim.get(&path).await.scim_refused(404, None);
    acme.scim.put(&path, json!({"userName": "x"})).await.scim_refused(404, None);
    acme.scim.delete(&path).await.scim_refused(404, None);
    create(&acme, "ann2").await;
    app.stop().await;
}

#[actix_web::test]
async fn groups_are_filled_and_emptied_in_every_clients_way() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (create(&acme, "ann").await, create(&acme, "bob").await);
    let body = json!({"displayName": "Eng", "externalId": "g1", "members": [{"value": ann}]});
    let group: Group = acme.scim.post("/scim/v2/Groups", body).await.created();
    assert_eq!(group.members[0].value, ann);
    let path = format!("/scim/v2/Groups/{}", group.id);
    let members = async || {
        let group: Group = acme.scim.get(&path).await.found();
        let mut list: Vec<String> = group.members.into_iter().map(|member| member.value).collect();
        list.sort();
        list
    };
    let patch = async |operations: Value| {
        acme.scim.patch(&path, json!({"schemas": [PATCH], "Operations": operations})).await
    };
    assert_eq!(
        patch(json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": bob}]}]))
            .await
            .status,
        204
    );
    assert_eq!(members().await.len(), 2);
    assert_eq!(
        patch(json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ann}]}]))
            .await
            .status,
        204
    );
    assert_eq!(members().await, [bob.as_str()]);
    let okta = json!([{"op": "remove", "path": format!("members[value eq \"{bob}\"]")}, {"op": "add", "path": "members", "value": [{"value": ann, "display": "a"}]}]);
    assert_eq!(patch(okta).await.status, 204);
    assert_eq!(members().await, [ann.as_str()]);
    assert_eq!(
        patch(json!([{"op": "replace", "value": {"id": group.id, "displayName": "Engineering"}}]))
            .await
            .status,
        204
    );
    assert_eq!(
        patch(json!([{"op": "replace", "path": "members", "value": [{"value": bob}]}])).await.status,
        204
    );
    assert_eq!(members().await, [bob.as_str()]);
    patch(json!([{"op": "add", "path": "members", "value": [{"value": "nobody"}]}]))
        .await
        .scim_refused(400, Some("invalidValue"));
    patch(json!([{"op": "add", "path": "members", "value": [{"value": uuid::Uuid::now_v7()}]}]))
        .await
        .scim_refused(400, Some("invalidValue"));
    assert_eq!(members().await, [bob.as_str()]);
    let of_bob: ScimUser = acme.scim.get(&format!("/scim/v2/Users/{bob}")).await.found();
    assert_eq!(of_bob.groups[0].display, "Engineering");
    let by_member = format!("id eq \"{}\" and members eq \"{bob}\"", group.id);
    assert_eq!(acme.scim.find("/scim/v2/Groups", &by_member).await.total(), 1);
    let without = acme
        .scim
        .get("/scim/v2/Groups?excludedAttributes=members&filter=displayName%20eq%20%22engineering%22")
        .await
        .results::<Value>();
    assert_eq!((without.total_results, without.resources[0].get("members")), (1, None));
    acme.scim
        .post("/scim/v2/Groups", json!({"displayName": "ENGINEERING"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    acme.scim.put(&path, json!({"displayName": "Eng", "members": []})).await.expect(200);
    assert!(members().await.is_empty());
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn pages_and_filters_behave() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for number in 0..7 {
        create(&acme, &format!("user{number}")).await;
    }
    let page = async |query: &str| acme.scim.get(&format!("/scim/v2/Users?{query}")).await.results::<Value>();
    let first = page("startIndex=1&count=3").await;
    assert_eq!((first.total_results, first.items_per_page), (7, Some(3)));
    let last = page("startIndex=7&count=3").await;
    assert_eq!((last.start_index, last.items_per_page), (Some(7), Some(1)));
    assert_eq!(page("startIndex=100").await.total_results, 7);
    assert_eq!(page("startIndex=-5&count=-1").await.items_per_page, Some(0));
    assert_eq!(page("count=0&aadOptscim062020&").await.total_results, 7);
    for filter in [
        "externalId eq \"ext-user3\"",
        "emails[type eq \"work\"].value eq \"USER3@example.com\"",
        "emails.value eq \"user3@example.com\" and active eq true",
    ] {
        assert_eq!(acme.scim.find("/scim/v2/Users", filter).await.total(), 1, "{filter}");
    }
    assert_eq!(acme.scim.find("/scim/v2/Users", "externalId eq \"EXT-user3\"").await.total(), 0);
    for filter in ["userName gt true", "colour eq \"red\"", "userName eq", "((((", "password eq \"hush\""] {
        acme.scim.find("/scim/v2/Users", filter).await.scim_refused(400, Some("invalidFilter"));
    }
    let slim = page("attributes=userName&count=1").await;
    assert_eq!(
        slim.resources[0].as_object().unwrap().keys().collect::<Vec<_>>(),
        ["id", "schemas", "userName"]
    );
    app.stop().await;
}

#[actix_web::test]
async fn discovery_tells_what_is_true() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let config = acme.scim.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert_eq!(
        (config["patch"]["supported"].as_bool(), config["bulk"]["supported"].as_bool()),
        (Some(true), Some(true))
    );
    assert_eq!(acme.scim.get("/scim/v2/Schemas").await.total(), 3);
    let user = "urn:ietf:params:scim:schemas:core:2.0:User";
    assert_eq!(acme.scim.get(&format!("/scim/v2/Schemas/{user}")).await.expect(200)["id"], user);
    assert_eq!(acme.scim.get("/scim/v2/ResourceTypes/Group").await.expect(200)["endpoint"], "/Groups");
    assert_eq!(acme.scim.get("/scim/v2/Schemas?filter=id%20pr").await.status, 403);
    acme.scim.get("/scim/v2/Me").await.scim_refused(501, None);
    assert_eq!(acme.scim.post("/scim/v2/Schemas", json!({})).await.status, 405);
    app.stop().await;
}

#[actix_web::test]
async fn tokens_are_shown_once_rotate_with_overlap_and_die() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let path = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let made: ScimToken = acme.admin.post(path, json!({"name": "okta"})).await.created();
    let (token, token_id) = (made.token.as_deref().unwrap(), &made.id);
    assert!(token.starts_with("tnt_scim_"));
    assert!(!acme.admin.get(path).await.text.contains("tnt_scim_"));
    let okta = acme.scim.with(token);
    okta.get("/scim/v2/Users").await.expect(200);
    let listed: Vec<Value> = acme.admin.get(path).await.items();
    let shown = listed.iter().find(|one| one["id"] == *token_id).unwrap();
    assert!(shown["lastUsedAt"].is_string() && shown.get("token").is_none());
    let overlap = json!({"overlapSeconds": 3600});
    let rotated: ScimToken = acme.admin.post(&format!("{path}/{token_id}/rotate"), overlap).await.created();
    let next = acme.scim.with(rotated.token.unwrap());
    next.get("/scim/v2/Users").await.expect(200);
    okta.get("/scim/v2/Users").await.expect(200);
    app.clock.advance(chrono::TimeDelta::hours(2));
    tokio::time::sleep(std::time::Duration::from_millis(1100)).await;
    assert_eq!(okta.get("/scim/v2/Users").await.status, 401);
    next.get("/scim/v2/Users").await.expect(200);
    assert_eq!(acme.admin.delete(&format!("{path}/{}", rotated.id)).await.status, 204);
    assert_eq!(next.get("/scim/v2/Users").await.status, 401);
    let unknown = platform::crypto::BearerSecret::generate("tnt_scim_", uuid::Uuid::now_v7());
    let mut answers = Vec::new();
    for wrong in [token, unknown.text.as_str(), "tnt_scim_x", &token[..token.len() - 1], "x"] {
        let reply = acme.scim.with(wrong).get("/scim/v2/Users").await;
        assert_eq!(reply.header("www-authenticate"), "Bearer realm=\"tenantry\"");
        answers.push((reply.status.as_u16(), reply.text));
    }
    assert!(answers.iter().all(|answer| answer == &answers[0] && answer.0 == 401), "{answers:?}");
    app.stop().await;
}

#[actix_web::test]
async fn the_last_admin_keeps_the_role() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = create(&acme, "ann").await;
    let path = format!("/api/v1/tenants/acme/users/{ann}");
    assert_eq!(acme.admin.patch(&path, json!({"role": "admin"})).await.found::<User>().role, "admin");
    acme.admin.patch(&path, json!({"role": "viewer"})).await.refused(409, "user.last_admin");
    acme.admin.patch(&path, json!({"role": "operator"})).await.refused(400, "validation.failed");
    app.stop().await;
}
