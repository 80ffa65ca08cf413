//! Where tenants run: nobody is placed until somebody says so, a SKU is never quietly lowered, and a tenant can move between SKUs,
//! regions and drivers.

use std::time::Duration;

use platform::config::Config;
use serde_json::{Value, json};
use tests::{
    Arm, Client, Deployment, Exchanged, Instance, Placement, Receiver, Run, TenantView, TestApp, Tokens,
    eventually, status,
};

mod races;

fn tenant(slug: &str) -> Value {
    json!({"slug": slug, "name": slug})
}

/// Where a tenant is, once it is active.
async fn placed(operator: &Client, slug: &str) -> Option<String> {
    status(operator, slug, "active").await.instance.id
}

/// Has a tenant moved, and waits for the end of it.
async fn moved(operator: &Client, slug: &str, to: Value) -> TenantView {
    operator.post(&format!("/api/v1/tenants/{slug}/move"), to).await.expect(202);
    run(operator, slug, "done").await;
    operator.tenant(slug).await
}

async fn run(operator: &Client, slug: &str, status: &str) -> Run {
    eventually(&format!("the move to be {status}"), async || {
        let run = operator.run(slug).await;
        (run.kind == "move" && run.status == status).then_some(run)
    })
    .await
}

/// Waits until a step of a tenant's run says what it waits for.
async fn waits_for(operator: &Client, slug: &str, step: usize) -> String {
    eventually("the run to wait", async || operator.run(slug).await.steps[step].waits_for.clone()).await
}

fn without_drain(config: &mut Config) {
    config.section_mut::<provisioning::Settings>().drain_period = Duration::ZERO;
}

async fn at_azure(arm: &Arm) -> TestApp {
    TestApp::with(|config| {
        arm.configure(config);
        without_drain(config);
    })
    .await
}

#[actix_web::test]
async fn without_instances_nobody_is_placed_and_nobody_waits() {
    let app = TestApp::start().await;
    assert!(app.operator.instances().await.is_empty());
    for number in 0..51 {
        app.operator.post("/api/v1/tenants", tenant(&format!("t{number}"))).await.expect(202);
    }
    for number in 0..51 {
        let made = status(&app.operator, &format!("t{number}"), "active").await;
        assert_eq!(made.instance, Placement::pool("shared", None));
    }
    let to = json!({"isolation": "private"});
    app.operator.post("/api/v1/tenants/t0/move", to).await.refused(409, "tenant.move_refused");
    // Who asks for an instance waits for one.
    let mut asks = tenant("asks");
    asks["instance"] = json!({"driver": "pool"});
    app.operator.post("/api/v1/tenants", asks).await.expect(202);
    waits_for(&app.operator, "asks", 4).await;
    // From the first that is registered on, tenants are placed; those from before when somebody moves them there.
    let on = app.operator.pool("first").await;
    let there = Some(on.clone());
    assert_eq!(placed(&app.operator, "asks").await, there);
    assert_eq!(app.operator.active_tenant(tenant("next")).await.instance.id, there);
    assert_eq!(app.operator.tenant("t0").await.instance.id, None);
    assert_eq!(moved(&app.operator, "t0", json!({"isolation": "shared"})).await.instance.id, there);
    assert_eq!(moved(&app.operator, "t1", json!({"instanceId": on})).await.instance.id, there);
    assert_eq!(app.operator.tenant_count(&on).await, 4);
    app.stop().await;
}

#[actix_web::test]
async fn a_driver_that_is_set_places_everybody() {
    let app =
        TestApp::with(|config| config.section_mut::<provisioning::Instances>().driver = "pool".to_owned())
            .await;
    app.operator.post("/api/v1/tenants", tenant("acme")).await.expect(202);
    eventually("it to wait", async || {
        let waits = waits_for(&app.operator, "acme", 4).await;
        (waits == "capacity on an instance of driver pool and mode shared").then_some(())
    })
    .await;
    let on = app.operator.pool("first").await;
    assert_eq!(placed(&app.operator, "acme").await, Some(on));
    app.stop().await;
}

#[actix_web::test]
async fn an_instance_takes_as_many_as_it_says() {
    let app = TestApp::with(|config| config.section_mut::<tenancy::SharedInstances>().capacity = 3).await;
    let usual = app.operator.pool("usual").await;
    let path = format!("/api/v1/instances/{usual}");
    assert_eq!(app.operator.get(&path).await.found::<Instance>().capacity, 3);
    for number in 0..3 {
        app.operator.active_tenant(tenant(&format!("t{number}"))).await;
    }
    app.operator.post("/api/v1/tenants", tenant("t3")).await.expect(202);
    app.operator.patch(&path, json!({"capacity": 2})).await.refused(409, "instance.in_use");
    app.operator.patch(&path, json!({"capacity": 0})).await.refused(400, "validation.failed");
    app.operator.patch(&path, json!({"capacity": 60})).await.expect(200);
    // The fourth waited for room: there is some.
    status(&app.operator, "t3", "active").await;
    let own = app.operator.instance(json!({"name": "own", "mode": "dedicated"})).await;
    let path = format!("/api/v1/instances/{own}");
    assert_eq!(app.operator.get(&path).await.found::<Instance>().capacity, 1);
    app.operator.patch(&path, json!({"capacity": 2})).await.refused(400, "validation.failed");
    let two = json!({"name": "two", "mode": "dedicated", "capacity": 2});
    app.operator.post("/api/v1/instances", two).await.refused(400, "validation.failed");
    app.stop().await;
}

#[actix_web::test]
async fn what_is_not_shared_is_never_on_a_shared_instance() {
    let app = TestApp::start().await;
    app.operator.pool("shared").await;
    for isolation in ["private", "namespace"] {
        let mut body = tenant(isolation);
        body["isolation"] = isolation.into();
        let mut lowered = body.clone();
        lowered["instance"] = json!({"mode": "shared"});
        app.operator.post("/api/v1/tenants", lowered).await.refused(400, "validation.failed");
        app.operator.post("/api/v1/tenants", body).await.expect(202);
        eventually("it to wait for an instance of its own", async || {
            let waits = waits_for(&app.operator, isolation, 4).await;
            (waits == "capacity on an instance of driver pool and mode dedicated").then_some(())
        })
        .await;
        let own = app.operator.instance(json!({"name": isolation, "mode": "dedicated"})).await;
        let made = status(&app.operator, isolation, "active").await;
        assert_eq!(made.instance, Placement::pool("dedicated", Some(&own)));
        assert_eq!(made.isolation, isolation);
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_moves_between_isolations_and_regions_of_the_pool() {
    let app = TestApp::with(without_drain).await;
    let here = json!({"name": "here", "mode": "shared", "region": "eu-west"});
    let here = app.operator.instance(here).await;
    let there = json!({"name": "there", "mode": "shared", "region": "eu-north"});
    let there = app.operator.instance(there).await;
    let own = json!({"name": "own", "mode": "dedicated", "region": "eu-north"});
    let own = app.operator.instance(own).await;
    let mut body = tenant("acme");
    body["region"] = "eu-west".into();
    assert_eq!(app.operator.active_tenant(body).await.instance.id, Some(here.clone()));
    let ask = async |to: Value| app.operator.post("/api/v1/tenants/acme/move", to).await;
    ask(json!({})).await.refused(400, "validation.failed");
    ask(json!({"region": "eu-west"})).await.refused(409, "tenant.move_refused");
    ask(json!({"instanceId": here})).await.refused(409, "tenant.move_refused");
    ask(json!({"region": "mars"})).await.refused(400, "tenant.region_unknown");
    ask(json!({"instanceId": there, "region": "eu-west"})).await.refused(400, "validation.failed");
    ask(json!({"instanceId": there, "isolation": "private"})).await.refused(400, "validation.failed");
    ask(json!({"driver": "azure"})).await.refused(400, "tenant.backend_unavailable");
    ask(json!({"isolation": "gold"})).await.refused(400, "validation.failed");

    let after = moved(&app.operator, "acme", json!({"region": "eu-north"})).await;
    assert_eq!((after.region.as_deref(), after.instance.id.as_ref()), (Some("eu-north"), Some(&there)));
    let after = moved(&app.operator, "acme", json!({"isolation": "private"})).await;
    assert_eq!(after.instance, Placement::pool("dedicated", Some(&own)));
    assert_eq!((after.isolation.as_str(), after.region.as_deref()), ("private", Some("eu-north")));
    // Down only by name.
    ask(json!({"instanceId": here})).await.refused(409, "tenant.move_refused");
    let after = moved(&app.operator, "acme", json!({"instanceId": here, "isolation": "shared"})).await;
    assert_eq!(after.instance, Placement::pool("shared", Some(&here)));
    assert_eq!((after.isolation.as_str(), after.region.as_deref()), ("shared", Some("eu-west")));
    let counts = [
        app.operator.tenant_count(&here).await,
        app.operator.tenant_count(&there).await,
        app.operator.tenant_count(&own).await,
    ];
    assert_eq!(counts, [1, 0, 0], "a place is neither lost nor taken twice");
    // What waits for room moves when there is some.
    let mut other = tenant("other");
    other["isolation"] = "private".into();
    app.operator.active_tenant(other).await;
    ask(json!({"isolation": "namespace"})).await.expect(202);
    waits_for(&app.operator, "acme", 0).await;
    assert_eq!(app.operator.tenant("acme").await.instance.id, Some(here));
    let second = app.operator.instance(json!({"name": "second", "mode": "dedicated"})).await;
    run(&app.operator, "acme", "done").await;
    assert_eq!(app.operator.tenant("acme").await.instance.id, Some(second));
    app.stop().await;
}

#[actix_web::test]
async fn nobody_is_sent_to_an_instance_that_is_not_well() {
    let app = TestApp::with(|config| {
        without_drain(config);
        let settings = config.section_mut::<provisioning::Retries>();
        settings.provisioning_attempts_max = 3;
        settings.provisioning_retry_base_ms = 20;
    })
    .await;
    let module = Receiver::start();
    app.operator.module("m", &module.url).await;
    app.operator.flag("where").await;
    let from = app.operator.pool("from").await;
    let sick = Receiver::start();
    sick.answer(503);
    let to = json!({"name": "to", "mode": "shared", "endpoint": sick.url});
    let to = app.operator.instance(to).await;
    // The least loaded is either: this one goes where it is named.
    if app.operator.active_tenant(tenant("acme")).await.instance.id.as_ref() != Some(&from) {
        moved(&app.operator, "acme", json!({"instanceId": from})).await;
    }
    let version = app.operator.tenant("acme").await.updated_at;
    let before = app.audit("tenant.move").await.len();
    app.operator.post("/api/v1/tenants/acme/move", json!({"instanceId": to})).await.expect(202);
    let run = run(&app.operator, "acme", "failed").await;
    assert_eq!(run.step("switch").status, "pending", "{run:?}");
    assert!(run.step("verify").error.as_ref().unwrap().contains("503"), "{run:?}");
    let after = app.operator.tenant("acme").await;
    assert_eq!(
        (after.instance.id.as_ref(), after.updated_at),
        (Some(&from), version),
        "it was never switched"
    );
    let told = eventually("the failure to be told", async || {
        let told: Vec<String> = app.events().await.into_iter().map(|event| event.kind).collect();
        told.contains(&"tenant.move_failed".to_owned()).then_some(told)
    })
    .await;
    assert_eq!(told.iter().filter(|event| *event == "tenant.moved").count(), before, "{told:?}");
    assert_eq!((app.operator.tenant_count(&from).await, app.operator.tenant_count(&to).await), (1, 0));
    sick.answer(200);
    assert_eq!(moved(&app.operator, "acme", json!({"instanceId": to})).await.instance.id, Some(to));
    for receiver in [module, sick] {
        receiver.stop().await;
    }
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_moves_between_skus_at_azure_and_leaves_nothing_behind() {
    let arm = Arm::start();
    let app = at_azure(&arm).await;
    let pooled = app.operator.pool("pooled").await;
    let id = app.operator.active_tenant(tenant("acme")).await.id;
    let own = async |isolation: &str, region: &str| {
        let to = json!({"driver": "azure", "isolation": isolation, "region": region});
        let after = moved(&app.operator, "acme", to).await;
        assert_eq!((after.isolation.as_str(), after.region.as_deref()), (isolation, Some(region)));
        assert_eq!((after.instance.driver.as_str(), after.instance.mode.as_str()), ("azure", "dedicated"));
        let on = after.instance.id.unwrap();
        // Only what it is on is left.
        eventually("what it had before to go", async || (arm.groups().len() == 1).then_some(())).await;
        let row: Instance = app.operator.get(&format!("/api/v1/instances/{on}")).await.found();
        assert_eq!((row.region.as_deref(), row.tenant_count), (Some(region), 1));
        on
    };
    let first = own("private", "northeurope").await;
    assert_eq!(app.operator.tenant_count(&pooled).await, 0);
    // What Azure made for one tenant is no place for another, whatever it has.
    app.operator.active_tenant(tenant("other")).await;
    let to = json!({"instanceId": first, "isolation": "private"});
    app.operator.post("/api/v1/tenants/other/move", to).await.refused(409, "tenant.move_refused");
    app.operator.delete("/api/v1/tenants/other").await.expect(202);
    let second = own("namespace", "westeurope").await;
    let third = own("private", "westeurope").await;
    for gone in [first, second] {
        let path = format!("/api/v1/instances/{gone}");
        eventually("the instance to go", async || {
            (app.operator.get(&path).await.status == 404).then_some(())
        })
        .await;
    }
    // Back, and by name only, for it is less.
    let ask = async |to: Value| app.operator.post("/api/v1/tenants/acme/move", to).await;
    ask(json!({"instanceId": pooled})).await.refused(409, "tenant.move_refused");
    let after = moved(&app.operator, "acme", json!({"instanceId": pooled, "isolation": "shared"})).await;
    assert_eq!(after.instance, Placement::pool("shared", Some(&pooled)));
    eventually("the last group to go", async || arm.groups().is_empty().then_some(())).await;
    let path = format!("/api/v1/instances/{third}");
    eventually("the instance to go", async || (app.operator.get(&path).await.status == 404).then_some(()))
        .await;
    // Deleted, it leaves nothing either.
    own("private", "northeurope").await;
    app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    status(&app.operator, &id, "deleted").await;
    assert!(arm.groups().is_empty());
    let deployments: Vec<Deployment> = app.operator.get("/api/v1/deployments").await.items();
    assert!(deployments.iter().all(|one| one.status == "deleted"));
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn who_is_alone_stays_alone_until_somebody_says_otherwise() {
    let arm = Arm::start();
    let app = at_azure(&arm).await;
    let shared = json!({"name": "shared", "mode": "shared", "region": "eu-west"});
    let shared = app.operator.instance(shared).await;
    for (name, region) in [("one", "eu-west"), ("two", "eu-north")] {
        app.operator.instance(json!({"name": name, "mode": "dedicated", "region": region})).await;
    }
    // What it was sold is a place on a shared instance; it has one to itself.
    let mut body = tenant("acme");
    body["instance"] = json!({"mode": "dedicated"});
    body["region"] = "eu-west".into();
    app.operator.active_tenant(body).await;
    let ask = async |to: Value| app.operator.post("/api/v1/tenants/acme/move", to).await;
    ask(json!({"instanceId": shared})).await.refused(409, "tenant.move_refused");
    let after = moved(&app.operator, "acme", json!({"region": "eu-north"})).await;
    assert_eq!((after.instance.mode.as_str(), after.isolation.as_str()), ("dedicated", "shared"));
    let after = moved(&app.operator, "acme", json!({"driver": "azure", "region": "northeurope"})).await;
    assert_eq!((after.instance.mode.as_str(), after.isolation.as_str()), ("dedicated", "private"));
    let to = json!({"instanceId": shared, "isolation": "shared"});
    assert_eq!(moved(&app.operator, "acme", to).await.instance.id, Some(shared));
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn a_move_that_is_given_up_stays_and_takes_back_what_was_made() {
    let arm = Arm::start();
    let app = at_azure(&arm).await;
    let pooled = app.operator.pool("pooled").await;
    let before = app.operator.active_tenant(tenant("acme")).await;
    // The app is never well: the run waits until somebody gives it up.
    arm.sick(u32::MAX);
    let to = json!({"driver": "azure", "isolation": "private", "region": "northeurope"});
    app.operator.post("/api/v1/tenants/acme/move", to).await.expect(202);
    eventually("the group to be there", async || (arm.groups().len() == 1).then_some(())).await;
    app.operator.post("/api/v1/tenants/acme/rollback", json!({})).await.expect(202);
    run(&app.operator, "acme", "failed").await;
    let after = app.operator.tenant("acme").await;
    assert_eq!((after.instance, after.isolation.as_str()), (before.instance, "shared"));
    assert!(arm.groups().is_empty(), "{:?}", arm.groups());
    assert_eq!(app.operator.tenant_count(&pooled).await, 1);
    assert_eq!(app.operator.instances().await.len(), 1);
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn a_tenant_moves_between_realms_and_its_sessions_go_on() {
    let zitadel = tests::Zitadel::start();
    let app = TestApp::with(|config| {
        zitadel.configure(config, &zitadel.url);
        without_drain(config);
    })
    .await;
    let issuer = tests::Issuer::start();
    issuer.register(&app.operator).await;
    let acme = app.tenant("acme").await;
    let session: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    let mut refresh = session.refresh_token;
    let ask = async |identity: Value| {
        app.operator.post("/api/v1/tenants/acme/move", json!({"identity": identity})).await
    };
    ask(json!({"kind": "org"})).await.refused(409, "tenant.move_refused");
    ask(json!({"backend": "keycloak"})).await.refused(400, "tenant.backend_unavailable");
    ask(json!({"backend": "zitadel", "kind": "realm"})).await.refused(400, "tenant.backend_unavailable");
    ask(json!({"kind": "planet"})).await.refused(400, "validation.failed");
    let mut go = async |identity: Value, own: bool| {
        let after = moved(&app.operator, "acme", json!({"identity": identity})).await;
        // No place was asked for, and none is waited for.
        assert_eq!(after.instance.id, None);
        let form = [("grant_type", "refresh_token"), ("refresh_token", refresh.as_str())];
        let next: Tokens = app.anyone().form("/oauth2/token", &form).await.found();
        refresh = next.refresh().to_owned();
        let realm = app.anyone().get("/realms/acme/oauth2/jwks").await.status;
        assert_eq!(realm == 200, own, "{after:?}");
        after.identity
    };
    let realm = go(json!({"kind": "realm"}), true).await;
    assert_eq!((realm.backend.as_str(), realm.kind.as_str()), ("builtin", "realm"));
    let org = go(json!({"backend": "zitadel"}), false).await;
    assert_eq!((org.backend.as_str(), org.external_id.as_ref()), ("zitadel", Some(&acme.id)));
    assert_eq!(zitadel.organizations(), [acme.id.as_str()]);
    go(json!({"backend": "builtin", "kind": "realm", "externalId": "org_acme"}), true).await;
    eventually("the org to go", async || zitadel.organizations().is_empty().then_some(())).await;
    // By the id that it has again, its people are found again.
    let again: Exchanged = app.operator.exchange(&issuer.token("ann", "org_acme")).await.found();
    assert_eq!(again.user.id, session.user.id);
    go(json!({"kind": "org"}), false).await;
    issuer.stop().await;
    app.stop().await;
    zitadel.stop().await;
}
