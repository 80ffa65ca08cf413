//! A double of Zitadel's wire, checked by the vendor's own client.

use serde_json::{Value, json};
use tests::{Drift, Exchanged, Mishap, Proxy, RegisteredIssuer, TestApp, Zitadel, eventually, status};

fn tenant(slug: &str) -> Value {
    json!({
        "slug": slug, "name": "Acme", "plan": "pro", "identity": {"backend": "zitadel"},
        "owner": {"email": format!("o@{slug}.example"), "name": "Olga Owner"},
    })
}

#[actix_web::test]
async fn a_tenant_is_an_org_with_the_id_that_we_chose() {
    let zitadel = Zitadel::start();
    let app = TestApp::with(|config| zitadel.configure(config, &zitadel.url)).await;
    let made = app.operator.active_tenant(tenant("acme")).await;
    let id = made.id.as_str();
    assert_eq!(made.identity.external_id.as_deref(), Some(id));
    assert_eq!(zitadel.organizations(), [id]);
    let registered: RegisteredIssuer = app.operator.get("/api/v1/issuers").await.first();
    assert_eq!(registered.tenant_claim, "urn:zitadel:iam:user:resourceowner:id");
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    eventually("the org to follow", async || (zitadel.is_active(id) == Some(false)).then_some(())).await;
    app.operator.post("/api/v1/tenants/acme/resume", json!({})).await.expect(200);
    eventually("the org to follow", async || (zitadel.is_active(id) == Some(true)).then_some(())).await;
    zitadel.set_active(id, false);
    let drift: Drift = app.operator.get("/api/v1/tenants/acme/drift").await.found();
    assert_eq!(drift.differences[0]["what"], "org.state");
    // Somebody else's org of the same name is neither taken nor removed.
    zitadel.add("theirs", "Acme (other)");
    app.operator.post("/api/v1/tenants", tenant("other")).await.expect(202);
    status(&app.operator, "other", "failed").await;
    app.operator.delete("/api/v1/tenants/acme").await.expect(202);
    status(&app.operator, id, "deleted").await;
    assert_eq!(zitadel.organizations(), ["theirs"]);
    let realm = json!({"slug": "r", "name": "r", "identity": {"backend": "zitadel", "kind": "realm"}});
    app.operator.post("/api/v1/tenants", realm).await.refused(400, "tenant.backend_unavailable");
    // The vendor's client finds in the double what it needs, and in our requests what it would have sent.
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), json!(zitadel.asked()).to_string()).unwrap();
    let fixtures = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures");
    let mut command = tokio::process::Command::new(format!("{fixtures}/.venv/bin/python"));
    let output = command
        .arg("zitadel_check.py")
        .arg(&zitadel.url)
        .arg(file.path())
        .current_dir(fixtures)
        .output()
        .await;
    let output = output.expect("tests/run installs Python's packages");
    let said =
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{said}");
    assert!(said.contains("AddOrganization") && said.contains("DeleteOrganization"), "{said}");
    app.stop().await;
    zitadel.stop().await;
}

#[actix_web::test]
async fn roles_that_a_project_grants_to_the_org_count_and_no_others() {
    let zitadel = Zitadel::start();
    let app = TestApp::with(|config| zitadel.configure(config, &zitadel.url)).await;
    let id = app.operator.active_tenant(tenant("acme")).await.id;
    // The owner is made with the org.
    let asked = zitadel.asked();
    let (_, made) = asked.iter().find(|(what, _)| what.ends_with("AddOrganization")).unwrap();
    assert_eq!(made["admins"][0]["human"]["email"]["email"], "o@acme.example");
    // Tokens come from an issuer that is registered as Zitadel's are.
    let issuer = tests::Issuer::start();
    let claim = "urn:zitadel:iam:user:resourceowner:id";
    issuer.register_by(&app.operator, claim).await;
    let roles = "urn:zitadel:iam:org:project:roles";
    let comes = async |subject: &str, granted: Value| {
        let mut claims = issuer.claims(subject, "nobody");
        claims[claim] = id.as_str().into();
        if !granted.is_null() {
            claims[roles] = granted;
        }
        app.operator.exchange(&issuer.sign(&claims)).await.found::<Exchanged>().user.role
    };
    assert_eq!(comes("ann", json!({"contributor": {id.as_str(): "acme.example"}})).await, "contributor");
    assert_eq!(comes("ann", json!({"admin": {"another": "other.example"}})).await, "viewer");
    assert_eq!(comes("bob", json!({"operator": {id.as_str(): "acme.example"}})).await, "viewer");
    assert_eq!(comes("cat", Value::Null).await, "viewer");
    // Zitadel leaves the claim out where no role is left.
    assert_eq!(comes("dan", json!({"contributor": {id.as_str(): "acme.example"}})).await, "contributor");
    assert_eq!(comes("dan", Value::Null).await, "viewer");
    issuer.stop().await;
    app.stop().await;
    zitadel.stop().await;
}

#[actix_web::test]
async fn a_lost_answer_at_any_request_changes_nothing() {
    let zitadel = Zitadel::start();
    let proxy = Proxy::start(&zitadel.url);
    let app = TestApp::with(|config| {
        zitadel.configure(config, &proxy.url);
        config.section_mut::<provisioning::Retries>().provisioning_retry_base_ms = 5;
    })
    .await;
    proxy.upset(usize::MAX, Mishap::AnswerLost);
    app.operator.active_tenant(tenant("calm")).await;
    let requests = proxy.count();
    assert!(requests >= 5, "{requests}");
    for number in 1..=requests {
        for mishap in [Mishap::AnswerLost, Mishap::RequestLost, Mishap::Unavailable] {
            let slug = format!("t{number}-{}", mishap as u8);
            proxy.upset(number, mishap);
            let made = app.operator.active_tenant(tenant(&slug)).await;
            proxy.upset(usize::MAX, mishap);
            let drift: Drift = app.operator.get(&format!("/api/v1/tenants/{slug}/drift")).await.found();
            assert!(drift.differences.is_empty(), "{slug}");
            proxy.upset(number, mishap);
            app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
            status(&app.operator, &made.id, "deleted").await;
        }
    }
    assert_eq!(zitadel.organizations().len(), 1, "only the calm one is left");
    app.stop().await;
    proxy.stop().await;
    zitadel.stop().await;
}
