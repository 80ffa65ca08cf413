//! Rows of `quota`.

pub mod reservation;
pub mod resource;
pub mod sample;
pub mod states;
pub mod usage;
