//! The machines on which every capability runs.
//!
//! | module | gives |
//! |---|---|
//! | [`db`] | the store, opened |
//! | [`store`] | what it stands on, SQLite or Postgres: connections, shares, health, migrations |
//! | [`tx`] | the unit of work: transaction, tenant scope, actor, clock, audit, events, jobs |
//! | [`jobs`] | durable work: claim, lease, backoff, dead letters |
//! | [`event`] | types of events, each a struct |
//! | [`outbox`] | events told to their subscribers after the commit |
//! | [`crypto`] | envelope encryption, bearer secrets, Argon2id |
//! | [`export`] | rows of any table as JSON, without secrets |
//! | [`http`] | the only HTTP client; guards against server-side request forgery |
//! | [`config`] | settings from a file and the environment |
//! | [`remembered`] | rows that a crowd asks for, read once a second |
//! | [`clock`], [`ids`] | time and identity, so that tests can hold both |
//! | [`retention`], [`tables`] | how long rows stay: what is over is removed, a bounded number of rows at a time |
//! | [`rules`] | what counts and then decides: locks and allowances, as a list |
//! | [`telemetry`] | logs and metrics |
//! | [`work`] | what costs much: admitted by its owner's share, computed beside the worker threads |

pub mod clock;
pub mod config;
pub mod crypto;
pub mod db;
mod error;
pub mod event;
pub mod export;
pub mod http;
pub mod ids;
pub mod jobs;
pub mod outbox;
pub mod refusal;
pub mod remembered;
pub mod retention;
pub mod rules;
pub mod sql;
pub mod store;
pub mod tables;
pub mod telemetry;
pub mod tx;
pub mod work;

pub use error::{DbError, chain, explain};
pub use store::fault::Remedy;
pub use tx::{
    Actor, CrossTenantStatement, Ctx, PlatformStatement, PlatformTx, PlatformView, Statement, Target, Tx,
    View, Work,
};

/// A moment in UTC, truncated to microseconds.
pub type Timestamp = chrono::DateTime<chrono::Utc>;

/// A place at which a test may stop the process; nothing in a build without the feature `failpoints`.
#[macro_export]
macro_rules! crash_point {
    ($name:expr) => {
        $crate::reach($name)
    };
}

/// A place at which a test may make the work fail, with what it says; never in a build without the feature `failpoints`.
#[inline]
pub fn injected(name: &str) -> Option<String> {
    let _ = name;
    fail::fail_point!(name, |text| Some(text.unwrap_or_else(|| "injected".to_owned())));
    None
}

/// What [`crash_point!`] calls.
#[doc(hidden)]
#[inline]
pub fn reach(name: &str) {
    let _ = name;
    fail::fail_point!(name);
}
