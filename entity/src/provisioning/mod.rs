//! Rows of `provisioning`.

pub mod run;
pub mod step;
