//! Rows of `invitations`.

pub mod batch;
pub mod batch_row;
pub mod invitation;
pub mod join_request;
pub mod join_rule;
pub mod states;
