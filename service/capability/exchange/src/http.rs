//! Issuers and the exchange over HTTP.

pub(crate) mod exchange;
mod issuers;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    issuers::routes().and(exchange::routes())
}
