//! The request log, and replays.

use serde_json::json;
use tests::{ScimRequest, TestApp, eventually};

use super::{patch, user};

#[actix_web::test]
async fn what_was_sent_and_got_is_kept_searched_and_played_again() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let ann = user(&acme, "ann").await;
    let path = format!("/scim/v2/Users/{ann}");
    acme.scim
        .post("/scim/v2/Users", json!({"userName": "ANN", "password": "hush"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    acme.scim.find("/scim/v2/Users", "userName eq \"nobody\"").await.expect(200);
    let title = patch(json!([{"op": "add", "path": "title", "value": "Chief"}]));
    acme.scim.patch(&path, title).await.expect(200);
    let log = acme.path("scim-requests");
    let find = async |query: &str| acme.admin.get(&format!("{log}?{query}")).await.items::<ScimRequest>();
    eventually("the log", async || (find("").await.len() == 4).then_some(())).await;
    let newest = &find("limit=1").await[0];
    assert_eq!((newest.method.as_str(), newest.status), ("PATCH", 200));
    assert!(newest.duration_micros > 0);
    let refused = find("status=4xx").await;
    assert_eq!((refused.len(), refused[0].scim_type.as_deref()), (1, Some("uniqueness")));
    assert_eq!(find("method=get&search=NOBODY").await.len(), 1);
    assert_eq!(find("search=chief").await.len(), 1);
    assert_eq!(find("search=hush").await.len(), 0, "no secret is kept");
    assert_eq!(find("search=%25").await.len(), 1, "% is a character, and the query has one");
    assert_eq!(find("until=2020-01-01T00:00:00Z").await.len(), 0);
    acme.admin.get(&format!("{log}?status=often")).await.refused(400, "validation.failed");
    let whole = acme.admin.get(&format!("{log}/{}", newest.id)).await.expect(200);
    assert_eq!(whole["changes"][0]["kind"], "user");
    assert_eq!(whole["changes"][0]["before"]["resource"]["userName"], "ann");
    assert!(
        whole["requestBody"].as_str().unwrap().contains("Chief")
            && whole["responseBody"].as_str().unwrap().contains("Chief")
    );
    // Played again: what would it do now? Nothing is applied.
    acme.scim.put(&path, json!({"userName": "ann"})).await.expect(200);
    let version = acme.scim.get(&path).await.header("etag").to_owned();
    let replay = async |one: &ScimRequest| {
        acme.admin.post(&format!("{log}/{}/replay", one.id), json!({})).await.expect(200)
    };
    let would = replay(newest).await;
    assert_eq!((would["status"].as_i64(), would["body"]["title"].as_str()), (Some(200), Some("Chief")));
    assert_eq!(would["changes"].as_array().unwrap().len(), 1);
    assert_eq!(acme.scim.get(&path).await.header("etag"), version);
    let again = replay(&refused[0]).await;
    assert_eq!(
        (again["status"].as_i64(), again["body"]["scimType"].as_str()),
        (Some(409), Some("uniqueness"))
    );
    let read = &find("method=GET&search=nobody").await[0];
    acme.admin.post(&format!("{log}/{}/replay", read.id), json!({})).await.refused(400, "validation.failed");
    app.stop().await;
}

#[actix_web::test]
async fn what_is_old_is_forgotten() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    user(&acme, "ann").await;
    let log = acme.path("scim-requests");
    let count = async || acme.admin.get(&log).await.count();
    eventually("the log", async || (count().await == 1).then_some(())).await;
    app.sweep("scim_request").await;
    assert_eq!(count().await, 1);
    app.clock.advance(chrono::TimeDelta::days(8));
    assert!(app.sweep("scim_request").await >= 1);
    assert_eq!(count().await, 0);
    app.stop().await;
}
