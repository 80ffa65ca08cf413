//! What costs much is refused before it is paid for, or done where nobody else waits for it.

mod house;

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, Process, Reply, Store, TestApp, on_postgres};

use self::house::*;
use super::{id, patch, user};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
const MIB: u64 = 1 << 20;

fn emails(from: usize, count: usize) -> Value {
    (from..from + count).map(|n| json!({"value": format!("{n}@example.com")})).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    value.to_string().into_bytes()
}

#[track_caller]
fn all_in(what: &str, statuses: &[u16], allowed: &[u16]) {
    assert!(statuses.iter().all(|status| allowed.contains(status)), "{what}: {statuses:?}");
    assert!(statuses.iter().any(|status| *status != 0), "{what}: nobody was answered");
}

#[actix_web::test]
async fn large_bodies_cost_their_sender_and_nobody_else() {
    let house = House::new().await;
    // 900 operations of 900 values each, 810,000 in all.
    let one = |n: usize| {
        let values: Value = (0..900).map(|m| json!({"value": format!("{}", n * 900 + m)})).collect();
        json!({"op": "add", "path": "emails", "value": values})
    };
    let many = bytes(&patch((0..900).map(one).collect()));
    assert!((15_000_000..16 << 20).contains(&many.len()), "{}", many.len());
    let user = house.full_user().await;
    let refused = [413, 429, 503, 0];
    all_in("values", &house.eight("values", Method::PATCH, &user, many).await, &refused);
    let lists = format!("{{\"userName\": \"a\", \"x\": [{}]}}", vec!["[1]"; 3_900_000].join(","));
    all_in(
        "lists",
        &house.eight("lists", Method::POST, "/scim/v2/Users", lists.into_bytes()).await,
        &refused,
    );
    let deep = format!("{{\"userName\": {}", "[".repeat(15 << 20));
    let deep = house.eight("nesting", Method::POST, "/scim/v2/Users", deep.into_bytes()).await;
    all_in("nesting", &deep, &[400, 429, 503, 0]);
    let names = format!(
        "{{\"userName\": \"a\"{}}}",
        (0..1_200_000).map(|n| format!(",\"{n}\":1")).collect::<String>()
    );
    let names = house.eight("names", Method::POST, "/scim/v2/Users", names.into_bytes()).await;
    all_in("names", &names, &refused);
    let escapes = format!("{{\"userName\": \"{}\"}}", "\\u0000".repeat(2 << 20));
    let escapes = house.eight("escapes", Method::POST, "/scim/v2/Users", escapes.into_bytes()).await;
    all_in("escapes", &escapes, &[400, 429, 503, 0]);
    let strings = format!("{{\"displayName\": \"a\", \"members\": [{}]}}", vec!["\"\""; 5 << 20].join(","));
    let strings = house.eight("members", Method::POST, "/scim/v2/Groups", strings.into_bytes()).await;
    all_in("members", &strings, &refused);
    assert_eq!(house.acme.get(&user).await.status, 200, "and it may go on");
    house.process.kill().await;
}

#[actix_web::test]
async fn products_cost_their_sender_and_nobody_else() {
    let house = House::new().await;
    let user = house.full_user().await;
    let or = (0..60).map(|n| format!("value sw \"{n}\"")).collect::<Vec<_>>().join(" or ");
    let filtered = |count: usize| -> Value {
        let one = |_| json!({"op": "replace", "path": format!("emails[{or}].display"), "value": "x"});
        (0..count).map(one).collect()
    };
    let filters = house.eight("filters", Method::PATCH, &user, bytes(&patch(filtered(1_000)))).await;
    all_in("filters", &filters, &[413, 429, 503]);
    let texts = |_| json!({"op": "add", "path": "emails.display", "value": "x".repeat(4_000)});
    let texts = bytes(&patch((0..1_000).map(texts).collect()));
    all_in("texts", &house.eight("texts", Method::PATCH, &user, texts).await, &[413, 429, 503]);
    let few = house.eight("few filters", Method::PATCH, &user, bytes(&patch(filtered(4)))).await;
    all_in("few filters", &few, &[200, 429, 503]);
    assert!(few.contains(&200), "{few:?}");
    // Each operation is within its bounds; their sum is not.
    let heavy = |n: usize| {
        let mut operations = vec![json!({"op": "add", "path": "emails", "value": emails(n, 1_000)})];
        operations.extend(vec![
            json!({"op": "replace", "path": "emails[value sw \"1\"].display", "value": "x"});
            300
        ]);
        json!({"method": "PATCH", "path": user.trim_start_matches("/scim/v2"), "data": patch(operations.into())})
    };
    let bulk = json!({"Operations": (0..20).map(heavy).collect::<Vec<_>>()});
    let bulk = house.eight("a bulk", Method::POST, "/scim/v2/Bulk", bytes(&bulk)).await;
    all_in("a bulk", &bulk, &[413, 429, 503]);
    let references: String = (0..100_000).map(|n| format!("\"bulkId:{n}\",")).collect();
    let bulk = format!(
        r#"{{"Operations": [{{"method": "POST", "path": "/Groups", "bulkId": "g", "data": {{"displayName": "g", "members": [{references}"x"]}}}}]}}"#
    );
    let bulk = house.eight("references", Method::POST, "/scim/v2/Bulk", bulk.into_bytes()).await;
    all_in("references", &bulk, &[200, 429, 503]);
    let paths = |n: usize| json!({"op": "replace", "path": format!("emails[value eq \"{}{n}\"].display", "x".repeat(4_000)), "value": "x"});
    let paths = bytes(&patch((0..1_000).map(paths).collect()));
    all_in("paths", &house.eight("paths", Method::PATCH, &user, paths).await, &[400, 413, 429, 503]);
    let names =
        |n: usize| json!({"op": "replace", "path": format!("{}{n}", "x".repeat(15_000)), "value": "x"});
    let names = bytes(&patch((0..900).map(names).collect()));
    all_in("names", &house.eight("names", Method::PATCH, &user, names).await, &[400, 413, 429, 503, 0]);
    let members: Vec<Value> = (0..100_000).map(|_| json!({"value": platform::ids::new()})).collect();
    let made = house.acme.post("/scim/v2/Groups", json!({"displayName": "all"})).await.expect(201);
    let path = format!("/scim/v2/Groups/{}", id(&made));
    let members = bytes(&patch(json!([{"op": "add", "path": "members", "value": members}])));
    let members = house.eight("members that aren't there", Method::PATCH, &path, members).await;
    all_in("members that aren't there", &members, &[400, 429, 503]);
    let filter: String = url::form_urlencoded::byte_serialize(or.as_bytes()).collect();
    let searches = (0..40).map(|n| {
        let path = format!("/scim/v2/Users?filter=emails%5B{filter}%5D&startIndex={}", n + 1);
        (Method::GET, path, Vec::new())
    });
    all_in("searches", &house.attack("searches", searches.collect()).await, &[200, 429, 503]);
    let long = format!("/scim/v2/Users?filter={}", "title%20pr%20or%20".repeat(2_500));
    let long = house.eight("a long filter", Method::GET, &long, Vec::new()).await;
    all_in("a long filter", &long, &[400, 429, 503]);
    house.process.kill().await;
}

#[actix_web::test]
async fn what_is_too_much_is_said_with_what_would_be_right() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let ann = format!("/scim/v2/Users/{}", user(&acme, "ann").await);
    let send = async |method: Method, path: &str, body: &Value| {
        Reply::read(acme.scim.request(method, path).json(body)).await
    };
    let lists = json!({"userName": "a", "x": vec![json!([1]); 70_000]});
    let refused = send(Method::POST, "/scim/v2/Users", &lists).await;
    assert!(refused.text.contains("200000 values"), "{}", refused.text);
    refused.scim_refused(413, None);
    let members = json!({"displayName": "g", "members": vec!["x"; 250_001]});
    let refused = send(Method::POST, "/scim/v2/Groups", &members).await;
    assert!(refused.text.contains("250000 members"), "{}", refused.text);
    refused.scim_refused(413, None);
    let full = patch(json!([{"op": "add", "path": "emails", "value": emails(0, 999)}]));
    send(Method::PATCH, &ann, &full).await.expect(200);
    let over = patch(json!([{"op": "add", "path": "emails", "value": emails(999, 1)}]));
    let refused = send(Method::PATCH, &ann, &over).await;
    assert!(refused.text.contains("more than 1000 values"), "{}", refused.text);
    refused.scim_refused(400, Some("invalidValue"));
    let one = |n: usize| json!({"op": "replace", "path": format!("emails[value eq \"{n}\"].display"), "value": "x"});
    let many = patch((0..1_000).map(one).collect());
    let refused = send(Method::PATCH, &ann, &many).await;
    assert!(refused.text.contains("send the values in one operation"), "{}", refused.text);
    refused.scim_refused(413, None);
    let large: Vec<Value> =
        (0..80).map(|n| json!({"value": format!("{n}{}", "x".repeat(4_000)), "type": "x"})).collect();
    send(Method::POST, "/scim/v2/Users", &json!({"userName": "b", "photos": large}))
        .await
        .scim_refused(413, None);
    // What fits goes on: a thousand values, a thousand operations, a thousand members.
    let bob = format!("/scim/v2/Users/{}", user(&acme, "bob").await);
    let one = |n: usize| json!({"op": "add", "path": "emails", "value": emails(n, 1)});
    let shown = send(Method::PATCH, &bob, &patch((0..999).map(one).collect())).await.expect(200);
    assert_eq!(shown["emails"].as_array().unwrap().len(), 1_000);
    app.stop().await;
}

#[actix_web::test]
async fn a_heavy_patch_that_waits_for_a_thread_holds_nobody_up() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    let ann = format!("/scim/v2/Users/{}", user(&acme, "ann").await);
    let full = patch(json!([{"op": "add", "path": "emails", "value": emails(0, 999)}]));
    acme.scim.patch(&ann, full).await.expect(200);
    // Somebody computes on every thread there is, until it is said that it is enough.
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    let (mut enough, mut busy) = (Vec::new(), Vec::new());
    for _ in 0..threads {
        let (end, ended) = std::sync::mpsc::channel::<()>();
        let heavy = app.running.service.heavy.clone();
        busy.push(actix_web::rt::spawn(async move { heavy.run(move || ended.recv()).await }));
        enough.push(end);
    }
    let or = (0..60).map(|n| format!("value sw \"{n}\"")).collect::<Vec<_>>().join(" or ");
    let one = json!({"op": "replace", "path": format!("emails[{or}].display"), "value": "x"});
    let (patched, ()) = tokio::join!(acme.scim.patch(&ann, patch(json!([one, one]))), async {
        tokio::time::sleep(Duration::from_millis(500)).await;
        for (tenant, name) in [(&umbrella, "una"), (&acme, "bob")] {
            // The threads are held for as long as this lasts: who waits for one waits to the end of it.
            let small = tokio::time::timeout(Duration::from_secs(15), user(tenant, name)).await;
            assert!(small.is_ok(), "{name} isn't made while somebody waits for a thread");
        }
        assert!(busy.iter().all(|one| !one.is_finished()));
        enough.clear();
    });
    let patched = patched.expect(200);
    assert_eq!(patched["emails"].as_array().unwrap().iter().filter(|one| one["display"] == "x").count(), 999);
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_that_asks_for_more_work_than_its_share_waits() {
    let app = TestApp::start().await;
    let free = app.tenant_with(json!({"slug": "free", "name": "free", "plan": "free"})).await;
    let other = app.tenant_with(json!({"slug": "other", "name": "other", "plan": "free"})).await;
    // Members cost most; that they aren't there is seen only in the store.
    let members: Vec<String> = (0..100_000).map(|_| platform::ids::new().to_string()).collect();
    let body = json!({"displayName": "g", "members": members});
    let (mut statuses, begun) = (Vec::new(), Instant::now());
    let refused = loop {
        let reply = free.scim.post("/scim/v2/Groups", body.clone()).await;
        statuses.push(reply.status.as_u16());
        if reply.status == 429 {
            break reply;
        }
        // One costs 2,000,000 for its members, of a unit of which 100,000 come back each second: those of twenty seconds.
        assert!(statuses.len() < 20 + begun.elapsed().as_secs() as usize / 20, "{statuses:?}");
    };
    assert!(statuses.len() > 3, "a whole directory fits in: {statuses:?}");
    let wait: u64 = refused.header("Retry-After").parse().expect("seconds");
    assert!((1..=30).contains(&wait), "{wait}");
    assert!(refused.text.contains("cost"), "{}", refused.text);
    assert_eq!(free.scim.get("/scim/v2/Users?count=1").await.status, 200, "small requests still fit in");
    other.user("o").await;
    app.stop().await;
}

/// Copies of a user, made in the store: so many aren't made by requests in a test.
pub(crate) async fn copies(app: &TestApp, tenant: &str, count: usize) {
    let (numbers, id) = if on_postgres().is_some() {
        (format!("SELECT n FROM generate_series(1, {count}) AS s(n)"), "gen_random_uuid()")
    } else {
        let series = format!(
            "WITH RECURSIVE s(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM s WHERE n < {count}) SELECT n FROM s"
        );
        (series, "randomblob(16)")
    };
    let sql = format!(
        "INSERT INTO directory_user (tenant_id, organization_id, id, user_name, user_name_key, active, role, role_source, source, \
         resource, folded, version, created_at, updated_at) SELECT u.tenant_id, u.organization_id, {id}, \
         'copy' || s.n, 'copy' || s.n, u.active, u.role, u.role_source, u.source, u.resource, u.folded, 1, u.created_at, u.updated_at \
         FROM directory_user u CROSS JOIN ({numbers}) s WHERE u.tenant_id = $1 AND u.user_name = 'first'"
    );
    let tenant: uuid::Uuid = tenant.parse().expect("an id");
    let write = async |tx: &mut platform::PlatformTx| {
        platform::Work::housekeeping(tx);
        tx.execute(&platform::CrossTenantStatement::built(sql.clone()), vec![tenant.into()]).await
    };
    let made = app.running.service.db.write_platform(&platform::Ctx::system("tests"), write).await;
    assert_eq!(made.expect("copied"), count as u64);
}

#[actix_web::test]
async fn small_changes_of_a_group_wait_for_a_large_one_and_other_tenants_do_not() {
    let count: usize = if on_postgres().is_some() { 60_000 } else { 20_000 };
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let (acme, umbrella) = (app.tenant("acme").await, app.tenant("umbrella").await);
    user(&acme, "first").await;
    let una = user(&umbrella, "una").await;
    copies(&app, &acme.id, count).await;
    app.store.analyze().await;
    let tenant: uuid::Uuid = acme.id.parse().unwrap();
    let sql = "SELECT id FROM directory_user WHERE tenant_id = $1";
    let read = async |view: &platform::PlatformView| {
        view.query(&platform::CrossTenantStatement::new(sql), vec![tenant.into()]).await
    };
    let rows = app.running.service.db.read_platform(read).await.unwrap();
    let ids: Vec<uuid::Uuid> = rows.iter().map(|row| row.try_get("", "id").unwrap()).collect();
    let team = format!("/scim/v2/Groups/{}", acme.group("team", &[]).await);
    let all: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    let large = patch(json!([{"op": "add", "path": "members", "value": all}]));
    let large = acme.scim.patch_owned(team.clone(), large);
    let small = (0..40).map(|n| {
        let change = patch(json!([{"op": "add", "path": "members", "value": [{"value": ids[n]}]}]));
        acme.scim.patch_owned(team.clone(), change)
    });
    let small: Vec<_> = small.collect();
    let changes = async {
        let small = async {
            tokio::time::sleep(Duration::from_millis(300)).await;
            join_all(small).await
        };
        tokio::join!(timed(large), small)
    };
    tokio::pin!(changes);
    let (mut times, mut done) = (Vec::new(), None);
    while done.is_none() || times.len() < 20 {
        let look = async {
            let begun = Instant::now();
            let path = format!("/scim/v2/Users/{una}");
            assert_eq!(umbrella.scim.get(&path).await.status, 200, "the neighbour");
            if on_postgres().is_some() {
                // SQLite has one writer: there it waits.
                let title = patch(json!([{"op": "replace", "path": "title", "value": format!("{begun:?}")}]));
                assert_eq!(umbrella.scim.patch(&path, title).await.status, 200, "the neighbour writes");
            }
            assert_eq!(app.anyone().get("/ready").await.status, 200);
            let time = begun.elapsed();
            tokio::time::sleep(Duration::from_millis(20)).await;
            time
        };
        tokio::select! {
            biased;
            end = &mut changes, if done.is_none() => done = Some(end),
            time = look => times.push(time),
        }
    }
    let ((large, took), small) = done.unwrap();
    let worst = p99(times);
    println!("neighbour {worst:?}, the large one {took:?}");
    // A neighbour who waits for the large one waits for as long as that takes.
    assert!(worst < Duration::from_secs(2).max(took / 2), "{worst:?}, the large one {took:?}");
    assert_eq!(large.status, 204, "{}", large.text);
    let statuses: Vec<u16> = small.iter().map(|reply| reply.status.as_u16()).collect();
    assert!(statuses.iter().all(|status| matches!(status, 204 | 429 | 503)), "{statuses:?}");
    let read = async |view: &platform::PlatformView| {
        let sql = "SELECT COUNT(*) AS n FROM directory_group_member WHERE tenant_id = $1";
        view.query(&platform::CrossTenantStatement::new(sql), vec![tenant.into()]).await
    };
    let rows = app.running.service.db.read_platform(read).await.unwrap();
    assert_eq!(rows[0].try_get::<i64>("", "n").unwrap(), ids.len() as i64);
    app.stop().await;
}

#[actix_web::test]
async fn a_page_of_large_resources_ends_early_and_the_walk_goes_on() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let texts: Vec<Value> = (0..8).map(|n| json!({"value": format!("{n}{}", "x".repeat(4_000))})).collect();
    acme.scim.post("/scim/v2/Users", json!({"userName": "first", "photos": texts})).await.expect(201);
    copies(&app, &acme.id, 300).await;
    let mut ids = std::collections::HashSet::new();
    let mut pages = Vec::new();
    while ids.len() < 301 {
        let path = format!("/scim/v2/Users?count=1000&startIndex={}", ids.len() + 1);
        let page = acme.scim.get(&path).await.expect(200);
        assert_eq!(page["totalResults"], 301);
        let shown = page["Resources"].as_array().unwrap();
        assert_eq!(page["itemsPerPage"], shown.len());
        assert!(!shown.is_empty(), "{} of 301", ids.len());
        ids.extend(shown.iter().map(id));
        pages.push(shown.len());
    }
    assert_eq!((ids.len(), pages[0]), (301, 200), "{pages:?}");
    let mut cursor = String::new();
    let mut walked = 0;
    loop {
        let page = acme.scim.get(&format!("/scim/v2/Users?count=1000&sortBy=userName&cursor={cursor}")).await;
        let page = page.expect(200);
        walked += page["Resources"].as_array().unwrap().len();
        match page["nextCursor"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(walked, 301);
    app.stop().await;
}
