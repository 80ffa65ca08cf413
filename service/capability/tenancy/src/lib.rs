//! Tenants and what they are placed on: organizations, plans, instances.
//!
//! Owns `tenant`, `organization`, `plan` and `instance`. Events: `tenant.updated`, `tenant.suspended`, `tenant.resumed` (the
//! runs of `provisioning` tell the rest). A suspended tenant's sessions end in the same transaction.

mod http;
mod model;
mod ops;

pub use http::{Instance, InstanceAvailable, Organization, Plan, Tenant, routes};
pub use model::{Asks, Status, Verb, issuer_of};
pub use ops::{
    TenantEvent, Transition, active, assign, get, give_place, has_room, instance, list, locked, organization,
    organization_named, place, place_on, plan, record_event, release, resume, set_plan, suspend, take_place,
    transition,
};
