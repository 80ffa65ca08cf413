//! A process with a neighbour who must not notice what others ask for.

use super::*;

/// Memory of a process while one token asks for as much as it can.
const MEMORY_MAX: u64 = 256 * MIB;
/// What may be left of that when it is over.
const MEMORY_LEFT: u64 = 20 * MIB;

/// A process with somebody who asks for a lot, and a neighbour of another tenant.
pub(super) struct House {
    pub(super) process: Process,
    pub(super) acme: Client,
    pub(super) neighbour: Client,
    /// The neighbour's own user.
    pub(super) page: String,
    _store: Store,
}

/// Bytes of a process, by a line of its status.
pub(super) fn memory(process: u32, line: &str) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("the process lives");
    let found = status.lines().find(|text| text.starts_with(line)).expect("a line");
    let kilobytes: u64 = found.split_whitespace().nth(1).expect("a number").parse().expect("a number");
    kilobytes << 10
}

/// What comes of something, and how long it took.
pub(super) async fn timed<T>(work: impl Future<Output = T>) -> (T, Duration) {
    let begun = Instant::now();
    (work.await, begun.elapsed())
}

/// The 99th percentile.
pub(super) fn p99(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times[times.len() * 99 / 100]
}

impl House {
    pub(super) async fn new() -> Self {
        let store = Store::new().await;
        let process = Process::start(PROGRAM, &store, None, &[]).await;
        let token = async |slug: &str| {
            let body = json!({"slug": slug, "name": slug, "plan": "pro"});
            process.operator.made_tenant(body).await;
            let path = format!("/api/v1/tenants/{slug}/organizations/default/scim-tokens");
            let made = process.operator.post(&path, json!({"name": "idp"})).await.expect(201);
            process.operator.with(made["token"].as_str().expect("a token"))
        };
        let (acme, neighbour) = (token("acme").await, token("umbrella").await);
        let made = neighbour.post("/scim/v2/Users", json!({"userName": "una"})).await.expect(201);
        let page = format!("/scim/v2/Users/{}", id(&made));
        Self { process, acme, neighbour, page, _store: store }
    }

    /// How long the neighbour waits for a page, once.
    pub(super) async fn look(&self) -> Duration {
        let begun = Instant::now();
        let status = self.neighbour.get(&self.page).await.status;
        assert_eq!(status, 200, "the neighbour");
        tokio::time::sleep(Duration::from_millis(10)).await;
        begun.elapsed() - Duration::from_millis(10)
    }

    /// How long the neighbour waits as long as `work` goes on, and at least fifty times.
    pub(super) async fn beside<T>(&self, work: impl Future<Output = T>) -> (T, Vec<Duration>) {
        tokio::pin!(work);
        let (mut times, mut done) = (Vec::new(), None);
        while done.is_none() || times.len() < 50 {
            tokio::select! {
                biased;
                end = &mut work, if done.is_none() => done = Some(end),
                time = self.look() => times.push(time),
            }
        }
        (done.expect("it ended"), times)
    }

    /// Sends `bodies` at once, and answers their statuses. Neither the neighbour nor the memory of the process notices.
    pub(super) async fn attack(&self, what: &str, requests: Vec<(Method, String, Vec<u8>)>) -> Vec<u16> {
        let ((), alone) = self.beside(async {}).await;
        let alone = p99(alone);
        let process = self.process.id();
        let idle = memory(process, "VmRSS");
        // Resets the peak.
        std::fs::write(format!("/proc/{process}/clear_refs"), "5").expect("written");
        let send = async |(method, path, body): (Method, String, Vec<u8>)| {
            let request = self.acme.request(method, &path).header("Content-Type", "application/scim+json");
            // A connection that is closed while the body is still sent is a refusal, too.
            match request.body(body).send().await {
                Ok(answer) => answer.status().as_u16(),
                Err(_) => 0,
            }
        };
        let (statuses, times) = self.beside(join_all(requests.into_iter().map(send))).await;
        let (worst, peak) = (p99(times), memory(process, "VmHWM"));
        println!(
            "{what}: {statuses:?}, neighbour {alone:?} then {worst:?}, memory {} then {} MiB",
            idle / MIB,
            peak / MIB
        );
        // Machines that test are slow and shared; without the bounds it is a hundred times as long.
        assert!(worst < alone * 10 + Duration::from_secs(1), "{what}: {worst:?}, alone {alone:?}");
        assert!(peak < MEMORY_MAX, "{what}: {} MiB", peak / MIB);
        let over = Instant::now();
        while memory(process, "VmRSS") > idle + MEMORY_LEFT {
            assert!(
                over.elapsed() < Duration::from_secs(30),
                "{what}: {} MiB are left",
                memory(process, "VmRSS") / MIB
            );
            self.look().await;
        }
        statuses
    }

    pub(super) async fn eight(&self, what: &str, method: Method, path: &str, body: Vec<u8>) -> Vec<u16> {
        self.attack(what, (0..8).map(|_| (method.clone(), path.to_owned(), body.clone())).collect()).await
    }

    /// A user with a thousand addresses.
    pub(super) async fn full_user(&self) -> String {
        let made =
            self.acme.post("/scim/v2/Users", json!({"userName": "full", "emails": emails(0, 1_000)})).await;
        format!("/scim/v2/Users/{}", made.created_id())
    }
}
