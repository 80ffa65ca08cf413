//! Operators: staff of the platform, who sign in by passkey (WebAuthn Level 3) and by nothing that a customer's identity provider,
//! or its outage, could touch. Break-glass is their recovery codes.
//!
//! Owns `operator`, `passkey`, `operator_session` and `ceremony`. Events: `operator.recovered`. Promises: an enrolment link and a
//! recovery code are used once; a ceremony is finished once, on whichever replica; a session's cookie is only good for requests of
//! our own pages; disabling an operator ends their sessions at once.

mod capability;
mod error;
mod http;
mod ops;
mod pages;
mod passkeys;
mod sessions;
mod settings;
mod store;

pub use capability::capability;
pub use http::Operators;
pub use sessions::PREFIX;
pub use settings::Settings;
