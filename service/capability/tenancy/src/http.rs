//! Tenants, organizations, plans, instances over HTTP.

mod entitlements;
mod instances;
mod organizations;
mod plans;
mod tenants;

use web::Routes;

pub(crate) use instances::EVENTS;
pub use instances::{Instance, InstanceAvailable};
pub use organizations::Organization;
pub use plans::Plan;
pub use tenants::Tenant;

/// The routes.
pub(crate) fn routes() -> Routes {
    tenants::routes()
        .and(entitlements::routes())
        .and(organizations::routes())
        .and(plans::routes())
        .and(instances::routes())
}
