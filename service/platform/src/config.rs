//! Settings: the defaults in `service/config.default.toml`, over them a TOML file, over both the environment.
//!
//! Which keys exist is told by the defaults; a key that isn't there is an error that names the nearest one. Secrets may
//! come from files: `TENANTRY__SECRETS__MASTER_KEY_FILE`. Here is what the process itself reads; what a capability reads is a
//! [`Section`] in its own crate.

mod check;
mod error;
mod load;
mod section;

use std::io::IsTerminal as _;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ipnet::IpNet;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::jobs::Class;

pub use check::{pairs, require_one_of, require_pairs, require_url};
pub use error::ConfigError;
pub use load::{DEFAULTS, load};
use section::Sections;
pub use section::{Declaration, Section};

/// Everything that can be set: what platform and web read by its name, what capabilities read by [`Config::section`].
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
    /// Requests to URLs that somebody chose.
    pub outbound: Outbound,
    /// Durable work.
    pub jobs: Jobs,
    /// Rate limits.
    pub rate_limit: RateLimit,
    /// Logs.
    pub log: Log,
    #[serde(skip)]
    sections: Sections,
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
}

/// `[rate_limit]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct RateLimit {
    /// Whether there are limits.
    pub enabled: bool,
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
    /// A capability's own settings. They are there: [`load()`] fails while a key of the defaults has no owner, and a guard compares the
    /// sections that there are with those that are declared.
    #[allow(
        clippy::expect_used,
        reason = "an undeclared section is found by the first start, not by a request"
    )]
    pub fn section<S: Section>(&self) -> &S {
        self.sections.get().expect("a capability declares it by `.settings::<S>()`")
    }

    /// The same, to be changed before the service starts.
    #[allow(clippy::expect_used, reason = "as above")]
    pub fn section_mut<S: Section>(&mut self) -> &mut S {
        self.sections.get_mut().expect("a capability declares it by `.settings::<S>()`")
    }

    /// How the service is reached, without a trailing slash.
    pub fn public_url(&self) -> String {
        if self.server.public_url.is_empty() {
            format!("http://{}", self.server.listen)
        } else {
            self.server.public_url.trim_end_matches('/').to_owned()
        }
    }

    fn check(&self) -> Result<(), ConfigError> {
        let invalid = |key: &str, problem: &str| Err(ConfigError::invalid(key, problem));
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
        self.sections.check(self)
    }
}
