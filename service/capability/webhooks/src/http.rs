//! `/api/v1/modules`, `/api/v1/webhook-endpoints`, `/api/v1/events`, `/api/v1/deliveries`

mod deliveries;
mod endpoints;
mod modules;

use web::Routes;

/// The routes.
pub fn routes() -> Routes {
    modules::routes().and(endpoints::routes()).and(deliveries::routes())
}
