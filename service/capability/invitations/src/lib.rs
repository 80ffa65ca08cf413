//! Invitations by e-mail: one, many, or by a proven domain.
//!
//! Owns `invitation`, `invitation_batch`, `invitation_batch_row`, `join_rule`, `join_request`. Events: `invitation.created`,
//! `invitation.expired`, `join_request.*` (`directory` emits `invitation.accepted` and `invitation.revoked`, because it ends them).
//! Promises: the token is 256 random bits and only its SHA-256 is stored; single use, expiry and revocation are decided on the locked
//! row, in the transaction that redeems it; nothing but the row says for whom and for what an invitation is; GET changes nothing, because mail scanners fetch
//! links. Who is invited has a seat until the invitation ends; who comes in by an identity provider instead accepts it too.

mod accept;
mod batch;
mod capability;
mod codes;
mod error;
mod http;
mod inviter;
mod join;
mod lookup;
mod ops;
mod pages;
mod rules;
mod settings;
mod store;
mod stranger;
mod sweep;

pub use capability::capability;
pub use error::{Error, TooMany};
pub use http::Invitation;
pub use ops::{NewInvitation, create, forget_all, pending_for, revoke_all};
pub use settings::Settings;
pub use sweep::{sweep, sweep_batches};
