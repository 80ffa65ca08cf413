//! Two tenants. Whatever A's credentials do with B's ids: 404, nothing changed, nothing leaked.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, ConnectionTest, InvitationBatch, Reply, ScimRequest, SignIn, Tenant, TestApp};
use web::Access;

/// Ids of everything that a tenant owns, by the name of the path's parameter.
type Ids = BTreeMap<&'static str, String>;

fn text(value: &Value) -> String {
    value.as_str().expect("an id").to_owned()
}

async fn furnish(app: &TestApp, tenant: &Tenant, marker: &str) -> Ids {
    let base = format!("/api/v1/tenants/{}", tenant.slug);
    let organization = tenant
        .admin
        .post(&format!("{base}/organizations"), json!({"slug": "emea", "name": marker}))
        .await
        .created_id();
    let token = tenant
        .admin
        .post(&format!("{base}/organizations/default/scim-tokens"), json!({"name": marker}))
        .await
        .created_id();
    let user = tenant.scim.post("/scim/v2/Users", json!({"userName": marker})).await.created_id();
    let group = tenant
        .scim
        .post("/scim/v2/Groups", json!({"displayName": marker, "members": [{"value": user}]}))
        .await
        .created_id();
    let invitation = tenant
        .admin
        .post(
            &format!("{base}/invitations"),
            json!({"email": format!("{marker}@example.com"), "role": "viewer", "organization": "emea"}),
        )
        .await
        .created_id();
    let many = json!({"organization": "emea", "invitations": [{"email": format!("{marker}@many.example")}]});
    let batch =
        tenant.admin.post(&format!("{base}/invitations/bulk"), many).await.accepted::<InvitationBatch>();
    let mapping = tenant
        .admin
        .post(
            &format!("{base}/organizations/default/role-mappings"),
            json!({"groupId": group, "role": "guest"}),
        )
        .await
        .created_id();
    let schema = json!({"id": format!("urn:x:{marker}"), "name": marker, "resourceType": "User", "attributes": [{"name": "a"}]});
    let schema = tenant.admin.post(&format!("{base}/scim-schemas"), schema).await.expect(201);
    let request = tests::eventually("a logged request", async || {
        let path = format!("{base}/organizations/default/scim-requests");
        tenant.admin.get(&path).await.items::<ScimRequest>().into_iter().next().map(|one| one.id)
    })
    .await;
    let connection =
        json!({"type": "oidc", "name": marker, "issuer": "https://idp.example", "clientId": marker});
    let connection = tenant
        .admin
        .post(&format!("{base}/organizations/default/connections"), connection)
        .await
        .created_id();
    let domain = json!({"domain": format!("{marker}.example")});
    let domain =
        tenant.admin.post(&format!("{base}/organizations/default/domains"), domain).await.created_id();
    let test = format!("{base}/organizations/default/connections/{connection}/test");
    let test: ConnectionTest = tenant.admin.post(&test, json!({})).await.found();
    tests::Browser::default().open(&test.test_url).await;
    let sign_in: SignIn = tenant.admin.get(&format!("{base}/sign-ins")).await.first();
    app.operator.put(&format!("{base}/flags/beta"), json!({"variant": "on"})).await.expect(200);
    Ids::from([
        ("tenant", tenant.id.clone()),
        ("organization", organization),
        ("token_id", token),
        ("user_id", user.clone()),
        ("group_id", group),
        ("invitation_id", invitation),
        ("mapping_id", mapping),
        ("schema_id", text(&schema["schemaId"])),
        ("request_id", request),
        ("batch_id", batch.id),
        ("name", format!("{marker}.example")),
        ("key", "beta".to_owned()),
        ("connection_id", connection),
        ("domain_id", domain),
        ("sign_in_id", sign_in.id),
        ("session_id", user),
    ])
}

/// What can be seen of a tenant.
async fn seen(app: &TestApp, tenant: &Tenant) -> String {
    let mut all = String::new();
    for what in [
        "",
        "/organizations",
        "/users",
        "/groups",
        "/invitations",
        "/quotas",
        "/flags",
        "/organizations/default/scim-tokens",
        "/organizations/default/role-mappings",
        "/scim-schemas",
        "/provisioning",
        "/organizations/default/connections",
        "/organizations/default/domains",
        "/organizations/default/sso-policy",
        "/sign-ins",
        "/sessions",
    ] {
        let reply = app.operator.get(&format!("/api/v1/tenants/{}{what}", tenant.id)).await;
        assert_eq!(reply.status, 200);
        // Asking moves `lastUsedAt`, and nothing else.
        let mut body = reply.json();
        for item in body["items"].as_array_mut().into_iter().flatten() {
            item.as_object_mut().map(|item| item.remove("lastUsedAt"));
        }
        all.push_str(&body.to_string());
    }
    all + &tenant.scim.get("/scim/v2/Users").await.text + &tenant.scim.get("/scim/v2/Groups").await.text
}

fn fill(pattern: &str, ids: &Ids, tenant: &str) -> Option<String> {
    let parts =
        pattern.split('/').map(|part| match part.strip_prefix('{').and_then(|part| part.strip_suffix('}')) {
            None => Some(part.to_owned()),
            Some("tenant") => Some(tenant.to_owned()),
            Some(name) => ids.get(name).cloned(),
        });
    Some(parts.collect::<Option<Vec<_>>>()?.join("/"))
}

async fn call(client: &Client, method: &str, path: &str, ids: &Ids) -> Reply {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let body = match path {
        path if path.ends_with("/sso-policy") => json!({"defaultRole": "admin"}),
        path if path.contains("/organizations/") && method == Method::PATCH => json!({"name": "taken"}),
        path if path.ends_with("/organizations") => json!({"slug": "taken", "name": "taken"}),
        path if path.ends_with("/scim-tokens") => json!({"name": "taken"}),
        path if path.ends_with("/rotate") => json!({}),
        path if path.ends_with("/branding") => json!({"senderName": "taken"}),
        path if path.ends_with("/bulk") => json!({"invitations": [{"email": "taken@example.com"}]}),
        path if path.contains("/join-rules/") => json!({"mode": "auto"}),
        path if path.contains("/join-requests/") => json!({}),
        path if path.ends_with("/connections") => {
            json!({"type": "oidc", "name": "taken", "issuer": "https://idp.example", "clientId": "taken"})
        }
        path if path.ends_with("/domains") => json!({"domain": "taken.example"}),
        path if path.ends_with("/directory-guard") => json!({"usersMax": 1}),
        path if path.contains("/directory-restores") => json!({"moment": "2026-01-01T00:00:00Z"}),
        path if path.ends_with("/role-mappings") => json!({"groupId": ids["group_id"], "role": "admin"}),
        path if path.contains("/scim-schemas") => {
            json!({"id": "urn:x:taken", "name": "taken", "resourceType": "User", "attributes": [{"name": "a"}]})
        }
        path if path.contains("/users/") => json!({"role": "admin"}),
        path if path.ends_with("/invitations") => json!({"email": "taken@example.com", "role": "admin"}),
        path if path.contains("/flags/") => json!({"variant": "on"}),
        path if path.ends_with("/quotas") => json!({"items": [{"resource": "users", "limit": 1}]}),
        path if path.contains("/scim/v2/Users") && method == Method::PATCH => {
            json!({"Operations": [{"op": "replace", "value": {"active": false}}]})
        }
        path if path.contains("/scim/v2/Groups") && method == Method::PATCH => {
            json!({"Operations": [{"op": "remove", "path": "members"}, {"op": "add", "path": "members", "value": [{"value": ids["user_id"]}]}]})
        }
        path if path.contains("/scim/v2/Users") => json!({"userName": "taken"}),
        path if path.contains("/scim/v2/Groups") => json!({"displayName": "taken"}),
        _ => json!({"name": "taken"}),
    };
    let request = client.request(method.clone(), path);
    Reply::read(if method == Method::GET || method == Method::DELETE { request } else { request.json(&body) })
        .await
}

#[actix_web::test]
async fn another_tenants_ids_do_not_exist() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    app.operator.flag("beta").await;
    let (a, b) = (app.tenant("aaa").await, app.tenant("bbb").await);
    let (ids_a, ids_b) = (furnish(&app, &a, "marker-a").await, furnish(&app, &b, "marker-b").await);
    let before = seen(&app, &b).await;
    let mut tried = 0;
    for route in tenantry::routes().iter() {
        let method = route.method.as_str();
        let mut attempts: Vec<(&Client, String)> = Vec::new();
        match route.access {
            Access::Key(_) if route.pattern.contains("{tenant}") => {
                let path = |tenant: &str, ids: &Ids| {
                    fill(route.pattern, ids, tenant)
                        .unwrap_or_else(|| panic!("{route:?}: give its path parameter a value in `furnish`"))
                };
                // B's tenant by id and by slug; and B's things under A's own tenant.
                attempts.push((&a.admin, path(&b.id, &ids_b)));
                attempts.push((&a.admin, path(&b.slug, &ids_b)));
                let own = path(&a.id, &ids_b);
                if own != path(&a.id, &ids_a) {
                    attempts.push((&a.admin, own));
                }
            }
            Access::Scim if route.pattern.contains("{id}") => {
                let id = if route.pattern.contains("Users") { &ids_b["user_id"] } else { &ids_b["group_id"] };
                attempts.push((&a.scim, route.pattern.replace("{id}", id)));
            }
            _ => {}
        }
        for (client, path) in attempts {
            let reply = call(client, method, &path, &ids_b).await;
            let allowed = if path.contains(&a.id) { [404, 403] } else { [404, 404] };
            assert!(
                allowed.contains(&reply.status.as_u16()),
                "{method} {path}: {} {}",
                reply.status,
                reply.text
            );
            assert!(!reply.text.contains("marker-b"), "{method} {path} leaks: {}", reply.text);
            tried += 1;
        }
    }
    assert!(tried > 60, "only {tried} attempts");
    // Ids in bodies are ids too.
    let group = format!("/scim/v2/Groups/{}", ids_a["group_id"]);
    let add =
        json!({"Operations": [{"op": "add", "path": "members", "value": [{"value": ids_b["user_id"]}]}]});
    a.scim.patch(&group, add).await.scim_refused(400, Some("invalidValue"));
    a.scim
        .post("/scim/v2/Groups", json!({"displayName": "x", "members": [{"value": ids_b["user_id"]}]}))
        .await
        .scim_refused(400, Some("invalidValue"));
    assert_eq!(a.scim.find("/scim/v2/Users", "userName eq \"marker-b\"").await.total(), 0);
    assert!(!a.admin.get("/api/v1/audit-events?limit=200").await.text.contains(&b.id));
    assert_eq!(seen(&app, &b).await, before, "something of B changed");
    let denied = app.audit("tenant.access").await;
    assert!(denied.iter().any(|event| event.outcome == "denied" && event.tenant_id.as_ref() == Some(&a.id)));
    app.stop().await;
}
