//! Rows of `invitations`.

pub mod invitation;
