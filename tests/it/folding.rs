//! Names and addresses that are one however they are written, characters that no name may hold, names that stand twice in JSON.

use reqwest::Method;
use sea_orm::{ConnectionTrait as _, Database};
use serde_json::{Value, json};
use tests::{Client, Group, Process, Reply, ScimUser, SearchResults, Store, Tenant, TestApp};

const PROGRAM: &str = env!("CARGO_BIN_EXE_crashable");
const USERS: &str = "/scim/v2/Users";
const INVITATIONS: &str = "/api/v1/tenants/acme/invitations";

/// Who a filter finds, by the names that they were given.
async fn found(client: &Client, path: &str, filter: &str) -> Vec<String> {
    let list: SearchResults<Value> = client.find(path, filter).await.results();
    let name = |one: &Value| {
        one.get("userName").or(one.get("displayName")).and_then(Value::as_str).map(ToOwned::to_owned)
    };
    list.resources.iter().filter_map(name).collect()
}

#[actix_web::test]
async fn one_name_is_one_user_however_it_is_written() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for spellings in [
        &["ß", "SS", "ẞ", "ss"][..],
        &["ﬁnn", "FINN", "finn"],
        &["ς", "Σ", "σ"],
        &["Ann", " ann ", "ANN\u{a0}", "ａｎｎ"],
        &["x@bücher.example", "X@xn--bcher-kva.example", "x@BÜCHER.example", "x@bu\u{308}cher.example"],
    ] {
        let first = spellings[0];
        acme.scim.post(USERS, json!({"userName": first, "emails": [{"value": first}]})).await.expect(201);
        let made: Group = acme.scim.post("/scim/v2/Groups", json!({"displayName": first})).await.created();
        assert_eq!(made.display_name, first, "what is shown is what was sent");
        for spelling in &spellings[1..] {
            acme.scim.post(USERS, json!({"userName": spelling})).await.scim_refused(409, Some("uniqueness"));
            let group = json!({"displayName": spelling});
            acme.scim.post("/scim/v2/Groups", group).await.scim_refused(409, Some("uniqueness"));
        }
        for spelling in spellings {
            for (path, filter) in [
                (USERS, format!("userName eq \"{spelling}\"")),
                (USERS, format!("emails.value eq \"{spelling}\"")),
                (USERS, format!("emails[value eq \"{spelling}\"]")),
                ("/scim/v2/Groups", format!("displayName eq \"{spelling}\"")),
            ] {
                assert_eq!(found(&acme.scim, path, &filter).await, [first], "{filter}");
            }
        }
    }
    for (filter, name) in [
        (r#"userName co "BÜCHER""#, "x@bücher.example"),
        (r#"emails.value ew "@bücher.example""#, "x@bücher.example"),
        (r#"userName sw "FIN""#, "ﬁnn"),
        (r#"userName ew "S""#, "ß"),
    ] {
        assert_eq!(found(&acme.scim, USERS, filter).await, [name], "{filter}");
    }
    // A user is renamed to another spelling of their own name, and to nobody else's.
    let ann = acme.scim.find(USERS, "userName eq \"ann\"").await.results::<ScimUser>();
    let path = format!("{USERS}/{}", ann.resources[0].id);
    assert_eq!(acme.scim.put(&path, json!({"userName": "ANN"})).await.found::<ScimUser>().user_name, "ANN");
    acme.scim.put(&path, json!({"userName": "FINN"})).await.scim_refused(409, Some("uniqueness"));
    app.stop().await;
}

#[actix_web::test]
async fn what_nobody_can_see_is_in_no_name_and_no_address() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for hidden in
        ["a\u{200b}nn", "ann\u{200d}", "\u{202e}ann", "ann\u{feff}", "a\tnn", "a\u{ad}nn", "ann\u{2028}"]
    {
        let refused = acme.scim.post(USERS, json!({"userName": hidden})).await;
        assert!(refused.text.contains("U+"), "{}", refused.text);
        refused.scim_refused(400, Some("invalidValue"));
        let body = json!({"userName": "eve", "emails": [{"value": format!("{hidden}@x.example")}]});
        acme.scim.post(USERS, body).await.scim_refused(400, Some("invalidValue"));
        let body = json!({"email": format!("{hidden}@x.example"), "role": "viewer"});
        let refused = acme.admin.post(INVITATIONS, body).await.refused(400, "validation.failed");
        assert_eq!(refused.pointer(), "/email");
    }
    let path = format!("{USERS}/{}", acme.user("eve").await);
    let change = json!({"Operations": [{"op": "replace", "path": "userName", "value": "e\u{200b}ve"}]});
    acme.scim.patch(&path, change).await.scim_refused(400, Some("invalidValue"));
    app.stop().await;
}

#[actix_web::test]
async fn an_address_is_invited_once_however_its_domain_is_written() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let invite =
        async |email: &str| acme.admin.post(INVITATIONS, json!({"email": email, "role": "viewer"})).await;
    invite("zoe@bücher.example").await.expect(201);
    for spelling in ["zoe@xn--bcher-kva.example", "ZOE@BÜCHER.example", "zoe@bu\u{308}cher.example"] {
        invite(spelling).await.refused(409, "invitation.pending");
    }
    // Two domains, and two people.
    invite("zoe@straße.example").await.expect(201);
    invite("zoe@strasse.example").await.expect(201);
    assert_eq!(acme.admin.get(&format!("{INVITATIONS}?email=ZOE@b%C3%BCch")).await.count(), 1);
    app.stop().await;
}

async fn send(client: &Client, method: Method, path: &str, body: &'static str) -> Reply {
    Reply::read(client.request(method, path).header("content-type", "application/json").body(body)).await
}

#[actix_web::test]
async fn a_name_that_stands_twice_in_an_object_is_refused() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    for (path, body, place) in [
        (INVITATIONS, r#"{"email":"a@x.example","role":"viewer","role":"admin"}"#, "/role"),
        (INVITATIONS, r#"{"email":"a@x.example","role":"viewer","\u0072ole":"admin"}"#, "/role"),
        (
            "/api/v1/tenants/acme/invitations/bulk",
            r#"{"invitations":[{"email":"a@x.example"},{"email":"b@x.example","role":"guest","role":"admin"}]}"#,
            "/invitations/1/role",
        ),
    ] {
        let refused = send(&acme.admin, Method::POST, path, body).await.refused(400, "validation.failed");
        assert_eq!(refused.pointer(), place);
    }
    // SCIM's names have no case.
    let one: &'static str = format!("{USERS}/{}", acme.user("ann").await).leak();
    for (method, path, body) in [
        (Method::POST, USERS, r#"{"userName":"eve","userName":"bob"}"#),
        (Method::POST, USERS, r#"{"userName":"eve","USERNAME":"bob"}"#),
        (Method::POST, USERS, r#"{"userName":"eve","name":{"givenName":"E","givenname":"B"}}"#),
        (Method::PUT, one, r#"{"userName":"ann","active":true,"Active":false}"#),
        (Method::PATCH, one, r#"{"Operations":[{"op":"add","op":"remove","path":"title","value":"x"}]}"#),
        (Method::PATCH, one, r#"{"Operations":[{"op":"add","value":{"title":"x","title":"y"}}]}"#),
        (
            Method::POST,
            "/scim/v2/Bulk",
            r#"{"Operations":[{"method":"POST","path":"/Users","data":{"userName":"a","userName":"b"}}]}"#,
        ),
    ] {
        send(&acme.scim, method, path, body).await.scim_refused(400, Some("invalidSyntax"));
    }
    assert_eq!(found(&acme.scim, USERS, "userName pr").await, ["ann"]);
    app.stop().await;
}

/// A tenant of a process, with its identity provider's token.
async fn tenant(operator: &Client) -> Tenant {
    let body = json!({"slug": "acme", "name": "Acme", "plan": "pro", "identity": {"externalId": "org_acme"}});
    let id = operator.made_tenant(body).await;
    let key = json!({"name": "admin", "role": "admin", "tenantId": id});
    let key = operator.post("/api/v1/keys", key).await.created_token();
    let tokens = format!("/api/v1/tenants/{id}/organizations/default/scim-tokens");
    let token = operator.post(&tokens, json!({"name": "idp"})).await.created_token();
    let (admin, scim) = (operator.with(key), operator.with(token));
    Tenant { id, slug: "acme".to_owned(), admin, scim }
}

#[actix_web::test]
async fn rows_that_became_one_name_are_kept_and_the_younger_are_listed() {
    let store = Store::new().await;
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let acme = tenant(&process.operator).await;
    // In this order; what the version before stored follows below.
    let mut ids = Vec::new();
    for name in ["u0", "u1", "u2", "u3", "u4", "u5", "u6"] {
        let body =
            json!({"userName": name, "title": name, "emails": [{"value": format!("{name}@x.example")}]});
        ids.push(acme.scim.post(USERS, body).await.created_id());
    }
    for name in ["g0", "g1"] {
        acme.scim.post("/scim/v2/Groups", json!({"displayName": name})).await.expect(201);
    }
    process.kill().await;
    let writer = store.superuser_url.clone().unwrap_or_else(|| store.url.clone());
    let connection = Database::connect(&writer).await.expect("the store opens");
    let old = [
        ("u0", "ß", "ß"),
        ("u1", "SS", "ss"),
        ("u2", "ann ", "ann "),
        ("u3", "Ann", "ann"),
        ("u4", "fi", "fi"),
        ("u5", "ﬁ", "ﬁ"),
    ];
    // A document's text, set in the spelling of the store.
    let set = |column: &str, name: &str, text: &str| match store.superuser_url {
        Some(_) => format!("{column} = jsonb_set({column}, '{{{name}}}', '\"{text}\"')"),
        None => format!("{column} = json_set({column}, '$.{name}', '{text}')"),
    };
    let named = |(at, name, key): &(&str, &str, &str)| {
        format!(
            "UPDATE directory_user SET user_name = '{name}', user_name_key = '{key}', {} WHERE user_name = '{at}'",
            set("resource", "userName", name)
        )
    };
    let group = |at: &str, name: &str, key: &str| {
        format!(
            "UPDATE directory_group SET display_name = '{name}', display_name_key = '{key}', {} WHERE display_name = '{at}'",
            set("resource", "displayName", name)
        )
    };
    let mut statements: Vec<String> = old.iter().map(named).collect();
    statements.extend([
        "UPDATE directory_user_email SET value_key = 'straße@x.example' WHERE value_key = 'u6@x.example'"
            .to_owned(),
        group("g0", "Große", "große"),
        group("g1", "GROSSE", "grosse"),
        "DELETE FROM seaql_migrations WHERE version = 'm20261126_000004_folding'".to_owned(),
        format!(
            "UPDATE directory_user SET {}, {} WHERE user_name = 'u6'",
            set("resource", "title", "Straße"),
            set("folded", "title", "straße")
        ),
    ]);
    for sql in statements {
        let changed = connection.execute_unprepared(&sql).await.expect(&sql);
        assert_eq!(changed.rows_affected(), 1, "{sql}");
    }
    connection.close().await.expect("closed");
    let process = Process::start(PROGRAM, &store, None, &[]).await;
    let scim = Client { base: process.operator.base.clone(), ..acme.scim };
    // Everybody is there, as they were.
    assert_eq!(found(&scim, USERS, "userName pr").await.len(), 7);
    // The older one has the name; the younger is found by what else it has.
    for (name, first) in [("ss", "ß"), ("ẞ", "ß"), ("ANN", "ann "), ("ﬁ", "fi")] {
        assert_eq!(found(&scim, USERS, &format!("userName eq \"{name}\"")).await, [first], "{name}");
    }
    assert_eq!(found(&scim, "/scim/v2/Groups", "displayName eq \"Grosse\"").await, ["Große"]);
    assert_eq!(found(&scim, USERS, "title eq \"STRASSE\"").await, ["u6"]);
    assert_eq!(found(&scim, USERS, "emails.value eq \"STRASSE@x.example\"").await, ["u6"]);
    for id in &ids {
        scim.get(&format!("{USERS}/{id}")).await.expect(200);
    }
    let output = tests::command(PROGRAM, &store)
        .args(["doctor", "--json"])
        .env("TENANTRY_LOG", "error")
        .output()
        .await
        .expect("it runs");
    let said: Value = serde_json::from_slice(&output.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&output.stderr)));
    let names = said["checks"].as_array().unwrap().iter().find(|one| one["part"] == "names").unwrap();
    let text = names["detail"].as_str().unwrap();
    assert!(text.starts_with("4 "), "{text}");
    for id in [&ids[1], &ids[3], &ids[5]] {
        assert!(text.contains(id.as_str()), "{text}");
    }
    assert!(text.contains("GROSSE") && !text.contains(ids[0].as_str()), "{text}");
    // A younger one can be changed, can leave, and can be given a name of its own; nobody new takes the name.
    let younger = format!("{USERS}/{}", ids[1]);
    let off = json!({"Operations": [{"op": "replace", "value": {"active": false}}]});
    assert!(!scim.patch(&younger, off).await.found::<ScimUser>().active);
    scim.post(USERS, json!({"userName": "sS"})).await.scim_refused(409, Some("uniqueness"));
    scim.put(&younger, json!({"userName": "Søren"})).await.expect(200);
    assert_eq!(found(&scim, USERS, "userName eq \"SØREN\"").await, ["Søren"]);
    scim.put(&format!("{USERS}/{}", ids[3]), json!({"userName": "fi"}))
        .await
        .scim_refused(409, Some("uniqueness"));
    process.kill().await;
}
