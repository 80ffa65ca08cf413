//! What every request of an organization needs to know, remembered for a second: the tenant's schemas, and whether the
//! directory is being restored.

use std::sync::Arc;
use std::time::Duration;

use directory::{Listing, Population};
use entity::ids::OrganizationId;
use entity::ids::TenantId;
use entity::scim::schema::Entity;
use moka::future;
use moka::sync::Cache;
use platform::db::TenantDb;
use platform::work::KeyedLocks;
use platform::{DbError, View};
use scim_core::Profile;
use scim_core::schema::{Registry, ResourceType};
use sea_orm::{QueryOrder, QuerySelect};
use tokio::sync::Semaphore;
use uuid::Uuid;
use web::{OrganizationCaller, Tools};

use crate::error::Error;

/// How long it is remembered: the time in which a declared schema reaches other processes.
const REMEMBERED: Duration = Duration::from_secs(1);
/// Organizations remembered at once.
const REMEMBERED_MAX: u64 = 10_000;
/// How long the number of users and groups is remembered: for as long a search over them costs as if there were that many.
const POPULATION_REMEMBERED: Duration = Duration::from_secs(30);
/// Schemas of one tenant.
pub(crate) const SCHEMAS_MAX: u64 = 20;

/// Searches that look at everybody at once, of all tenants: half of SQLite's readers.
const LOOKING_AT_ONCE: usize = 3;

/// What is known of organizations.
#[derive(Debug)]
pub struct States {
    remembered: Cache<(TenantId, OrganizationId), Arc<State>>,
    /// How many there are to look at, by tenant, organization and type.
    populations: future::Cache<(Uuid, Uuid, Type), Population>,
    /// Places of searches that look at everybody.
    pub(crate) looking: Arc<Semaphore>,
    /// Changes of users and groups, by tenant and id.
    pub(crate) locks: KeyedLocks<(TenantId, Uuid)>,
}

/// What is known of an organization.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) registry: Arc<Registry>,
    restoring: bool,
}

impl Default for States {
    fn default() -> Self {
        let remembered = Cache::builder().max_capacity(REMEMBERED_MAX).time_to_live(REMEMBERED).build();
        let populations = future::Cache::builder().max_capacity(REMEMBERED_MAX);
        let populations = populations.time_to_live(POPULATION_REMEMBERED).build();
        let looking = Arc::new(Semaphore::new(LOOKING_AT_ONCE));
        Self { remembered, populations, looking, locks: KeyedLocks::default() }
    }
}

impl States {
    /// Forgets all: something changed here.
    pub(crate) fn forget(&self) {
        self.remembered.invalidate_all();
    }

    pub(crate) async fn of(
        &self,
        db: &TenantDb,
        organization: OrganizationId,
    ) -> Result<Arc<State>, DbError> {
        let tenant = TenantId(db.tenant());
        if let Some(state) = self.remembered.get(&(tenant, organization)) {
            return Ok(state);
        }
        let read = async |view: &View| -> Result<State, DbError> {
            let registry = Arc::new(registry(view).await?);
            let restoring = directory::running_restore(view, organization.0).await?.is_some();
            Ok(State { registry, restoring })
        };
        let state = Arc::new(db.read(read).await?);
        self.remembered.insert((tenant, organization), state.clone());
        Ok(state)
    }

    /// How many there are for a list to look at. However many ask at once, they are counted once.
    pub(crate) async fn population(
        &self,
        caller: &OrganizationCaller,
        of: Type,
        listing: Listing<'_>,
    ) -> Result<Population, Error> {
        let (organization, kind) = (listing.organization, listing.kind);
        let count = caller.read(async |view| directory::population(view, organization, kind).await);
        let key = (caller.directory().tenant(), organization, of);
        Ok(self.populations.try_get_with(key, count).await?)
    }
}

/// The resource types of a tenant.
pub(crate) async fn registry(view: &View) -> Result<Registry, DbError> {
    let select = view.select::<Entity>().order_by_asc(entity::scim::schema::Column::Id).limit(SCHEMAS_MAX);
    let rows = view.all(select).await?;
    let custom = rows.into_iter().filter_map(|row| {
        // It was checked when it was declared.
        let schema = serde_json::from_value(row.definition).ok()?;
        Some((row.resource_type.to_string(), schema))
    });
    Ok(Registry::with(custom))
}

/// Users or groups.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Type {
    Users,
    Groups,
}

impl Type {
    pub(crate) fn at(endpoint: &str) -> Option<Self> {
        match endpoint {
            "/Users" => Some(Type::Users),
            "/Groups" => Some(Type::Groups),
            _ => None,
        }
    }

    /// There is none of this type.
    pub(crate) fn not_found(self) -> Error {
        match self {
            Type::Users => Error::NoUser,
            Type::Groups => Error::NoGroup,
        }
    }
}

/// On what a request works, and how its client is met.
#[derive(Clone, Debug)]
pub(crate) struct Scope {
    pub(crate) organization: Uuid,
    pub(crate) profile: Profile,
    /// The base of locations.
    pub(crate) base: String,
    pub(crate) registry: Arc<Registry>,
    restoring: bool,
}

impl Scope {
    pub(crate) fn new(tools: &Tools, organization: Uuid, profile: Profile, state: &State) -> Self {
        let base = format!("{}/scim/v2", tools.config.public_url());
        let (registry, restoring) = (state.registry.clone(), state.restoring);
        Self { organization, profile, base, registry, restoring }
    }

    pub(crate) async fn of(caller: &OrganizationCaller, states: &States) -> Result<Self, DbError> {
        let profile = if caller.compat { Profile::Compat } else { Profile::Rfc };
        let state = states.of(caller.own(), OrganizationId(caller.organization)).await?;
        Ok(Self::new(caller.tools(), caller.organization, profile, &state))
    }

    pub(crate) fn kind(&self, of: Type) -> &ResourceType {
        match of {
            Type::Users => &self.registry.users,
            Type::Groups => &self.registry.groups,
        }
    }

    /// Refuses writes while the directory goes back to what it was.
    pub(crate) fn may_write(&self) -> Result<(), Error> {
        if self.restoring { Err(Error::Restoring) } else { Ok(()) }
    }
}
