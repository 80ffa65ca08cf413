//! The directory: users and groups of an organization, as its identity provider pushes them or as they sign in.
//!
//! Owns `directory_user`, `directory_user_email`, `directory_group`, `directory_group_member` and `user_identity`. Events:
//! `user.created`, `user.updated`, `user.deactivated`, `user.reactivated`, `user.deleted`, `group.created`, `group.updated`,
//! `group.deleted`. Promises: an active user takes one of quota `users`; deactivating a user ends their sessions in the
//! same transaction; adding or removing a member is one row, never a read of the group; a person is found by (issuer,
//! subject), never by e-mail.

mod http;
mod model;
mod ops;
mod store;

pub use http::routes;
pub use model::{Source, fold};
pub use ops::groups::{MemberEdit, create_group, delete_group, rename_group, set_members, touch_group};
pub use ops::users::{
    NewUser, create_user, delete_user, link, person_by_external_id, replace_user, user_by_identity,
};
pub use store::groups::{group, group_locked, groups_of, list_groups, members};
pub use store::users::{
    GroupTerm, UserTerm, list_users, user, user_any_organization, user_by_name, user_locked,
};
