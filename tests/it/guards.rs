//! Sentences about the whole house. A new route, table or problem code is in them by itself.

mod access;
mod actions;
mod architecture;
mod audit;
mod bounds;
mod capabilities;
mod circles;
mod contract;
mod errors;
mod files;
mod glossary;
mod isolation;
mod limits;
mod public;
mod reach;
mod records;
mod roles;
mod rules;
mod schema;
mod settings;
