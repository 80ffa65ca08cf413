//! People: who somebody is, where they belong, as what, on whose seat. Facts in, decision out.
//!
//! Every door through which people come states a [`Claim`]; `directory` loads what is [`Known`] and applies the [`Decision`].
//! What each combination of facts comes to is committed as `decisions.out` beside this crate and compared by a test.

mod claim;
mod decide;
mod known;
#[cfg(test)]
mod tests;

pub use claim::{Claim, DomainOf, Grant, Groups, Proof, Source, Vouched, connection_of, issuers_of, vouched};
pub use decide::{Decision, Given, Invitation, Others, Reason, decide};
pub use known::{Enforced, Facts, First, Found, Home, Known, KnownAs, Pending, Person, Policy, RoleFrom};
