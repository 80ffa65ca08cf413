//! Every route that anybody may call stands in a list with what it may write, and writes nothing else for who has no credential.

use std::collections::{BTreeMap, BTreeSet};

use platform::{DbError, PlatformView};
use reqwest::Method;
use serde_json::{Value, json};
use tests::{Client, TestApp, on_postgres};
use web::Access;

/// Routes and the tables in which a stranger's request may leave rows, as `docs/architecture.md` has them.
fn list() -> BTreeMap<String, BTreeSet<String>> {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/architecture.md");
    let text = std::fs::read_to_string(path).expect("the page");
    let section = text.split("## Routes without a credential").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let quoted =
        |cell: &str| -> Vec<String> { cell.split('`').skip(1).step_by(2).map(ToOwned::to_owned).collect() };
    let mut found = BTreeMap::new();
    for line in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = line.split('|').collect();
        assert_eq!(cells.len(), 6, "four columns: {line}");
        assert!(cells.iter().skip(1).take(4).all(|cell| !cell.trim().is_empty()), "an empty cell: {line}");
        let tables: BTreeSet<String> = quoted(cells[2]).into_iter().collect();
        for route in quoted(cells[1]) {
            assert!(found.insert(route.clone(), tables.clone()).is_none(), "{route} stands twice");
        }
    }
    found
}

fn public() -> BTreeSet<String> {
    let routes = tenantry::routes();
    let public = routes.iter().filter(|route| matches!(route.access, Access::Public(_)));
    public.map(|route| format!("{} {}", route.method, route.pattern)).collect()
}

#[test]
fn every_public_route_says_what_it_may_write() {
    let listed: BTreeSet<String> = list().into_keys().collect();
    let served = public();
    let missing: Vec<_> = served.difference(&listed).collect();
    let gone: Vec<_> = listed.difference(&served).collect();
    assert!(missing.is_empty() && gone.is_empty(), "not listed: {missing:?}; listed, not served: {gone:?}");
}

/// How many rows each table has.
async fn rows(app: &TestApp) -> BTreeMap<String, i64> {
    let tables = match on_postgres() {
        Some(_) => "SELECT tablename::text AS name FROM pg_tables WHERE schemaname = 'public'",
        None => "SELECT name FROM sqlite_master WHERE type = 'table' AND name NOT LIKE 'sqlite_%'",
    };
    let read = async |view: &PlatformView| {
        let mut counts = Vec::new();
        for row in view.query(&platform::CrossTenantStatement::new(tables), Vec::new()).await? {
            let name: String = row.try_get("", "name")?;
            counts.push(format!("SELECT '{name}' AS name, COUNT(*) AS n FROM \"{name}\""));
        }
        let mut all = BTreeMap::new();
        for row in
            view.query(&platform::CrossTenantStatement::built(counts.join(" UNION ALL ")), Vec::new()).await?
        {
            all.insert(row.try_get("", "name")?, row.try_get("", "n")?);
        }
        Ok::<_, DbError>(all)
    };
    app.running.service.db.read_platform(read).await.expect("the tables")
}

/// What a stranger may send: as near to the real thing as they can make it.
fn bodies(pattern: &str) -> Vec<Value> {
    let somebody = [
        json!({"tenant": "acme", "email": "zoe@acme.example"}),
        json!({"tenant": "nobody", "email": "zoe@acme.example"}),
    ];
    match pattern {
        "/join" | "/api/v1/join" => somebody.to_vec(),
        "/login" => vec![json!({"email": "zoe@acme.example"}), json!({"email": "ann@elses.example"})],
        "/api/v1/invitations/accept" | "/invitations/accept" => {
            vec![json!({"token": "tnt_inv_0000000000000000000000000000000000000000000"})]
        }
        "/operator/login" => vec![json!({"email": "o@example.com", "password": "a long wrong password"})],
        "/operator/login/begin" => {
            vec![json!({"email": "o@example.com"}), json!({"email": "no@example.com"})]
        }
        "/operator/recover" => vec![json!({"email": "o@example.com", "code": "ABCD-EFGH-IJKL"})],
        "/oauth2/token" => vec![
            json!({"grant_type": "authorization_code", "code": "x", "client_id": "x", "client_secret": "x"}),
            json!({"grant_type": "urn:ietf:params:oauth:grant-type:token-exchange", "subject_token": "a.b.c",
                "subject_token_type": "urn:ietf:params:oauth:token-type:jwt", "client_id": "x"}),
        ],
        _ => vec![
            json!({"token": "x", "client_id": "x", "client_secret": "x", "SAMLResponse": "x", "state": "x", "code": "1"}),
        ],
    }
}

async fn call(client: &Client, route: &str) {
    let (method, pattern) = route.split_once(' ').expect("a route");
    let parts = pattern.split('/').map(|part| match part {
        "{realm}" => "acme",
        "{event_type}" => "user.created",
        part if part.starts_with('{') => "01890a5d-ac96-774b-bcce-b302099a8057",
        part => part,
    });
    let path = parts.collect::<Vec<_>>().join("/");
    let method = Method::from_bytes(method.as_bytes()).expect("a method");
    for body in bodies(pattern) {
        let request = client.request(method.clone(), &path);
        let fields: Vec<(&str, &str)> = body
            .as_object()
            .into_iter()
            .flatten()
            .filter_map(|(name, value)| Some((name.as_str(), value.as_str()?)))
            .collect();
        let requests = match method {
            Method::GET => vec![request.query(&fields)],
            _ => vec![request.form(&fields), client.request(method.clone(), &path).json(&body)],
        };
        for request in requests {
            // Only the status: a stream has no end.
            let status = request.send().await.expect("an answer").status();
            assert!(status != 500, "{route}: {status}");
        }
    }
}

#[actix_web::test]
async fn a_stranger_leaves_rows_only_where_the_list_says() {
    let app = TestApp::with(|config| {
        config.rate_limit.enabled = false;
        config.section_mut::<operators::Settings>().operator_passwords = true;
    })
    .await;
    let acme = app.tenant("acme").await;
    crate::strangers::let_join(&app, &acme, "acme.example").await;
    let invited = json!({"email": "zoe@acme.example", "role": "viewer"});
    acme.admin.post("/api/v1/tenants/acme/invitations", invited).await.expect(201);
    app.operator.post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"})).await.expect(201);
    app.invitation_token("zoe@acme.example").await;
    let mut wrong = Vec::new();
    let mut wrote = BTreeSet::new();
    for (route, may) in list() {
        let before = rows(&app).await;
        call(&app.anyone(), &route).await;
        let after = rows(&app).await;
        for (table, count) in after {
            if before.get(&table) == Some(&count) {
                continue;
            }
            wrote.insert(format!("{route} {table}"));
            if !may.contains(&table) {
                wrong.push(format!("{route} writes {table}"));
            }
        }
    }
    println!("{wrote:#?}");
    assert!(wrong.is_empty(), "{wrong:#?}");
    // The list is no blank cheque: what was tried here and is allowed did happen.
    assert!(wrote.contains("POST /api/v1/join job") && wrote.contains("POST /login job"), "{wrote:#?}");
    app.stop().await;
}
