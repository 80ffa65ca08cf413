//! The socket: what stands between HTTP and the capabilities.
//!
//! A capability lists its routes with [`Routes`]; each names its permission, and the gate decides before the handler
//! runs: body in time and size, who calls, which tenant, whether they may, how often, whether this is a repeat. The same
//! list makes `openapi.json` and the guards' inventory, so a route that isn't documented or has no permission can't be
//! served.

mod caller;
mod edge;
mod extract;
mod gate;
mod idempotency;
mod input;
mod journal;
mod limits;
mod openapi;
mod page;
mod peer;
mod problem;
mod reply;
mod routes;

pub use caller::{Authenticator, Caller, OrganizationCaller, PlatformCaller, Principal, TenantCaller};
pub use edge::edge;
pub use extract::{Ids, IfMatch, Shared, names_version};
pub use gate::{cookie_name, is_from_own_page, operator_cookie, session_cookie, set_cookie};
pub use input::{Body, FieldErrors, Form, FormText, Input, JsonOrCsv, Query, RawBody, is_email, is_slug};
pub use journal::{Exchange, Journal, SentBody};
pub use limits::Limits;
pub use openapi::document;
pub use page::{ListQuery, Page, Position};
pub use problem::{Code, Dialect, FieldError, Problem};
pub use reply::{Accepted, Created, NoContent, Tagged};
pub use routes::{Access, Describe, Operation, Route, Routes};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::config::Config;
use platform::crypto::{Envelope, Hasher};
use platform::db::Db;
use platform::http::{Client, HttpError, Outside};

/// What every handler may need, shared by all threads.
#[derive(Clone, Debug)]
pub struct Service {
    /// Settings.
    pub config: Arc<Config>,
    /// The store.
    pub db: Db,
    /// Seals secrets.
    pub envelope: Envelope,
    /// Argon2id.
    pub hasher: Hasher,
    /// The guarded HTTP client.
    pub http: Client,
    /// The client for URLs that the configuration names.
    pub configured_http: Client,
    draining: Arc<AtomicBool>,
}

impl Service {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`HttpError`] if TLS can't be set up.
    pub fn new(config: Arc<Config>, db: Db, envelope: Envelope) -> Result<Self, HttpError> {
        let http = Client::new(&config.outbound)?;
        let configured_http = Client::for_configured(&config.outbound)?;
        let (hasher, draining) = (Hasher::default(), Arc::default());
        Ok(Self { config, db, envelope, hasher, http, configured_http, draining })
    }

    /// A way to what the configuration names, which notes what is asked.
    pub fn outside(&self) -> Outside {
        Outside::new(self.configured_http.clone(), self.db.clock().clone())
    }

    /// Whether the process is on its way out.
    pub fn is_draining(&self) -> bool {
        self.draining.load(Ordering::Relaxed)
    }

    /// Tells load balancers, by `/ready`, to go elsewhere.
    pub fn drain(&self) {
        self.draining.store(true, Ordering::Relaxed);
    }
}
