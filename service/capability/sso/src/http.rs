//! Sign-in over HTTP.

mod authorize;
mod callback;
mod connection_input;
mod connections;
mod exchange;
mod issuers;
mod login;
mod metadata;
mod oauth;
mod pages;
mod policy;
mod provider_logout;
mod sign_ins;
mod sign_out;
mod tests;

use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    issuers::routes()
        .and(exchange::routes())
        .and(oauth::routes())
        .and(authorize::routes())
        .and(callback::routes())
        .and(provider_logout::routes())
        .and(sign_out::routes())
        .and(tests::routes())
        .and(connections::routes())
        .and(policy::routes())
        .and(sign_ins::routes())
}
