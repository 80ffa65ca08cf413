//! Tenants and what they are placed on: organizations, plans, instances.
//!
//! Owns `tenant`, `organization`, `plan` and `instance`. Events: `tenant.updated`, `tenant.suspended`, `tenant.resumed` (the
//! runs of `provisioning` tell the rest). A suspended tenant's sessions end in the same transaction.

mod http;
mod model;
mod ops;

pub use http::{Instance, Organization, Plan, Tenant, routes};
pub use model::{Status, issuer_of};
pub use ops::{
    TenantEvent, active, get, organization, organization_named, place, plan, record_event, release, resume,
    set_status, suspend,
};
