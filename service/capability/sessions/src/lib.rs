//! Sessions, the tokens that stand for them, and the keys that sign these.
//!
//! Owns `session`, `browser_session`, `refresh_token` and `signing_key`. Promises: a refresh token is used once, and its reuse ends the whole
//! session; a session that ended refuses refresh and introspection at once, on every replica, because both ask the store;
//! an issuer's next key is published before it signs and its last one is kept until its tokens are over; a key of one
//! realm never verifies a token of another.

mod browser;
mod capability;
mod error;
mod grant;
mod jwt;
mod keys;
mod lookup;
mod model;
mod ops;
mod settings;
mod signing;
mod store;

pub use capability::capability;
pub use entity::sessions::states::Ended;

pub use browser::{
    BROWSER_PREFIX, NewBrowserSession, browser, browser_digest, browser_is_live, browsers,
    browsers_of_subject, find_browser, open_browser, seen_browser, sessions_of_browser,
};
pub use error::Error;
pub use grant::{ClientCredentials, ClientGrant, Granted};
pub use jwt::{
    Claims, IdTokenHint, Minted, demands_extensions, header, mint, sign, sign_for, unverified, verify,
    verify_id_token,
};
pub use keys::{Keyring, ensure_key, has_key, public_keys, remove_keys};
pub use lookup::{by_browser_session, by_refresh_token};
pub use model::Subject;
pub use ops::{
    NewSession, Refreshed, SessionsEnded, end, end_all_of_organization, end_all_of_tenant, end_all_of_user,
    end_browser, ended_at, find, is_live, open, refresh, session_of_refresh,
};
pub use settings::Settings;
pub use signing::Signers;
