//! Bearer secrets: recognised by an HMAC in microseconds; those from before by their hash, once.

use platform::config::Config;
use platform::crypto::{BearerSecret, Envelope, id_of, sha256};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Work as _};
use sea_orm::Value as Bound;
use serde_json::json;
use tenantry::app::Running;
use tests::{Client, ManagementKey, Module, Reply, ScimToken, TestApp};
use uuid::Uuid;

const TABLES: [(&str, &str); 3] =
    [("management_key", "secret_hash"), ("scim_token", "secret_hash"), ("module", "client_secret_hash")];

/// Somebody with a secret, and how it is shown.
enum Holder {
    Key(Client, &'static str),
    ScimClient { id: String, secret: String },
    Module { id: String, secret: String },
}

/// The secret with another ending, its checksum right.
fn wrong(secret: &str) -> String {
    let prefix =
        ["tnt_key_", "tnt_scim_", "tnt_client_"].into_iter().find(|prefix| secret.starts_with(prefix));
    let prefix = prefix.expect("one of ours");
    let id = BearerSecret::parse(prefix, secret).expect("a secret").id;
    BearerSecret::generate(prefix, id).text.to_string()
}

impl Holder {
    fn name(&self) -> &'static str {
        match self {
            Holder::Key(_, path) => path,
            Holder::ScimClient { .. } => "a SCIM client",
            Holder::Module { .. } => "a module",
        }
    }

    /// Shows the secret at a server, or another one.
    async fn show(&self, at: &Client, change: impl Fn(&str) -> String) -> Reply {
        let at = at.anonymous();
        match self {
            Holder::Key(client, path) => {
                at.with(change(client.bearer.as_deref().expect("a secret"))).get(path).await
            }
            Holder::ScimClient { id, secret } => {
                let secret = change(secret);
                let form =
                    [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", &secret)];
                at.form("/oauth2/token", &form).await
            }
            Holder::Module { id, secret } => {
                let secret = change(secret);
                let form = [("token", "x"), ("client_id", id), ("client_secret", &secret)];
                at.form("/oauth2/introspect", &form).await
            }
        }
    }

    async fn right(&self, at: &Client) -> u16 {
        self.show(at, ToOwned::to_owned).await.status.as_u16()
    }

    async fn wrong(&self, at: &Client) -> u16 {
        self.show(at, wrong).await.status.as_u16()
    }
}

/// One of each kind.
async fn stage() -> (TestApp, Vec<Holder>) {
    stage_with(|_| ()).await
}

async fn stage_with(adjust: impl FnOnce(&mut Config)) -> (TestApp, Vec<Holder>) {
    let app = TestApp::with(|config| {
        config.rate_limit.enabled = false;
        adjust(config);
    })
    .await;
    let acme = app.tenant("acme").await;
    let path = format!("/api/v1/tenants/{}/organizations/default/scim-tokens", acme.id);
    let client: ScimToken =
        app.operator.post(&path, json!({"name": "oauth", "kind": "client"})).await.created();
    let module = json!({"name": "billing", "baseUrl": "http://127.0.0.1:1", "redirectUris": ["https://app.example/cb"]});
    let module: Module = app.operator.post("/api/v1/modules", module).await.created();
    let holders = vec![
        Holder::Key(app.key("auditor", None).await, "/api/v1/plans"),
        Holder::Key(acme.scim.clone(), "/scim/v2/Users"),
        Holder::ScimClient { id: client.client_id.expect("an id"), secret: client.token.expect("a secret") },
        Holder::Module { id: module.client_id, secret: module.client_secret },
    ];
    (app, holders)
}

/// A change behind the service's back.
async fn change(app: &TestApp, sql: &str) -> u64 {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        tx.execute(&platform::CrossTenantStatement::built(sql.to_owned()), Vec::<Bound>::new()).await
    };
    app.running.service.db.write_platform::<_, DbError>(&Ctx::system("a test"), work).await.expect(sql)
}

/// From now on Argon2 can't answer.
async fn spoil_hashes(app: &TestApp) {
    for (table, column) in TABLES {
        change(app, &format!("UPDATE {table} SET {column} = 'no hash'")).await;
    }
}

async fn count(app: &TestApp, sql: &str) -> i64 {
    let read = async |view: &PlatformView| {
        view.query(&platform::CrossTenantStatement::built(sql.to_owned()), Vec::new()).await
    };
    let rows = app.running.service.db.read_platform::<_, DbError>(read).await.expect(sql);
    rows[0].try_get("", "n").expect("a number")
}

async fn stop(app: TestApp, replica: Running) {
    replica.stop().await;
    app.stop().await;
}

#[actix_web::test]
async fn a_secret_is_recognised_and_a_wrong_one_refused_without_argon2() {
    let (app, holders) = stage().await;
    spoil_hashes(&app).await;
    // A process that remembers nothing.
    let (at, replica) = app.replica().await;
    for holder in &holders {
        assert_eq!(holder.right(&at).await, 200, "{}", holder.name());
        assert_eq!(holder.wrong(&at).await, 401, "{}", holder.name());
    }
    assert_eq!(at.get("/api/v1/plans").await.status, 200, "the configured key");
    stop(app, replica).await;
}

#[actix_web::test]
async fn secrets_from_before_get_their_hmac_at_their_first_right_use() {
    let (app, holders) = stage().await;
    for (table, _) in TABLES {
        change(&app, &format!("UPDATE {table} SET secret_mac = NULL")).await;
    }
    let (at, replica) = app.replica().await;
    for holder in &holders {
        assert_eq!(holder.wrong(&at).await, 401, "{}", holder.name());
    }
    for (table, _) in TABLES {
        let marked =
            count(&app, &format!("SELECT count(*) AS n FROM {table} WHERE secret_mac IS NOT NULL")).await;
        assert_eq!(marked, 0, "a wrong secret marks nothing in {table}");
    }
    for holder in &holders {
        assert_eq!(holder.right(&at).await, 200, "{}", holder.name());
    }
    spoil_hashes(&app).await;
    let (again, other) = app.replica().await;
    for holder in &holders {
        assert_eq!(holder.right(&again).await, 200, "{}", holder.name());
        assert_eq!(holder.wrong(&again).await, 401, "{}", holder.name());
    }
    other.stop().await;
    stop(app, replica).await;
}

#[actix_web::test]
async fn a_lookup_key_that_is_lost_is_made_anew_and_the_hashes_go_on() {
    let (app, holders) = stage().await;
    assert_eq!(change(&app, "DELETE FROM lookup_key").await, 1);
    let (at, replica) = app.replica().await;
    assert_eq!(count(&app, "SELECT count(*) AS n FROM lookup_key").await, 1);
    for holder in &holders {
        assert_eq!(holder.wrong(&at).await, 401, "{}", holder.name());
        assert_eq!(holder.right(&at).await, 200, "{}", holder.name());
    }
    stop(app, replica).await;
}

/// Three hundred who name a token and don't know its secret, and in their midst one who does.
#[actix_web::test]
async fn a_crowd_with_wrong_secrets_delays_nobody_even_after_a_restart() {
    // Of one network, which would have 250 connections.
    let (app, holders) = stage_with(|config| config.server.connections_max = 4_000).await;
    // None of them reaches Argon2, which would fail.
    spoil_hashes(&app).await;
    let (at, replica) = app.replica().await;
    let Holder::Key(idp, path) = &holders[1] else { panic!("the token") };
    let secret = idp.bearer.as_deref().expect("a secret");
    let crowd: Vec<_> = (0..300)
        .map(|_| {
            let stranger = at.with(wrong(secret));
            let path = (*path).to_owned();
            tokio::spawn(async move { stranger.get(&path).await.status.as_u16() })
        })
        .collect();
    assert_eq!(holders[1].right(&at).await, 200);
    for one in crowd {
        assert_eq!(one.await.expect("an answer"), 401);
    }
    stop(app, replica).await;
}

/// Where Argon2 must be asked, few wait for one credential, the others come again, and other credentials aren't delayed.
#[actix_web::test]
async fn argon2s_queue_is_bounded_for_each_credential() {
    let (app, holders) = stage().await;
    change(&app, "UPDATE scim_token SET secret_mac = NULL").await;
    let (at, replica) = app.replica().await;
    let Holder::Key(idp, path) = &holders[1] else { panic!("the token") };
    let secret = idp.bearer.as_deref().expect("a secret");
    let crowd: Vec<_> = (0..100)
        .map(|_| {
            let stranger = at.with(wrong(secret));
            let path = (*path).to_owned();
            tokio::spawn(async move { stranger.get(&path).await })
        })
        .collect();
    assert_eq!(holders[0].right(&at).await, 200, "somebody else, by an HMAC");
    let mut refused = 0;
    for one in crowd {
        let reply = one.await.expect("an answer");
        match reply.status.as_u16() {
            401 => {}
            503 => {
                assert_eq!(reply.header("retry-after"), "1");
                refused += 1;
            }
            other => panic!("{other}: {}", reply.text),
        }
    }
    assert!(refused > 0, "six have room: two that are checked and four that wait");
    tests::eventually("the rightful one", async || (holders[1].right(&at).await == 200).then_some(())).await;
    stop(app, replica).await;
}

#[actix_web::test]
async fn whether_a_tenant_is_suspended_is_said_to_its_own_alone() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    app.operator.post("/api/v1/tenants/acme/suspend", json!({})).await.expect(200);
    tests::status(&app.operator, "acme", "suspended").await;
    let (at, replica) = app.replica().await;
    for (client, path) in [(&acme.admin, "/api/v1/tenants/acme/users"), (&acme.scim, "/scim/v2/Users")] {
        let secret = client.bearer.as_deref().expect("a secret");
        assert_eq!(at.with(wrong(secret)).get(path).await.status, 401, "{path}");
        assert_eq!(at.with(secret).get(path).await.status, 403, "{path}");
    }
    stop(app, replica).await;
}

/// The configured key's id is public, and a person may have chosen the key.
#[actix_web::test]
async fn the_configured_keys_id_cannot_be_guessed_against() {
    let app = TestApp::start().await;
    let service = &app.running.service;
    let secret = app.operator.bearer.clone().expect("a key");
    let keys = async |at: &Client| {
        let keys = at.get("/api/v1/keys").await.items::<ManagementKey>();
        keys.into_iter().filter(|key| key.name == "bootstrap").collect::<Vec<_>>()
    };
    let now = keys(&app.operator).await;
    let id: Uuid = now[0].id.parse().expect("an id");
    let before = id_of(&sha256(format!("bootstrap:{secret}").as_bytes()));
    assert_eq!(now.len(), 1);
    assert_ne!(id, before, "anybody could compute it");
    assert_eq!(id, id_of(&service.envelope.mark("bootstrap_key", secret.as_bytes())));
    let other = Envelope::new("CAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAg=").expect("a key");
    assert_ne!(id, id_of(&other.mark("bootstrap_key", secret.as_bytes())));
    // A store from before: the row of the old id gives way to the new one.
    let spelled = if tests::on_postgres().is_some() {
        format!("'{before}'")
    } else {
        format!("x'{}'", before.simple())
    };
    change(
        &app,
        &format!("UPDATE management_key SET id = {spelled}, secret_mac = NULL WHERE name = 'bootstrap'"),
    )
    .await;
    let (at, replica) = app.replica().await;
    let after = keys(&at).await;
    let of = |id: Uuid| after.iter().find(|key| key.id == id.to_string()).expect("the key");
    assert!(of(before).revoked_at.is_some() && of(id).revoked_at.is_none(), "{after:?}");
    replica.stop().await;
    // One that was revoked stays so.
    change(&app, "DELETE FROM management_key WHERE revoked_at IS NULL").await;
    let (at, replica) = app.replica().await;
    at.get("/api/v1/keys").await.refused(401, "auth.invalid");
    stop(app, replica).await;
}
