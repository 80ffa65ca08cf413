//! Settings: the defaults in `service/config.default.toml`, over them a TOML file, over both the environment.
//!
//! Which keys exist is told by the defaults; a key that isn't there is an error that names the nearest one. Secrets may
//! come from files: `TENANTRY__SECRETS__MASTER_KEY_FILE`.

mod load;
mod outside;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::jobs::Class;

pub use load::{ConfigError, DEFAULTS, load};
pub use outside::{Azure, Billing, Identity, Instances, Keycloak, Provisioning, Quota, Zitadel};

/// Everything that can be set.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The socket.
    pub server: Server,
    /// The store.
    pub database: Database,
    /// Files.
    pub data: Data,
    /// Keys.
    pub secrets: Secrets,
    /// Mail.
    pub smtp: Smtp,
    /// Requests to URLs that somebody chose.
    pub outbound: Outbound,
    /// Pushes and deliveries.
    pub webhooks: Webhooks,
    /// Durable work.
    pub jobs: Jobs,
    /// Runs that make and unmake tenants.
    pub provisioning: Provisioning,
    /// Identity backends.
    pub identity: Identity,
    /// Where tenants run.
    pub instances: Instances,
    /// The Azure Resource Manager.
    pub azure: Azure,
    /// Quotas.
    pub quota: Quota,
    /// What the payment provider's word does.
    pub billing: Billing,
    /// Rate limits.
    pub rate_limit: RateLimit,
    /// Sign-in and exchange.
    pub sso: Sso,
    /// Tokens and sessions.
    pub tokens: Tokens,
    /// Invitations.
    pub invitations: Invitations,
    /// How much a tenant may have.
    pub limits: Limits,
    /// Events on NATS.
    pub nats: ServerUrl,
    /// Logs.
    pub log: Log,
}

/// `[server]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Server {
    /// Where to listen.
    pub listen: SocketAddr,
    /// How the service is reached; empty: `http://{listen}`.
    pub public_url: String,
    /// Proxies whose `X-Forwarded-For` is believed.
    pub trusted_proxies: Vec<IpNet>,
    /// Threads; 0: one a core.
    pub workers: usize,
    /// Open connections of the process; those beyond wait to be accepted.
    pub connections_max: usize,
    /// Bytes of bodies that are in memory at once.
    pub bodies_in_memory: u64,
    /// Time for a body to arrive.
    #[serde(with = "humantime_serde")]
    pub body_timeout: Duration,
    /// Time for a handler to answer.
    #[serde(with = "humantime_serde")]
    pub request_timeout: Duration,
    /// Time between SIGTERM and the closing of connections.
    #[serde(with = "humantime_serde")]
    pub drain: Duration,
    /// Time for running requests to finish.
    #[serde(with = "humantime_serde")]
    pub shutdown_timeout: Duration,
}

/// `[database]`
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Database {
    /// `sqlite:PATH` or `postgres://…`; empty: the embedded store.
    pub url: String,
    /// The owner's URL on Postgres; empty: `url`.
    pub migration_url: String,
    /// Migrate when serving starts.
    pub migrate: bool,
    /// Connections in the Postgres pool.
    pub connections_max: u32,
    /// Postgres: how long a statement waits for somebody else's lock.
    #[serde(with = "humantime_serde")]
    pub lock_timeout: Duration,
    /// How long a statement may run; on SQLite, one of a reader.
    #[serde(with = "humantime_serde")]
    pub statement_timeout: Duration,
    /// How far the clock may be behind the newest record.
    #[serde(with = "humantime_serde")]
    pub clock_behind_max: Duration,
}

/// Without the URLs: they may hold passwords.
impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let kind = if self.is_postgres() { "postgres" } else { "sqlite" };
        f.debug_struct("Database")
            .field("kind", &kind)
            .field("migrate", &self.migrate)
            .finish_non_exhaustive()
    }
}

impl Database {
    /// The URL, or that of the embedded store under `data_dir`.
    pub fn url_or_default(&self, data_dir: &Path) -> String {
        if self.url.is_empty() {
            format!("sqlite:{}", data_dir.join("tenantry.db").display())
        } else {
            self.url.clone()
        }
    }

    /// Whether the store is Postgres.
    pub fn is_postgres(&self) -> bool {
        self.url.starts_with("postgres:") || self.url.starts_with("postgresql:")
    }
}

/// `[data]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Data {
    /// The data directory.
    pub dir: PathBuf,
}

/// `[secrets]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Secrets {
    /// 32 bytes in base64.
    pub master_key: SecretString,
    /// A management key that works from the first start.
    pub bootstrap_key: SecretString,
}

/// `[smtp]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Smtp {
    /// The relay; may hold a password.
    pub url: SecretString,
    /// Relays that are asked when it fails, in this order.
    pub fallback_urls: Vec<SecretString>,
    /// The sender.
    pub from: String,
    /// The language of mail, where nothing else is said.
    pub locale: String,
    /// Mails a minute to one domain; 0: without a limit.
    pub per_domain_per_minute: u32,
    /// The domain that signs (DKIM); empty: nothing is signed.
    pub dkim_domain: String,
    /// Under which name the public key is in its DNS.
    pub dkim_selector: String,
    /// The private key, PKCS #8 in PEM: RSA or Ed25519.
    pub dkim_key: SecretString,
    /// Time for the relay to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[outbound]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Outbound {
    /// Private addresses and plain http.
    pub allow_private: bool,
    /// Time for a connection.
    #[serde(with = "humantime_serde")]
    pub connect_timeout: Duration,
    /// Time for an answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

/// `[webhooks]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Webhooks {
    /// Delay after the first failure, in milliseconds.
    pub retry_base_ms: u64,
}

/// `[jobs]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Jobs {
    /// Jobs at once in one process.
    pub at_once: usize,
    /// Time between looks.
    #[serde(with = "humantime_serde")]
    pub poll: Duration,
    /// Time after which a silent worker is dead.
    #[serde(with = "humantime_serde")]
    pub lease: Duration,
    /// Attempts of a provisioning step.
    pub provisioning_attempts_max: u32,
    /// Delay after a provisioning step's first failure, in milliseconds.
    pub provisioning_retry_base_ms: u64,
}

/// `[rate_limit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Whether there are limits.
    pub enabled: bool,
}

/// `[sso]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sso {
    /// The claim that names the organization.
    pub tenant_claim: String,
    /// The claim that names an organization of the tenant, by id or slug.
    pub organization_claim: String,
    /// Tolerated difference between clocks.
    #[serde(with = "humantime_serde")]
    pub clock_skew: Duration,
    /// The name server that is asked for proofs of domains; empty: the system's.
    pub dns_server: String,
    /// How long attempts to sign in are kept.
    #[serde(with = "humantime_serde")]
    pub sign_ins_kept: Duration,
    /// Whether operators may come in by a password too.
    pub operator_passwords: bool,
    /// The exchange.
    pub exchange: Exchange,
    /// Names of the gateway's headers.
    pub gateway_headers: GatewayHeaders,
}

/// `[sso.exchange]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Whether an organization that nobody knows becomes a tenant.
    pub auto_provision: bool,
    /// The plan of such a tenant.
    pub plan: String,
}

/// `[sso.gateway_headers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayHeaders {
    /// Subject.
    pub user_id: String,
    /// E-mail.
    pub user_email: String,
    /// Display name.
    pub user_name: String,
    /// Organization at the identity backend.
    pub org_id: String,
    /// Roles.
    pub user_roles: String,
    /// Whether the e-mail was checked: `true` or `false`.
    pub email_verified: String,
    /// Organization of the tenant, by id or slug.
    pub organization: String,
}

/// `[tokens]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tokens {
    /// Lifetime of an access token.
    #[serde(with = "humantime_serde")]
    pub access_lifetime: Duration,
    /// Lifetime of a session.
    #[serde(with = "humantime_serde")]
    pub session_lifetime: Duration,
    /// Lifetime of an unused refresh token.
    #[serde(with = "humantime_serde")]
    pub refresh_lifetime: Duration,
    /// Time between signing keys.
    #[serde(with = "humantime_serde")]
    pub key_rotation: Duration,
}

/// `[limits]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    /// Organizations of a tenant, times its plan's multiplier.
    pub organizations: u64,
    /// SCIM tokens of an organization that count.
    pub scim_tokens: u64,
    /// Mails of a tenant within 24 hours, times its plan's multiplier.
    pub mails_per_day: u64,
    /// Of these, those that callers without a credential cause, times its plan's multiplier.
    pub stranger_mails_per_day: u64,
    /// Of these, those to one address.
    pub stranger_mails_to_address_per_day: u64,
}

/// `[invitations]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Invitations {
    /// How long an invitation can be accepted.
    #[serde(with = "humantime_serde")]
    pub lifetime: Duration,
    /// Invitations by an organization's own people within 24 hours.
    pub per_organization_per_day: u64,
    /// Mails with an invitation to one address within 24 hours.
    pub per_recipient_per_day: u64,
}

/// `[nats]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerUrl {
    /// Where it is; empty: nowhere.
    pub url: SecretString,
}

/// `[log]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Log {
    /// In the syntax of `RUST_LOG`.
    pub filter: String,
    /// How lines look.
    pub format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, Deserialize, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, else JSON.
    Auto,
    /// One JSON object a line.
    Json,
    /// For people.
    Pretty,
}

impl LogFormat {
    pub(crate) fn resolve(self) -> Self {
        match self {
            LogFormat::Auto if std::io::stderr().is_terminal() => LogFormat::Pretty,
            LogFormat::Auto => LogFormat::Json,
            chosen => chosen,
        }
    }
}

impl Config {
    /// How the service is reached, without a trailing slash.
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("http://{}", self.server.listen)
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let invalid =
            |key: &str, problem: &str| Err(ConfigError::Invalid(key.to_owned(), problem.to_owned()));
        match Url::parse(&self.public_url()) {
            Ok(url) if matches!(url.scheme(), "http" | "https") && url.query().is_none() => {}
            _ => {
                return invalid("server.public_url", "must be an absolute http or https URL without a query");
            }
        }
        if !self.database.url.is_empty()
            && !self.database.is_postgres()
            && !self.database.url.starts_with("sqlite:")
        {
            return invalid("database.url", "must begin with sqlite: or postgres:");
        }
        let places = format!("{}: what the classes of jobs have to themselves", Class::places_min());
        for (key, is_enough, least) in [
            ("jobs.lease", self.jobs.lease >= Duration::from_secs(1), "1s"),
            ("jobs.at_once", self.jobs.at_once >= Class::places_min(), places.as_str()),
            ("database.connections_max", self.database.connections_max >= 4, "4"),
            ("server.connections_max", self.server.connections_max >= 16, "16"),
            ("server.bodies_in_memory", self.server.bodies_in_memory >= 1 << 20, "1048576 (bytes)"),
            ("server.body_timeout", self.server.body_timeout >= Duration::from_secs(1), "1s"),
        ] {
            if !is_enough {
                return invalid(key, &format!("must be at least {least}"));
            }
        }
        if tracing_subscriber::EnvFilter::try_new(&self.log.filter).is_err() {
            return invalid("log.filter", "must be a filter like info, or warn,sign_in=debug");
        }
        if let Err((key, problem)) = outside::check(self) {
            return invalid(key, &problem);
        }
        if self.tokens.access_lifetime < Duration::from_secs(10) {
            return invalid("tokens.access_lifetime", "must be at least 10s");
        }
        Ok(())
    }
}
