//! Sign-in over HTTP.

mod exchange;
mod issuers;
mod oauth;

use web::Routes;

/// The routes.
pub fn routes() -> Routes {
    issuers::routes().and(exchange::routes()).and(oauth::routes())
}
