//! Whose a row is. Queries start from these traits, so that one without a scope can't be written.

use sea_orm::EntityTrait;

/// A table whose rows belong to one tenant each.
pub trait TenantOwned: EntityTrait {
    /// The column that names the tenant.
    const TENANT: Self::Column;
}

/// A table of the platform itself: catalogues, keys. Its role alone writes it.
pub trait PlatformOwned: EntityTrait {}

/// A table of the platform that a tenant's transaction may read as well: no row of it is secret.
pub trait SharedWithTenants: PlatformOwned {}

/// Tables whose rows are a tenant's own, children before parents: what is exported, and what goes with the tenant. What stays is
/// its history: runs, audit records, events, deliveries, jobs.
pub const OWNED_BY_TENANT: [&str; 42] = [
    "authorization_code",
    "browser_session",
    "assertion_use",
    "sign_in",
    "domain",
    "sso_policy",
    "connection_key",
    "connection",
    "scim_assertion",
    "scim_request",
    "scim_rehearsal",
    "scim_schema",
    "directory_role_mapping",
    "directory_restore",
    "directory_guard",
    "directory_change",
    "directory_departed",
    "refresh_token",
    "session",
    "scim_token",
    "user_identity",
    "directory_group_child",
    "directory_group_member",
    "directory_user_email",
    "directory_group",
    "directory_user",
    "invitation_batch_row",
    "invitation_batch",
    "join_request",
    "join_rule",
    "directory_expected",
    "invitation",
    "allowance",
    "mail_message",
    "mail_branding",
    "flag_override",
    "flag_push",
    "quota_reservation",
    "quota_sample",
    "quota",
    "subscription",
    "organization",
];
