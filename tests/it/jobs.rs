//! Durable work: whoever hangs outside, or can't be worked on, holds up nobody else.

use std::cell::Cell;
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::rc::Rc;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use chrono::TimeDelta;
use platform::clock::Clock;
use platform::jobs::{Backoff, Class, Handler, Job, Worker};
use platform::{Ctx, PlatformTx, Work as _};
use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Database, DatabaseConnection, Statement};
use serde_json::{Value, json};
use tests::{Receiver, Reply, Store, TestApp, eventually};

/// Work whose outcome the store does not take at first.
#[derive(serde::Serialize, serde::Deserialize)]
struct Probe;

impl Job for Probe {
    const KIND: &'static str = "probe.run";
    const CLASS: Class = Class::Maintenance;
}

/// How long the outside world may hang before it is given up: longer than anybody here waits for what has nothing to do with it, and
/// less than the two minutes after which an attempt is ended. What those who hang stood in the way of waited for as long.
const HANGS: Duration = Duration::from_secs(100);

/// Takes every connection and never says a word.
struct Silent {
    address: SocketAddr,
    held: Arc<Mutex<Option<Vec<TcpStream>>>>,
}

impl Silent {
    fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let held = Arc::new(Mutex::new(Some(Vec::new())));
        let streams = held.clone();
        std::thread::spawn(move || {
            for stream in listener.incoming() {
                match (streams.lock().unwrap().as_mut(), stream) {
                    (Some(held), Ok(stream)) => held.push(stream),
                    _ => return,
                }
            }
        });
        Self { address, held }
    }

    fn url(&self, path: &str) -> String {
        format!("http://{}/{path}", self.address)
    }

    fn connections(&self) -> usize {
        self.held.lock().unwrap().as_ref().map_or(0, Vec::len)
    }

    /// Hangs up on everybody, so that nobody waits for the end of the story.
    fn hang_up(self) {
        self.held.lock().unwrap().take();
        let _ = TcpStream::connect(self.address);
    }
}

async fn hanging(adjust: impl FnOnce(&mut platform::config::Config)) -> TestApp {
    TestApp::with(|config| {
        config.outbound.timeout = HANGS;
        adjust(config);
    })
    .await
}

async fn running(app: &TestApp, kind: &str) -> usize {
    app.operator.jobs(&format!("status=running&kind={kind}")).await.len()
}

#[actix_web::test]
async fn forty_receivers_that_hang_stop_neither_provisioning_nor_healthy_deliveries() {
    let app = hanging(|_| ()).await;
    let (silent, well) = (Silent::start(), Receiver::start());
    for number in 0..40 {
        let body = json!({"url": silent.url(&number.to_string()), "eventTypes": ["user.*"]});
        app.operator.post("/api/v1/webhook-endpoints", body).await.expect(201);
    }
    app.operator.webhook(&well.url, &["user.*"]).await;
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    well.until("ann at the healthy receiver", |one| one.body["data"]["userName"] == "ann").await;
    eventually("all forty to hang", async || (silent.connections() == 40).then_some(())).await;
    // Forty hang; sixteen places a process has.
    app.tenant("globex").await;
    acme.user("bob").await;
    well.until("bob at the healthy receiver", |one| one.body["data"]["userName"] == "bob").await;
    assert!(running(&app, "webhook.deliver").await >= 40, "they hang all the time");
    silent.hang_up();
    well.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn modules_and_a_relay_that_hang_stop_neither_pushes_nor_provisioning() {
    let (silent, relay, well) = (Silent::start(), Silent::start(), Receiver::start());
    let smtp = format!("smtp://{}", relay.address);
    let app = hanging(|config| {
        let settings = config.section_mut::<mail::Settings>();
        settings.url = smtp.into();
        settings.timeout = HANGS;
    })
    .await;
    for number in 0..24 {
        app.operator.module(&format!("m{number}"), &silent.url(&number.to_string())).await;
    }
    app.operator.module("well", &well.url).await;
    let acme = app.tenant("acme").await;
    // A flag for the modules, and twelve mails for the relay.
    app.operator.flag("beta").await;
    let list = format!("/api/v1/tenants/{}/invitations", acme.id);
    for number in 0..12 {
        let body = json!({"email": format!("z{number}@example.com"), "role": "viewer"});
        app.operator.post(&list, body).await.expect(201);
    }
    eventually("all modules to hang", async || (silent.connections() >= 24).then_some(())).await;
    eventually("the relay to hang", async || (relay.connections() >= 2).then_some(())).await;
    let globex = app.tenant("globex").await;
    let path = format!("/api/v1/tenants/{}/flags/beta", globex.id);
    app.operator.put(&path, json!({"variant": "on"})).await.expect(200);
    let pushed = |one: &tests::Received| {
        one.body["tenantId"] == globex.id.as_str() && one.body["flags"]["beta"] == true
    };
    well.until("the push to the healthy module", pushed).await;
    assert!(running(&app, "flags.push").await >= 24, "they hang all the time");
    // One tenant's mails take some of the places of mail, never all.
    assert_eq!(running(&app, "mail.send").await, 2);
    silent.hang_up();
    relay.hang_up();
    well.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn tenants_whose_backend_hangs_delay_no_tenant_of_another_backend() {
    let silent = Silent::start();
    let url = silent.url("");
    let app = hanging(|config| {
        let settings = config.section_mut::<backends::Settings>();
        settings.keycloak.url = url.trim_end_matches('/').to_owned();
        settings.keycloak.client_secret = "secret".to_owned().into();
    })
    .await;
    for number in 0..24 {
        let body = json!({"slug": format!("k{number}"), "name": "K", "plan": "pro", "identity": {"backend": "keycloak", "kind": "realm"}});
        let request = app.operator.request(Method::POST, "/api/v1/tenants").json(&body);
        Reply::read(request).await.expect(202);
    }
    eventually("all of them to wait for the backend", async || (silent.connections() >= 24).then_some(()))
        .await;
    app.tenant("acme").await;
    // The job that made it active ends a moment later.
    eventually("nobody but them to be at work", async || {
        let count = running(&app, "provisioning.advance").await;
        assert!(count >= 24, "they hang all the time: {count}");
        (count == 24).then_some(())
    })
    .await;
    silent.hang_up();
    app.stop().await;
}

/// The store, behind the service's back.
pub(crate) async fn store(app: &TestApp) -> DatabaseConnection {
    behind(&app.store).await
}

async fn behind(store: &Store) -> DatabaseConnection {
    let url = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
    Database::connect(&url).await.expect("the store opens")
}

/// An id as the store at hand spells it.
pub(crate) fn spelled(app: &TestApp, id: &str) -> String {
    let plain = id.replace('-', "");
    if app.store.superuser_url.is_some() { format!("'{plain}'") } else { format!("x'{plain}'") }
}

/// Takes a job on again until its event is delivered; that is refused where the job ran by itself meanwhile.
pub(crate) async fn retried(app: &TestApp, job: &tests::Job, receiver: &Receiver, event: &str) {
    let retry = format!("/api/v1/jobs/{}/retry", job.id);
    eventually("the event", async || {
        app.operator.post(&retry, Value::Null).await;
        receiver.all().into_iter().find(|one| one.id == event)
    })
    .await;
}

#[actix_web::test]
async fn an_event_that_nobody_can_dispatch_is_a_dead_letter_and_holds_up_no_other() {
    let app = TestApp::start().await;
    let receiver = Receiver::start();
    let body = json!({"url": receiver.url, "eventTypes": ["user.*"]});
    let endpoint = app.operator.post("/api/v1/webhook-endpoints", body).await.created_id();
    let acme = app.tenant("acme").await;
    // Its delivery is there before it was dispatched, which can't be: every attempt is refused by a key.
    let event = "00000000-0000-7000-8000-00000000dead";
    let (event_id, delivery) = (spelled(&app, event), spelled(&app, "00000000-0000-7000-8000-00000000de11"));
    let (tenant, endpoint) = (spelled(&app, &acme.id), spelled(&app, &endpoint));
    let at = "'2026-11-21T12:00:00+00:00'";
    let behind = store(&app).await;
    for sql in [
        format!(
            "INSERT INTO webhook_delivery (id, endpoint_id, event_id, tenant_id, type, sequence, status, attempts, next_attempt_at, created_at) \
             VALUES ({delivery}, {endpoint}, {event_id}, {tenant}, 'user.deleted', 0, 'dead', 1, {at}, {at})"
        ),
        format!(
            "INSERT INTO outbox_event (id, tenant_id, type, data, occurred_at) VALUES ({event_id}, {tenant}, 'user.deleted', '{{}}', {at})"
        ),
    ] {
        behind.execute_unprepared(&sql).await.expect("the row");
    }
    acme.user("ann").await;
    receiver.until("ann", |one| one.body["data"]["userName"] == "ann").await;
    let refused = async || {
        let jobs = app.operator.jobs("kind=outbox.dispatch").await;
        jobs.into_iter().next().filter(|job| job.last_error.is_some())
    };
    let job = eventually("the event's own job to fail", refused).await;
    assert_eq!(job.payload["event"], event);
    // Once what was in the way is gone, it is dispatched.
    behind.execute_unprepared(&format!("DELETE FROM webhook_delivery WHERE id = {delivery}")).await.unwrap();
    retried(&app, &job, &receiver, event).await;
    behind.execute_unprepared(&format!("DELETE FROM outbox_event WHERE id = {event_id}")).await.unwrap();
    behind.close().await.unwrap();
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn dead_jobs_and_replies_are_kept_for_their_time_and_no_longer() {
    let app = TestApp::start().await;
    let behind = store(&app).await;
    let job = |id: &str, at: &str| {
        format!(
            "INSERT INTO job (id, kind, payload, status, attempts, attempts_max, next_run_at, created_at, finished_at) \
             VALUES ({}, 'some.work', '{{}}', 'dead', 1, 1, {at}, {at}, {at})",
            spelled(&app, id)
        )
    };
    let before = |age: TimeDelta| format!("'{}'", (app.clock.now() - age).to_rfc3339());
    let now = before(TimeDelta::zero());
    let bytes = if app.store.superuser_url.is_some() { "'\\x00'" } else { "x'00'" };
    for sql in [
        job("00000000-0000-7000-8000-000000000001", &before(TimeDelta::days(90) + TimeDelta::hours(1))),
        job("00000000-0000-7000-8000-000000000002", &before(TimeDelta::days(90) - TimeDelta::hours(1))),
        format!(
            "INSERT INTO idempotency_record (principal, idempotency_key, fingerprint, state, created_at, expires_at) \
             VALUES ('p', 'over', {bytes}, 'answered', '2026-01-01T12:00:00+00:00', '2026-01-02T12:00:00+00:00'), \
             ('p', 'open', {bytes}, 'answered', {now}, '2999-01-02T12:00:00+00:00')"
        ),
    ] {
        behind.execute_unprepared(&sql).await.expect("the row");
    }
    app.sweep("job").await;
    app.sweep("idempotency_record").await;
    let kept = "SELECT idempotency_key FROM idempotency_record WHERE principal = 'p'".to_owned();
    let kept =
        behind.query_all_raw(Statement::from_string(behind.get_database_backend(), kept)).await.unwrap();
    let kept: Vec<String> = kept.iter().map(|row| row.try_get("", "idempotency_key").unwrap()).collect();
    assert_eq!(kept, ["open"]);
    let dead = app.operator.jobs("status=dead").await;
    let ids: Vec<&str> = dead.iter().map(|job| &*job.id).collect();
    assert_eq!(ids, ["00000000-0000-7000-8000-000000000002"]);
    behind.close().await.unwrap();
    app.stop_with_dead_letters(&["some.work"]).await;
}

/// What has the store refuse that a job is done, and what has it take that again.
fn refusal_of_outcomes(on_postgres: bool) -> (&'static str, &'static str) {
    if on_postgres {
        (
            "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN RAISE EXCEPTION 'not yet'; END $$; \
             CREATE TRIGGER refuse BEFORE UPDATE ON job FOR EACH ROW WHEN (NEW.status = 'done') EXECUTE FUNCTION refuse()",
            "DROP TRIGGER refuse ON job",
        )
    } else {
        (
            "CREATE TRIGGER refuse BEFORE UPDATE ON job WHEN NEW.status = 'done' \
             BEGIN SELECT RAISE(ABORT, 'not yet'); END",
            "DROP TRIGGER refuse",
        )
    }
}

/// The row of the one probe.
async fn probe(behind: &DatabaseConnection, columns: &str) -> sea_orm::QueryResult {
    let sql = format!("SELECT {columns} FROM job WHERE kind = 'probe.run'");
    let row = Statement::from_string(behind.get_database_backend(), sql);
    behind.query_one_raw(row).await.expect("an answer").expect("the job")
}

/// Waits until the lease of the probe was renewed so often.
async fn is_renewed(behind: &DatabaseConnection, times: usize) {
    let mut ends = std::collections::BTreeSet::new();
    eventually("the lease to be renewed", async || {
        let row = probe(behind, "CAST(lease_expires_at AS TEXT) AS ends").await;
        ends.insert(row.try_get::<String>("", "ends").expect("a lease"));
        (ends.len() > times).then_some(())
    })
    .await;
}

/// A mail that was sent would be sent again.
#[actix_web::test]
async fn work_whose_outcome_the_store_does_not_take_at_first_is_done_once() {
    let store = Store::new().await;
    let mut config = tenantry::config::load(None, []).expect("the defaults");
    config.database.url = store.url.clone();
    config.database.migration_url = store.migration_url.clone();
    config.jobs.poll = Duration::from_millis(50);
    // Renewed often while the outcome waits.
    config.jobs.lease = Duration::from_millis(300);
    let directory = store.directory.path();
    platform::db::migrate(&config.database, directory).await.expect("the schema");
    let db = platform::db::Db::open(&config.database, directory, Clock::default()).await.expect("the store");
    let enqueue = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        tx.enqueue(&Probe);
        Ok::<_, platform::DbError>(())
    };
    db.write_platform(&Ctx::system("story"), enqueue).await.expect("a job");
    let behind = behind(&store).await;
    let (refuse, take) = refusal_of_outcomes(store.superuser_url.is_some());
    behind.execute_unprepared(refuse).await.expect("a trigger");
    let done = Rc::new(Cell::new(0));
    let counted = done.clone();
    let handler = Handler::new(Backoff::default(), move |_: Probe, _| {
        let done = counted.clone();
        async move {
            done.set(done.get() + 1);
            Ok(())
        }
    });
    let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
    let worker = Worker::new(db.clone(), config.jobs, vec![handler]);
    let working = actix_web::rt::spawn(worker.run(async { drop(stopped.await) }));
    eventually("the work", async || (done.get() == 1).then_some(())).await;
    is_renewed(&behind, 3).await;
    // It stops in order, although the outcome waits for the store.
    stop.send(()).expect("it works");
    is_renewed(&behind, 3).await;
    assert!(!working.is_finished());
    behind.execute_unprepared(take).await.expect("no trigger");
    working.await.expect("it stops");
    let row = probe(&behind, "status, CAST(attempts AS BIGINT) AS attempts").await;
    let (status, attempts): (String, i64) =
        (row.try_get("", "status").unwrap(), row.try_get("", "attempts").unwrap());
    assert_eq!((done.get(), status.as_str(), attempts), (1, "done", 1));
    behind.close().await.unwrap();
    db.close().await;
}
