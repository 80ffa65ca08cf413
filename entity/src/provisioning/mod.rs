//! Rows of `provisioning`.

pub mod deployment;
pub mod run;
pub mod states;
pub mod step;
