//! `/api/v1/webhook-endpoints`, `/api/v1/events`, `/api/v1/event-types`, `/api/v1/deliveries`

mod deliveries;
mod endpoints;
mod events;
mod stream;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    endpoints::routes().and(events::routes()).and(stream::routes()).and(deliveries::routes())
}
