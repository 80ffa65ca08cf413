//! What one caller's attack costs its neighbours: the release binary, limits at their defaults, each attack on a process of its own.
//!
//! The attacker has a thread of its own, so that its work isn't taken for the neighbour's waiting.

use std::net::TcpListener;
use std::time::{Duration, Instant};

use futures_util::StreamExt as _;
use reqwest::{Client as Http, Method};
use serde_json::{Value, json};
use tests::{Client, Process, Reply, Store};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::measure::{forget_peak, memory, peak};

/// How many of an attack's requests are under way at once.
const AT_ONCE: usize = 300;
/// How long the process has to give memory back.
const CALM: Duration = Duration::from_secs(10);

/// One request of an attacker.
#[derive(Clone)]
struct Shot {
    method: Method,
    url: String,
    bearer: String,
    media: &'static str,
    body: Vec<u8>,
}

/// A process, an attacker's tenant and a neighbour's.
struct House {
    process: Process,
    acme: Client,
    neighbour: Client,
    page: String,
    _store: Store,
}

impl House {
    async fn new() -> anyhow::Result<Self> {
        let store = Store::new().await;
        let program =
            std::env::var("TENANTRY_LOAD_PROGRAM").unwrap_or_else(|_| "target/release/tenantry".to_owned());
        let settings = [("TENANTRY__SERVER__WORKERS", "2"), ("TENANTRY__OUTBOUND__ALLOW_PRIVATE", "true")];
        let process = Process::start(&program, &store, None, &settings).await;
        let token = async |slug: &str| {
            let body = json!({"slug": slug, "name": slug, "plan": "enterprise"});
            let request = process.operator.request(Method::POST, "/api/v1/tenants").json(&body);
            Reply::read(request.header("Prefer", "wait=20")).await.expect(201);
            let path = format!("/api/v1/tenants/{slug}/organizations/default/scim-tokens");
            let made = process.operator.post(&path, json!({"name": "idp"})).await.expect(201);
            process.operator.with(made["token"].as_str().unwrap_or_default())
        };
        let (acme, neighbour) = (token("acme").await, token("umbrella").await);
        let made = neighbour.post("/scim/v2/Users", json!({"userName": "una"})).await.expect(201);
        let page = format!("/scim/v2/Users/{}", made["id"].as_str().unwrap_or_default());
        Ok(Self { process, acme, neighbour, page, _store: store })
    }

    fn shot(&self, method: Method, path: &str, media: &'static str, body: Vec<u8>) -> Shot {
        let bearer = self.acme.bearer.clone().unwrap_or_default();
        Shot { method, url: format!("{}{path}", self.acme.base), bearer, media, body }
    }

    /// How long the neighbour waits for its page, in milliseconds.
    async fn look(&self) -> f64 {
        let begun = Instant::now();
        let reply = self.neighbour.get(&self.page).await;
        let waited = begun.elapsed().as_secs_f64() * 1000.0;
        if reply.status != 200 {
            println!("  the neighbour got {}", reply.status);
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
        waited
    }

    /// The neighbour's 99th percentile for as long as `work` goes on, and at least two hundred times.
    async fn beside<T>(&self, work: impl Future<Output = T>) -> (T, f64) {
        let over = std::cell::Cell::new(false);
        let work = async {
            let end = work.await;
            over.set(true);
            end
        };
        let look = async {
            let mut times = Vec::new();
            while times.len() < 200 || !over.get() {
                times.push(self.look().await);
            }
            times.sort_by(f64::total_cmp);
            times[times.len() * 99 / 100]
        };
        tokio::join!(work, look)
    }

    /// Fires, and prints what it did to the neighbour and to the process.
    async fn attack(&self, what: &str, attack: impl Future<Output = (String, f64)>) {
        let ((), alone) = self.beside(async {}).await;
        let process = self.process.id();
        let idle = memory(process);
        forget_peak(process);
        let ((answers, took), beside) = self.beside(attack).await;
        let most = peak(process);
        let over = Instant::now();
        while memory(process) > idle + 20.0 && over.elapsed() < CALM {
            self.look().await;
        }
        println!(
            "| {what:<38} | {alone:>6.1} | {beside:>6.1} | {most:>5.0} | {idle:>4.0} | {:>5.0} | {:>4.1} | {took:>5.1} | {answers} |",
            memory(process),
            over.elapsed().as_secs_f64(),
        );
    }
}

/// Works on a thread of its own; answers how often each status came, and the seconds that it took.
async fn apart<W: Future<Output = Vec<u16>>>(work: impl FnOnce() -> W + Send + 'static) -> (String, f64) {
    let (send, receive) = tokio::sync::oneshot::channel();
    std::thread::spawn(move || {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        let begun = Instant::now();
        let mut counts = std::collections::BTreeMap::new();
        for status in runtime.block_on(work()) {
            *counts.entry(status).or_insert(0) += 1;
        }
        let text: Vec<String> = counts.iter().map(|(status, count)| format!("{count} × {status}")).collect();
        let _ = send.send((text.join(", "), begun.elapsed().as_secs_f64()));
    });
    receive.await.unwrap_or_default()
}

/// Sends everything.
async fn fire(shots: Vec<Shot>) -> (String, f64) {
    apart(|| async {
        let http = Http::builder().no_proxy().timeout(Duration::from_secs(60)).build().unwrap_or_default();
        let shots = shots.into_iter().map(|shot| {
            let request = http.request(shot.method, shot.url).header("Content-Type", shot.media);
            let request = if shot.bearer.is_empty() { request } else { request.bearer_auth(shot.bearer) };
            async move { request.body(shot.body).send().await.map_or(0, |answer| answer.status().as_u16()) }
        });
        futures_util::stream::iter(shots).buffer_unordered(AT_ONCE).collect().await
    })
    .await
}

/// Sends so much on each of many connections at once, and takes what answers come within ten seconds; a status is a connection's first.
async fn send_ahead(place: String, bytes: String, connections: usize) -> (String, f64) {
    apart(move || async move {
        let one = || async {
            let Ok(mut socket) = tokio::net::TcpStream::connect(&place).await else { return 0 };
            let (mut reader, mut writer) = socket.split();
            let mut answer = [0; 12];
            let exchange = async {
                let write = writer.write_all(bytes.as_bytes());
                let read = async {
                    reader.read_exact(&mut answer).await?;
                    tokio::io::copy(&mut reader, &mut tokio::io::sink()).await
                };
                tokio::join!(write, read)
            };
            let _ = tokio::time::timeout(Duration::from_secs(10), exchange).await;
            String::from_utf8_lossy(&answer).get(9..).and_then(|status| status.parse().ok()).unwrap_or(0)
        };
        futures_util::future::join_all((0..connections).map(|_| one())).await
    })
    .await
}

fn emails(from: usize, count: usize) -> Value {
    (from..from + count).map(|n| json!({"value": format!("{n}@example.com")})).collect()
}

fn patch(operations: Value) -> Vec<u8> {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
        .to_string()
        .into_bytes()
}

const SCIM: &str = "application/scim+json";
const FORM: &str = "application/x-www-form-urlencoded";

/// A tenant is made while two dozen receivers accept and never answer.
async fn hanging_receivers() -> anyhow::Result<()> {
    let house = House::new().await?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    for number in 0..24 {
        let url = format!("http://{}/{number}", listener.local_addr()?);
        house.process.operator.post("/api/v1/webhook-endpoints", json!({"url": url})).await.expect(201);
    }
    for number in 0..50 {
        house.acme.post("/scim/v2/Users", json!({"userName": format!("u{number}")})).await.expect(201);
    }
    tokio::time::sleep(Duration::from_secs(2)).await;
    let begun = Instant::now();
    let body = json!({"slug": "new", "name": "new"});
    let request = house.process.operator.request(Method::POST, "/api/v1/tenants").json(&body);
    let reply = Reply::read(request.header("Prefer", "wait=20")).await;
    let took = begun.elapsed().as_secs_f64() * 1000.0;
    println!("\n24 receivers hang: a tenant is active after {took:.0} ms ({})", reply.status);
    house.process.kill().await;
    Ok(())
}

async fn bodies() -> anyhow::Result<()> {
    let house = House::new().await?;
    let made = house.acme.post("/scim/v2/Users", json!({"userName": "full", "emails": emails(0, 1_000)}));
    let user = format!("/scim/v2/Users/{}", made.await.expect(201)["id"].as_str().unwrap_or_default());
    let one = |n: usize| {
        let values: Value = (0..900).map(|m| json!({"value": format!("{}", n * 900 + m)})).collect();
        json!({"op": "add", "path": "emails", "value": values})
    };
    let product = house.shot(Method::PATCH, &user, SCIM, patch((0..900).map(one).collect()));
    house.attack("8 PATCH of 900 × 900 values", fire(vec![product; 8])).await;
    let lists = format!("{{\"userName\": \"a\", \"x\": [{}]}}", vec!["[1]"; 3_900_000].join(","));
    let lists = house.shot(Method::POST, "/scim/v2/Users", SCIM, lists.into_bytes());
    house.attack("4 POST of 3.9 million lists", fire(vec![lists; 4])).await;
    let filter = (0..60).map(|n| format!("value sw \"{n}\"")).collect::<Vec<_>>().join(" or ");
    let one = |_| json!({"op": "replace", "path": format!("emails[{filter}].display"), "value": "x"});
    let filters = house.shot(Method::PATCH, &user, SCIM, patch((0..30).map(one).collect()));
    house.attack("64 PATCH of 30 filters × 60 × 1,000", fire(vec![filters; 64])).await;
    house.process.kill().await;
    let house = House::new().await?;
    let nobody = "/sso/saml/019c0000-0000-7000-8000-00000000dead/acs";
    let mut shot = house.shot(Method::POST, nobody, FORM, vec![b'x'; 520_000]);
    shot.bearer.clear();
    house.attack("1,500 bodies of 520 KB to nobody", fire(vec![shot; 1_500])).await;
    house.process.kill().await;
    Ok(())
}

async fn members() -> anyhow::Result<()> {
    let house = House::new().await?;
    let made = house.acme.post("/scim/v2/Groups", json!({"displayName": "all"})).await.expect(201);
    let group = format!("/scim/v2/Groups/{}", made["id"].as_str().unwrap_or_default());
    let mut ids = Vec::new();
    for part in 0..20 {
        let one = |n: usize| json!({"method": "POST", "path": "/Users", "bulkId": format!("{n}"), "data": {"userName": format!("u{part}-{n}")}});
        let bulk = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkRequest"], "Operations": (0..1_000).map(one).collect::<Vec<_>>()});
        let reply = house.acme.post("/scim/v2/Bulk", bulk).await.expect(200);
        let made = reply["Operations"].as_array().cloned().unwrap_or_default();
        ids.extend(
            made.iter().filter_map(|one| Some(one["location"].as_str()?.rsplit('/').next()?.to_owned())),
        );
    }
    let value = |some: &[String]| -> Value { some.iter().map(|id| json!({"value": id})).collect() };
    let add = |some: &[String]| patch(json!([{"op": "add", "path": "members", "value": value(some)}]));
    let mut shots = vec![house.shot(Method::PATCH, &group, SCIM, add(&ids))];
    for id in ids.iter().take(40) {
        shots.push(house.shot(Method::PATCH, &group, SCIM, add(std::slice::from_ref(id))));
    }
    house.attack(&format!("PATCH of {} members, 40 small", ids.len()), fire(shots)).await;
    house.process.kill().await;
    Ok(())
}

async fn strangers() -> anyhow::Result<()> {
    let house = House::new().await?;
    let token = house.acme.bearer.clone().unwrap_or_default();
    // Another secret of the same row has its checksum wrong; a wrong one with a right checksum is the owner's own, rotated.
    let path = "/api/v1/tenants/acme/organizations/default/scim-tokens";
    let made = house.process.operator.post(path, json!({"name": "old"})).await.expect(201);
    let old = made["token"].as_str().unwrap_or(&token).to_owned();
    let revoke = format!("{path}/{}", made["id"].as_str().unwrap_or_default());
    house.process.operator.delete(&revoke).await.expect(204);
    let mut wrong = house.shot(Method::GET, "/scim/v2/Users?count=0", SCIM, Vec::new());
    wrong.bearer = old;
    house.attack("3,000 requests with a revoked token", fire(vec![wrong; 3_000])).await;
    let methods = (0..10_000).filter_map(|number| {
        let method = Method::from_bytes(format!("M{number}").as_bytes()).ok()?;
        Some(Shot { bearer: String::new(), ..house.shot(method, "/health", SCIM, Vec::new()) })
    });
    house.attack("10,000 invented methods", fire(methods.collect())).await;
    let metrics = house.process.operator.get("/metrics").await.text.len();
    println!("  /metrics has {} KiB", metrics / 1024);
    let open = |shot: Shot| Shot { bearer: String::new(), ..shot };
    let junk = format!("/oauth2/authorize?client_id=x&junk={}", "x".repeat(60_000));
    let junk = open(house.shot(Method::GET, &junk, FORM, Vec::new()));
    house.attack("1,000 sign-ins with 60 KB of junk", fire(vec![junk; 1_000])).await;
    let join = (0..1_000).map(|number| {
        let body = json!({"tenant": "acme", "email": format!("Somebody+{number}@Example.COM")});
        open(house.shot(Method::POST, "/api/v1/join", "application/json", body.to_string().into_bytes()))
    });
    house.attack("1,000 requests to join", fire(join.collect())).await;
    let hook = open(house.shot(Method::POST, "/api/webhooks/stripe", "application/json", b"{}".to_vec()));
    house.attack("2,000 unsigned webhooks", fire(vec![hook; 2_000])).await;
    house.process.kill().await;
    Ok(())
}

async fn ahead() -> anyhow::Result<()> {
    let house = House::new().await?;
    let place = house.acme.base.trim_start_matches("http://").to_owned();
    let many = "GET /health HTTP/1.1\r\nHost: x\r\n\r\n".repeat(4_000);
    house.attack("225 × 4,000 requests sent ahead", send_ahead(place.clone(), many, 225)).await;
    let bearer = house.acme.bearer.clone().unwrap_or_default();
    let crumbs = format!(
        "POST /scim/v2/Users HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {bearer}\r\nContent-Type: {SCIM}\r\nTransfer-Encoding: chunked\r\n\r\n{}0\r\n\r\n",
        "1\r\nx\r\n".repeat(32_000)
    );
    house.attack("200 × 32,000 chunks of one byte", send_ahead(place, crumbs, 200)).await;
    house.process.kill().await;
    Ok(())
}

/// Fires all attacks.
pub async fn run() -> anyhow::Result<()> {
    println!(
        "\n| attack | neighbour's p99, ms: alone | beside | peak MiB | idle | after | s | took s | answers |"
    );
    println!("|---|---:|---:|---:|---:|---:|---:|---:|---|");
    bodies().await?;
    members().await?;
    strangers().await?;
    ahead().await?;
    hanging_receivers().await
}
