//! Rows of `tenancy`.

pub mod instance;
pub mod organization;
pub mod plan;
pub mod states;
pub mod status;
pub mod tenant;
