//! The service in this process, on a store of its own.

use platform::clock::Clock;
use platform::config::Config;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use tenantry::app::{Running, start};

use crate::client::Client;
use crate::store::{LeftOverJob, Store, left_over_jobs};
use crate::views::{AuditEvent, Event, RecordedMail};

/// The operator's key in tests.
pub(crate) const OPERATOR_KEY: &str = "test-operator-key-0123456789abcdef";
/// The master key in tests: 32 bytes of 7.
pub const MASTER_KEY: &str = "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=";

/// A running service.
pub struct TestApp {
    pub store: Store,
    pub clock: Clock,
    pub operator: Client,
    pub running: Running,
    /// The name server that it asks.
    pub dns: crate::Dns,
    unstopped: Unstopped,
}

/// Fails a story that ends and has not stopped its service: nothing would have been checked, and the service would go on.
struct Unstopped(());

impl Drop for Unstopped {
    fn drop(&mut self) {
        assert!(std::thread::panicking(), "a story ends with `app.stop().await`, which checks what it left");
    }
}

/// A tenant and its callers.
pub struct Tenant {
    pub id: String,
    pub slug: String,
    /// Its admin's key.
    pub admin: Client,
    /// Its identity provider.
    pub scim: Client,
}

#[allow(clippy::disallowed_methods)]
pub(crate) fn http() -> reqwest::Client {
    // Shorter than the server's keep-alive: a connection that it is about to close is not used again.
    let idle = std::time::Duration::from_secs(2);
    let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).no_proxy();
    let builder = builder.pool_idle_timeout(idle);
    builder.build().expect("a client")
}

impl TestApp {
    pub async fn start() -> Self {
        Self::with(|_| ()).await
    }

    /// Another replica on the same store, known by the same name; its own address is in its client.
    pub async fn replica(&self) -> (Client, Running) {
        let mut config = (*self.running.service.config).clone();
        config.server.public_url = self.running.service.config.public_url();
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        let running = start(config, self.clock.clone()).await.expect("the replica starts");
        (Client { base: format!("http://{}", running.address), ..self.operator.clone() }, running)
    }

    /// Starts with settings of its own.
    pub async fn with(adjust: impl FnOnce(&mut Config)) -> Self {
        let store = Store::new().await;
        let clock = Clock::default();
        let mut config = tenantry::config::load(None, []).expect("the defaults");
        config.data.dir = store.directory.path().to_owned();
        config.database.url = store.url.clone();
        config.database.migration_url = store.migration_url.clone();
        config.database.connections_max = 8;
        config.server.listen = "127.0.0.1:0".parse().expect("an address");
        config.server.workers = 1;
        config.secrets.master_key = SecretString::from(MASTER_KEY);
        config.secrets.bootstrap_key = SecretString::from(OPERATOR_KEY);
        config.outbound.allow_private = true;
        config.section_mut::<delivery::Settings>().retry_base_ms = 50;
        config.jobs.poll = std::time::Duration::from_millis(50);
        config.section_mut::<provisioning::Retries>().provisioning_retry_base_ms = 50;
        config.log.filter = "warn".to_owned();
        let dns = crate::Dns::start().await;
        config.section_mut::<connections::Settings>().dns_server = dns.address.to_string();
        adjust(&mut config);
        platform::telemetry::logs(&config.log);
        let running = start(config, clock.clone()).await.expect("the service starts");
        let base = format!("http://{}", running.address);
        // Another service of this process may have had the port before.
        let before = format!("{base}/");
        crate::client::WRITES.lock().expect("a list").retain(|one| !one.url.as_str().starts_with(&before));
        let operator = Client { base, bearer: Some(OPERATOR_KEY.to_owned()), http: http() };
        Self { store, clock, operator, running, dns, unstopped: Unstopped(()) }
    }

    pub fn anyone(&self) -> Client {
        self.operator.anonymous()
    }

    /// A key with a role.
    pub async fn key(&self, role: &str, tenant: Option<&str>) -> Client {
        let body = json!({"name": role, "role": role, "tenantId": tenant});
        self.operator.with(self.operator.post("/api/v1/keys", body).await.created_token())
    }

    /// An active tenant on the pro plan, its admin's key and its identity provider's token.
    pub async fn tenant(&self, slug: &str) -> Tenant {
        self.tenant_with(json!({"slug": slug, "name": slug, "plan": "pro", "identity": {"externalId": format!("org_{slug}")}})).await
    }

    pub async fn tenant_with(&self, body: Value) -> Tenant {
        let slug = body["slug"].as_str().expect("a slug").to_owned();
        let id = self.operator.made_tenant(body).await;
        let admin = self.key("admin", Some(&id)).await;
        let scim = self.scim_token(&id, json!({"name": "idp"})).await;
        Tenant { id, slug, admin, scim }
    }

    pub async fn scim_token(&self, tenant: &str, body: Value) -> Client {
        let path = format!("/api/v1/tenants/{tenant}/organizations/default/scim-tokens");
        self.operator.with(self.operator.post(&path, body).await.created_token())
    }

    /// The newest of the recorded mails that fits.
    pub async fn mail(&self, what: &str, fits: impl Fn(&RecordedMail) -> bool) -> RecordedMail {
        crate::eventually(what, async || self.anyone().mails().await.into_iter().find(|one| fits(one))).await
    }

    /// The code that was mailed to an address, which its owner shows to prove that it is theirs.
    pub async fn mailed_code(&self, to: &str) -> String {
        self.mail("the code's mail", |mail| mail.is_for("account-proof", to)).await.code()
    }

    /// The token in the newest mail to an address.
    pub async fn invitation_token(&self, to: &str) -> String {
        crate::eventually("the invitation's mail", async || {
            let mails = self.anyone().mails().await;
            let mail = mails.iter().find(|mail| mail.recipient == to)?;
            let link = mail.links.first()?;
            Some(link.split_once("token=")?.1.to_owned())
        })
        .await
    }

    /// Audit events with this action, newest first.
    pub async fn audit(&self, action: &str) -> Vec<AuditEvent> {
        self.operator.get(&format!("/api/v1/audit-events?limit=200&action={action}")).await.items()
    }

    /// The writes of this service's callers that were not refused: method, path, and the actions that each recorded.
    pub async fn writes(&self) -> Vec<(Method, String, Vec<String>)> {
        let read = async |view: &platform::PlatformView| {
            let sql = "SELECT request_id, action FROM audit_event WHERE outcome = 'success' AND request_id IS NOT NULL";
            view.query(&platform::CrossTenantStatement::new(sql), Vec::new()).await
        };
        let rows = self.running.service.db.read_platform(read).await.expect("records");
        let text = |row: &sea_orm::QueryResult, name: &str| row.try_get::<String>("", name).expect("a text");
        let records: Vec<_> = rows.iter().map(|row| (text(row, "request_id"), text(row, "action"))).collect();
        let writes = crate::client::WRITES.lock().expect("a list").clone();
        let bases = [self.operator.base.clone(), self.running.service.config.public_url()];
        let ours = writes.into_iter().filter(|one| bases.contains(&one.url.origin().ascii_serialization()));
        let with_records = ours.map(|one| {
            let left = records.iter().filter(|(request, _)| *request == one.request_id);
            (one.method, one.url.path().to_owned(), left.map(|(_, action)| action.clone()).collect())
        });
        with_records.collect()
    }

    /// Events, oldest first.
    pub async fn events(&self) -> Vec<Event> {
        let read = |one| serde_json::from_value(one).expect("an event");
        self.raw_events().await.into_iter().map(read).collect()
    }

    /// The same with all that the feed says of them.
    pub async fn raw_events(&self) -> Vec<Value> {
        self.operator.all_pages("/api/v1/events?limit=200").await
    }

    /// Every event of every story is one of the catalogue, with the fields that it promises and no others.
    async fn events_fit_the_catalogue(&self) {
        let types = self.operator.get("/api/v1/event-types").await;
        if types.status != 200 {
            return;
        }
        let types = types.json();
        for event in self.raw_events().await {
            let kind = &event["type"];
            let schema = types["items"].as_array().expect("a list").iter().find(|one| one["name"] == *kind);
            let schema = &schema.unwrap_or_else(|| panic!("{kind} is not in the catalogue"))["schema"];
            let data = event["data"].as_object().expect("an object");
            for (name, value) in data {
                let wanted = schema["properties"][name]["type"].to_string();
                let is = match value {
                    Value::Null => "null",
                    Value::Bool(_) => "boolean",
                    Value::Number(_) => "integer",
                    Value::String(_) => "string",
                    Value::Array(_) => "array",
                    Value::Object(_) => "object",
                };
                assert!(wanted.contains(&format!("\"{is}\"")), "{kind} {name} is {value}, promised {wanted}");
            }
            for name in schema["required"].as_array().expect("a list") {
                assert!(data.contains_key(name.as_str().expect("a name")), "{kind} lacks {name}");
            }
        }
    }

    /// Everything that a story recorded as done is an action of the list.
    async fn actions_are_listed(&self) {
        let read = async |view: &platform::PlatformView| {
            view.query(
                &platform::CrossTenantStatement::new(
                    "SELECT DISTINCT action FROM audit_event WHERE outcome = 'success'",
                ),
                Vec::new(),
            )
            .await
        };
        // A story may have taken the store away.
        let Ok(rows) = self.running.service.db.read_platform(read).await else { return };
        for row in rows {
            let action: String = row.try_get("", "action").expect("a text");
            assert!(crate::ACTIONS.lines().any(|one| one == action), "{action} is not in actions.out");
        }
    }

    /// Stops the service at the end of a story: what it emitted and recorded is what is documented, and every job has found its end.
    /// Answers the store, for those who go on with it.
    pub async fn stop(self) -> Store {
        self.stop_with_dead_letters(&[]).await
    }

    /// The same for a story that leaves dead letters, by the kinds of their jobs.
    pub async fn stop_with_dead_letters(self, expected: &[&str]) -> Store {
        self.events_fit_the_catalogue().await;
        self.actions_are_listed().await;
        let url = self.running.service.config.database.url.clone();
        let store = self.abandon().await;
        // What failed for good without anybody's notice, and what a worker that stopped in order has not given back.
        let left = left_over_jobs(&url).await;
        let is_expected =
            |(kind, status, _): &LeftOverJob| status == "dead" && expected.contains(&kind.as_str());
        let left: Vec<_> = left.into_iter().filter(|job| !is_expected(job)).collect();
        assert!(left.is_empty(), "jobs that the story did not expect: {left:#?}");
        store
    }

    /// Stops a service whose store the story has damaged: nothing in it can be checked.
    pub async fn abandon(self) -> Store {
        let Self { store, running, unstopped, .. } = self;
        std::mem::forget(unstopped);
        running.stop().await;
        store
    }
}
