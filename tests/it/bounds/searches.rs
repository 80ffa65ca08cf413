//! Searches cost what they look at, and end when nobody waits for them.

use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use futures_util::future::join_all;
use futures_util::stream::FuturesUnordered;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, Reply, Tenant, TestApp};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpStream;

use super::place;
use crate::scim::cost::copies;
use crate::scim::user;

/// So many users that looking at each takes a moment.
const USERS: usize = 60_000;
/// A filter that no index answers and nobody fulfils.
const UNINDEXED: &str = "emails.value co \"nobody\"";

/// One that takes many seconds.
fn endless() -> String {
    let terms: Vec<String> = (0..64).map(|n| format!("emails.value co \"nobody{n}\"")).collect();
    terms.join(" or ")
}

/// A tenant of the smallest plan.
async fn free(app: &TestApp, slug: &str) -> Tenant {
    app.tenant_with(json!({"slug": slug, "name": slug, "plan": "free"})).await
}

/// A tenant with a whole directory, and the page of a neighbour.
async fn house(app: &TestApp) -> (Tenant, Tenant, String) {
    let (acme, umbrella) = (free(app, "acme").await, free(app, "umbrella").await);
    let emails: Vec<Value> =
        (0..4).map(|n| json!({"value": format!("first{n}@example.com"), "type": "work"})).collect();
    let first = json!({"userName": "first", "emails": emails, "title": "Engineer"});
    acme.scim.post("/scim/v2/Users", first).await.expect(201);
    copies(app, &acme.id, USERS).await;
    app.store.analyze().await;
    let page = format!("/scim/v2/Users/{}", user(&umbrella, "una").await);
    (acme, umbrella, page)
}

async fn search(client: &Client, filter: &str) -> Reply {
    client.find("/scim/v2/Users", filter).await
}

/// A look-up as identity providers make them, while others of the tenant wait.
async fn look_up(acme: &Tenant) {
    let found = search(&acme.scim, "userName eq \"copy7\"").await.expect(200);
    assert_eq!(found["totalResults"], 1);
}

#[actix_web::test]
async fn unindexed_searches_wait_for_each_other_and_for_what_they_cost_and_look_ups_do_not() {
    let app = TestApp::start().await;
    let (acme, umbrella, page) = house(&app).await;
    let alone = Instant::now();
    let found = search(&acme.scim, UNINDEXED).await.expect(200);
    assert_eq!(found["totalResults"], 0, "one search over everybody is possible");
    let alone = alone.elapsed();
    search(&acme.scim, &endless()).await.scim_refused(400, Some("tooMany"));

    // One at work, eight wait, the others are refused.
    let many = join_all((0..14).map(|_| search(&acme.scim, UNINDEXED)));
    tokio::pin!(many);
    let mut worst = Duration::ZERO;
    let many = loop {
        let beside = async {
            let begun = Instant::now();
            assert_eq!(umbrella.scim.get(&page).await.status, 200, "the neighbour");
            worst = worst.max(begun.elapsed());
            look_up(&acme).await;
            tokio::time::sleep(Duration::from_millis(150)).await;
        };
        tokio::select! {
            biased;
            done = &mut many => break done,
            () = beside => {}
        }
    };
    println!("alone {alone:?}, the neighbour meanwhile {worst:?}");
    // Who waits for all of them waits nine times as long as for one.
    let most = Duration::from_secs(4).max(alone * 4);
    assert!(worst < most, "it waited for the searches: {worst:?}, one alone takes {alone:?}");
    let refused: Vec<&Reply> = many.iter().filter(|reply| reply.status == 429).collect();
    assert!(many.iter().all(|reply| matches!(reply.status.as_u16(), 200 | 429)));
    assert!(!refused.is_empty() && refused.len() < many.len(), "{} of {}", refused.len(), many.len());
    assert!(refused[0].text.contains("are waiting already"), "{}", refused[0].text);

    // And those that come one after the other, when the tenant has spent what it may.
    let (mut answered, begun) = (0, Instant::now());
    let refused = loop {
        let reply = search(&acme.scim, UNINDEXED).await;
        match reply.status.as_u16() {
            200 => answered += 1,
            _ => break reply,
        }
        // One costs 60,000 documents of half a KiB, in a unit of which 100,000 come back each second: at least four seconds' worth.
        let most = 40 + begun.elapsed().as_secs() / 4;
        assert!(answered < most, "what a search costs is never too much");
    };
    assert_eq!(refused.status, 429, "{}", refused.text);
    assert!(refused.text.contains("cost"), "{}", refused.text);
    assert!((1..=80).contains(&refused.header("Retry-After").parse::<u64>().expect("seconds")));
    look_up(&acme).await;
    assert_eq!(umbrella.scim.get(&page).await.status, 200);
    app.stop().await;
}

#[actix_web::test]
async fn a_search_whose_caller_is_gone_stops_and_the_next_one_has_its_turn() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let (acme, _umbrella, _page) = house(&app).await;
    let begun = Instant::now();
    search(&acme.scim, UNINDEXED).await.expect(200);
    let alone = begun.elapsed();
    let begun = Instant::now();
    for _ in 0..2 {
        let gone = tokio::time::timeout(Duration::from_millis(300), search(&acme.scim, &endless())).await;
        assert!(gone.is_err(), "it was to be at work for many seconds");
        // A tenant has one such search at a time: this one waits until that has ended.
        search(&acme.scim, UNINDEXED).await.expect(200);
    }
    // Nor does it go on for one who sent the beginning of another request before it left.
    let asked =
        acme.scim.request(Method::GET, "/scim/v2/Users").query(&[("filter", endless())]).build().unwrap();
    let (host, bearer) = (place(&app.operator.base), acme.scim.bearer.as_deref().unwrap());
    let target = asked.url().as_str().strip_prefix(&app.operator.base).unwrap();
    let bytes = format!("GET {target} HTTP/1.1\r\nHost: {host}\r\nAuthorization: Bearer {bearer}\r\n\r\nG");
    let mut socket = TcpStream::connect(host).await.unwrap();
    socket.write_all(bytes.as_bytes()).await.unwrap();
    let mut byte = [0];
    let answer = tokio::time::timeout(Duration::from_millis(300), socket.read(&mut byte)).await;
    assert!(answer.is_err(), "it was to be at work for many seconds");
    drop(socket);
    search(&acme.scim, UNINDEXED).await.expect(200);
    let took = begun.elapsed();
    println!("alone {alone:?}, all {took:?}");
    // Three short ones, and three times 300 ms of those that were left. Each of these would take some sixty times as long as a short one.
    let most = Duration::from_millis(1_900) + alone * 10;
    assert!(took < most, "{took:?}, one alone takes {alone:?}");
    app.stop().await;
}

#[actix_web::test]
async fn a_search_of_the_request_log_has_its_turn_like_any_other() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let (acme, _umbrella, _page) = house(&app).await;
    let log = "/api/v1/tenants/acme/organizations/default/scim-requests";
    let look = format!("{log}?search=x");
    let endless = endless();
    let beside = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        app.operator.get(log).await.expect(200);
        let waits = tokio::time::timeout(Duration::from_millis(500), app.operator.get(&look)).await;
        assert!(waits.is_err(), "a tenant has one such search at a time");
    };
    tokio::select! {
        biased;
        () = beside => {}
        reply = search(&acme.scim, &endless) => panic!("it was to be at work for many seconds: {}", reply.text),
    }
    app.operator.get(&look).await.expect(200);
    app.stop().await;
}

#[actix_web::test]
async fn three_tenants_search_at_once_and_the_others_readers_are_there_for_neighbours() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let (acme, umbrella, page) = house(&app).await;
    let mut tenants = vec![acme];
    for number in 0..5 {
        let tenant = free(&app, &format!("busy{number}")).await;
        user(&tenant, "first").await;
        copies(&app, &tenant.id, USERS).await;
        tenants.push(tenant);
    }
    let endless = endless();
    let mut all: FuturesUnordered<_> = tenants.iter().map(|tenant| search(&tenant.scim, &endless)).collect();
    let first_end = async {
        // Those that wait for a place may be told that it takes too long.
        while let Some(reply) = all.next().await {
            if reply.status == 200 {
                return;
            }
        }
    };
    let looks = async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for _ in 0..10 {
            assert_eq!(umbrella.scim.get(&page).await.status, 200, "the neighbour");
        }
    };
    // A neighbour who waits for a search has a page when the first one has ended, and not ten before.
    tokio::select! {
        biased;
        () = first_end => panic!("a search, which takes many seconds, ended before the neighbour had ten pages"),
        () = looks => {}
    }
    app.stop().await;
}
