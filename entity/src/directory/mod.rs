//! Rows of `directory`.

pub mod group;
pub mod group_member;
pub mod identity;
pub mod user;
pub mod user_email;
