//! Rows of `provisioning`.

pub mod deployment;
pub mod run;
pub mod step;
