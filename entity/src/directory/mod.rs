//! Rows of `directory`.

pub mod change;
pub mod departed;
pub mod expected;
pub mod group;
pub mod group_child;
pub mod group_member;
pub mod guard;
pub mod identity;
pub mod restore;
pub mod role_mapping;
pub mod states;
pub mod user;
pub mod user_email;
