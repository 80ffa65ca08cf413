//! tenantry, put together: the routes of all capabilities, what runs beside them, and the command line.

pub mod app;
pub mod cli;
mod demo;
mod operations;
mod router;
mod security_events;
mod worker;

pub use router::routes;
