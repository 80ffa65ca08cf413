//! What is warned of because it ends soon, while somebody ends it: the warning must not bring it back.

use chrono::TimeDelta;
use futures_util::future::join;
use serde::de::DeserializeOwned;
use serde_json::json;
use tests::{Connection, ScimToken};

use super::*;

/// As many as an organization may have.
const MANY: usize = 50;

/// What is listed there.
async fn listed<T: DeserializeOwned>(operator: &Client, path: &str) -> Vec<T> {
    operator.get(&format!("{path}?limit=200")).await.items()
}

#[actix_web::test]
async fn a_token_that_is_revoked_while_it_is_warned_of_stays_revoked() {
    let app = app().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    let list = format!("{}/scim-tokens", organization(&app.operator).await);
    let until = app.clock.now() + TimeDelta::days(20);
    for at in 0..MANY {
        let body = json!({"name": format!("t{at}"), "expiresAt": until});
        app.operator.post(&list, body).await.expect(201);
    }
    let made: Vec<ScimToken> = listed(&app.operator, &list).await;
    let paths: Vec<String> = made.iter().map(|one| format!("{list}/{}", one.id)).collect();
    assert_eq!(paths.len(), MANY);
    let revoke = join_all(paths.iter().map(|path| app.operator.delete(path)));
    let (warned, revoked) = join(scim::warn(&app.running.service), revoke).await;
    warned.expect("they are warned of");
    assert!(revoked.iter().all(|reply| reply.status == 204));
    let left: Vec<ScimToken> = listed(&app.operator, &list).await;
    assert_eq!(left.iter().filter(|one| one.revoked_at.is_none()).count(), 0);
    app.stop().await;
}

#[actix_web::test]
async fn a_connection_that_is_disabled_while_it_is_warned_of_stays_disabled() {
    let app = app().await;
    app.tenant_with(json!({"slug": "acme", "name": "Acme", "plan": "enterprise"})).await;
    let list = format!("{}/connections", organization(&app.operator).await);
    for at in 0..MANY {
        let body = json!({"type": "oidc", "name": format!("c{at}"), "issuer": "https://idp.example", "clientId": format!("c{at}"),
            "clientSecret": "s", "clientSecretExpiresAt": app.clock.now() + TimeDelta::days(20)});
        app.operator.post(&list, body).await.expect(201);
    }
    let made: Vec<Connection> = listed(&app.operator, &list).await;
    let paths: Vec<String> = made.iter().map(|one| format!("{list}/{}", one.id)).collect();
    // Once told that they end, and once that they don't any more.
    for (enabled, days) in [(false, 20), (true, 400)] {
        let change =
            json!({"enabled": enabled, "clientSecretExpiresAt": app.clock.now() + TimeDelta::days(days)});
        let change =
            join_all(paths.iter().map(|path| app.operator.patch_owned(path.clone(), change.clone())));
        let (warned, changed) = join(::connections::warn(&app.running.service), change).await;
        warned.expect("they are warned of");
        assert!(changed.iter().all(|reply| reply.status == 200));
        let left: Vec<Connection> = listed(&app.operator, &list).await;
        assert_eq!(left.iter().filter(|one| one.enabled == enabled).count(), MANY);
    }
    app.stop().await;
}
