//! The OpenID provider for modules over HTTP.

mod metadata;
mod oauth;
mod par;
mod provider_logout;
mod sign_out;
mod tokens;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    oauth::routes()
        .and(metadata::routes())
        .and(par::routes())
        .and(provider_logout::routes())
        .and(sign_out::routes())
        .tenant_by("connection", connections::by_connection)
}
