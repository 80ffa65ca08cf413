//! Invitations by e-mail.
//!
//! Owns `invitation`. Events: `invitation.created`, `invitation.accepted`, `invitation.revoked`. Promises: the token is 256
//! random bits and only its SHA-256 is kept; single use, expiry and revocation are decided by the redeeming statement
//! itself; nothing but the row says for whom and for what an invitation is; GET changes nothing, because mail scanners
//! fetch links.

mod http;
mod ops;

pub use http::{Invitation, routes};
pub use ops::{NewInvitation, create, pending_for, revoke_all};
