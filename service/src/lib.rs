//! tenantry, put together: the routes of all capabilities, what runs beside them, and the command line.

pub mod app;
mod capabilities;
pub mod cli;
mod codes;
pub mod config;
mod demo;
mod operations;
mod recorder;
mod security_events;
mod server;
mod signals;
mod startup;
mod tenant_maker;
mod worker;

pub use capabilities::{event_types, problem_codes, retained, routes};
