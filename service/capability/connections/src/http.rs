//! Connections, sign-in policies and domains over HTTP.

mod connection_input;
mod connections;
mod policy;

pub use connections::of_path;
use web::Routes;

/// The routes.
pub(crate) fn routes() -> Routes {
    connections::routes().and(policy::routes())
}
