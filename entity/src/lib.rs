//! Rows of the store, a folder per owning capability.
//!
//! Plain `DeriveEntityModel` rows: `#[sea_orm::model]` costs three to five times as much to compile and brings finders
//! that pass the tenant filter. What the columns mean stands beside them in `migration/src/sql`.
#![allow(missing_docs, reason = "a row is its table: the migration's SQL documents the columns")]

pub mod by_name;
mod closed;
pub mod connections;
pub mod directory;
pub mod exchange;
pub mod flags;
pub mod ids;
pub mod inbox;
pub mod invitations;
pub mod keys;
pub mod lifecycle;
pub mod mail;
pub mod modules;
pub mod operators;
pub mod platform;
pub mod provisioning;
pub mod quota;
pub mod scim;
pub mod scope;
pub mod sessions;
pub mod sign_in;
pub mod tenancy;
pub mod webhooks;
