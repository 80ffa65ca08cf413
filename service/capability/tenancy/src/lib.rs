//! Tenants and what they are placed on: organizations, plans, instances.
//!
//! Owns `tenant`, `organization`, `plan` and `instance`. Events: `tenant.updated`, `tenant.suspended`, `tenant.resumed` (the
//! runs of `provisioning` tell the rest). A suspended tenant's sessions end in the same transaction.

mod across;
mod capability;
pub mod codes;
mod error;
mod http;
mod lookup;
mod model;
mod ops;
mod placement;
mod pool;
mod settings;
mod store;

pub use across::{each, in_use_after, of_ids};
pub use capability::capability;
pub use entity::tenancy::plan::times as rate_multiplier;
pub use error::Error;
pub use http::{Instance, InstanceAvailable, Organization, Plan, Tenant};
pub use lookup::{by_customer, by_external_id, by_idp_alias, by_issuer};
pub use model::{Asks, Status, Verb, issuer_of};
pub use ops::{
    TenantActivated, TenantCreated, TenantDeleted, TenantDeprovisioning, TenantDrifted, TenantFacts,
    TenantFailed, TenantMoveFailed, TenantMoved, TenantMoving, TenantRestored, TenantResumed,
    TenantSuspended, TenantUpdated, Transition, active, find, find_organization, get, lift, list, locked,
    organization, organization_named, plan, put, rate_multiplier_of, record_event, resume, set_plan, suspend,
    transition, undeleted,
};
pub use placement::{
    Place, has_capacity, has_pool, instance, mode_of, place, place_on, release, store_place, take_capacity,
};
pub use pool::{
    active_instances, find_instance, instances_to_check, regions, register_instance, remove_instance,
};
pub use settings::{Limits, SharedInstances};
pub use store::{give_place, take_place};
