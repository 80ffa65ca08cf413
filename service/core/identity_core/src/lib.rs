//! When two names or addresses are the same, and what names a person at an identity provider. Pure: no store, no clock, no HTTP.
//!
//! Every look-up, every unique key and every comparison without case goes through [`fold()`], so that the store's index, a filter's
//! literal and a comparison in memory can't disagree, and SQLite and Postgres have only bytes to compare.

mod domain;
mod fold;
mod subject;

pub use domain::domain;
pub use fold::{Forbidden, SHADOW, check, fold, fold_within, shadow, shadowed};
pub use subject::is_subject;
