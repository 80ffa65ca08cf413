//! Issuers and the exchange over HTTP.

pub(crate) mod exchange;
mod issuers;
pub(crate) mod session;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    issuers::routes().and(exchange::routes())
}
