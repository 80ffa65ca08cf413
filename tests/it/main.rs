//! Stories in the words of the domain, through HTTP; guards over the whole house; real parts.
#![allow(clippy::disallowed_methods, reason = "tests play the outside world")]

mod azure;
mod backends;
mod bounds;
mod cli;
mod concurrency;
mod crash;
mod denied;
mod directory;
mod exchange;
mod faults;
mod flags;
mod folding;
mod guards;
mod hostile;
mod inbox;
mod inbox_order;
mod invitations;
mod jobs;
mod limits;
mod mail;
mod migrations;
mod operators;
mod people;
mod placement;
mod platform_api;
mod quotas;
mod rules;
mod saga;
mod scim;
mod secrets;
mod sso;
mod start;
mod strangers;
mod tenants;
mod webhooks;
