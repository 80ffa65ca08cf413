//! What may be done to connections and policies, and what not.

use futures_util::future::join_all;
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Reply, Tenant, TestApp};

use super::*;

const AT_ONCE: usize = 30;

async fn connection(acme: &Tenant, name: &str) -> String {
    let body = json!({"type": "oidc", "name": name, "issuer": "https://idp.example", "clientId": "c"});
    text(&acme.admin.post(&acme.path("connections"), body).await.expect(201), "id")
}

async fn enforce(acme: &Tenant, enforced: bool) {
    let put = acme.admin.request(Method::PUT, &acme.path("sso-policy")).json(&json!({"enforced": enforced}));
    Reply::read(put).await.expect(200);
}

#[actix_web::test]
async fn an_organization_whose_people_come_in_by_its_connections_keeps_one() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let one = |id: &str| acme.path(&format!("connections/{id}"));
    let first = connection(&acme, "first").await;
    enforce(&acme, true).await;
    acme.admin.delete(&one(&first)).await.refused(409, "connection.needed");
    acme.admin.patch(&one(&first), json!({"enabled": false})).await.refused(409, "connection.needed");
    acme.admin.patch(&one(&first), json!({"name": "renamed"})).await.expect(200);
    let second = connection(&acme, "second").await;
    acme.admin.patch(&one(&first), json!({"enabled": false})).await.expect(200);
    acme.admin.delete(&one(&second)).await.refused(409, "connection.needed");
    acme.admin.patch(&one(&first), json!({"enabled": true})).await.expect(200);
    assert_eq!(acme.admin.delete(&one(&second)).await.status, 204);
    enforce(&acme, false).await;
    assert_eq!(acme.admin.delete(&one(&first)).await.status, 204);
    app.stop().await;
}

#[actix_web::test]
async fn of_connections_that_go_at_once_one_stays() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    let mut all = Vec::new();
    for at in 0..AT_ONCE {
        all.push(connection(&acme, &format!("c{at}")).await);
    }
    enforce(&acme, true).await;
    let go = |at: usize, id: &String| {
        let one = acme.path(&format!("connections/{id}"));
        let admin = acme.admin.clone();
        async move {
            if at.is_multiple_of(2) {
                admin.delete(&one).await
            } else {
                admin.patch(&one, json!({"enabled": false})).await
            }
        }
    };
    let replies = join_all(all.iter().enumerate().map(|(at, id)| go(at, id))).await;
    let refused: Vec<&Reply> = replies.iter().filter(|reply| !reply.status.is_success()).collect();
    assert_eq!(refused.len(), 1, "{:?}", refused.iter().map(|reply| &reply.text).collect::<Vec<_>>());
    let left = acme.admin.get(&acme.path("connections")).await.expect(200);
    let active = |one: &&Value| one["status"] == "active";
    assert_eq!(left["items"].as_array().expect("a list").iter().filter(active).count(), 1);
    app.stop().await;
}
