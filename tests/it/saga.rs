//! The four laws of a run, over every step of every kind: done twice it succeeds; a failure at it rolls back to a clean slate; undone
//! twice it succeeds; killed at it, the run ends well or clean. (The last one is also in `crash`.)

use std::time::Duration;

use futures_util::StreamExt as _;
use platform::config::Config;
use provisioning::{Kind, Step, Steps as _};
use secrecy::SecretString;
use serde_json::{Value, json};
use tests::faults::Lock;
use tests::{
    Arm, Deployment, Gate, Process, Receiver, Run, RunStep, Store, TenantView, TestApp, Zitadel, eventually,
    status,
};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");

/// A service, and the products around it.
struct World {
    app: TestApp,
    arm: Arm,
    zitadel: Zitadel,
    copies: Receiver,
}

impl World {
    async fn start() -> Self {
        let (arm, zitadel, copies) = (Arm::start(), Zitadel::start(), Receiver::start());
        let app = TestApp::with(|config| configure(config, &arm, &zitadel, &copies)).await;
        for name in ["first", "second"] {
            app.operator.pool(name).await;
        }
        Self { app, arm, zitadel, copies }
    }

    async fn provision(&self, slug: &str, kind: &str) -> String {
        let made: TenantView = self.app.operator.post("/api/v1/tenants", body(slug, kind)).await.accepted();
        made.id
    }

    async fn run(&self, tenant: &str) -> Run {
        self.app.operator.run(tenant).await
    }

    /// Nothing of the tenant is left, here or outside.
    async fn require_clean(&self, id: &str, what: &str) {
        let uuid = id.parse().expect("an id");
        let count = async |view: &platform::View| {
            let mut left = Vec::new();
            for table in provisioning::owned_tables() {
                let sql = format!("SELECT count(*) AS rows FROM \"{table}\" WHERE tenant_id = $1");
                let rows = view.query(&platform::Statement::built(sql)?, Vec::new()).await?;
                if rows[0].try_get::<i64>("", "rows").expect("a count") > 0 {
                    left.push(*table);
                }
            }
            Ok::<_, platform::DbError>(left)
        };
        let left = self.app.running.service.db.read(uuid, count).await.expect("the store answers");
        assert!(left.is_empty(), "{what}: rows are left in {left:?}");
        assert!(!self.zitadel.organizations().contains(&id.to_owned()), "{what}: an org is left");
        let group = format!("tenantry-{}", id.replace('-', ""));
        assert!(!self.arm.groups().contains(&group), "{what}: a resource group is left");
        let deployments: Vec<Deployment> =
            self.app.operator.get("/api/v1/deployments?limit=200").await.items();
        let purpose = format!("tenant:{id}");
        let live = deployments.iter().any(|one| one.purpose == purpose && one.status != "deleted");
        assert!(!live, "{what}: a deployment is left");
    }

    async fn counts(&self) -> Vec<i64> {
        self.app.operator.instances().await.iter().map(|one| one.tenant_count).collect()
    }

    async fn stop(self) {
        self.app.stop().await;
        self.arm.stop().await;
        self.zitadel.stop().await;
        self.copies.stop().await;
    }
}

fn configure(config: &mut Config, arm: &Arm, zitadel: &Zitadel, copies: &Receiver) {
    zitadel.configure(config, &zitadel.url);
    arm.configure(config);
    let settings = config.section_mut::<provisioning::Settings>();
    settings.wait = Duration::from_millis(50);
    settings.drain_period = Duration::ZERO;
    settings.copy_hook_url = copies.url.clone();
    settings.copy_hook_secret = SecretString::from("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw");
}

/// A tenant whose every part is here, or outside.
fn body(slug: &str, kind: &str) -> Value {
    let mut body = json!({"slug": slug, "name": slug, "plan": "pro", "quotas": {"nodes": 7}, "owner": {"email": "o@example.com"}});
    if kind == "outside" {
        body["identity"] = json!({"backend": "zitadel"});
        body["instance"] = json!({"driver": "azure"});
        body["isolation"] = "private".into();
    } else {
        body["identity"] = json!({"kind": "realm"});
    }
    body
}

fn inject(slug: &str, step: &str, what: &str) {
    fail::cfg(format!("provisioning.{slug}.{step}.{what}"), "return(injected)")
        .expect("a fail point can be set");
}

fn all_done(run: &Run) -> bool {
    run.steps.iter().all(|step| step.status == "done")
}

#[actix_web::test]
async fn every_step_done_twice_succeeds() {
    let world = World::start().await;
    for kind in ["here", "outside"] {
        let slug = format!("twice-{kind}");
        for run in Kind::ALL {
            for step in run.steps() {
                inject(&slug, step.name, "twice");
            }
        }
        let id = world.provision(&slug, kind).await;
        let made = status(&world.app.operator, &slug, "active").await;
        assert!(all_done(&world.run(&slug).await));
        let list = async |what: &str| {
            world.app.operator.get(&format!("/api/v1/tenants/{slug}/{what}")).await.count()
        };
        assert_eq!((list("organizations").await, list("invitations").await), (1, 1), "{kind}");
        assert_eq!(world.app.operator.tenant_count(&made.instance.id.unwrap()).await, 1, "{kind}");
        world.app.operator.post(&format!("/api/v1/tenants/{slug}/repair"), json!({})).await.expect(202);
        eventually("the repair", async || (world.run(&slug).await.status == "done").then_some(())).await;
        if kind == "here" {
            move_to_other(&world, &slug).await;
            eventually("the move", async || (world.run(&slug).await.status == "done").then_some(())).await;
            let mut counts = world.counts().await;
            counts.sort_unstable();
            assert_eq!(counts, [0, 1], "a place is neither lost nor taken twice");
        }
        world.app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
        status(&world.app.operator, &id, "deleted").await;
        assert!(all_done(&world.run(&id).await));
        world.require_clean(&id, kind).await;
        assert!(world.counts().await.iter().all(|count| *count == 0));
    }
    world.stop().await;
}

/// Moves a tenant of the pool to the other instance.
async fn move_to_other(world: &World, slug: &str) {
    let on = world.app.operator.tenant(slug).await.instance.id;
    let all = world.app.operator.instances().await;
    let other = all.iter().find(|one| one.driver == "pool" && Some(&one.id) != on.as_ref()).unwrap();
    let to = json!({"instanceId": other.id, "identity": {"backend": "zitadel"}});
    world.app.operator.post(&format!("/api/v1/tenants/{slug}/move"), to).await.expect(202);
}

#[actix_web::test]
async fn a_failure_at_every_step_unwinds_to_a_clean_slate_and_every_undo_twice_succeeds() {
    let world = World::start().await;
    let mut ids = Vec::new();
    for kind in ["here", "outside"] {
        for Step { name, .. } in Kind::Provision.steps() {
            for moment in ["before", "during"] {
                let slug = format!("fails-{kind}-{}-{moment}", name.replace('_', "-"));
                inject(&slug, name, moment);
                for undone in Kind::Provision.steps() {
                    inject(&slug, undone.name, "undone_twice");
                }
                ids.push((world.provision(&slug, kind).await, slug));
            }
        }
    }
    for (id, slug) in &ids {
        status(&world.app.operator, id, "failed").await;
        let run = world.run(id).await;
        let clean = |step: &RunStep| matches!(step.status.as_str(), "compensated" | "pending");
        assert!(run.steps.iter().all(clean), "{slug}: {run:?}");
        let failed = run.steps.iter().filter(|step| step.error.as_deref() == Some("injected")).count();
        assert_eq!(failed, 1, "{slug}: {run:?}");
        world.require_clean(id, slug).await;
    }
    assert!(world.counts().await.iter().all(|count| *count == 0), "no place is taken");
    assert_eq!(world.app.operator.instances().await.len(), 2);
    world.stop().await;
}

#[actix_web::test]
async fn a_move_that_fails_at_any_step_leaves_the_tenant_where_it_was() {
    let world = World::start().await;
    for Step { name, .. } in Kind::Move.steps() {
        for moment in ["before", "during"] {
            let slug = format!("stays-{name}-{moment}");
            let id = world.provision(&slug, "here").await;
            let before = status(&world.app.operator, &slug, "active").await;
            let counts = world.counts().await;
            inject(&slug, name, moment);
            for undone in Kind::Move.steps() {
                inject(&slug, undone.name, "undone_twice");
            }
            move_to_other(&world, &slug).await;
            eventually("the move to be given up", async || {
                (world.run(&slug).await.status == "failed").then_some(())
            })
            .await;
            let after = world.app.operator.tenant(&slug).await;
            assert_eq!(
                (&after.instance.id, &after.identity, after.status.as_str()),
                (&before.instance.id, &before.identity, "active"),
                "{slug}"
            );
            assert!(!world.zitadel.organizations().contains(&id), "{slug}: an org is left");
            assert_eq!(world.counts().await, counts, "{slug}");
            world.app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
            status(&world.app.operator, &id, "deleted").await;
        }
    }
    // What was copied was discarded, by the same signed hook.
    let actions: Vec<String> =
        world.copies.all().iter().map(|one| one.body["action"].as_str().unwrap().to_owned()).collect();
    assert!(actions.contains(&"copy".to_owned()) && actions.contains(&"discard".to_owned()));
    world.stop().await;
}

#[actix_web::test]
async fn a_failing_deprovisioning_is_tried_until_it_is_through() {
    let world = World::start().await;
    for Step { name, .. } in Kind::Deprovision.steps() {
        let slug = format!("goes-{}", name.replace('_', "-"));
        let id = world.provision(&slug, "outside").await;
        status(&world.app.operator, &slug, "active").await;
        fail::cfg(format!("provisioning.{slug}.{name}.during"), "3*return(injected)").expect("a fail point");
        world.app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
        status(&world.app.operator, &id, "deleted").await;
        let run = world.run(&id).await;
        assert!(run.step(name).attempts >= 2, "{run:?}");
        world.require_clean(&id, &slug).await;
    }
    world.stop().await;
}

/// The process dies at each step of a tenant whose parts are outside, forward and back.
#[actix_web::test]
async fn killed_at_any_step_a_tenant_outside_ends_active_or_clean() {
    let steps = ["identity", "instance", "activate"];
    let places = steps.iter().flat_map(|step| {
        ["before", "during", "after"].map(|moment| (format!("provisioning.{step}.{moment}"), false))
    });
    let looks = [("azure.looked".to_owned(), false), ("azure.looked".to_owned(), true)];
    let back = ["instance", "identity"]
        .iter()
        .flat_map(|step| ["undo", "undoing"].map(|moment| (format!("provisioning.{step}.{moment}"), true)));
    futures_util::stream::iter(places.chain(looks).chain(back)).for_each_concurrent(5, dies).await;
}

async fn dies((place, fails): (String, bool)) {
    let (store, arm, zitadel) = (Store::new().await, Arm::start(), Zitadel::start());
    let mut settings = vec![
        ("TENANTRY__IDENTITY__ZITADEL__URL", zitadel.url.as_str()),
        ("TENANTRY__IDENTITY__ZITADEL__TOKEN", "zitadel-token"),
        ("TENANTRY__PROVISIONING__WAIT", "50ms"),
    ];
    settings.extend(arm.environment());
    if fails {
        settings.push(("TENANTRY_TEST_FAIL_AT", "provisioning.acme.activate.before"));
    }
    let mut dying = Process::start(PROGRAM, &store, Some(&place), &settings).await;
    let request =
        dying.operator.request(reqwest::Method::POST, "/api/v1/tenants").json(&body("acme", "outside"));
    // The process may die before it answers: the run begins with the commit, not with the reply.
    let _ = request.send().await;
    dying.killed().await;
    let process = Process::start(PROGRAM, &store, None, &settings).await;
    let wanted = if fails { "failed" } else { "active" };
    let id = &status(&process.operator, "acme", wanted).await.id;
    if fails {
        assert!(arm.groups().is_empty() && zitadel.organizations().is_empty(), "{place}");
        assert_eq!(process.operator.get("/api/v1/tenants/acme/quotas").await.count(), 0, "{place}");
    } else {
        assert_eq!(zitadel.organizations(), [id.as_str()], "{place}");
        let group = format!("tenantry-{}", id.replace('-', ""));
        assert_eq!((arm.groups(), arm.states(&group)), (vec![group.clone()], vec!["Succeeded"]), "{place}");
        assert_eq!(process.operator.get("/api/v1/tenants/acme/invitations").await.count(), 1, "{place}");
    }
    process.kill().await;
    arm.stop().await;
    zitadel.stop().await;
}

/// How many tenants' flags a module is to have, once all that was done so far is heard and evaluated.
async fn pushes(app: &TestApp, module: &str) -> usize {
    app.all_is_told().await;
    for kind in ["flags.fan_out", "flags.refresh"] {
        app.operator.no_more_of(kind).await;
    }
    app.operator.get(&format!("/api/v1/modules/{module}/flag-pushes")).await.count()
}

#[actix_web::test]
async fn a_deletion_can_be_taken_back_until_its_recycle_period_is_over() {
    let (arm, zitadel, copies) = (Arm::start(), Zitadel::start(), Receiver::start());
    let app = TestApp::with(|config| {
        configure(config, &arm, &zitadel, &copies);
        config.section_mut::<provisioning::Settings>().recycle_period = Duration::from_secs(7 * 24 * 3600);
    })
    .await;
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    let deleted = app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    assert!(deleted["recycleUntil"].is_string());
    let waits = async || {
        eventually("the recycle period", async || {
            app.operator.run("acme").await.steps[1].waits_for.as_ref().map(drop)
        })
        .await
    };
    waits().await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    // The same at every door: the credentials are right, and the tenant isn't there for them.
    assert_eq!(acme.scim.get("/scim/v2/Users").await.status, 409, "cut off at once");
    acme.admin.get("/api/v1/tenants/acme/users").await.refused(409, "tenant.not_active");
    let hold = json!({"tenantId": "acme", "resource": "nodes", "amount": 1});
    app.operator.post("/api/internal/quotas/reservations", hold).await.refused(409, "tenant.not_active");
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.refused(409, "tenant.not_active");
    // A module that comes in these days has its flags as soon as it is there again.
    let module = Receiver::start();
    let made = app.operator.module("m", &module.url).await;
    assert_eq!(pushes(&app, &made.id).await, 0);
    let resumed: TenantView = app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.found();
    assert_eq!(resumed.status, "active");
    module.until("its flags", |push| push.body["tenantId"] == acme.id.as_str()).await;
    tokio::time::sleep(Duration::from_millis(1100)).await;
    assert_eq!(acme.scim.get("/scim/v2/Users").await.total(), 1, "everything is there again");
    app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    waits().await;
    app.clock.advance(chrono::TimeDelta::days(8));
    app.operator.post("/api/v1/tenants/acme/retry", json!({})).await.expect(202);
    status(&app.operator, &acme.id, "deleted").await;
    // Or sooner than was said at first.
    let third = app.tenant("third").await;
    app.operator.delete("/api/v1/tenants/third").await.expect(202);
    app.operator.delete("/api/v1/tenants/third?purge=true").await.expect(202);
    status(&app.operator, &third.id, "deleted").await;
    // Or at once.
    let other = app.tenant("other").await;
    app.operator.delete("/api/v1/tenants/other?purge=true").await.expect(202);
    status(&app.operator, &other.id, "deleted").await;
    app.operator
        .post(&format!("/api/v1/tenants/{}/resume", other.id), json!({}))
        .await
        .refused(409, "tenant.not_active");
    app.stop().await;
    module.stop().await;
}

/// While something is being made outside, nobody else takes the tenant on: giving up must not overtake it.
#[actix_web::test]
async fn giving_up_while_something_is_being_made_leaves_nothing() {
    let world = World::start().await;
    let proxy = tests::Proxy::start(&world.zitadel.url);
    let app = TestApp::with(|config| {
        configure(config, &world.arm, &world.zitadel, &world.copies);
        config.section_mut::<backends::Settings>().zitadel.url = proxy.url.clone();
    })
    .await;
    for number in 1..=4 {
        // The answer takes its time, and the org is there before it comes.
        proxy.upset(number, tests::Mishap::Slow);
        let slug = format!("t{number}");
        let made: TenantView = app.operator.post("/api/v1/tenants", body(&slug, "outside")).await.accepted();
        eventually("the request", async || (proxy.count() >= number).then_some(())).await;
        app.operator.post(&format!("/api/v1/tenants/{slug}/rollback"), json!({})).await.expect(202);
        status(&app.operator, &slug, "failed").await;
        tokio::time::sleep(Duration::from_millis(1200)).await;
        assert!(!world.zitadel.organizations().contains(&made.id), "{number}: an org is left");
    }
    app.stop().await;
    proxy.stop().await;
    world.stop().await;
}

/// What is asked for while a tenant is being removed is removed with it, and holds nothing up.
#[actix_web::test]
async fn what_is_added_to_a_tenant_that_goes_goes_with_it() {
    let world = World::start().await;
    let module = Receiver::start();
    world.app.operator.flag("beta").await;
    let id = world.provision("late", "outside").await;
    status(&world.app.operator, "late", "active").await;
    world.arm.shut(&format!("tenantry-{}", id.replace('-', "")), Gate::Removal);
    world.app.operator.delete("/api/v1/tenants/late?purge=true").await.expect(202);
    let removed = async || {
        let steps = world.run("late").await.steps;
        steps.iter().any(|step| step.name == "directory" && step.status == "done").then_some(())
    };
    eventually("what it owned to be removed", removed).await;
    let made = world.app.operator.module("m", &module.url).await;
    world.app.operator.put("/api/v1/tenants/late/flags/beta", json!({"variant": "on"})).await.expect(200);
    assert_eq!(pushes(&world.app, &made.id).await, 0, "a tenant that goes is nothing new to a module");
    let told = world.app.events().await;
    assert!(told.iter().any(|event| event.kind == "flag.override_changed"), "it was heard: {told:?}");
    world.arm.open_all();
    status(&world.app.operator, &id, "deleted").await;
    world.require_clean(&id, "late").await;
    let late = format!("/api/v1/tenants/{id}/flags/beta");
    world.app.operator.put(&late, json!({"variant": "on"})).await.refused(409, "tenant.not_active");
    module.stop().await;
    world.stop().await;
}

/// What somebody changes in the store while a step is about to write is not undone by it. SQLite has one writer.
#[actix_web::test]
async fn what_a_step_writes_is_written_beside_what_others_change() {
    let world = World::start().await;
    let Some(url) = world.app.store.superuser_url.clone() else { return world.stop().await };
    let id = world.provision("beside", "outside").await;
    status(&world.app.operator, "beside", "active").await;
    // A repair learns what its org is called while the tenant is renamed.
    world.zitadel.silence(&id);
    world.app.operator.post("/api/v1/tenants/beside/repair", json!({})).await.expect(202);
    let attempted = async || (world.run("beside").await.step("identity").attempts > 1).then_some(());
    eventually("an attempt that is put off", attempted).await;
    let forgotten = "UPDATE tenant SET name = 'Renamed', identity_external_id = NULL WHERE slug = 'beside'";
    let somebody = Lock::rows(&url, forgotten).await.expect("an update");
    world.zitadel.speak(&id);
    somebody.commit_when_waited_for().await;
    eventually("the repair", async || (world.run("beside").await.status == "done").then_some(())).await;
    let tenant = world.app.operator.tenant("beside").await;
    assert_eq!((tenant.name.as_str(), tenant.identity.external_id.is_some()), ("Renamed", true));
    // An invitation is accepted while all are revoked, for the tenant goes.
    let accepted = "UPDATE invitation SET status = 'accepted', accepted_at = now(), version = version + 1";
    let somebody = Lock::rows(&url, accepted).await.expect("an update");
    world.app.operator.delete("/api/v1/tenants/beside?purge=true").await.expect(202);
    somebody.commit_when_waited_for().await;
    status(&world.app.operator, &id, "deleted").await;
    let events = eventually("the end to be told", async || {
        let events = world.app.events().await;
        events.iter().any(|event| event.kind == "tenant.deleted").then_some(events)
    })
    .await;
    assert!(
        events.iter().all(|event| event.kind != "invitation.revoked"),
        "what was accepted stays accepted"
    );
    world.stop().await;
}
