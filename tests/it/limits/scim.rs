//! The SCIM server and what stands around it: schemas, values, operations, tokens, the log, the way back.

use chrono::TimeDelta;
use serde_json::{Value, json};
use tests::{ScimRequest, ScimToken, TestApp, eventually};

use super::{long, multiply, points_to, rows};
use crate::scim::{patch, user};

#[actix_web::test]
async fn a_schema_declares_two_hundred_attributes() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let declare = async |urn: &str, count: usize| {
        let attributes: Vec<Value> = (0..count).map(|at| json!({"name": format!("a{at}")})).collect();
        let body = json!({"id": urn, "name": "Badge", "resourceType": "User", "attributes": attributes});
        acme.admin.post("/api/v1/tenants/acme/scim-schemas", body).await
    };
    declare("urn:acme:full", 200).await.expect(201);
    points_to(declare("urn:acme:more", 201).await, "/attributes");
    app.stop().await;
}

#[actix_web::test]
async fn an_attribute_has_a_thousand_values_of_4096_characters() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let make = async |name: &str, values: usize, title: usize| {
        let mails: Vec<Value> =
            (0..values).map(|at| json!({"value": format!("{name}{at}@example.com")})).collect();
        acme.scim
            .post("/scim/v2/Users", json!({"userName": name, "emails": mails, "title": long(title)}))
            .await
    };
    make("ann", 1_000, 4_096).await.expect(201);
    make("bob", 1_001, 1).await.scim_refused(400, Some("invalidValue"));
    make("cid", 1, 4_097).await.scim_refused(400, Some("invalidValue"));
    app.stop().await;
}

#[actix_web::test]
async fn a_patch_and_a_bulk_have_a_thousand_operations() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let path = format!("/scim/v2/Users/{}", user(&acme, "ann").await);
    let change =
        |count: usize| patch(json!(vec![json!({"op": "replace", "path": "title", "value": "x"}); count]));
    acme.scim.patch(&path, change(1_000)).await.expect(200);
    acme.scim.patch(&path, change(1_001)).await.scim_refused(400, Some("invalidSyntax"));
    let bulk = |count: usize| {
        let one = json!({"method": "DELETE", "path": "/Users/01890a5d-ac96-774b-bcce-b302099a8057"});
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "failOnErrors": 1, "Operations": vec![one; count]})
    };
    acme.scim.post("/scim/v2/Bulk", bulk(1_000)).await.expect(200);
    assert_eq!(acme.scim.post("/scim/v2/Bulk", bulk(1_001)).await.status, 413);
    app.stop().await;
}

#[actix_web::test]
async fn a_list_has_a_hundred_resources_unless_asked_and_a_thousand_at_most() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
    multiply(&app, "directory_user", 1_001, |at| {
        let name = format!("u{at}");
        vec![
            ("id", platform::ids::new().into()),
            ("user_name", name.clone().into()),
            ("user_name_key", name.into()),
        ]
    })
    .await;
    let count = async |query: &str| {
        let list = acme.scim.get(&format!("/scim/v2/Users?attributes=userName{query}")).await;
        list.results::<Value>().resources.len()
    };
    assert_eq!(
        (count("").await, count("&count=1000").await, count("&count=1001").await),
        (100, 1_000, 1_000)
    );
    app.stop().await;
}

#[actix_web::test]
async fn a_token_has_a_hundred_ranges_and_a_client_ten_keys() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let tokens = acme.path("scim-tokens");
    let ranges = |count: usize| vec!["10.0.0.0/8"; count];
    let with = async |more: Value| {
        let mut body = json!({"name": "t"});
        body.as_object_mut().unwrap().extend(more.as_object().cloned().unwrap_or_default());
        acme.admin.post(&tokens, body).await
    };
    let made = with(json!({"allowedAddresses": ranges(100)})).await.created_id();
    points_to(with(json!({"allowedAddresses": ranges(101)})).await, "/allowedAddresses");
    let keys = |count: usize| {
        let keys: Vec<Value> = (0..count).map(|at| tests::make_key(&format!("k{at}")).1).collect();
        json!({"kind": "client", "jwks": {"keys": keys}})
    };
    with(keys(10)).await.expect(201);
    with(keys(11)).await.refused(400, "validation.failed");
    // The secret before goes on for as long as was asked, at most for 30 days.
    let rotate = format!("{tokens}/{made}/rotate");
    let overlap = |seconds: i64| json!({"overlapSeconds": seconds});
    acme.admin.post(&rotate, overlap(30 * 24 * 3600 + 1)).await.refused(400, "validation.failed");
    acme.admin.post(&rotate, overlap(30 * 24 * 3600)).await.expect(201);
    app.stop().await;
}

#[actix_web::test]
async fn an_assertion_is_good_for_ten_minutes_and_what_it_brings_for_an_hour() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (key, jwk) = tests::make_key("k1");
    let body = json!({"name": "keys", "kind": "client", "jwks": {"keys": [jwk]}});
    let made: ScimToken = acme.admin.post(&acme.path("scim-tokens"), body).await.created();
    let ask = async |lifetime: i64| {
        let now = app.clock.now().timestamp();
        let mut header = jsonwebtoken::Header::new(jsonwebtoken::Algorithm::ES256);
        header.kid = Some("k1".to_owned());
        let claims = json!({"iss": made.client_id, "sub": made.client_id, "aud": made.token_endpoint,
            "exp": now + lifetime, "iat": now, "jti": platform::ids::new()});
        let assertion = jsonwebtoken::encode(&header, &claims, &key).unwrap();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"),
            ("client_assertion", assertion.as_str()),
        ];
        app.anyone().form("/oauth2/token", &form).await
    };
    // A minute more is for clocks that differ.
    assert_eq!(ask(600 + 60 + 5).await.status, 401);
    let token = ask(600).await.expect(200);
    assert_eq!(token["expires_in"], 3600);
    let idp = app.operator.with(token["access_token"].as_str().unwrap());
    app.clock.advance(TimeDelta::minutes(59));
    assert_eq!(idp.get("/scim/v2/Users").await.status, 200);
    app.clock.advance(TimeDelta::minutes(2));
    eventually("the token's end", async || (idp.get("/scim/v2/Users").await.status == 401).then_some(()))
        .await;
    app.stop().await;
}

#[actix_web::test]
async fn the_log_has_twenty_thousand_requests_and_32_kib_of_a_body() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let make = async |name: &str, bytes: usize| {
        let body = json!({"userName": name, "title": "t"}).to_string();
        let body = format!("{body}{}", " ".repeat(bytes - body.len()));
        let request = acme.scim.request(reqwest::Method::POST, "/scim/v2/Users");
        let request = request.header("content-type", "application/scim+json").body(body);
        assert_eq!(tests::Reply::read(request).await.status, 201);
    };
    make("ann", 32 << 10).await;
    make("bob", (32 << 10) + 1).await;
    let log = acme.path("scim-requests");
    let items = eventually("the log", async || {
        let list = acme.admin.get(&log).await.items::<ScimRequest>();
        (list.len() == 2).then_some(list)
    })
    .await;
    let replay =
        async |one: &ScimRequest| acme.admin.post(&format!("{log}/{}/replay", one.id), json!({})).await;
    // The newest comes first; what was cut can't be played again.
    replay(&items[0]).await.refused(409, "scim.replay_incomplete");
    replay(&items[1]).await.expect(200);
    // Two organizations, each with 3,000 more than it may have: 5,000 go at once, of both together.
    let other = "/api/v1/tenants/acme/organizations";
    let other = acme.admin.post(other, json!({"slug": "emea", "name": "EMEA"})).await.created_id();
    let other: uuid::Uuid = other.parse().unwrap();
    multiply(&app, "scim_request", 22_998, |_| vec![("id", platform::ids::new().into())]).await;
    multiply(&app, "scim_request", 23_000, |_| {
        vec![("id", platform::ids::new().into()), ("organization_id", other.into())]
    })
    .await;
    let db = &app.running.service.db;
    let too_many = db.read_platform(async |view| scim::too_many(view).await).await.unwrap();
    for (removed, left) in [(5_000, 41_000), (1_000, 40_000), (0, 40_000)] {
        let trim = async |tx: &mut platform::PlatformTx| {
            platform::Work::housekeeping(tx);
            scim::trim(tx, &too_many).await
        };
        let trimmed = db.write_platform(&platform::Ctx::system("test"), trim).await.unwrap();
        assert_eq!((trimmed, rows(&app, "scim_request").await), (removed, left));
    }
    assert!(db.read_platform(async |view| scim::too_many(view).await).await.unwrap().is_empty());
    app.stop().await;
}

#[actix_web::test]
async fn a_directory_goes_back_thirty_days() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
    app.clock.advance(TimeDelta::days(60));
    user(&acme, "bob").await;
    let preview = format!("{}/preview", acme.path("directory-restores"));
    let back = async |days: i64, minutes: i64| {
        let moment = app.clock.now() - TimeDelta::days(days) - TimeDelta::minutes(minutes);
        acme.admin.post(&preview, json!({"moment": moment.to_rfc3339()})).await
    };
    back(30, -1).await.expect(200);
    points_to(back(30, 1).await, "/moment");
    // What is recorded goes after the same time.
    let before = rows(&app, "directory_change").await;
    app.sweep("directory_change").await;
    assert_eq!((before, rows(&app, "directory_change").await), (2, 1));
    app.stop().await;
}
