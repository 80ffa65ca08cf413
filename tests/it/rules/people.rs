//! A person is made once, whichever doors they and their directory use at the same moment; one of all runs a tenant.

use super::*;

const EXCHANGE: &str = "/api/internal/sso/exchange";

async fn usage_of_users(app: &TestApp) -> (i64, i64) {
    let quotas = app.operator.get("/api/v1/tenants/acme/quotas").await.expect(200);
    let users = quotas["items"].as_array().unwrap().iter().find(|item| item["resource"] == "users").unwrap();
    (users["used"].as_i64().unwrap(), users["limit"].as_i64().unwrap() - users["remaining"].as_i64().unwrap())
}

/// The exchange, the mailed token and the directory, all at once: with a seat for one.
pub(super) async fn people() {
    let app = stage(|_| ()).await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let acme = acme(&app).await;
    let quotas = json!({"items": [{"resource": "users", "limit": 1}]});
    app.operator.put("/api/v1/tenants/acme/quotas", quotas).await.expect(200);
    acme.admin.post(INVITATIONS, json!({"email": "z@x.example", "role": "contributor"})).await.expect(201);
    let token = app.invitation_token("z@x.example").await;
    let mut claims = issuer.claims("z", "org_acme");
    claims["email"] = json!("Z@x.example");
    claims["email_verified"] = json!(true);
    let exchange = json!({"subjectToken": issuer.sign(&claims)});
    let accept = json!({"token": token});
    let push = json!({"userName": "z@x.example", "emails": [{"value": "z@x.example"}]});
    let ask = |at: usize| {
        let (client, path, body) = match at % 3 {
            0 => (app.operator.clone(), EXCHANGE, exchange.clone()),
            1 => (app.anyone(), "/api/v1/invitations/accept", accept.clone()),
            _ => (acme.scim.clone(), "/scim/v2/Users", push.clone()),
        };
        decided(client, Method::POST, path.to_owned(), body)
    };
    let replies = join_all((0..WIDE).map(ask)).await;
    let good =
        |at: usize| replies.iter().skip(at).step_by(3).filter(|reply| reply.status.is_success()).count();
    assert!(good(1) <= 1 && good(2) <= 1, "{} accepted, {} pushed", good(1), good(2));
    for reply in &replies {
        let expected = [200, 201, 409, 410];
        assert!(expected.contains(&reply.status.as_u16()), "{} {}", reply.status, reply.text);
    }
    let users = acme.admin.get("/api/v1/tenants/acme/users").await.expect(200);
    assert_eq!(users["items"].as_array().unwrap().len(), 1, "{users}");
    assert_eq!(usage_of_users(&app).await, (1, 1));
    issuer.stop().await;
    app.stop().await;
}

/// Strangers of an organization that nobody knows, all at once: one of them runs its tenant.
pub(super) async fn first_user() {
    let app = stage(|config| {
        let settings = config.section_mut::<exchange::Settings>();
        settings.exchange.auto_provision = true;
        settings.exchange.plan = "enterprise".to_owned();
    })
    .await;
    let issuer = Issuer::start();
    issuer.register(&app.operator).await;
    let ask = |at: usize| {
        let body = json!({"subjectToken": issuer.token(&format!("p{at}"), "org_new")});
        decided(app.operator.clone(), Method::POST, EXCHANGE.to_owned(), body)
    };
    let replies = join_all((0..WIDE).map(ask)).await;
    let roles: Vec<String> = replies
        .into_iter()
        .map(|reply| reply.expect(200)["user"]["role"].as_str().unwrap_or_default().to_owned())
        .collect();
    assert_eq!(roles.iter().filter(|role| *role == "admin").count(), 1, "{roles:?}");
    issuer.stop().await;
    app.stop().await;
}
