//! The directory: users and groups of an organization, as its identity provider pushes them or as they sign in.
//!
//! Owns `directory_user`, `directory_user_email`, `directory_group`, `directory_group_member`, `directory_group_child`,
//! `directory_change`, `directory_guard`, `directory_restore`, `directory_role_mapping`, `directory_departed`, `directory_expected` and `user_identity`. Events:
//! `user.created`, `user.updated`, `user.deactivated`, `user.reactivated`, `user.deleted`, `group.created`, `group.updated`,
//! `group.deleted`, `directory.blocked`, `directory.restored`, `invitation.accepted`,
//! `invitation.revoked`, `user.joined`. Promises: an active user takes one of quota `users`;
//! deactivating a user ends their sessions in the same transaction; adding or removing a member is one row, never a read of
//! the group; every change is recorded with what was there before, and can be undone for 30 days; a person is found by
//! (issuer, subject), never by e-mail; the tenant's last active admin stays.

mod capability;
pub mod codes;
mod error;
mod http;
mod model;
mod ops;
mod people;
mod store;

pub use capability::capability;
pub use entity::directory::states::Source;
pub use error::{Error, NotAdmitted, again_after_race};
pub use identity_core::fold;
pub use model::name_of;
pub use ops::admins::seats_of;
pub use ops::expected::{NewExpected, expect, forget_expected};
pub use ops::groups::{
    GroupCreated, GroupDeleted, GroupFacts, GroupUpdated, MemberEdit, create_group, delete_group,
    replace_group, set_members, touch_group,
};
pub use ops::guard::{GuardLimits, answer_guard, block, delete_guard, guard, put_guard};
pub use ops::restore::{
    Items, Plan, begin_restore, fail_restore, go_on, plan_restore, restore_items, restores, running_restore,
};
pub use ops::roles::{create_role_mapping, delete_role_mapping, role_mappings, set_role};
pub use ops::users::{
    BACKEND, UserCreated, UserDeactivated, UserDeleted, UserFacts, UserReactivated, UserUpdated, delete_user,
    last_word, record_last_word, replace_user, switch, unlink_connection,
};
pub use people::{
    Admitted, Applicant, FirstRuns, InvitationFacts, Made, MustProve, Outcome, SignInPolicy,
    accept_invitation, address_of, admit, forgive, next, open_invitation, proof_of_token, require_open,
    revoke_invitation, sign_in_policy, unset_policy,
};
pub use scim_core::schema::USERS;
pub use store::changes::{changes_of_request, changes_so_far};
pub use store::groups::{group, group_locked, group_share_locked};
pub use store::members::{Member, Membership, groups_of, members, members_behind};
pub use store::reach::{Looks, Population, Reach, population, reach};
pub use store::search::{Listed, Listing, Mark, ROWS_AT_ONCE, Start, explain, search};
pub use store::users::{
    Twin, admin_addresses, by_identity as user_by_identity, identities as identities_of,
    identities_of_issuers, switched_off, twins, user, user_any_organization, user_by_name, user_locked,
    users_of_address,
};
