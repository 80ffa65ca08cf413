//! Lists: pages by index and by cursor, sorting, and walks during which others write.

use serde_json::{Value, json};
use tests::{Tenant, TestApp};

use super::{ENTERPRISE, id, names, patch, user};

async fn get(acme: &Tenant, query: &str) -> Value {
    acme.scim.get(&format!("/scim/v2/Users?{query}")).await.expect(200)
}

#[actix_web::test]
async fn a_list_is_sorted_by_any_attribute() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (name, title, department, emails) in [
        ("b", Some("Zebra"), Some("x"), json!([{"value": "m@x"}, {"value": "a@x", "primary": true}])),
        ("A", None, Some("Y"), json!([{"value": "b@x"}])),
        ("c", Some("apple"), None, json!([])),
        ("é", Some("Apple"), None, json!([])),
    ] {
        let body = json!({"userName": name, "title": title, "emails": emails, (ENTERPRISE): {"department": department}});
        acme.scim.post("/scim/v2/Users", body).await.expect(201);
    }
    let sorted = async |query: &str| names(&get(&acme, query).await);
    assert_eq!(sorted("sortBy=userName").await, ["A", "b", "c", "é"]);
    assert_eq!(sorted("sortBy=USERNAME&sortOrder=Descending").await, ["é", "c", "b", "A"]);
    assert_eq!(sorted("sortBy=title").await, ["c", "é", "b", "A"], "without a value last; equal ones by age");
    assert_eq!(
        sorted("sortBy=title&sortOrder=descending").await,
        ["A", "b", "c", "é"],
        "without a value first"
    );
    assert_eq!(
        sorted("sortBy=emails").await,
        ["b", "A", "c", "é"],
        "by the primary value, else by the first"
    );
    assert_eq!(sorted(&format!("sortBy={ENTERPRISE}:department")).await, ["b", "A", "c", "é"]);
    assert_eq!(sorted("sortBy=meta.created&sortOrder=descending").await, ["é", "c", "A", "b"]);
    assert_eq!(sorted("sortBy=id").await, ["b", "A", "c", "é"]);
    for by in ["userName", "title", "emails", "meta.lastModified", "active", "externalId"] {
        for order in ["ascending", "descending"] {
            let whole = sorted(&format!("sortBy={by}&sortOrder={order}")).await;
            let mut walked = Vec::new();
            let mut cursor = String::new();
            loop {
                let page =
                    get(&acme, &format!("sortBy={by}&sortOrder={order}&count=1&cursor={cursor}")).await;
                walked.extend(names(&page));
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            }
            assert_eq!(walked, whole, "by cursor, sorted by {by} {order}");
        }
    }
    let refused = acme.scim.get("/scim/v2/Users?sortBy=colour").await;
    refused.scim_refused(400, Some("invalidPath"));
    acme.scim.get("/scim/v2/Users?sortBy=title&sortOrder=up").await.scim_refused(400, Some("invalidValue"));
    app.stop().await;
}

#[actix_web::test]
async fn pages_keep_to_the_rules() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for n in 0..5 {
        user(&acme, &format!("u{n}")).await;
    }
    let shape = async |query: &str| {
        let page = get(&acme, query).await;
        let number = |name: &str| page[name].as_i64();
        (number("totalResults"), number("startIndex"), number("itemsPerPage"), names(&page).len())
    };
    assert_eq!(shape("startIndex=0&count=2").await, (Some(5), Some(1), Some(2), 2));
    assert_eq!(shape("startIndex=-3&count=-1").await, (Some(5), Some(1), Some(0), 0));
    assert_eq!(shape("count=0").await, (Some(5), Some(1), Some(0), 0));
    assert_eq!(shape("count=5000").await, (Some(5), Some(1), Some(5), 5));
    assert_eq!(shape("startIndex=5&count=100").await, (Some(5), Some(5), Some(1), 1));
    assert_eq!(shape("startIndex=99&count=100").await, (Some(5), Some(99), Some(0), 0));
    assert_eq!(shape("startIndex=1&count=100&aadOptscim062020").await, (Some(5), Some(1), Some(5), 5));
    acme.scim.get("/scim/v2/Users?count=many").await.scim_refused(400, Some("invalidValue"));
    acme.scim
        .get("/scim/v2/Users?attributes=userName&excludedAttributes=emails")
        .await
        .scim_refused(400, Some("invalidSyntax"));
    app.stop().await;
}

#[actix_web::test]
async fn a_walk_misses_nobody_who_stays() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let mut there = Vec::new();
    for n in 0..60 {
        there.push((format!("u{n}"), user(&acme, &format!("u{n}")).await));
    }
    for by_cursor in [false, true] {
        let stay: Vec<String> = there
            .iter()
            .enumerate()
            .filter(|(at, _)| at % 2 == 1)
            .map(|(_, (name, _))| name.clone())
            .collect();
        let mut seen: Vec<String> = Vec::new();
        let (mut start, mut cursor, mut step) = (1, String::new(), 0);
        loop {
            let query = if by_cursor {
                format!("count=7&cursor={cursor}")
            } else {
                format!("count=7&startIndex={start}")
            };
            let page = get(&acme, &query).await;
            let shown = names(&page);
            seen.extend(shown.clone());
            // Somebody else removes users that were seen already, and some that weren't; and one comes.
            for (_, gone) in
                there.iter().enumerate().filter(|(at, _)| at % 2 == 0 && at / 8 == step).map(|(_, one)| one)
            {
                acme.scim.delete(&format!("/scim/v2/Users/{gone}")).await;
            }
            user(&acme, &format!("new-{by_cursor}-{step}")).await;
            step += 1;
            if by_cursor {
                match page["nextCursor"].as_str() {
                    Some(next) => cursor = next.to_owned(),
                    None => break,
                }
            } else {
                start += shown.len() as i64;
                if shown.is_empty() || start > page["totalResults"].as_i64().unwrap() {
                    break;
                }
            }
            assert!(step < 40, "the walk doesn't end");
        }
        let missed: Vec<&String> = stay.iter().filter(|name| !seen.contains(name)).collect();
        assert!(missed.is_empty(), "by cursor: {by_cursor}: {missed:?} were missed; seen {seen:?}");
        let mut once = seen.clone();
        once.sort();
        once.dedup();
        assert_eq!(once.len(), seen.len(), "nobody is seen twice");
        there.retain(|(name, _)| stay.contains(name));
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_cursor_is_good_for_its_query_its_token_and_an_hour() {
    let app = TestApp::start().await;
    let (acme, other) = (app.tenant("acme").await, app.tenant("other").await);
    for n in 0..5 {
        user(&acme, &format!("u{n}")).await;
        user(&other, &format!("u{n}")).await;
    }
    let first = get(&acme, "cursor=&count=2").await;
    assert_eq!(
        (names(&first).len(), first.get("startIndex"), first["totalResults"].as_i64()),
        (2, None, Some(5))
    );
    assert!(first.get("previousCursor").is_none());
    let cursor = first["nextCursor"].as_str().unwrap();
    assert!(cursor.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.~".contains(&b)));
    let second = get(&acme, &format!("cursor={cursor}")).await;
    assert_eq!(names(&second).len(), 2, "the first page's count goes on");
    let third = get(&acme, &format!("count=2&cursor={}", second["nextCursor"].as_str().unwrap())).await;
    assert_eq!((names(&third).len(), third.get("nextCursor")), (1, None));
    let path = |query: &str| format!("/scim/v2/Users?{query}");
    acme.scim.get(&path(&format!("cursor={cursor}&count=3"))).await.scim_refused(400, Some("invalidCount"));
    acme.scim
        .get(&path(&format!("cursor={cursor}&sortBy=title")))
        .await
        .scim_refused(400, Some("invalidCursor"));
    acme.scim.get(&path(&format!("cursor=x{cursor}"))).await.scim_refused(400, Some("invalidCursor"));
    acme.scim.get(&format!("/scim/v2/Groups?cursor={cursor}")).await.scim_refused(400, Some("invalidCursor"));
    other.scim.get(&path(&format!("cursor={cursor}"))).await.scim_refused(400, Some("invalidCursor"));
    let second_token = app.scim_token(&acme.id, json!({"name": "two"})).await;
    second_token.get(&path(&format!("cursor={cursor}"))).await.scim_refused(400, Some("invalidCursor"));
    app.clock.advance(chrono::TimeDelta::hours(2));
    acme.scim.get(&path(&format!("cursor={cursor}"))).await.scim_refused(400, Some("expiredCursor"));
    app.stop().await;
}

#[actix_web::test]
async fn searches_by_post_find_the_same_and_the_root_finds_both() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = user(&acme, "ann").await;
    user(&acme, "bob").await;
    let team = acme.group("ann's team", &[&ann]).await;
    let search = async |path: &str, body: Value| acme.scim.post(path, body).await;
    let request = "urn:ietf:params:scim:api:messages:2.0:SearchRequest";
    let body = json!({"schemas": [request], "filter": "userName sw \"A\"", "attributes": ["userName"], "startIndex": 1, "count": 10});
    let found = search("/scim/v2/Users/.search", body.clone()).await.expect(200);
    assert_eq!(found["Resources"], json!([{"schemas": [super::USER], "id": ann, "userName": "ann"}]));
    let groups = search(
        "/scim/v2/Groups/.search",
        json!({"filter": "displayName co \"team\"", "excludedAttributes": ["members"]}),
    );
    assert!(groups.await.expect(200)["Resources"][0].get("members").is_none());
    let both = search("/scim/v2/.search", json!({"filter": "meta.created gt \"2020-01-01T00:00:00Z\""}))
        .await
        .expect(200);
    assert_eq!(
        (both["totalResults"].as_i64(), names(&both)),
        (Some(3), vec!["ann".into(), "bob".into(), "ann's team".into()])
    );
    let second = search("/scim/v2/.search", json!({"startIndex": 2, "count": 2})).await.expect(200);
    assert_eq!(names(&second), ["bob", "ann's team"]);
    let users_only = search("/scim/v2/.search", json!({"filter": "userName pr"})).await.expect(200);
    assert_eq!(users_only["totalResults"], 2);
    let root = acme.scim.get("/scim/v2?filter=displayName%20pr").await.expect(200);
    assert_eq!(id(&root["Resources"][0]), team);
    search("/scim/v2/.search", json!({"filter": "colour eq 1"}))
        .await
        .scim_refused(400, Some("invalidFilter"));
    search("/scim/v2/Users/.search", json!({"count": {}})).await.scim_refused(400, Some("invalidSyntax"));
    let flood = format!("{{\"filter\": \"{}\"}}", "(".repeat((64 << 10) - 20));
    let request = acme.scim.request(reqwest::Method::POST, "/scim/v2/Users/.search").body(flood);
    tests::Reply::read(request.header("Content-Type", "application/scim+json"))
        .await
        .scim_refused(400, Some("invalidFilter"));
    let renamed = patch(json!([{"op": "replace", "path": "userName", "value": "anna"}]));
    acme.scim.patch(&format!("/scim/v2/Users/{ann}"), renamed).await.expect(200);
    assert_eq!(search("/scim/v2/Users/.search", body).await.expect(200)["Resources"][0]["userName"], "anna");
    app.stop().await;
}
