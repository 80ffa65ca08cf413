//! A real Keycloak 26: realms and organizations are made, compared, mended and removed there.

use platform::config::Config;
use serde_json::{Value, json};
use tests::{Client, Drift, Exchanged, Keycloak, Mishap, Proxy, TenantView, TestApp, eventually, status};

fn configure(keycloak: &Keycloak, url: &str, config: &mut Config) {
    keycloak.configure(config, url);
    config.outbound.timeout = std::time::Duration::from_secs(60);
}

async fn start(keycloak: &Keycloak) -> TestApp {
    TestApp::with(|config| configure(keycloak, &keycloak.url, config)).await
}

/// A slug that no other test's realm has.
fn fresh(name: &str) -> String {
    format!("{name}-{}", &uuid::Uuid::now_v7().simple().to_string()[20..])
}

fn tenant(slug: &str, kind: &str) -> Value {
    json!({"slug": slug, "name": "Acme", "plan": "pro", "identity": {"backend": "keycloak", "kind": kind}, "owner": {"email": "o@acme.example"}})
}

/// A person's access token, by the password grant at a client made for it.
async fn token(admin: &Client, url: &str, realm: &str, scope: &str) -> String {
    let form = [
        ("grant_type", "password"),
        ("client_id", "tenantry"),
        ("username", "ann"),
        ("password", "ann"),
        ("scope", scope),
    ];
    let anyone = Client { base: url.to_owned(), ..admin.anonymous() };
    let reply =
        anyone.form(&format!("/realms/{realm}/protocol/openid-connect/token"), &form).await.expect(200);
    reply["access_token"].as_str().expect("a token").to_owned()
}

/// Ann, with a password, and a client that takes passwords.
async fn ann(admin: &Client, realm: &str) -> String {
    let person = json!({
        "username": "ann", "enabled": true, "email": "ann@acme.example", "emailVerified": true, "firstName": "Ann",
        "lastName": "Doe", "credentials": [{"type": "password", "value": "ann", "temporary": false}],
    });
    let made = admin.post(&format!("/admin/realms/{realm}/users"), person).await;
    made.expect(201);
    let clients = admin.get(&format!("/admin/realms/{realm}/clients?clientId=tenantry")).await.expect(200);
    let mut client = clients[0].clone();
    client["directAccessGrantsEnabled"] = true.into();
    let path = format!("/admin/realms/{realm}/clients/{}", client["id"].as_str().expect("an id"));
    assert_eq!(admin.put(&path, client).await.status, 204);
    let users = admin.get(&format!("/admin/realms/{realm}/users?username=ann")).await.expect(200);
    users[0]["id"].as_str().expect("an id").to_owned()
}

fn with_broker(keycloak: &Keycloak, config: &mut Config) {
    configure(keycloak, &keycloak.url, config);
    let settings = &mut config.section_mut::<backends::Settings>().keycloak;
    settings.broker_issuer = keycloak.issuer();
    settings.broker_client_id = "support".to_owned();
    settings.broker_client_secret = "hush".to_owned().into();
}

#[actix_web::test]
async fn a_tenant_gets_a_realm_of_its_own_whose_people_come_in_until_it_goes() {
    let keycloak = Keycloak::start().await;
    let app = TestApp::with(|config| with_broker(&keycloak, config)).await;
    let slug = fresh("acme");
    let made = app.operator.active_tenant(tenant(&slug, "realm")).await;
    assert_eq!(made.identity.issuer, Some(format!("{}/realms/{slug}", keycloak.url)));
    assert_eq!(made.identity.external_id.as_ref(), Some(&slug));
    let admin = keycloak.admin().await;
    let realm = format!("/admin/realms/{slug}");
    let found = admin.get(&realm).await.expect(200);
    assert_eq!(found["attributes"]["tenantry_tenant"], made.id);
    let roles = admin.get(&format!("{realm}/roles")).await.expect(200);
    for role in ["admin", "contributor", "viewer", "guest", "service"] {
        assert!(roles.as_array().unwrap().iter().any(|found| found["name"] == role), "{role}");
    }
    // The platform's own provider is brokered, with endpoints that its discovery told.
    let broker = admin.get(&format!("{realm}/identity-provider/instances/platform")).await.expect(200);
    assert_eq!(broker["config"]["issuer"], keycloak.issuer());
    assert!(broker["config"]["tokenUrl"].as_str().unwrap().ends_with("/token"), "{broker}");
    // The timeline tells what was asked there.
    let calls = app.operator.run(&slug).await.steps.remove(1).calls;
    assert!(calls.iter().any(|call| call["path"] == "/admin/realms" && call["status"] == 201), "{calls:?}");
    // Its issuer was learnt and registered: Ann's token names her tenant by it alone.
    ann(&admin, &slug).await;
    let bearer = token(&admin, &keycloak.url, &slug, "openid email profile").await;
    let exchanged: Exchanged = app.operator.exchange(&bearer).await.found();
    assert_eq!(exchanged.tenant_slug, slug);
    // Suspended here is disabled there.
    app.operator.post(&format!("/api/v1/tenants/{slug}/suspend"), json!({})).await.expect(200);
    app.operator.exchange(&bearer).await.refused(403, "tenant.suspended");
    let enabled = async |wanted: bool| {
        eventually("the realm to follow", async || {
            let found = keycloak.admin().await.get(&realm).await.expect(200);
            (found["enabled"] == wanted).then_some(())
        })
        .await
    };
    enabled(false).await;
    app.operator.post(&format!("/api/v1/tenants/{slug}/resume"), json!({})).await.expect(200);
    enabled(true).await;
    // What somebody changed there is found, and mended when asked.
    let admin = keycloak.admin().await;
    assert_eq!(admin.delete(&format!("{realm}/roles/viewer")).await.status, 204);
    let drift = async || app.operator.get(&format!("/api/v1/tenants/{slug}/drift")).await.found::<Drift>();
    assert_eq!(
        json!(drift().await.differences),
        json!([{"what": "role.viewer", "desired": "present", "found": "absent"}])
    );
    app.operator.post(&format!("/api/v1/tenants/{slug}/repair"), json!({})).await.expect(202);
    eventually("the realm to be mended", async || drift().await.differences.is_empty().then_some(())).await;
    // Nothing stays behind, and that is proven.
    app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
    status(&app.operator, &made.id, "deleted").await;
    assert_eq!(keycloak.admin().await.get(&realm).await.status, 404);
    let proof = app.audit("tenant.prove_absence").await;
    assert_eq!(
        (proof[0].details["identity"].as_str(), proof[0].details["rows"]["directory_user"].as_i64()),
        (Some("absent"), Some(0))
    );
    assert_eq!(app.operator.get("/api/v1/issuers").await.count(), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_tenant_is_an_organization_in_the_shared_realm_and_its_claim_names_it() {
    let keycloak = Keycloak::start().await;
    let app = start(&keycloak).await;
    let (acme, other) = (fresh("acme"), fresh("other"));
    for slug in [&acme, &other] {
        app.operator.post("/api/v1/tenants", tenant(slug, "org")).await.expect(202);
    }
    let made = status(&app.operator, &acme, "active").await;
    status(&app.operator, &other, "active").await;
    let admin = keycloak.admin().await;
    let realm = format!("shared-{}", keycloak.realm);
    let organizations = format!("/admin/realms/{realm}/organizations");
    let organization = format!("{organizations}/{}", made.identity.external_id.as_ref().unwrap());
    assert_eq!(admin.get(&organization).await.expect(200)["alias"], acme);
    let person = ann(&admin, &realm).await;
    let request = admin.request(reqwest::Method::POST, &format!("{organization}/members"));
    let joined =
        request.header("content-type", "application/json").body(person).send().await.expect("an answer");
    assert_eq!(joined.status(), 201);
    let bearer = token(&admin, &keycloak.url, &realm, "openid email profile organization").await;
    let exchanged: Exchanged = app.operator.exchange(&bearer).await.found();
    assert_eq!(exchanged.tenant_slug, acme);
    app.operator.delete(&format!("/api/v1/tenants/{acme}")).await.expect(202);
    status(&app.operator, &made.id, "deleted").await;
    let left = keycloak.admin().await.get(&organizations).await.expect(200);
    let left: Vec<&str> = left.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    assert_eq!(left, [other.as_str()]);
    // The other's people still come in by the same issuer.
    assert_eq!(app.operator.get("/api/v1/issuers").await.count(), 1);
    app.stop().await;
}

#[actix_web::test]
async fn what_is_there_and_not_ours_is_neither_taken_nor_removed() {
    let keycloak = Keycloak::start().await;
    let app = start(&keycloak).await;
    let mut body = tenant(&fresh("thief"), "realm");
    body["identity"]["externalId"] = keycloak.realm.clone().into();
    let made: TenantView = app.operator.post("/api/v1/tenants", body).await.accepted();
    status(&app.operator, &made.id, "failed").await;
    let error = app.operator.run(&made.id).await.steps.remove(1).error.unwrap();
    assert!(error.contains("was not created by this service") || error.contains("403"), "{error}");
    let realm = format!("/admin/realms/{}", keycloak.realm);
    assert!(keycloak.admin().await.get(&realm).await.expect(200)["enabled"].as_bool().unwrap());
    app.stop().await;
}

#[actix_web::test]
async fn a_lost_answer_at_any_request_changes_nothing() {
    let keycloak = Keycloak::start().await;
    let proxy = Proxy::start(&keycloak.url);
    let app = TestApp::with(|config| configure(&keycloak, &proxy.url, config)).await;
    for kind in ["realm", "org"] {
        // How many requests one takes, undisturbed.
        proxy.upset(usize::MAX, Mishap::AnswerLost);
        let slug = fresh("calm");
        app.operator.active_tenant(tenant(&slug, kind)).await;
        let requests = proxy.count();
        assert!(requests >= 4, "{requests}");
        for number in 1..=requests {
            for mishap in [Mishap::AnswerLost, Mishap::RequestLost, Mishap::Unavailable] {
                let slug = fresh("upset");
                proxy.upset(number, mishap);
                let made = app.operator.active_tenant(tenant(&slug, kind)).await;
                proxy.upset(usize::MAX, mishap);
                // A Keycloak that others work too answers 500 now and then.
                let drift = eventually("Keycloak to answer", async || {
                    let reply = app.operator.get(&format!("/api/v1/tenants/{slug}/drift")).await;
                    (reply.status == 200).then(|| reply.found::<Drift>())
                })
                .await;
                assert!(drift.differences.is_empty(), "{kind} {number} {mishap:?}");
                if mishap == Mishap::AnswerLost {
                    proxy.upset(number, mishap);
                    app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
                    status(&app.operator, &made.id, "deleted").await;
                }
            }
        }
    }
    let shared = format!("/admin/realms/shared-{}/organizations?max=1000", keycloak.realm);
    let organizations = keycloak.admin().await.get(&shared).await.expect(200);
    let mut names: Vec<&str> =
        organizations.as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all, "none is there twice");
    app.stop().await;
    proxy.stop().await;
}

/// Whoever was to run the tenant is there, and can be given a password.
async fn owner(admin: &Client, realm: &str) -> Value {
    let path = format!("/admin/realms/{realm}/users?email=o%40acme.example&exact=true");
    let found = admin.get(&path).await.expect(200);
    assert_eq!(found.as_array().unwrap().len(), 1, "{found}");
    found[0].clone()
}

#[actix_web::test]
async fn the_owner_is_made_there_and_the_realms_roles_count() {
    let keycloak = Keycloak::start().await;
    let app = start(&keycloak).await;
    let slug = fresh("owned");
    app.operator.active_tenant(tenant(&slug, "realm")).await;
    let admin = keycloak.admin().await;
    let realm = format!("/admin/realms/{slug}");
    let olga = owner(&admin, &slug).await;
    assert_eq!((&olga["enabled"], &olga["requiredActions"]), (&json!(true), &json!(["UPDATE_PASSWORD"])));
    let olga = format!("{realm}/users/{}", olga["id"].as_str().unwrap());
    let roles = admin.get(&format!("{olga}/role-mappings/realm")).await.expect(200);
    assert!(roles.as_array().unwrap().iter().any(|role| role["name"] == "admin"), "{roles}");
    // Who is removed there stays removed, whatever is repaired here.
    assert_eq!(admin.delete(&olga).await.status, 204);
    app.operator.post(&format!("/api/v1/tenants/{slug}/repair"), json!({})).await.expect(202);
    eventually("the repair", async || {
        let run = app.operator.run(&slug).await;
        (run.kind == "repair" && run.status == "done").then_some(())
    })
    .await;
    let path = format!("{realm}/users?email=o%40acme.example&exact=true");
    assert_eq!(keycloak.admin().await.get(&path).await.expect(200), json!([]));
    // Ann's role is the realm's word, each time she comes: given, raised, taken back.
    let admin = keycloak.admin().await;
    let id = ann(&admin, &slug).await;
    let role = async |name: &str| admin.get(&format!("{realm}/roles/{name}")).await.expect(200);
    let mappings = format!("{realm}/users/{id}/role-mappings/realm");
    let comes = async || {
        let bearer = token(&admin, &keycloak.url, &slug, "openid email profile").await;
        app.operator.exchange(&bearer).await.found::<Exchanged>().user.role
    };
    for (given, is) in [(None, "viewer"), (Some("contributor"), "contributor"), (Some("admin"), "admin")] {
        if let Some(name) = given {
            assert_eq!(admin.post(&mappings, json!([role(name).await])).await.status, 204);
        }
        assert_eq!(comes().await, is);
    }
    // Somebody else runs the tenant meanwhile: the last admin keeps it.
    let pass = json!({"email": "pat@acme.example", "role": "admin"});
    app.operator.post(&format!("/api/v1/tenants/{slug}/invitations"), pass).await.expect(201);
    app.accept_invitation("pat@acme.example").await;
    let request = admin.request(reqwest::Method::DELETE, &mappings).json(&json!([role("admin").await]));
    assert_eq!(request.send().await.unwrap().status(), 204);
    assert_eq!(comes().await, "contributor");
    app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
    app.stop().await;
}

#[actix_web::test]
async fn the_owner_of_an_organization_is_a_member_of_it() {
    let keycloak = Keycloak::start().await;
    let app = start(&keycloak).await;
    let slug = fresh("org");
    let made = app.operator.active_tenant(tenant(&slug, "org")).await;
    let admin = keycloak.admin().await;
    let shared = format!("shared-{}", keycloak.realm);
    let olga = owner(&admin, &shared).await;
    let id = made.identity.external_id.unwrap();
    let members = admin.get(&format!("/admin/realms/{shared}/organizations/{id}/members")).await.expect(200);
    assert_eq!(members[0]["id"], olga["id"], "{members}");
    // Of a second tenant too: the person is one, the membership another.
    let second = fresh("org");
    app.operator.active_tenant(tenant(&second, "org")).await;
    assert_eq!(owner(&keycloak.admin().await, &shared).await["id"], olga["id"]);
    for slug in [slug, second] {
        app.operator.delete(&format!("/api/v1/tenants/{slug}")).await.expect(202);
    }
    app.stop().await;
}
