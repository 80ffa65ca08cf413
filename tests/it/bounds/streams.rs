//! Answers that go on for hours.

use std::time::Duration;

use futures_util::StreamExt as _;
use reqwest::{Method, Response};
use serde_json::json;
use tests::{Client, ManagementKey, TestApp};

async fn open(client: &Client, path: &str) -> Response {
    client.request(Method::GET, path).send().await.expect("an answer")
}

/// Whether a stream ends within the time.
async fn ends(response: Response, within: Duration) -> bool {
    let mut chunks = response.bytes_stream();
    let read = async { while let Some(Ok(_)) = chunks.next().await {} };
    tokio::time::timeout(within, read).await.is_ok()
}

#[actix_web::test]
async fn a_ticket_opens_five_streams_and_ends_with_the_key_it_was_made_for() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let key: ManagementKey =
        app.operator.post("/api/v1/keys", json!({"name": "crm", "role": "module"})).await.created();
    let crm = app.operator.with(key.token.unwrap());
    let body = json!({"context": {"targetingKey": "ann", "tenant": "acme"}});
    let ticket = async || {
        let bulk = crm.post("/ofrep/v1/evaluate/flags", body.clone()).await.expect(200);
        bulk["eventStreams"][0]["url"].as_str().unwrap().to_owned()
    };
    let url = ticket().await;
    let mut streams = Vec::new();
    for number in 0..10 {
        let answer = open(&app.anyone(), &url).await;
        if number < 5 {
            assert_eq!(answer.status(), 200, "{number}");
            streams.push(answer);
        } else {
            assert_eq!(answer.status(), 429, "{number}");
            assert!(answer.headers().contains_key("retry-after"));
        }
    }
    // Fifty of one tenant, however many tickets.
    let mut refused = 0;
    for _ in 0..12 {
        let url = ticket().await;
        for _ in 0..5 {
            let answer = open(&app.anyone(), &url).await;
            if answer.status() == 200 { streams.push(answer) } else { refused += 1 }
        }
    }
    assert_eq!((streams.len(), refused), (50, 15));
    app.operator.delete(&format!("/api/v1/keys/{}", key.id)).await;
    // It is looked at every few seconds; without that they would go on for an hour.
    let all = streams.into_iter().map(|stream| ends(stream, Duration::from_secs(30)));
    let ended = futures_util::future::join_all(all).await;
    assert!(ended.iter().all(|ended| *ended), "{ended:?}");
    assert_eq!(open(&app.anyone(), &url).await.status(), 401);
    app.stop().await;
}

#[actix_web::test]
async fn a_credential_has_fifty_streams_and_gives_their_places_back() {
    let app = TestApp::start().await;
    let key = app.key("operator", None).await;
    let mut streams = Vec::new();
    for _ in 0..50 {
        let answer = open(&key, "/api/v1/events/stream").await;
        assert_eq!(answer.status(), 200);
        streams.push(answer);
    }
    assert_eq!(open(&key, "/api/v1/events/stream").await.status(), 429);
    assert_eq!(open(&app.operator, "/api/v1/events/stream").await.status(), 200, "another's");
    drop(streams);
    tests::eventually("a place", async || {
        (open(&key, "/api/v1/events/stream").await.status() == 200).then_some(())
    })
    .await;
    app.stop().await;
}
