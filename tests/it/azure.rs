//! Instances at Azure, against a double of the Resource Manager's wire.

use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};
use tests::{Arm, Deployment, Instance, ListPage, SUBSCRIPTION, TenantView, TestApp, eventually, status};

pub(crate) fn private(slug: &str) -> Value {
    json!({"slug": slug, "name": slug, "plan": "enterprise", "isolation": "private", "region": "northeurope", "instance": {"driver": "azure"}})
}

/// Asks for a tenant; answers its id and the name of its resource group.
async fn ask(app: &TestApp, body: Value) -> (String, String) {
    let made: TenantView = app.operator.post("/api/v1/tenants", body).await.accepted();
    let group = format!("tenantry-{}", made.id.replace('-', ""));
    (made.id, group)
}

#[actix_web::test]
async fn a_private_tenant_gets_an_instance_of_its_own_and_takes_it_away_when_it_goes() {
    let arm = Arm::start();
    arm.sick(2);
    let app = TestApp::at_azure(&arm).await;
    let (id, group) = ask(&app, private("acme")).await;
    let made = status(&app.operator, "acme", "active").await;
    assert_eq!(made.instance.mode, "dedicated");
    assert_eq!(arm.groups(), [group.as_str()]);
    assert_eq!((arm.states(&group), arm.begun(&group)), (vec!["Succeeded"], 1));
    let path = format!("/api/v1/instances/{}", made.instance.id.unwrap());
    let instance: Instance = app.operator.get(&path).await.found();
    assert_eq!(
        (instance.region.as_deref(), instance.tenant_count, instance.health.as_str()),
        (Some("northeurope"), 1, "healthy")
    );
    assert_eq!(instance.endpoint, Some(format!("{}/apps/{group}", arm.url)));
    // The timeline tells what was asked, with Azure's own ids.
    let step = &app.operator.run("acme").await.steps[4];
    let made =
        |call: &Value| call["method"] == "PUT" && call["status"] == 201 && call["requestId"].is_string();
    assert!(step.calls.iter().any(made), "{step:?}");
    // Validated and forecast before it was deployed.
    let verbs: Vec<String> =
        arm.said().into_iter().map(|(_, said)| said).filter(|said| said.starts_with("POST")).collect();
    assert!(verbs[0].ends_with("/validate") && verbs[1].ends_with("/whatIf"), "{verbs:?}");
    let body = &arm.bodies()[0]["properties"];
    assert_eq!(body["parameters"]["tags"]["value"]["tenantry-purpose"], format!("tenant:{id}"));
    app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    status(&app.operator, &id, "deleted").await;
    assert!(arm.groups().is_empty());
    assert_eq!(app.operator.get(&path).await.status, 404);
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn what_the_resource_manager_does_not_show_yet_is_waited_for() {
    let arm = Arm::start();
    // The group isn't known when it is validated; the deployment is there, runs, and isn't shown: 409 `DeploymentActive` beside 404.
    arm.lag(4);
    let app = TestApp::at_azure(&arm).await;
    let (_, group) = ask(&app, private("acme")).await;
    status(&app.operator, "acme", "active").await;
    assert_eq!((arm.states(&group), arm.begun(&group)), (vec!["Succeeded"], 1));
    let answered = |status: u16, path: &str| {
        arm.said().iter().any(|(said, what)| *said == status && what.starts_with(path))
    };
    assert!(answered(409, "PUT") && answered(404, "GET") && answered(404, "POST"), "{:?}", arm.said());
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn a_deployment_that_fails_tells_why_and_leaves_nothing() {
    let arm = Arm::start();
    let app = TestApp::at_azure(&arm).await;
    arm.fail_each(1);
    ask(&app, private("acme")).await;
    status(&app.operator, "acme", "failed").await;
    let error = app.operator.run("acme").await.steps[4].error.clone().unwrap();
    assert!(
        error.contains("DeploymentFailed")
            && error.contains("The subscription can have no more environments"),
        "{error}"
    );
    assert!(arm.groups().is_empty());
    let newest: Deployment = app.operator.get("/api/v1/deployments").await.first();
    assert_eq!(newest.status, "deleted");
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn a_group_of_the_same_name_that_is_not_ours_is_left_alone_and_orphans_are_found() {
    let arm = Arm::start();
    let app = TestApp::at_azure(&arm).await;
    arm.add_group("tenantry-azure-westeurope-1", json!({"team": "somebody else"}));
    arm.add_group("tenantry-lost", json!({"tenantry-deployment": "01a1ff41-3bd4-7339-b0d4-8e414d16ed95"}));
    let shared = json!({"slug": "acme", "name": "Acme", "instance": {"driver": "azure"}});
    app.operator.post("/api/v1/tenants", shared).await.expect(202);
    eventually("the growth to be given up", async || {
        let dead = app.operator.jobs("status=dead").await;
        dead.iter().any(|job| job.kind == "instances.scale_out").then_some(())
    })
    .await;
    assert_eq!(arm.groups(), ["tenantry-azure-westeurope-1", "tenantry-lost"]);
    assert!(arm.states("tenantry-azure-westeurope-1").is_empty());
    let orphans = app.operator.get("/api/v1/deployments/orphans").await.expect(200);
    assert_eq!(
        orphans["items"],
        json!([{"resourceGroup": "tenantry-lost", "deployment": "01a1ff41-3bd4-7339-b0d4-8e414d16ed95"}])
    );
    app.operator.post("/api/v1/tenants/acme/rollback", json!({})).await.expect(202);
    status(&app.operator, "acme", "failed").await;
    app.stop_with_dead_letters(&["instances.scale_out"]).await;
    arm.stop().await;
}

#[actix_web::test]
async fn the_pool_grows_when_there_is_no_room_and_ahead_at_ninety_percent() {
    let arm = Arm::start();
    let app = TestApp::with(|config| {
        arm.configure(config);
        config.jobs.at_once = 8;
    })
    .await;
    let post = async |number: usize| {
        let body = json!({"slug": format!("t{number}"), "name": "t", "instance": {"driver": "azure"}});
        app.operator.post("/api/v1/tenants", body).await.expect(202);
    };
    for number in 0..44 {
        post(number).await;
    }
    for number in 0..44 {
        status(&app.operator, &format!("t{number}"), "active").await;
    }
    assert_eq!(arm.groups(), ["tenantry-azure-westeurope-1"], "one for all of them");
    post(44).await;
    status(&app.operator, "t44", "active").await;
    eventually("the second to be made ahead", async || (arm.groups().len() == 2).then_some(())).await;
    eventually("it to take tenants", async || {
        let instances = app.operator.instances().await;
        (instances.iter().filter(|one| one.driver == "azure").count() == 2).then_some(())
    })
    .await;
    assert_eq!(app.audit("instance.capacity_low").await.len(), 1, "told once");
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn tokens_come_by_secret_by_workload_identity_or_by_managed_identity() {
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "an-assertion\n").unwrap();
    for credential in ["client_secret", "workload_identity", "managed_identity"] {
        let arm = Arm::start();
        let app = TestApp::with(|config| {
            arm.configure(config);
            let settings = config.section_mut::<azure::Settings>();
            settings.credential = credential.to_owned();
            settings.federated_token_file = file.path().display().to_string();
            settings.identity_endpoint = format!("{}/identity", arm.url);
            settings.identity_header = SecretString::from("header");
        })
        .await;
        app.operator.active_tenant(private("acme")).await;
        let asked = arm.asked_tokens();
        assert_eq!(asked.len(), 1, "one token for all requests");
        let resource: String = url::form_urlencoded::byte_serialize(arm.url.as_bytes()).collect();
        let expected = match credential {
            "client_secret" => format!("scope={resource}%2F.default&client_secret={resource}"),
            "workload_identity" => "jwt-bearer&client_assertion=an-assertion".to_owned(),
            _ => format!(
                "GET /identity api-version=2019-08-01&resource={resource}&client_id=client  x-identity-header=header"
            ),
        };
        assert!(asked[0].contains(&expected), "{credential}: {asked:?}");
        // One that is refused is fetched anew.
        arm.revoke_tokens();
        app.operator.delete("/api/v1/tenants/acme").await.expect(202);
        eventually("the group to go", async || arm.groups().is_empty().then_some(())).await;
        assert_eq!(arm.asked_tokens().len(), 2);
        app.stop().await;
        arm.stop().await;
    }
}

#[actix_web::test]
async fn what_azure_can_not_do_is_refused_before_anything_is_written() {
    let arm = Arm::start();
    let app = TestApp::at_azure(&arm).await;
    let post = async |body: Value| app.operator.post("/api/v1/tenants", body).await;
    let mut body = private("acme");
    body["region"] = "atlantis".into();
    let refused = post(body.clone()).await.refused(400, "tenant.region_unknown");
    assert_eq!(*refused.fact("known"), json!(["westeurope", "northeurope"]));
    body["region"] = "northeurope".into();
    body["isolation"] = "namespace".into();
    post(body.clone()).await.refused(400, "tenant.backend_unavailable");
    body["isolation"] = "private".into();
    body["instance"]["mode"] = "shared".into();
    post(body).await.refused(400, "validation.failed");
    assert_eq!(app.operator.get("/api/v1/tenants").await.count(), 0);
    assert!(arm.groups().is_empty() && arm.said().is_empty());
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn giving_up_cancels_what_azure_is_at() {
    let arm = Arm::start();
    arm.sick(u32::MAX);
    let app = TestApp::at_azure(&arm).await;
    app.operator.post("/api/v1/tenants", private("acme")).await.expect(202);
    eventually("the instance to be asked for its health", async || {
        let waits_for = app.operator.run("acme").await.steps[4].waits_for.clone();
        waits_for.filter(|text| text.contains("health")).map(drop)
    })
    .await;
    app.operator.post("/api/v1/tenants/acme/rollback", json!({})).await.expect(202);
    status(&app.operator, "acme", "failed").await;
    assert!(arm.groups().is_empty());
    app.stop().await;
    arm.stop().await;
}

#[actix_web::test]
async fn two_hundred_deployments_end_well_or_cleanly_while_azure_misbehaves() {
    let arm = Arm::start();
    let app = TestApp::with(|config| {
        arm.configure(config);
        // For the answers that never come. Those that come are far sooner, also where two hundred wait for one core.
        config.outbound.timeout = Duration::from_secs(6);
        let settings = config.section_mut::<provisioning::Retries>();
        settings.provisioning_attempts_max = 4;
        settings.provisioning_retry_base_ms = 10;
    })
    .await;
    arm.misbehave(150);
    arm.fail_each(10);
    let mut ids = Vec::new();
    for number in 0..200 {
        ids.push(ask(&app, private(&format!("t{number}"))).await.0);
    }
    let (mut active, mut failed) = (0, 0);
    for id in &ids {
        let ended = async || {
            let state = app.operator.tenant(id).await.status;
            matches!(state.as_str(), "active" | "failed").then_some(state)
        };
        let mut state = ended().await;
        while state.is_none() {
            tokio::time::sleep(Duration::from_millis(100)).await;
            state = ended().await;
        }
        let group = format!("tenantry-{}", id.replace('-', ""));
        if state.as_deref() == Some("active") {
            active += 1;
            assert_eq!(arm.states(&group), ["Succeeded"], "{id}");
        } else {
            failed += 1;
            assert!(!arm.groups().contains(&group), "{id}");
        }
    }
    println!("{active} active, {failed} cleanly removed");
    assert_eq!(arm.groups().len(), active, "never two for one tenant");
    // Twenty groups' deployments fail, or those of one fewer for each tenant, up to ten, that failed before it had a deployment.
    assert!(active >= 100 && failed >= 20, "{active} active, {failed} failed");
    let page: ListPage<Instance> = app.operator.get("/api/v1/instances?limit=200").await.found();
    let azure = page.items.iter().filter(|one| one.driver == "azure").count();
    assert!(azure == active || page.next_cursor.is_some());
    app.stop().await;
    arm.stop().await;
}

/// The templates of all SKUs, as they were sent, against the published schemas; the double against Microsoft's own clients.
#[actix_web::test]
async fn bodies_fit_the_published_schemas_and_the_double_the_vendors_clients() {
    let arm = Arm::start();
    let app = TestApp::at_azure(&arm).await;
    app.operator.post("/api/v1/tenants", private("private")).await.expect(202);
    let namespace =
        json!({"slug": "namespace", "name": "n", "isolation": "namespace", "instance": {"driver": "azure"}});
    app.operator.post("/api/v1/tenants", namespace).await.expect(202);
    app.operator
        .post("/api/v1/tenants", json!({"slug": "shared", "name": "s", "instance": {"driver": "azure"}}))
        .await
        .expect(202);
    for slug in ["private", "namespace", "shared"] {
        status(&app.operator, slug, "active").await;
    }
    assert_eq!(arm.bodies().len(), 3);
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), Value::Array(arm.bodies()).to_string()).unwrap();
    for (script, arguments) in [
        ("arm_schemas.py", vec![file.path().display().to_string()]),
        ("arm_client.py", vec![arm.url.clone(), SUBSCRIPTION.to_owned()]),
    ] {
        let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
        let mut command = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"));
        let output = command.arg(script).args(arguments).current_dir(fixtures).output().await;
        let output = output.expect("tests/run installs Python's packages");
        let said =
            format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{script}: {said}");
    }
    app.stop().await;
    arm.stop().await;
}
