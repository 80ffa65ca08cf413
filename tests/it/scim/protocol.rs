//! The checklist of RFC 7643 and RFC 7644: representation, writes, HTTP, bulk. Numbers are the reference's.

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Bulk, Group, Reply, ScimUser, TestApp};

use super::{ENTERPRISE, USER, id, patch, user};

#[actix_web::test]
async fn representation_is_as_sent_and_as_declared() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let body = json!({
        "SCHEMAS": [USER.to_uppercase(), ENTERPRISE], "USERNAME": "Zoë@X", "id": "mine", "meta": {"location": "x"}, "groups": [{"value": "g"}],
        "password": "hush", "title": null, "roles": [], "name": {"GIVENNAME": " Zoë ", "familyName": null}, "externalid": "E",
        "emails": [{"value": "a@x", "type": "work"}, {"value": "a@x", "type": "work"}, {"value": "b@x", "primary": true}],
    });
    let made = acme.scim.post("/scim/v2/Users", body).await;
    let location = made.header("location").to_owned();
    let zoe = made.json();
    // 1, 5, 8, 10, 13, 16, 19, 20, 22, 25
    assert_eq!(zoe["userName"], "Zoë@X");
    assert_eq!(zoe["name"], json!({"givenName": " Zoë "}));
    assert_ne!(zoe["id"], "mine");
    assert_eq!(zoe["meta"]["location"], location.as_str());
    assert_eq!(zoe["meta"]["resourceType"], "User");
    assert_eq!(zoe["emails"].as_array().unwrap().len(), 2);
    assert!(!made.text.contains("hush") && zoe.get("title").is_none() && zoe.get("roles").is_none());
    // 6: the extension isn't used, so it isn't named; then it is; then it isn't.
    assert_eq!(zoe["schemas"], json!([USER]));
    let path = format!("/scim/v2/Users/{}", id(&zoe));
    let department = format!("{ENTERPRISE}:department");
    let with = acme
        .scim
        .patch(&path, patch(json!([{"op": "add", "path": department, "value": "R"}])))
        .await
        .expect(200);
    assert_eq!(
        (&with["schemas"], &with[ENTERPRISE]),
        (&json!([USER, ENTERPRISE]), &json!({"department": "R"}))
    );
    // 18: real changes move lastModified, and are told in milliseconds.
    assert!(with["meta"]["lastModified"].as_str().unwrap() >= zoe["meta"]["lastModified"].as_str().unwrap());
    assert_eq!(with["meta"]["created"].as_str().unwrap().len(), "2026-11-21T11:06:45.123Z".len());
    let without = acme.scim.patch(&path, patch(json!([{"op": "remove", "path": department}]))).await;
    assert_eq!(without.header("content-location"), location);
    assert_eq!(without.expect(200)["schemas"], json!([USER]));
    // 21
    let second = json!([{"op": "add", "path": "emails", "value": [{"value": "c@x", "primary": true}]}]);
    let demoted = acme.scim.patch(&path, patch(second)).await.expect(200);
    let primary = |one: &&Value| one["primary"] == true;
    assert_eq!(
        demoted["emails"]
            .as_array()
            .unwrap()
            .iter()
            .filter(primary)
            .map(|one| &one["value"])
            .collect::<Vec<_>>(),
        ["c@x"]
    );
    let two = json!({"userName": "two", "emails": [{"value": "a", "primary": true}, {"value": "b", "primary": true}]});
    acme.scim.post("/scim/v2/Users", two).await.scim_refused(400, Some("invalidValue"));
    // 17, 26: names are one whatever their case and composition; external ids have case.
    for (body, status) in [
        (json!({"userName": "ZOE\u{308}@x"}), 409),
        (json!({"userName": "other", "externalId": "E"}), 409),
        (json!({"userName": "other", "externalId": "e"}), 201),
    ] {
        assert_eq!(acme.scim.post("/scim/v2/Users", body).await.status, status);
    }
    // 31, 32, 14, 15
    let slim = acme.scim.get(&format!("{path}?attributes=NAME.givenname,emails.value&x=1")).await.expect(200);
    assert_eq!(slim.as_object().unwrap().keys().collect::<Vec<_>>(), ["emails", "id", "name", "schemas"]);
    assert!(slim["emails"][0].get("type").is_none());
    let rest = acme.scim.get(&format!("{path}?excludedAttributes=id,emails,meta")).await.expect(200);
    assert!(rest["id"].is_string() && rest.get("emails").is_none() && rest.get("meta").is_none());
    app.stop().await;
}

#[actix_web::test]
async fn types_are_checked_and_refusals_have_their_keyword() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let strict = app.scim_token(&acme.id, json!({"name": "strict", "profile": "rfc"})).await;
    let ann = format!("/scim/v2/Users/{}", user(&acme, "ann").await);
    let team = format!("/scim/v2/Groups/{}", acme.group("team", &[]).await);
    // 24
    for value in [
        json!({"userName": "x", "active": 1}),
        json!({"userName": 7}),
        json!({"userName": "x", "name": "y"}),
        json!({"userName": "x", "x509Certificates": [{"value": "not base64!"}]}),
        json!({"userName": " "}),
        json!({"title": "x"}),
        json!({"userName": "nul\u{0}"}),
    ] {
        acme.scim.post("/scim/v2/Users", value).await.scim_refused(400, Some("invalidValue"));
    }
    // 5, 7, 43 for those who want it strict
    for body in [
        json!({"userName": "x"}),
        json!({"schemas": ["urn:x"], "userName": "x"}),
        json!({"schemas": [USER, "urn:x"], "userName": "x"}),
        json!({"schemas": [USER], "userName": "x", "colour": "red"}),
    ] {
        strict.post("/scim/v2/Users", body).await.scim_refused(400, Some("invalidSyntax"));
    }
    strict
        .post("/scim/v2/Users", json!({"schemas": [USER], "userName": "x", "active": "True"}))
        .await
        .scim_refused(400, Some("invalidValue"));
    // 11, 12, 57 to 66
    for (operations, kind) in [
        (json!([{"op": "replace", "path": "id", "value": "x"}]), "mutability"),
        (json!([{"op": "add", "path": "groups", "value": [{"value": "x"}]}]), "mutability"),
        (json!([{"op": "remove", "path": "userName"}]), "invalidValue"),
        (json!([{"op": "remove"}]), "noTarget"),
        (json!([{"op": "add", "path": "emails[", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "title[value eq \"x\"]", "value": "x"}]), "invalidPath"),
        (json!([{"op": "add", "path": "emails[colour eq \"x\"].value", "value": "x"}]), "invalidFilter"),
        (json!([{"op": "add", "path": "title"}]), "invalidValue"),
        (json!([{"op": "move", "path": "title"}]), "invalidSyntax"),
        (json!([]), "invalidSyntax"),
        (
            json!([{"op": "add", "path": "title", "value": "never"}, {"op": "remove", "path": "userName"}]),
            "invalidValue",
        ),
    ] {
        acme.scim.patch(&ann, patch(operations)).await.scim_refused(400, Some(kind));
    }
    acme.scim
        .patch(
            &team,
            patch(json!([{"op": "replace", "path": "members[value eq \"x\"].value", "value": "y"}])),
        )
        .await
        .scim_refused(400, Some("mutability"));
    let missing = json!([{"op": "replace", "path": "emails[type eq \"fax\"].value", "value": "x"}]);
    strict.patch(&ann, patch(missing.clone())).await.scim_refused(400, Some("noTarget"));
    let made = acme.scim.patch(&ann, patch(missing)).await.expect(200);
    assert_eq!(made["emails"][1], json!({"type": "fax", "value": "x"}), "Entra means: make it");
    // 66: each sees what those before it did; 57: none holds if one doesn't.
    let chain = json!([
        {"op": "add", "path": "title", "value": "a"}, {"op": "add", "path": "phoneNumbers", "value": [{"type": "work", "value": "1"}]},
        {"op": "replace", "path": "phoneNumbers[type eq \"work\"].value", "value": "2"}, {"op": "remove", "path": "nickName"}]);
    let chained = acme.scim.patch(&ann, patch(chain)).await.expect(200);
    assert_eq!((chained["title"].as_str(), &chained["phoneNumbers"][0]["value"]), (Some("a"), &json!("2")));
    // 55, 56, 69
    let other = "/scim/v2/Users/01890a5d-ac96-774b-bcce-b302099a8057";
    acme.scim.put(other, json!({"userName": "ghost"})).await.scim_refused(404, None);
    let off = patch(json!([{"op": "replace", "value": {"active": false}}]));
    assert_eq!(acme.scim.patch(&ann, off).await.expect(200)["active"], false);
    let put = acme.scim.put(&ann, json!({"userName": "ann"})).await.expect(200);
    assert_eq!(
        (put["active"].as_bool(), put.get("title")),
        (Some(true), None),
        "what isn't sent is cleared; active is true"
    );
    let gone = acme.scim.delete(&ann).await;
    assert_eq!((gone.status.as_u16(), gone.text.as_str()), (204, ""));
    acme.scim.get(&ann).await.scim_refused(404, None);
    app.stop().await;
}

#[actix_web::test]
async fn versions_guard_what_was_read() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let team = format!("/scim/v2/Groups/{}", acme.group("team", &[]).await);
    let tag = acme.scim.get(&team).await.header("etag").to_owned();
    assert!(tag.starts_with("W/\""));
    let with = |method: Method, name: &'static str, value: &str, body: Option<Value>| {
        let mut request = acme.scim.request(method, &team).header(name, value);
        if let Some(body) = body {
            request = request.json(&body);
        }
        Reply::read(request)
    };
    let listed = format!("\"x\", {tag}");
    assert_eq!(with(Method::GET, "If-None-Match", &listed, None).await.status, 304);
    assert_eq!(with(Method::GET, "If-None-Match", "*", None).await.status, 304);
    assert_eq!(with(Method::GET, "If-None-Match", "W/\"99\"", None).await.status, 200);
    let rename = |name: &str| Some(patch(json!([{"op": "replace", "value": {"displayName": name}}])));
    assert_eq!(with(Method::PATCH, "If-Match", "W/\"99\"", rename("x")).await.status, 412);
    assert_eq!(with(Method::PATCH, "If-Match", &listed, rename("squad")).await.status, 204);
    with(Method::PUT, "If-Match", &tag, Some(json!({"displayName": "late"}))).await.scim_refused(412, None);
    with(Method::DELETE, "If-Match", &tag, None).await.scim_refused(412, None);
    // 67: a change of nothing is no change.
    let before = acme.scim.get(&team).await;
    assert_eq!(with(Method::PATCH, "If-Match", "*", rename("squad")).await.status, 204);
    assert_eq!(acme.scim.get(&team).await.json(), before.json());
    assert_eq!(with(Method::DELETE, "If-Match", "*", None).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn http_is_met_as_it_comes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = user(&acme, "ann").await;
    let send = |method: Method, path: &str, media: &str, body: &str| {
        Reply::read(acme.scim.request(method, path).header("Content-Type", media).body(body.to_owned()))
    };
    // 70, 71
    for media in [
        "application/scim+json",
        "application/json",
        "application/scim+json; charset=utf-8",
        "Application/JSON;charset=UTF-8",
    ] {
        let body = format!("{{\"userName\": \"{}\"}}", media.replace(['"', ' '], ""));
        let made = send(Method::POST, "/scim/v2/Users", media, &body).await;
        assert_eq!(
            (made.status.as_u16(), made.header("content-type")),
            (201, "application/scim+json"),
            "{media}"
        );
    }
    send(Method::POST, "/scim/v2/Users", "text/xml", "<x/>").await.scim_refused(415, None);
    send(Method::POST, "/scim/v2/Users", "application/scim+json", "{")
        .await
        .scim_refused(400, Some("invalidSyntax"));
    send(Method::POST, "/scim/v2/Users", "application/scim+json", "")
        .await
        .scim_refused(400, Some("invalidSyntax"));
    // 82, 83
    for path in [
        "/scim/v2/Users/",
        "/scim/v2/Users?",
        "/scim/v2/Users?filter=userName+eq+%22ann%22&",
        "/scim/v2/Schemas/",
    ] {
        assert_eq!(acme.scim.get(path).await.status, 200, "{path}");
    }
    assert_eq!(acme.scim.get(&format!("/scim/v2/Users/{ann}/")).await.status, 200);
    assert_eq!(acme.scim.get(&format!("/scim/v2/Users/{}", ann.replace('-', "%2D"))).await.status, 200);
    acme.scim.get("/scim/v2/Users/a%2Fb").await.scim_refused(404, None);
    let overridden = acme
        .scim
        .request(Method::GET, &format!("/scim/v2/Users/{ann}"))
        .header("X-HTTP-Method-Override", "DELETE");
    assert_eq!(Reply::read(overridden).await.status, 200);
    assert_eq!(acme.scim.get(&format!("/scim/v2/Users/{ann}")).await.status, 200);
    // 53
    acme.scim.get("/scim/v2/Schemas?filter=id%20eq%20%22x%22").await.scim_refused(403, None);
    acme.scim.post("/scim/v2/Schemas", json!({})).await.scim_refused(405, None);
    assert_eq!(id(&acme.scim.get(&format!("/scim/v2/Schemas/{USER}")).await.expect(200)), USER);
    assert_eq!(acme.scim.get("/scim/v2/ResourceTypes/User").await.expect(200)["endpoint"], "/Users");
    acme.scim.get("/scim/v2/ResourceTypes/Robot").await.scim_refused(404, None);
    for method in [Method::GET, Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
        send(method, "/scim/v2/Me", "application/scim+json", "{}").await.scim_refused(501, None);
    }
    // 72, 73
    let nobody = acme.scim.anonymous().get("/scim/v2/Users").await;
    assert!(nobody.header("www-authenticate").starts_with("Bearer"));
    nobody.scim_refused(401, None);
    // 39: Entra's validator encodes its filters twice.
    let twice = acme.scim.get("/scim/v2/Users?filter=userName%2520eq%2520%2522ann%2522").await.expect(200);
    assert_eq!(twice["totalResults"], 1);
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_declares_its_own_attributes() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    let urn = "urn:acme:badge";
    let schemas = format!("/api/v1/tenants/{}/scim-schemas", acme.slug);
    let declared = json!({"id": urn, "name": "Badge", "resourceType": "User", "attributes": [
        {"name": "number", "type": "integer", "mutability": "immutable"}, {"name": "note", "returned": "request"},
        {"name": "code", "mutability": "writeOnly", "returned": "never"}, {"name": "seen", "type": "dateTime", "mutability": "readOnly"}]});
    let made = acme.admin.post(&schemas, declared.clone()).await.expect(201);
    acme.admin.post(&schemas, declared.clone()).await.refused(409, "conflict");
    let wrong =
        json!({"id": "badge", "name": "Badge", "resourceType": "User", "attributes": [{"name": "1"}]});
    let refused = acme.admin.post(&schemas, wrong).await.refused(400, "validation.failed");
    let pointers: Vec<&str> = refused.errors.iter().map(|one| one.pointer.as_str()).collect();
    assert_eq!(pointers, ["/id", "/attributes/0/name"]);
    let shown = acme.scim.get(&format!("/scim/v2/Schemas/{urn}")).await.expect(200);
    assert_eq!(
        (shown["attributes"][0]["type"].as_str(), shown["attributes"][1]["returned"].as_str()),
        (Some("integer"), Some("request"))
    );
    let types = acme.scim.get("/scim/v2/ResourceTypes/User").await.expect(200);
    assert_eq!(types["schemaExtensions"][1]["schema"], urn);
    other.scim.get(&format!("/scim/v2/Schemas/{urn}")).await.scim_refused(404, None);
    let body = json!({"userName": "ann", (urn): {"number": 7, "note": "n", "code": "hush", "seen": "2026-01-01T00:00:00Z"}});
    let ann = acme.scim.post("/scim/v2/Users", body.clone()).await.expect(201);
    assert_eq!(ann[urn], json!({"number": 7}));
    let path = format!("/scim/v2/Users/{}", id(&ann));
    let asked = acme.scim.get(&format!("{path}?attributes={urn}:note")).await.expect(200);
    assert_eq!(asked[urn], json!({"note": "n"}));
    let change =
        |value: Value| patch(json!([{"op": "replace", "path": format!("{urn}:number"), "value": value}]));
    acme.scim.patch(&path, change(json!(8))).await.scim_refused(400, Some("mutability"));
    acme.scim.patch(&path, change(json!("7"))).await.scim_refused(400, Some("invalidValue"));
    acme.scim
        .put(&path, json!({"userName": "ann", (urn): {"number": 9}}))
        .await
        .scim_refused(400, Some("mutability"));
    let found = acme.scim.find("/scim/v2/Users", &format!("{urn}:number ge 7")).await.expect(200);
    assert_eq!(found["totalResults"], 1);
    let one = format!("{schemas}/{}", made["schemaId"].as_str().unwrap());
    let lost = json!({"id": urn, "name": "Badge", "resourceType": "User", "attributes": [{"name": "number", "type": "string"}]});
    acme.admin.put(&one, lost).await.refused(400, "validation.failed");
    acme.admin.delete(&one).await.refused(409, "conflict");
    assert_eq!(acme.scim.delete(&path).await.status, 204);
    assert_eq!(acme.admin.delete(&one).await.status, 204);
    let ignored = acme.scim.post("/scim/v2/Users", body).await.expect(201);
    assert!(ignored.get(urn).is_none());
    app.stop().await;
}

#[actix_web::test]
async fn bulk_runs_in_the_order_of_its_references() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let there = user(&acme, "there").await;
    let bulk = async |operations: Value, fail: Option<u32>| {
        let mut body = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": operations});
        if let Some(fail) = fail {
            body["failOnErrors"] = fail.into();
        }
        acme.scim.post("/scim/v2/Bulk", body).await
    };
    let done = bulk(
        json!([
            {"method": "POST", "path": "/Groups", "bulkId": "team", "data": {"displayName": "team", "members": [{"value": "bulkId:ann"}, {"value": there}]}},
            {"method": "POST", "path": "/Users", "bulkId": "ann", "data": {"userName": "ann", (ENTERPRISE): {"manager": {"value": "bulkId:boss"}}}},
            {"method": "POST", "path": "/Users", "bulkId": "boss", "data": {"userName": "boss"}},
            {"method": "POST", "path": "/Users", "bulkId": "twin", "data": {"userName": "ANN"}},
            {"method": "PATCH", "path": "/Users/bulkId:boss", "data": {"Operations": [{"op": "add", "path": "title", "value": "CEO"}]}},
            {"method": "PUT", "path": format!("/Users/{there}"), "version": "W/\"7\"", "data": {"userName": "x"}},
            {"method": "DELETE", "path": format!("/Users/{there}"), "version": "W/\"1\""},
            {"method": "POST", "path": "/Users", "data": {"userName": "no bulkId"}},
            {"method": "GET", "path": "/Users/1"},
            {"method": "POST", "path": "/Robots", "bulkId": "r", "data": {}},
            {"method": "POST", "path": "/Groups", "bulkId": "a", "data": {"displayName": "a", "members": [{"value": "bulkId:b"}]}},
            {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"displayName": "b", "members": [{"value": "bulkId:a"}]}},
            {"method": "PATCH", "path": "/Users/bulkId:twin", "data": {"Operations": [{"op": "add", "path": "title", "value": "x"}]}},
        ]),
        None,
    )
    .await
    .found::<Bulk>()
    .operations;
    let statuses: Vec<&str> = done.iter().map(|one| one.status.as_str()).collect();
    assert_eq!(
        statuses,
        ["201", "201", "201", "409", "200", "412", "204", "400", "400", "400", "409", "409", "409"],
        "{done:?}"
    );
    assert_eq!(done[3].response.as_ref().unwrap()["scimType"], "uniqueness");
    assert_eq!((done[0].bulk_id.as_deref(), done[0].version.as_deref()), (Some("team"), Some("W/\"1\"")));
    let team: Group = acme.scim.get(&format!("/scim/v2/Groups/{}", done[0].id())).await.found();
    assert_eq!(team.members.len(), 1, "one was deleted after");
    assert_eq!(team.members[0].value, done[1].id());
    let ann = acme.scim.get(&format!("/scim/v2/Users/{}", done[1].id())).await.expect(200);
    assert_eq!(ann[ENTERPRISE]["manager"]["value"], done[2].id());
    let boss: ScimUser = acme.scim.get(&format!("/scim/v2/Users/{}", done[2].id())).await.found();
    assert_eq!(boss.title.as_deref(), Some("CEO"));
    let wrong = |n: u32| json!({"method": "POST", "path": "/Users", "bulkId": format!("w{n}"), "data": {"userName": "ann"}});
    let stopped = bulk(json!([wrong(1), wrong(2), {"method": "POST", "path": "/Users", "bulkId": "late", "data": {"userName": "late"}}]), Some(2)).await;
    assert_eq!(stopped.found::<Bulk>().operations.len(), 2);
    assert_eq!(acme.scim.find("/scim/v2/Users", "userName eq \"late\"").await.total(), 0);
    // 75
    bulk(json!(vec![json!({}); 1001]), None).await.scim_refused(413, None);
    let large = "x".repeat(5 << 20);
    let request = acme
        .scim
        .request(Method::POST, "/scim/v2/Bulk")
        .header("Content-Type", "application/scim+json")
        .body(large);
    Reply::read(request).await.scim_refused(413, None);
    bulk(json!({}), None).await.scim_refused(400, Some("invalidSyntax"));
    let config = acme.scim.get("/scim/v2/ServiceProviderConfig").await.expect(200);
    assert_eq!(config["bulk"], json!({"supported": true, "maxOperations": 1000, "maxPayloadSize": 4 << 20}));
    assert_eq!(config["pagination"]["defaultPaginationMethod"], "index");
    app.stop().await;
}

#[actix_web::test]
async fn bulk_counts_each_operation_against_the_rate_limit() {
    let app = TestApp::start().await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "acme", "plan": "free"})).await;
    let operations: Vec<Value> = (0..500)
        .map(|n| json!({"method": "DELETE", "path": format!("/Users/{}", uuid::Uuid::from_u128(n))}))
        .collect();
    let done: Bulk = acme.scim.post("/scim/v2/Bulk", json!({"Operations": operations})).await.found();
    let limited = done.operations.iter().filter(|one| one.status == "429").count();
    assert!(limited > 0, "500 operations were within 25 a second");
    // However slow the machine is: fifty at once are over the limit.
    let many = futures_util::future::join_all((0..50).map(|_| acme.scim.get("/scim/v2/Users?count=0"))).await;
    let refused = many.into_iter().find(|reply| reply.status == 429).expect("one is refused");
    assert!(refused.header("retry-after").parse::<u32>().is_ok_and(|seconds| seconds >= 1));
    refused.scim_refused(429, None);
    app.stop().await;
}
