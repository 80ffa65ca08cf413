//! When two names or addresses are the same, what names a person at an identity provider, and who somebody is who comes. Pure: no
//! store, no clock, no HTTP.
//!
//! Every look-up, every unique key and every comparison without case goes through [`fold()`], so that the store's index, a filter's
//! literal and a comparison in memory can't disagree, and SQLite and Postgres have only bytes to compare.

mod domain;
mod fold;
mod forbidden;
mod name;
mod people;
mod subject;

pub use domain::{domain, domain_of, is_email};
pub use fold::{SHADOW, fold, fold_within, shadow, shadowed};
pub use forbidden::{Forbidden, check};
pub use name::{NAME_MAX, name_of};
pub use people::{
    Claim, Decision, DomainOf, Enforced, Facts, First, Found, Given, Grant, Groups, Home, Invitation, Known,
    KnownAs, Others, Pending, Person, Policy, Proof, Reason, RoleFrom, Source, Vouched, connection_of,
    decide, issuers_of, vouched,
};
pub use subject::is_subject;
