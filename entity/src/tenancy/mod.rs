//! Rows of `tenancy`.

pub mod instance;
pub mod organization;
pub mod plan;
pub mod tenant;
