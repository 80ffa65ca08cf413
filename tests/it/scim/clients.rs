//! What real clients send, word for word, and what they expect back.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Group, Reply, ScimUser, Tenant, TestApp};

use super::{ENTERPRISE, USER, id, names, patch, user};

async fn members(acme: &Tenant, group: &str) -> Vec<String> {
    let shown: Group = acme.scim.get(&format!("/scim/v2/Groups/{group}")).await.found();
    let mut ids: Vec<String> = shown.members.into_iter().map(|one| one.value).collect();
    ids.sort();
    ids
}

#[actix_web::test]
async fn entra_provisions_a_person_from_beginning_to_end() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    // Test Connection: a random userName, 200 and an empty list.
    let probe = acme
        .scim
        .find("/scim/v2/Users", "userName eq \"7e3a0d5c-92f4-4d24-8c2d-c9b7d9b0a5f1\"")
        .await
        .expect(200);
    assert_eq!((probe["totalResults"].as_i64(), &probe["Resources"]), (Some(0), &json!([])));
    let schemas = acme.scim.get("/scim/v2/Schemas").await.expect(200);
    assert!(!schemas.to_string().contains("null"), "no nulls in /Schemas");
    for filter in
        ["externalId eq \"0d9f\"", "emails[type eq \"work\"].value eq \"a@b\"", "externalId eq jyoung"]
    {
        assert_eq!(acme.scim.find("/scim/v2/Users", filter).await.total(), 0);
    }
    let create = json!({
        "schemas": [USER, ENTERPRISE], "externalId": "0d9f", "userName": "Test_User_00aa", "active": true, "displayName": "lennay",
        "emails": [{"primary": true, "type": "work", "value": "test@testuser.com"}], "meta": {"resourceType": "User"},
        "name": {"formatted": "givenName familyName", "familyName": "familyName", "givenName": "givenName"}, "roles": [],
        "title": null, "manager": null, "department": null, (format!("{ENTERPRISE}2.0User")): {"x": "y"},
    });
    // It sends no User-Agent.
    let request = acme
        .scim
        .request(Method::POST, "/scim/v2/Users?aadOptscim062020")
        .header("User-Agent", "")
        .json(&create);
    let made = Reply::read(request).await.expect(201);
    let path = format!("/scim/v2/Users/{}?aadOptscim062020", id(&made));
    let boss = user(&acme, "boss").await;
    // The old dialect: capitals, one operation an attribute, booleans as strings.
    let old = patch(json!([
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "new@testuser.com"},
        {"op": "Add", "path": "phoneNumbers[type eq \"mobile\"].value", "value": "+1"},
        {"op": "Replace", "path": "name.familyName", "value": "updated"},
        {"op": "Add", "path": format!("{ENTERPRISE}:department"), "value": "bob"},
        {"op": "Add", "path": format!("{ENTERPRISE}:manager"), "value": boss},
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Add", "path": "roles[primary eq \"True\"].value", "value": "admin"},
    ]));
    let after = acme.scim.patch(&path, old).await.expect(200);
    assert_eq!(after["emails"][0]["value"], "new@testuser.com");
    assert_eq!(after["phoneNumbers"], json!([{"type": "mobile", "value": "+1"}]));
    assert_eq!(after[ENTERPRISE], json!({"department": "bob", "manager": {"value": boss}}));
    assert_eq!(
        (after["active"].as_bool(), after["name"]["familyName"].as_str()),
        (Some(false), Some("updated"))
    );
    assert_eq!(after["roles"], json!([{"primary": true, "value": "admin"}]));
    // The new one: scalars in one path-less replacement, dotted and with URNs; an empty string unassigns.
    let new = patch(json!([
        {"op": "replace", "path": "emails[type eq \"work\"].value", "value": "third@testuser.com"},
        {"op": "replace", "value": {"displayName": "Bjfe", "name.givenName": "Kkom", "active": true, "title": "",
            (format!("{ENTERPRISE}:employeeNumber")): "7", (format!("{ENTERPRISE}:department")): "",
            (format!("{ENTERPRISE}:manager")): [{"$ref": null, "value": boss}], "urn:unknown:2.0:User:x": "y"}},
    ]));
    let after = acme.scim.patch(&path, new).await.expect(200);
    assert_eq!(
        (after["displayName"].as_str(), after["name"]["givenName"].as_str()),
        (Some("Bjfe"), Some("Kkom"))
    );
    assert_eq!(after[ENTERPRISE], json!({"employeeNumber": "7", "manager": {"value": boss}}));
    for cleared in [
        json!({"op": "replace", "path": "displayName", "value": ""}),
        json!({"op": "Remove", "path": format!("{ENTERPRISE}:manager")}),
    ] {
        acme.scim.patch(&path, patch(json!([cleared]))).await.expect(200);
    }
    let after = acme.scim.get(&path).await.expect(200);
    assert!(after.get("displayName").is_none() && after[ENTERPRISE].get("manager").is_none());
    let manager = format!("id eq \"{}\" and {ENTERPRISE}:manager eq \"{boss}\"", id(&made));
    assert_eq!(acme.scim.find("/scim/v2/Users?attributes=id", &manager).await.total(), 0);
    // Soft delete, still found; restored; then deleted.
    for on in [false, true] {
        acme.scim
            .patch(
                &path,
                patch(
                    json!([{"op": "Replace", "path": "active", "value": if on { "True" } else { "False" }}]),
                ),
            )
            .await
            .expect(200);
        let found = acme.scim.find("/scim/v2/Users", "externalId eq \"0d9f\"").await.results::<ScimUser>();
        assert_eq!(found.resources[0].active, on);
    }
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn entra_provisions_a_group() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (user(&acme, "ann").await, user(&acme, "bob").await);
    let create = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group", "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"],
        "externalId": "8aa1", "displayName": "Group1", "meta": {"resourceType": "Group"},
    });
    let made = acme.scim.post("/scim/v2/Groups", create).await.expect(201);
    let (team, path) = (id(&made), format!("/scim/v2/Groups/{}", id(&made)));
    assert_eq!(made["members"], json!([]));
    assert!(
        acme.scim
            .get(&format!("{path}?excludedAttributes=members"))
            .await
            .expect(200)
            .get("members")
            .is_none()
    );
    let by_name = acme
        .scim
        .get("/scim/v2/Groups?excludedAttributes=members&filter=displayName%20eq%20%22Group1%22")
        .await
        .expect(200);
    assert_eq!(names(&by_name), ["Group1"]);
    let send =
        async |operations: Value| assert_eq!(acme.scim.patch(&path, patch(operations)).await.status, 204);
    send(json!([{"op": "Replace", "path": "displayName", "value": "1879db59"}])).await;
    send(json!([{"op": "Add", "path": "members", "value": [{"$ref": null, "value": ann}, {"$ref": null, "value": bob}]}])).await;
    let mut both = vec![ann.clone(), bob.clone()];
    both.sort();
    assert_eq!(members(&acme, &team).await, both);
    let check = format!("id eq \"{team}\" and members eq \"{ann}\"");
    assert_eq!(acme.scim.find("/scim/v2/Groups?attributes=id", &check).await.total(), 1);
    send(json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ann}]}])).await;
    send(json!([{"op": "remove", "path": format!("members[value eq \"{bob}\"]")}])).await;
    send(json!([{"op": "Remove", "path": "members", "value": [{"$ref": null, "value": ann}]}])).await;
    assert!(members(&acme, &team).await.is_empty(), "removing who isn't there is no error");
    acme.scim
        .post("/scim/v2/Groups", json!({"displayName": "1879DB59"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn okta_imports_pushes_and_deactivates() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let create = json!({
        "schemas": [USER], "userName": "test.user@okta.local", "name": {"givenName": "Test", "familyName": "User"},
        "emails": [{"primary": true, "value": "test.user@okta.local", "type": "work"}], "displayName": "Test User", "locale": "en-US",
        "externalId": "00ujl29u0le5T6Aj10h7", "groups": [], "password": "1mz050nq", "active": true,
    });
    let made = acme.scim.post("/scim/v2/Users", create.clone()).await.expect(201);
    acme.scim.post("/scim/v2/Users", create.clone()).await.scim_refused(409, Some("uniqueness"));
    let (ann, path) = (id(&made), format!("/scim/v2/Users/{}", id(&made)));
    // Its test: the first user of a page of two has these, and counts are integers.
    let page = acme.scim.get("/scim/v2/Users?startIndex=1&count=2").await.expect(200);
    let first = &page["Resources"][0];
    for place in ["/name/familyName", "/name/givenName", "/userName", "/emails/0/value"] {
        assert!(!first.pointer(place).and_then(Value::as_str).unwrap_or_default().is_empty(), "{place}");
    }
    assert!(first["active"].is_boolean() && first["id"].is_string());
    assert!(page["totalResults"].is_i64() && page["startIndex"].is_i64() && page["itemsPerPage"].is_i64());
    let exists = "/scim/v2/Users?filter=userName%20eq%20%22test.user%40okta.local%22&startIndex=1&count=100";
    assert_eq!(acme.scim.get(exists).await.total(), 1);
    let missing = acme.scim.get("/scim/v2/Users/010101001010101011001010101011").await;
    assert_eq!(missing.header("content-type"), "application/scim+json");
    missing.scim_refused(404, None);
    // Custom apps read and put everything; catalogue apps deactivate by PATCH, without a path.
    let mut whole = acme.scim.get(&path).await.expect(200);
    whole["active"] = json!(false);
    whole["password"] = json!("again");
    assert!(!acme.scim.put(&path, whole).await.found::<ScimUser>().active);
    for on in [true, false, true] {
        assert_eq!(
            acme.scim
                .patch(&path, patch(json!([{"op": "replace", "value": {"active": on}}])))
                .await
                .expect(200)["active"],
            on
        );
    }
    // Group push.
    let bob = user(&acme, "bob").await;
    let pushed = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "displayName": "Test SCIMv2", "members": [{"value": ann, "display": "test.user@okta.local"}]});
    let team = acme.scim.post("/scim/v2/Groups", pushed).await.created_id();
    let at = format!("/scim/v2/Groups/{team}");
    let send =
        async |operations: Value| assert_eq!(acme.scim.patch(&at, patch(operations)).await.status, 204);
    send(json!([{"op": "replace", "value": {"id": team, "displayName": "Renamed"}}])).await;
    send(json!([{"op": "remove", "path": format!("members[value eq \"{ann}\"]")}, {"op": "add", "path": "members", "value": [{"value": bob, "display": "bob"}]}])).await;
    assert_eq!(members(&acme, &team).await, std::slice::from_ref(&bob));
    send(json!([{"op": "replace", "path": "members", "value": [{"value": ann, "display": "x"}]}])).await;
    assert_eq!(members(&acme, &team).await, std::slice::from_ref(&ann));
    send(json!([{"op": "replace", "value": {"members": [{"value": bob}]}}])).await;
    let put = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": team, "displayName": "Renamed", "members": [{"value": ann, "display": null}]});
    acme.scim.put(&at, put).await.expect(200);
    assert_eq!(members(&acme, &team).await, [ann]);
    assert_eq!(acme.scim.delete(&at).await.status, 204);
    let refused = acme.scim.with("wrong").get("/scim/v2/Users").await;
    assert_eq!(refused.json()["status"], "401");
    app.stop().await;
}

#[actix_web::test]
async fn onelogin_jumpcloud_and_ping_have_their_ways() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    // OneLogin: a trailing &, a trailing ?, the URNs of SCIM 1, application/json.
    assert_eq!(acme.scim.get("/scim/v2/Users?filter=userName+eq+%22x%22&").await.total(), 0);
    let old = json!({"schemas": ["urn:scim:schemas:core:2.0", "urn:scim:schemas:extension:enterprise:2.0"], "userName": "x", "active": true,
        "urn:scim:schemas:extension:enterprise:2.0": {"department": "d"}});
    let x = acme.scim.post("/scim/v2/Users", old.clone()).await.created_id();
    let put = acme.scim.request(Method::PUT, &format!("/scim/v2/Users/{x}?")).json(&old);
    Reply::read(put).await.expect(200);
    // JumpCloud: path-less renaming, lower-case add.
    let team = acme.group("team", &[]).await;
    let at = format!("/scim/v2/Groups/{team}");
    let send = async |operations: Value| {
        assert_eq!(acme.scim.patch(&at, patch(operations.clone())).await.status, 204, "{operations}")
    };
    send(json!([{"op": "replace", "value": {"displayName": "crew"}}])).await;
    send(json!([{"op": "add", "path": "members", "value": [{"value": x}]}])).await;
    // Ping: lists all groups, without a filter; removes by a value that repeats the attribute.
    assert_eq!(names(&acme.scim.get("/scim/v2/Groups").await.expect(200)), ["crew"]);
    send(json!([{"op": "remove", "path": "members", "value": {"members": [{"value": x}]}}])).await;
    assert!(members(&acme, &team).await.is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn authentik_and_rauthy_walk_and_replace() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let mut users = Vec::new();
    for n in 0..5 {
        users.push(user(&acme, &format!("u{n}")).await);
    }
    // authentik: the whole group without a path, ids and all; a member an operation; walks until totalResults.
    let team = acme.group("team", &[]).await;
    let at = format!("/scim/v2/Groups/{team}");
    let whole = json!({"schemas": ["urn:ietf:params:scim:schemas:core:2.0:Group"], "id": team, "externalId": "pk", "displayName": "team 2"});
    assert_eq!(
        acme.scim.patch(&at, patch(json!([{"op": "replace", "path": null, "value": whole}]))).await.status,
        204
    );
    let each: Vec<Value> =
        users.iter().map(|id| json!({"op": "add", "path": "members", "value": [{"value": id}]})).collect();
    assert_eq!(acme.scim.patch(&at, patch(json!(each))).await.status, 204);
    assert_eq!(members(&acme, &team).await.len(), 5);
    let (mut seen, mut steps) = (Vec::new(), 0);
    loop {
        let page =
            acme.scim.get(&format!("/scim/v2/Users?startIndex={}&count=2", seen.len() + 1)).await.expect(200);
        seen.extend(names(&page));
        steps += 1;
        if seen.len() as i64 >= page["totalResults"].as_i64().unwrap() {
            break;
        }
        assert!(steps < 10, "an endless loop");
    }
    assert_eq!(seen.len(), 5);
    // rauthy: unlinks by a null externalId; stops when a page isn't full.
    assert_eq!(
        acme.scim
            .patch(
                &at,
                patch(json!([{"op": "replace", "value": {"displayName": "team 3", "externalId": null}}]))
            )
            .await
            .status,
        204
    );
    let unlinked = acme.scim.get(&at).await.expect(200);
    assert_eq!((unlinked["displayName"].as_str(), unlinked.get("externalId")), (Some("team 3"), None));
    assert_eq!(names(&acme.scim.get("/scim/v2/Groups?startIndex=1&count=100").await.expect(200)).len(), 1);
    app.stop().await;
}
