//! Sign-in over HTTP.

pub(crate) mod authorize;
pub mod browser;
pub(crate) mod callback;
pub(crate) mod leave;
mod login;
mod sign_ins;
mod tests;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    authorize::routes()
        .and(callback::routes())
        .and(tests::routes())
        .and(sign_ins::routes())
        .tenant_by("connection", connections::by_connection)
}
