//! What leaves the process, what is kept of it and for how long, and how many connections the store has.

use std::time::Duration;

use chrono::TimeDelta;
use platform::{Ctx, PlatformTx};
use serde_json::{Value, json};
use tests::{Attempt, Delivery, DeliveryLog, Issuer, Mail, Receiver, TestApp, eventually, on_postgres};

use super::{long, multiply, points_to, rows};
use crate::scim::user;

const ENDPOINTS: &str = "/api/v1/webhook-endpoints";

/// The first attempt at the newest delivery of an event, once there is one.
async fn attempt(app: &TestApp, event: &str) -> Attempt {
    eventually("an attempt", async || {
        let list: Vec<Delivery> = app.operator.get("/api/v1/deliveries").await.items();
        let id = &list.iter().find(|one| one.event_type == event)?.id;
        let one: DeliveryLog = app.operator.get(&format!("/api/v1/deliveries/{id}")).await.found();
        one.log.into_iter().next()
    })
    .await
}

#[actix_web::test]
async fn an_outside_answer_has_1_mib() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let mib = 1 << 20;
    for (bytes, status) in [(mib, 200), (mib + 1, 502)] {
        let issuer = Issuer::start();
        issuer.register(&app.operator).await;
        issuer.misbehave(|mischief| {
            mischief.discovery = Some(Box::new(move |document| {
                document["padding"] = json!("");
                let rest = bytes - document.to_string().len();
                document["padding"] = json!(long(rest));
            }));
        });
        let reply = app.operator.exchange(&issuer.token(&format!("p{bytes}"), "org_acme")).await;
        if status == 200 {
            reply.expect(200);
        } else {
            assert!(
                reply.status.is_server_error() && reply.text.contains("sso.issuer_unreachable"),
                "{}",
                reply.text
            );
        }
        issuer.stop().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn no_redirect_is_followed_and_nobody_is_waited_for_longer_than_10_seconds() {
    let app = TestApp::with(|config| {
        assert_eq!(config.outbound.timeout, Duration::from_secs(10));
        config.outbound.timeout = Duration::from_secs(2);
    })
    .await;
    let acme = app.tenant("acme").await;
    let (moved, hung) = (Receiver::start(), Receiver::start());
    moved.answer(302);
    app.operator.post(ENDPOINTS, json!({"url": moved.url, "eventTypes": ["user.created"]})).await.expect(201);
    user(&acme, "ann").await;
    assert_eq!(attempt(&app, "user.created").await.response_status, Some(302));
    moved.answer(204);
    hung.answer(0);
    app.operator.post(ENDPOINTS, json!({"url": hung.url, "eventTypes": ["group.created"]})).await.expect(201);
    acme.group("team", &[]).await;
    let tried = attempt(&app, "group.created").await;
    assert!(tried.response_status.is_none() && tried.error.is_some(), "{tried:?}");
    moved.stop().await;
    hung.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_kib_of_what_a_receiver_says_is_kept() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let receiver = Receiver::start();
    receiver.say(long(4_096));
    let types = |count: usize| json!({"url": receiver.url, "eventTypes": vec!["user.created"; count]});
    points_to(app.operator.post(ENDPOINTS, types(101)).await, "/eventTypes");
    app.operator.post(ENDPOINTS, types(100)).await.expect(201);
    user(&acme, "ann").await;
    let tried = attempt(&app, "user.created").await;
    let said = tried.response_body.as_ref().unwrap_or_else(|| panic!("{tried:?}")).len();
    assert!((1_000..=1_024).contains(&said), "{said}");
    receiver.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn finished_jobs_are_there_for_7_days_and_events_for_30() {
    let app = TestApp::start().await;
    app.tenant("acme").await;
    let sweep = async || app.sweep("job").await + app.sweep("outbox_event").await;
    let done = async || {
        let read = async |view: &platform::PlatformView| {
            view.query(
                &platform::CrossTenantStatement::new("SELECT count(*) AS n FROM job WHERE status = 'done'"),
                Vec::new(),
            )
            .await
        };
        let rows = app.running.service.db.read_platform(read).await.unwrap();
        rows[0].try_get::<i64>("", "n").unwrap()
    };
    eventually("quiet", async || app.operator.jobs("status=pending").await.is_empty().then_some(())).await;
    let (jobs, events) = (done().await, rows(&app, "outbox_event").await);
    assert!(jobs > 0 && events > 0);
    app.clock.advance(TimeDelta::days(7) - TimeDelta::minutes(5));
    sweep().await;
    assert!(done().await >= jobs);
    app.clock.advance(TimeDelta::minutes(10));
    sweep().await;
    assert!(done().await < jobs, "what was done a week ago is gone");
    assert!(rows(&app, "outbox_event").await >= events);
    app.clock.advance(TimeDelta::days(23));
    sweep().await;
    assert!(rows(&app, "outbox_event").await < events);
    app.stop().await;
}

#[actix_web::test]
async fn a_sweep_removes_5000_rows_of_a_kind_and_samples_after_400_days() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let service = &app.running.service;
    let path = "/api/v1/tenants/acme/invitations/bulk";
    acme.admin.post(path, json!({"invitations": [{"email": "p@example.com"}]})).await.expect(202);
    let done = "SELECT id FROM invitation_batch WHERE status = 'done'";
    eventually("the batch", async || {
        let read = async |view: &platform::PlatformView| {
            view.query(&platform::CrossTenantStatement::new(done), vec![]).await
        };
        let done = service.db.read_platform(read).await.unwrap();
        (!done.is_empty()).then_some(())
    })
    .await;
    user(&acme, "ann").await;
    let sample = async || {
        let work = async |tx: &mut PlatformTx| quota::sample(tx, service).await;
        service.db.write_platform(&Ctx::system("test"), work).await.unwrap();
    };
    sample().await;
    let there = rows(&app, "quota_sample").await;
    let day = |days: i64| (app.clock.now() - TimeDelta::days(days)).format("%Y-%m-%d").to_string();
    let old = |days: i64| move |at: usize| (format!("r{days}-{at}"), days);
    let (gone, kept) = (day(402), day(399));
    multiply(&app, "quota_sample", 5_001, |at| {
        vec![("resource", old(402)(at).0.into()), ("day", gone.clone().into())]
    })
    .await;
    multiply(&app, "quota_sample", 1, |at| {
        vec![("resource", old(399)(at).0.into()), ("day", kept.clone().into())]
    })
    .await;
    sample().await;
    assert_eq!(rows(&app, "quota_sample").await, there + 2, "5,000 went, one is left, and what is not old");
    sample().await;
    assert_eq!(rows(&app, "quota_sample").await, there + 1);
    // Batches of invitations, whose lines go first.
    multiply(&app, "invitation_batch", 5_001, |_| vec![("id", platform::ids::new().into())]).await;
    app.clock.advance(TimeDelta::days(91));
    for (removed, left) in [(5_001, 2), (2, 0)] {
        let sweep = async |tx: &mut PlatformTx| {
            platform::Work::housekeeping(tx);
            invitations::sweep_batches(tx).await
        };
        let swept = service.db.write_platform(&Ctx::system("test"), sweep).await.unwrap();
        // The one line, and 5,000 batches.
        assert_eq!((swept, rows(&app, "invitation_batch").await), (removed, left));
    }
    app.stop().await;
}

#[actix_web::test]
async fn mails_and_batches_are_there_for_90_days() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let lines: Vec<Value> =
        (0..3).map(|at| json!({"email": format!("p{at}@example.com"), "role": "viewer"})).collect();
    let path = "/api/v1/tenants/acme/invitations/bulk";
    acme.admin.post(path, json!({"invitations": lines})).await.expect(202);
    let settled = async || {
        let mails: Vec<Mail> = acme.admin.get("/api/v1/tenants/acme/mails").await.items();
        (mails.len() == 3 && mails.iter().all(|mail| mail.status != "queued")).then_some(())
    };
    eventually("three mails", settled).await;
    let counts = async || {
        (
            rows(&app, "mail_message").await,
            rows(&app, "invitation_batch").await,
            rows(&app, "invitation_batch_row").await,
        )
    };
    // A process does its housekeeping when it starts: it is through when what is older than that has gone.
    for (days, left) in [(89, (3, 1, 3)), (2, (0, 0, 0))] {
        app.clock.advance(TimeDelta::days(days));
        let old = app.clock.now() - TimeDelta::days(91);
        multiply(&app, "mail_message", 1, |_| {
            let id = platform::ids::new();
            vec![("id", id.into()), ("dedupe_key", id.to_string().into()), ("created_at", old.into())]
        })
        .await;
        multiply(&app, "invitation_batch", 1, |_| {
            let id = platform::ids::new();
            vec![("id", id.into()), ("status", "done".into()), ("finished_at", old.into())]
        })
        .await;
        assert_eq!(counts().await, (4, 2, 3));
        let (_, running) = app.replica().await;
        eventually("housekeeping", async || (counts().await == left).then_some(())).await;
        running.stop().await;
    }
    assert_eq!(rows(&app, "invitation").await, 3, "who was invited stays");
    app.stop().await;
}

#[actix_web::test]
async fn the_store_has_its_connections_and_none_more() {
    // Tests have 8; who says nothing has 16.
    let defaults = tenantry::config::load(None, []).unwrap().database.connections_max;
    let app = TestApp::start().await;
    assert_eq!((app.running.service.config.database.connections_max, defaults), (8, 16));
    let acme = app.tenant("acme").await;
    let asked = (0..100).map(|_| {
        let scim = acme.scim.clone();
        async move { scim.get("/scim/v2/Users").await.status }
    });
    let answers = futures_util::future::join_all(asked).await;
    assert!(answers.iter().all(|status| *status == 200 || *status == 429), "{answers:?}");
    match on_postgres() {
        Some(_) => {
            let sql = "SELECT count(*) AS n FROM pg_stat_activity WHERE datname = current_database()";
            let read = async |view: &platform::PlatformView| {
                view.query(&platform::CrossTenantStatement::new(sql), Vec::new()).await
            };
            let rows = app.running.service.db.read_platform(read).await.unwrap();
            let open: i64 = rows[0].try_get("", "n").unwrap();
            assert!((1..=8).contains(&open), "{open}");
        }
        None => {
            // A writer, six readers and the anchor.
            let store = app.store.directory.path().join("tenantry.db");
            let files = std::fs::read_dir("/proc/self/fd").unwrap().flatten();
            let open =
                files.filter(|file| std::fs::read_link(file.path()).is_ok_and(|to| to == store)).count();
            assert!((1..=8).contains(&open), "{open}");
        }
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_deployment_has_30_minutes_and_is_removed() {
    let arm = tests::Arm::start();
    arm.sick(u32::MAX);
    let app = TestApp::at_azure(&arm).await;
    assert_eq!(
        app.running.service.config.section::<azure::Settings>().deployment_timeout,
        Duration::from_secs(30 * 60)
    );
    app.operator.post("/api/v1/tenants", crate::azure::private("acme")).await.expect(202);
    let waits =
        async || app.operator.run("acme").await.steps[4].waits_for.as_ref()?.contains("health").then_some(());
    eventually("the instance to be asked for its health", waits).await;
    app.clock.advance(TimeDelta::minutes(29));
    // The next look may have begun before, and one is through when another begins.
    let looks = || arm.said().iter().filter(|(_, what)| what.starts_with("GET /apps/")).count();
    let before = looks();
    eventually("more looks", async || (looks() >= before + 3).then_some(())).await;
    assert_eq!(app.operator.tenant("acme").await.status, "provisioning");
    app.clock.advance(TimeDelta::minutes(2));
    tests::status(&app.operator, "acme", "failed").await;
    assert!(arm.groups().is_empty());
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn a_lease_of_10_seconds_is_renewed_while_its_job_runs() {
    let app = TestApp::with(|config| {
        assert_eq!(config.jobs.lease, Duration::from_secs(10));
        config.jobs.lease = Duration::from_secs(4);
        config.outbound.timeout = Duration::from_secs(13);
        config.section_mut::<delivery::Settings>().retry_base_ms = 60_000;
    })
    .await;
    let acme = app.tenant("acme").await;
    // Another process would take the job over as soon as its lease ends.
    let (_, running) = app.replica().await;
    let hung = Receiver::start();
    hung.answer(0);
    app.operator.post(ENDPOINTS, json!({"url": hung.url, "eventTypes": ["user.created"]})).await.expect(201);
    user(&acme, "ann").await;
    attempt(&app, "user.created").await;
    assert_eq!(hung.all().len(), 1, "three leases long it was one attempt");
    running.stop().await;
    hung.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn who_waits_for_room_looks_every_5_seconds_and_fifty_are_woken_at_a_time() {
    let app = TestApp::with(|config| {
        assert_eq!(config.section::<provisioning::Settings>().wait, Duration::from_secs(5));
        config.section_mut::<provisioning::Settings>().wait = Duration::from_secs(3600);
    })
    .await;
    let body = json!({"slug": "acme", "name": "Acme", "instance": {"mode": "dedicated"}});
    app.operator.post("/api/v1/tenants", body).await.expect(202);
    eventually("the tenant to wait", async || {
        app.operator.run("acme").await.steps[4].waits_for.as_ref().map(drop)
    })
    .await;
    // Sixty more looks of the same run, due in an hour as the one that is there.
    let columns = "tenant_id, kind, lane, payload, status, attempts, attempts_max, next_run_at, created_at";
    let copy = async |tx: &mut PlatformTx| {
        platform::Work::housekeeping(tx);
        for _ in 0..60 {
            let sql = format!(
                "INSERT INTO job (id, {columns}) SELECT $1, {columns} FROM job \
                 WHERE kind = $2 AND status = 'pending' ORDER BY id LIMIT 1"
            );
            let kind = "provisioning.advance";
            assert_eq!(
                tx.execute(
                    &platform::CrossTenantStatement::built(sql.clone()),
                    vec![platform::ids::new().into(), kind.into()]
                )
                .await?,
                1
            );
        }
        Ok::<_, platform::DbError>(())
    };
    app.running.service.db.write_platform(&Ctx::system("test"), copy).await.unwrap();
    let sleeping = async || {
        let soon = app.clock.now() + TimeDelta::minutes(30);
        let sql = "SELECT count(*) AS n FROM job WHERE status = 'pending' AND next_run_at > $1";
        let read = async |view: &platform::PlatformView| {
            view.query(&platform::CrossTenantStatement::new(sql), vec![soon.into()]).await
        };
        app.running.service.db.read_platform(read).await.unwrap()[0].try_get::<i64>("", "n").unwrap()
    };
    assert_eq!(sleeping().await, 61);
    // Room of a kind that it can't use wakes it; it looks, and sleeps again.
    app.operator.pool("other").await;
    let woken = async || (sleeping().await < 61).then_some(());
    eventually("the event", woken).await;
    assert!((11..=12).contains(&sleeping().await), "fifty of sixty-one were woken");
    app.stop().await;
}
