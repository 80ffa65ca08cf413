//! The socket: what stands between HTTP and the capabilities.
//!
//! A capability lists its routes with [`Routes`]; each names its permission, and the gate decides before the handler
//! runs: who calls, how often they may, which tenant, whether they may, the body in time and size, whether this is a repeat. The same
//! list makes `openapi.json` and the guards' inventory, so a route that isn't documented or has no permission can't be
//! served.

mod access;
mod bodies;
mod buckets;
mod caller;
mod capability;
mod connections;
mod cookies;
mod costs;
mod credential;
mod denied;
mod describe;
mod edge;
mod extract;
mod failures;
mod gate;
mod input;
mod journal;
mod limits;
mod memory;
mod named;
mod openapi;
mod page;
mod peer;
mod problem;
mod reply;
mod routes;
mod strangers;
mod streams;
mod tally;

pub use access::Access;
pub use caller::{Caller, OrganizationCaller, PlatformCaller, Reach, TenantCaller};
pub use capability::{Capability, Chore, Finding, Kind, When, log, swept};
pub use connections::{Connections, HEAD_MAX, SILENT_MAX, Tracked, Transport, while_asked};
pub use cookies::{cookie_name, is_from_own_page, operator_cookie, session_cookie, set_cookie};
pub use credential::{Authenticator, CredentialKind, Principal};
pub use denied::Denied;
pub use describe::{Describe, Operation};
pub use edge::edge;
pub use extract::{Ids, IfMatch, Shared, names_version};
pub use failures::Acting;
pub use input::{Body, FieldErrors, Form, FormText, Input, JsonOrCsv, Query, RawBody};
pub use journal::{Exchange, Journal, SentBody};
pub use limits::Limits;
pub use memory::give_memory_back;
pub use named::{is_slug, tenant_named};
pub use openapi::document;
pub use page::{ListQuery, Page, Position};
#[doc(hidden)]
pub use problem::Description;
pub use problem::{Code, Dialect, Problem};
pub use reply::{Accepted, Created, NoContent, Tagged};
pub use routes::{Route, Routes};
pub use strangers::{Crowd, Strangers};
pub use streams::{Place, Source, StreamOf, Streams, live};

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use platform::clock::Clock;
use platform::config::Config;
use platform::crypto::{Envelope, LookupKey, Secrets};
use platform::db::{Db, PlatformDb, TenantDb};
use platform::event::Catalogue;
use platform::http::{Client, HttpError, Outside};
use platform::work::Heavy;
use uuid::Uuid;

/// The whole store and the tools beside it, shared by all threads. A handler has its [`Caller`] instead, whose transactions are of one
/// tenant. Whoever needs less takes less: a [`TenantService`], a [`PlatformService`], [`Tools`].
#[derive(Clone, Debug)]
pub struct Service {
    /// The store.
    pub db: Db,
    platform: PlatformService,
}

/// The service for work of the platform's own: its rows, reads across tenants, and the tools. No transaction of a tenant.
#[derive(Clone, Debug)]
pub struct PlatformService {
    /// The store as the platform sees it.
    pub db: PlatformDb,
    tools: Arc<Tools>,
}

/// The service for work on one tenant: its rows and no other's, and the tools.
#[derive(Clone, Debug)]
pub struct TenantService {
    /// The store as the tenant sees it.
    pub db: TenantDb,
    tools: Arc<Tools>,
}

/// What every handler may need beside the store: nothing here reads or writes a tenant's row.
#[derive(Clone, Debug)]
pub struct Tools {
    /// Settings.
    pub config: Arc<Config>,
    /// The time.
    pub clock: Clock,
    /// Seals secrets.
    pub envelope: Envelope,
    /// Makes and recognises bearer secrets and passwords.
    pub secrets: Secrets,
    /// The guarded HTTP client.
    pub http: Client,
    /// The client for URLs that the configuration names.
    pub configured_http: Client,
    /// The types of events that are emitted.
    pub event_types: Catalogue,
    /// What callers without a credential may leave behind.
    pub strangers: Arc<Strangers>,
    /// Answers that go on for hours.
    pub streams: Arc<Streams>,
    /// Requests that cost much.
    pub heavy: Heavy,
    draining: Arc<AtomicBool>,
}

impl Service {
    /// Puts the parts together.
    ///
    /// # Errors
    /// [`HttpError`] if TLS can't be set up.
    pub fn new(
        config: Arc<Config>,
        db: Db,
        envelope: Envelope,
        lookup_key: LookupKey,
        event_types: Catalogue,
    ) -> Result<Self, HttpError> {
        let http = Client::new(&config.outbound)?;
        let configured_http = Client::for_configured(&config.outbound)?;
        let strangers = Arc::new(Strangers::new(&config.rate_limit));
        let (secrets, streams, draining) = (Secrets::new(lookup_key), Arc::default(), Arc::default());
        let (clock, heavy) = (db.clock().clone(), Heavy::default());
        let tools = Tools {
            config,
            clock,
            envelope,
            secrets,
            http,
            configured_http,
            event_types,
            strangers,
            streams,
            heavy,
            draining,
        };
        let platform = PlatformService { db: db.platform(), tools: Arc::new(tools) };
        Ok(Self { db, platform })
    }

    /// The service for work on one tenant.
    pub fn of(&self, tenant: Uuid) -> TenantService {
        TenantService { db: self.db.of(tenant), tools: self.tools.clone() }
    }
}

impl std::ops::Deref for Service {
    type Target = PlatformService;
    fn deref(&self) -> &PlatformService {
        &self.platform
    }
}

impl std::ops::Deref for PlatformService {
    type Target = Tools;
    fn deref(&self) -> &Tools {
        &self.tools
    }
}

impl std::ops::Deref for TenantService {
    type Target = Tools;
    fn deref(&self) -> &Tools {
        &self.tools
    }
}

impl Tools {
    /// A way to what the configuration names, which notes what is asked.
    pub fn outside(&self) -> Outside {
        Outside::new(self.configured_http.clone(), self.clock.clone())
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
