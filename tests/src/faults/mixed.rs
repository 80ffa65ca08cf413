//! Load of every kind while the store fails at random: nothing that was acknowledged may be lost, nothing refused come back.
//!
//! What happens is drawn from a seed. The moments are the machine's, so a seed gives the same faults in the same order, not the same
//! interleaving.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use super::ledger::items;
use super::{
    Act, Call, Errno, Fault, Faults, Ledger, Lock, Of, Outcome, Registers, Server, ask, terminate_backends,
};
use crate::{Client, Issuer, Process, Reply, Store, on_postgres};

const SLUG: &str = "acme";
/// Who is invited belongs to a tenant whose people no directory keeps.
const INVITING: &str = "inviting";
const SETTINGS: [(&str, &str); 2] = [("TENANTRY__RATE_LIMIT__ENABLED", "false"), ("TENANTRY_LOG", "off")];
/// How long the service may take to be well again when the last fault is over.
const HEALING: Duration = Duration::from_secs(30);
/// With less than this a run shows nothing: users that were acknowledged, and faults.
pub const ENOUGH: (usize, usize) = (6, 3);
/// How long a machine that is slow has for that much, whatever the span.
const SPAN_MAX: Duration = Duration::from_secs(300);

/// What a run came to.
#[derive(Debug)]
pub struct Report {
    pub acknowledged: usize,
    pub refused: usize,
    pub unknown: usize,
    pub statuses: BTreeMap<u16, usize>,
    /// The first answer of each status that neither acknowledges nor says that the store is unavailable.
    pub strange: BTreeMap<u16, String>,
    /// How often each fault happened.
    pub faults: BTreeMap<String, usize>,
    /// Empty, or something is wrong.
    pub contradictions: Vec<String>,
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % bound
    }

    fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        of[usize::try_from(self.below(of.len() as u64)).expect("an index")]
    }

    async fn wait(&mut self, from: u64, to: u64) {
        tokio::time::sleep(Duration::from_millis(from + self.below(to - from))).await;
    }
}

/// What the lanes share.
struct Callers {
    /// It changes with each restart.
    base: Mutex<String>,
    operator: Client,
    scim: Client,
    issuer: Issuer,
    users: Ledger,
    /// Invitations, flags and tenants.
    others: [Mutex<Registers>; 3],
    /// How often each status came; 0: no answer.
    statuses: Mutex<BTreeMap<u16, usize>>,
    strange: Mutex<BTreeMap<u16, String>>,
    over: AtomicBool,
}

impl Callers {
    fn at(&self, client: &Client) -> Client {
        Client { base: self.base.lock().expect("a lock").clone(), ..client.clone() }
    }

    /// Asks, and waits a little: longer where the answer wasn't good.
    async fn send(&self, client: &Client, method: Method, path: &str, body: Option<Value>) -> Option<Reply> {
        let request = self.at(client).request(method, path);
        let reply = ask(match body {
            Some(body) => request.json(&body),
            None => request,
        })
        .await;
        let status = reply.as_ref().map_or(0, |reply| reply.status.as_u16());
        *self.statuses.lock().expect("a lock").entry(status).or_default() += 1;
        let well = (200..300).contains(&status);
        if let Some(reply) = reply.as_ref().filter(|_| !well && status != 503 && status != 507) {
            let text = || format!("{path}: {}", reply.text);
            self.strange.lock().expect("a lock").entry(status).or_insert_with(text);
        }
        let pause = match status {
            200..300 => 5,
            // It is being restarted.
            0 => 250,
            _ => 60,
        };
        tokio::time::sleep(Duration::from_millis(pause)).await;
        reply
    }

    fn goes_on(&self) -> bool {
        !self.over.load(Ordering::Relaxed)
    }
}

/// Users are created, get a title, and each third goes again.
async fn directory(callers: Arc<Callers>, lane: usize) {
    for number in 0.. {
        if !callers.goes_on() {
            return;
        }
        let name = format!("user-{lane}-{number}");
        let made = callers
            .send(&callers.scim, Method::POST, "/scim/v2/Users", Some(json!({"userName": name})))
            .await;
        callers.users.created(&name, made.as_ref());
        let Some(id) = made.and_then(|made| made.json()["id"].as_str().map(ToOwned::to_owned)) else {
            continue;
        };
        let path = format!("/scim/v2/Users/{id}");
        for title in ["first", "second"] {
            let patch = json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
                "Operations": [{"op": "replace", "path": "title", "value": title}]});
            let done = callers.send(&callers.scim, Method::PATCH, &path, Some(patch)).await;
            callers.users.changed(&name, Some(title), done.as_ref());
        }
        if number % 3 == 0 {
            let done = callers.send(&callers.scim, Method::DELETE, &path, None).await;
            callers.users.changed(&name, None, done.as_ref());
        }
    }
}

/// People come in by the exchange for the first time.
async fn exchange(callers: Arc<Callers>) {
    for number in 0.. {
        if !callers.goes_on() {
            return;
        }
        let subject = format!("guest-{number}");
        let token = callers.issuer.token(&subject, "org_acme");
        let body = json!({"subjectToken": token});
        let done =
            callers.send(&callers.operator, Method::POST, "/api/internal/sso/exchange", Some(body)).await;
        callers.users.created(&format!("{subject}@example.com"), done.as_ref());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// Invitations, flags of the tenant, and now and then a new tenant.
async fn others(callers: Arc<Callers>) {
    let write = |which: usize, name: &str, value: &str, reply: Option<&Reply>| {
        callers.others[which].lock().expect("a lock").write(name, Some(value), Outcome::of(reply));
    };
    for number in 0.. {
        if !callers.goes_on() {
            return;
        }
        let email = format!("invited-{number}@example.com");
        let body = json!({"email": email, "role": "viewer"});
        let path = format!("/api/v1/tenants/{INVITING}/invitations");
        let done = callers.send(&callers.operator, Method::POST, &path, Some(body)).await;
        write(0, &email, "pending", done.as_ref());
        let (flag, variant) = (format!("flag-{}", number % 3), if number % 2 == 0 { "on" } else { "off" });
        let path = format!("/api/v1/tenants/{SLUG}/flags/{flag}");
        let done =
            callers.send(&callers.operator, Method::PUT, &path, Some(json!({"variant": variant}))).await;
        write(1, &flag, if variant == "on" { "true" } else { "false" }, done.as_ref());
        if number % 8 == 0 {
            let slug = format!("tenant-{number}");
            let body = json!({"slug": slug, "name": slug});
            let done = callers.send(&callers.operator, Method::POST, "/api/v1/tenants", Some(body)).await;
            write(2, &slug, "active", done.as_ref());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

/// The store and whoever disturbs it.
struct World {
    program: String,
    store: Store,
    process: Process,
    below: Below,
    random: Random,
    faults: BTreeMap<String, usize>,
}

enum Below {
    Sqlite(Faults),
    Postgres(Server),
}

impl Below {
    fn settings(&self) -> Vec<(&str, &str)> {
        let mut settings = SETTINGS.to_vec();
        if let Below::Sqlite(faults) = self {
            settings.extend(faults.settings());
        }
        settings
    }
}

impl World {
    async fn new(program: &str, seed: u64) -> Self {
        let (store, below) = match on_postgres() {
            Some(_) => {
                let server = Server::start();
                (server.store(), Below::Postgres(server))
            }
            None => {
                let store = Store::empty().await;
                let faults = Faults::new(store.directory.path());
                (store, Below::Sqlite(faults))
            }
        };
        let process = Process::start(program, &store, None, &below.settings()).await;
        let (program, random, faults) = (program.to_owned(), Random(seed), BTreeMap::new());
        Self { program, store, process, below, random, faults }
    }

    /// Kills the process if it still lives, and starts it again.
    async fn restart(&mut self, callers: &Callers) {
        if let Below::Sqlite(faults) = &self.below {
            faults.clear();
        }
        self.process.end().await;
        let settings = self.below.settings();
        self.process = Process::begin(&self.program, &self.store, &settings, std::process::Stdio::inherit());
        assert!(self.process.is_ready().await, "it starts after a kill");
        *callers.base.lock().expect("a lock") = self.process.operator.base.clone();
    }

    /// One fault, and its end.
    async fn disturb(&mut self, callers: &Callers) {
        self.random.wait(50, 500).await;
        let what = match &self.below {
            Below::Sqlite(_) => self.disturb_sqlite(callers).await,
            Below::Postgres(_) => self.disturb_postgres(callers).await,
        };
        *self.faults.entry(what).or_default() += 1;
        if self.process.has_ended() {
            self.restart(callers).await;
        }
    }

    async fn disturb_sqlite(&mut self, callers: &Callers) -> String {
        let Below::Sqlite(faults) = &self.below else { return String::new() };
        let random = &mut self.random;
        let fail = |call: Call, errno: Errno| (call, Act::Fail(errno));
        let (call, act) = match random.below(12) {
            0 => {
                self.restart(callers).await;
                return "kill".to_owned();
            }
            1 => {
                if let Some(lock) = Lock::writer(&self.store).await {
                    self.random.wait(100, 2_000).await;
                    lock.release().await;
                }
                return "lock".to_owned();
            }
            2 | 3 => (random.pick(&[Call::Write, Call::Sync]), random.pick(&[Act::Kill, Act::Torn])),
            4 => (
                random.pick(&[Call::Read, Call::Write]),
                random.pick(&[Act::Short, Act::Fail(Errno::Interrupted)]),
            ),
            5 => (Call::Sync, Act::Slow(20)),
            6 => fail(Call::Memory, Errno::NoMemory),
            _ => random.pick(&[
                fail(Call::Write, Errno::NoSpace),
                fail(Call::Write, Errno::Io),
                fail(Call::Write, Errno::ReadOnly),
                fail(Call::Sync, Errno::Io),
                fail(Call::Sync, Errno::NoSpace),
                fail(Call::Read, Errno::Io),
                fail(Call::Truncate, Errno::Io),
                fail(Call::Open, Errno::TooManyFiles),
                fail(Call::Map, Errno::NoMemory),
            ]),
        };
        let mut fault = Fault::each(call, act);
        fault.from = 1 + i64::try_from(random.below(40)).expect("small");
        fault.of = random.pick(&[Of::Everything, Of::Everything, Of::Wal, Of::Database]);
        fault.permille = random.pick(&[None, Some(20), Some(200)]);
        if call == Call::Memory {
            (fault.of, fault.permille) = (Of::Everything, Some(5));
        }
        if act == Act::Fail(Errno::Interrupted) {
            // For ever it would be a loop that SQLite never leaves.
            fault.times = Some(5);
        }
        faults.inject(&fault);
        random.wait(100, 900).await;
        let hits = faults.clear();
        format!("{call:?} {act:?}{}", if hits == 0 { " (missed)" } else { "" })
    }

    async fn disturb_postgres(&mut self, callers: &Callers) -> String {
        let Below::Postgres(server) = &self.below else { return String::new() };
        let what = self.random.pick(&["kill", "terminate", "terminate", "lock", "hang", "crash"]);
        match what {
            "kill" => self.restart(callers).await,
            "terminate" => terminate_backends(&server.url()).await,
            "lock" => {
                if let Some(lock) = Lock::tenant(&server.url(), SLUG).await {
                    self.random.wait(100, 2_000).await;
                    lock.release().await;
                }
            }
            "hang" => {
                server.hang();
                self.random.wait(100, 2_500).await;
                server.wake();
            }
            _ => {
                server.crash();
                self.random.wait(10, 500).await;
                server.resume();
            }
        }
        what.to_owned()
    }
}

/// Puts `program` under load for `span`, with faults drawn from `seed`, on the store that the tests run on.
pub async fn run(program: &str, span: Duration, seed: u64) -> Report {
    let mut world = World::new(program, seed).await;
    let operator = world.process.operator.clone();
    let scim = super::tenant(&world.process, SLUG).await;
    super::tenant(&world.process, INVITING).await;
    for flag in 0..3 {
        let body = json!({"key": format!("flag-{flag}"), "type": "boolean"});
        operator.post("/api/v1/flags", body).await.expect(201);
    }
    // Room for all tenants: one that waits for room is right, and not what is looked at.
    for number in 0..=span.as_secs() / 60 {
        let body = json!({"name": format!("pool-{number}"), "mode": "shared"});
        operator.post("/api/v1/instances", body).await.expect(201);
    }
    let issuer = Issuer::start();
    issuer.register(&operator).await;
    let callers = Arc::new(Callers {
        base: Mutex::new(operator.base.clone()),
        operator,
        scim,
        issuer,
        users: Ledger::default(),
        others: Default::default(),
        statuses: Mutex::default(),
        strange: Mutex::default(),
        over: AtomicBool::new(false),
    });
    for flag in 0..3 {
        let mut flags = callers.others[1].lock().expect("a lock");
        flags.write(&format!("flag-{flag}"), Some("false"), Outcome::Acknowledged);
    }
    let mut lanes: Vec<_> =
        (0..3).map(|lane| actix_web::rt::spawn(directory(callers.clone(), lane))).collect();
    lanes.push(actix_web::rt::spawn(exchange(callers.clone())));
    lanes.push(actix_web::rt::spawn(others(callers.clone())));
    let begun = Instant::now();
    loop {
        world.disturb(&callers).await;
        let is_enough = callers.users.count(Outcome::Acknowledged) >= ENOUGH.0
            && world.faults.values().sum::<usize>() >= ENOUGH.1;
        if begun.elapsed() >= if is_enough { span } else { span.max(SPAN_MAX) } {
            break;
        }
    }
    // Well again by itself, while the load goes on; then killed, so that only what is stored counts.
    let operator = callers.at(&callers.operator);
    super::health_until(&operator, HEALING, |status| status == "healthy").await;
    callers.over.store(true, Ordering::Relaxed);
    for lane in lanes {
        lane.await.expect("no lane panics");
    }
    world.restart(&callers).await;
    let contradictions = contradictions(&callers).await;
    let statuses = callers.statuses.lock().expect("a lock").clone();
    let strange = callers.strange.lock().expect("a lock").clone();
    let [acknowledged, refused, unknown] = [Outcome::Acknowledged, Outcome::Refused, Outcome::Unknown]
        .map(|outcome| callers.users.count(outcome));
    world.process.kill().await;
    Report { acknowledged, refused, unknown, statuses, strange, faults: world.faults, contradictions }
}

async fn contradictions(callers: &Callers) -> Vec<String> {
    let (operator, scim) = (callers.at(&callers.operator), callers.at(&callers.scim));
    let mut found = callers.users.contradictions(&operator, &scim, SLUG).await;
    let texts = |list: Vec<Value>, name: &str, value: &str| -> BTreeMap<String, String> {
        let text = |one: &Value| one.as_str().map_or_else(|| one.to_string(), ToOwned::to_owned);
        list.iter().map(|one| (text(&one[name]), text(&one[value]))).collect()
    };
    let path = format!("/api/v1/tenants/{INVITING}/invitations?limit=200");
    let invitations = texts(items(&operator, &path).await, "email", "status");
    let mut flags = BTreeMap::new();
    for flag in 0..3 {
        let one = operator.get(&format!("/api/v1/tenants/{SLUG}/flags/flag-{flag}")).await.json();
        flags.insert(format!("flag-{flag}"), one["value"].to_string());
    }
    let tenants = settled(&operator).await;
    let records = items(&operator, "/api/v1/audit-events?limit=200&action=invitation.create&outcome=success")
        .await
        .len();
    if records != invitations.len() {
        found.push(format!("{records} audit records of {} invitations", invitations.len()));
    }
    for (which, (what, there)) in
        [("invitations", invitations), ("flags", flags), ("tenants", tenants)].into_iter().enumerate()
    {
        found.extend(callers.others[which].lock().expect("a lock").contradictions(what, &there));
    }
    let internal = callers.statuses.lock().expect("a lock").get(&500).copied().unwrap_or_default();
    if internal > 0 {
        found.push(format!("{internal} answers are 500"));
    }
    found
}

/// The tenants by slug, when none is on its way any longer.
async fn settled(operator: &Client) -> BTreeMap<String, String> {
    let mut tenants = BTreeMap::new();
    for _ in 0..600 {
        let text = |one: &Value, name: &str| one[name].as_str().unwrap_or_default().to_owned();
        let all = items(operator, "/api/v1/tenants?limit=200").await;
        tenants = all.iter().map(|one| (text(one, "slug"), text(one, "status"))).collect();
        tenants.retain(|slug, _| slug != SLUG && slug != INVITING);
        if tenants.values().all(|status| status == "active") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    tenants
}
