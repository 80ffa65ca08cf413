//! Every route × everybody: who may not is told so, and the inventory of routes is committed.

use std::fmt::Write as _;

use policy_core::{Role, allows};
use reqwest::Method;
use tests::{Client, TestApp};
use web::Access;

/// One line a route: what a reviewer reads when rights change.
fn inventory() -> String {
    let routes = tenantry::routes();
    let mut lines: Vec<String> = routes
        .iter()
        .map(|route| {
            let access = match route.access {
                Access::Public(reason) => format!("public: {reason}"),
                Access::Key(permission) => permission.name().to_owned(),
                Access::Scim => "scim token".to_owned(),
            };
            format!("{:<6} {:<88} {access}", route.method.as_str(), route.pattern)
        })
        .collect();
    lines.sort_by_key(|line| line.split_whitespace().nth(1).map(ToOwned::to_owned));
    lines.iter().fold(String::new(), |mut text, line| {
        let _ = writeln!(text, "{line}");
        text
    })
}

#[test]
fn the_committed_inventory_is_what_is_served() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/it/guards/access.out");
    if std::env::var_os("TENANTRY_TEST_UPDATE").is_some() {
        std::fs::write(path, inventory()).expect("written");
    }
    let committed = std::fs::read_to_string(path).unwrap_or_default();
    assert_eq!(
        inventory(),
        committed,
        "routes or rights changed: if that is meant, run with TENANTRY_TEST_UPDATE=1 and commit"
    );
}

/// A path that fits the pattern, about things that don't exist.
fn path(pattern: &str, tenant: &str) -> String {
    let parts = pattern.split('/').map(|part| match part {
        "{tenant}" => tenant,
        "{organization}" => "default",
        "{key}" | "{realm}" | "{name}" | "{event_type}" => "nothing",
        part if part.starts_with('{') => "01890a5d-ac96-774b-bcce-b302099a8057",
        part => part,
    });
    parts.collect::<Vec<_>>().join("/")
}

async fn call(client: &Client, method: &str, path: &str) -> u16 {
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    let mut request = client.request(method.clone(), path);
    if method != Method::GET && method != Method::DELETE {
        request = request.header("Content-Type", "application/json").body("[]");
    }
    // Only the status: a stream has no end.
    request.send().await.expect("an answer").status().as_u16()
}

#[actix_web::test]
async fn who_may_not_is_refused_on_every_route() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let mut callers = Vec::new();
    for role in Role::ALL {
        let tenant = (!role.is_platform()).then_some(acme.id.as_str());
        callers.push((role, app.key(role.name(), tenant).await));
    }
    for route in tenantry::routes().iter() {
        let method = route.method.as_str();
        // Who may do it must not really do it: an operator asks about a tenant that doesn't exist.
        let elsewhere = path(route.pattern, "01890a5d-ac96-774b-bcce-b302099a8057");
        let path = path(route.pattern, &acme.id);
        match route.access {
            Access::Public(_) => {
                let status = call(&app.anyone(), method, &path).await;
                assert_ne!(status, 500, "{route:?}");
            }
            Access::Scim => {
                assert_eq!(call(&app.anyone(), method, &path).await, 401, "{route:?} without a token");
                assert_eq!(call(&acme.admin, method, &path).await, 401, "{route:?} with a management key");
                assert_ne!(call(&acme.scim, method, &path).await, 401, "{route:?} with its token");
            }
            Access::Key(permission) => {
                assert_eq!(call(&app.anyone(), method, &path).await, 401, "{route:?} without a key");
                assert_eq!(call(&acme.scim, method, &path).await, 401, "{route:?} with a SCIM token");
                for (role, client) in &callers {
                    let status =
                        call(client, method, if role.is_platform() { &elsewhere } else { &path }).await;
                    if allows(*role, permission) {
                        assert!(status != 401 && status < 500, "{route:?} as {role}: {status}");
                    } else {
                        assert_eq!(status, 403, "{route:?} as {role}");
                    }
                }
            }
        }
    }
    app.stop().await;
}
