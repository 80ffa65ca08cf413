//! Sign-in: a browser comes, for a module or by itself, is sent to the provider of its organization, comes back, and has a session.
//!
//! Owns `sign_in`, `assertion_use`, `authorization_request` and `authorization_code`. Events: `sign_in.failed`. Promises: an identity
//! is (connection, subject), never an e-mail; an address finds an account only where the tenant has proven its domain, or the person
//! that they read its mail; an answer is taken once, in the browser that began, by the connection that was asked; nothing of one
//! tenant's provider can name a user of another; every attempt leaves its steps for 30 days. A code is handed out with the session;
//! what it is changed into is the business of `oidc_provider`.

mod capability;
pub mod codes;
mod console;
mod error;
mod http;
mod lookup;
mod ops;
mod pages;
mod settings;
mod store;

pub use capability::capability;
pub use console::People;
pub use error::Error;
pub use http::authorize::realm;
pub use http::browser;
pub use http::callback::{RESPONSE_BYTES_MAX, long_parameter};
pub use http::leave::{bytes_of, session};
pub use lookup::by_authorization_code;
pub use ops::account_linking::{NotIn, admit};
pub use ops::authorize::{Authorization, NotAuthorized, REQUEST_URI_PREFIX, SCOPES, authorization, list};
pub use ops::codes::{AuthorizationCode, Redemption, record_session, redeem_code};
pub use ops::once::take_once;
pub use ops::outcome::upstream_of;
pub use ops::parameters::{Parameters, read as read_parameters};
pub use ops::pending_requests::{PUSHED_LIFETIME, store_request};
pub use settings::Settings;
