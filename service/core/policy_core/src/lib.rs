//! Who may do what. Pure: roles, permissions, one decision.
//!
//! The whole matrix is committed as `policy.out` beside this crate and compared by a test, so that a change of rights
//! shows in the diff as what it is.

mod roles;

pub use roles::{Role, TenantRole};

macro_rules! permissions {
    ($($(#[$doc:meta])* $variant:ident = $name:literal => $($role:ident)*;)*) => {
        /// What a route asks for.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Permission { $($(#[$doc])* $variant,)* }

        impl Permission {
            /// All permissions.
            pub const ALL: &'static [Permission] = &[$(Permission::$variant,)*];

            /// Its name: `noun.verb`.
            pub fn name(self) -> &'static str {
                match self { $(Permission::$variant => $name,)* }
            }

            /// The roles that have it, beside `operator`, who has all.
            fn roles(self) -> &'static [Role] {
                match self { $(Permission::$variant => &[$(Role::$role,)*],)* }
            }
        }
    };
}

permissions! {
    /// Create tenants.
    TenantsCreate = "tenants.create" => ;
    /// List all tenants.
    TenantsList = "tenants.list" => Auditor;
    /// Suspend, resume, retry and delete tenants.
    TenantsManage = "tenants.manage" => ;
    /// See a tenant.
    TenantRead = "tenant.read" => Auditor Admin Contributor Viewer Guest Service;
    /// Take everything that a tenant owns.
    TenantExport = "tenant.export" => Admin;
    /// Rename a tenant.
    TenantUpdate = "tenant.update" => Admin;
    /// See organizations.
    OrganizationsRead = "organizations.read" => Auditor Admin Contributor Viewer Service;
    /// Create, rename and delete organizations.
    OrganizationsWrite = "organizations.write" => Admin;
    /// See SCIM tokens, never their secrets.
    ScimTokensRead = "scim_tokens.read" => Auditor Admin;
    /// Create, rotate and revoke SCIM tokens.
    ScimTokensWrite = "scim_tokens.write" => Admin;
    /// See connections, domains, the sign-in policy, sign-ins and sessions.
    SignInRead = "sign_in.read" => Auditor Admin;
    /// Change connections, domains and the sign-in policy; end sessions.
    SignInWrite = "sign_in.write" => Admin;
    /// See users and groups.
    DirectoryRead = "directory.read" => Auditor Admin Contributor Viewer Service;
    /// Give roles to users.
    DirectoryWrite = "directory.write" => Admin;
    /// See invitations.
    InvitationsRead = "invitations.read" => Auditor Admin Contributor;
    /// Create, resend and revoke invitations.
    InvitationsWrite = "invitations.write" => Admin;
    /// See which mail was sent, how it ended, and how it looks.
    MailRead = "mail.read" => Auditor Admin;
    /// Change how mail looks.
    BrandingWrite = "branding.write" => Admin;
    /// See and change who gets no mail; say what bounced.
    MailAddresses = "mail_addresses.write" => ;
    /// See quotas.
    QuotasRead = "quotas.read" => Auditor Admin Contributor Viewer Service Module;
    /// Set quotas.
    QuotasWrite = "quotas.write" => ;
    /// Hold some of a tenant's quota, and see what its plan entitles it to.
    QuotasReserve = "quotas.reserve" => Gateway Module;
    /// See which variant of each flag a tenant gets.
    TenantFlagsRead = "tenant_flags.read" => Auditor Admin Contributor Viewer Service Module;
    /// Override a flag for a tenant.
    TenantFlagsWrite = "tenant_flags.write" => ;
    /// See flag definitions.
    FlagsRead = "flags.read" => Auditor Module;
    /// Define flags.
    FlagsWrite = "flags.write" => ;
    /// See plans, instances, modules and issuers.
    CatalogueRead = "catalogue.read" => Auditor;
    /// Change plans, instances, modules and issuers.
    CatalogueWrite = "catalogue.write" => ;
    /// See webhook endpoints, events and deliveries.
    WebhooksRead = "webhooks.read" => Auditor;
    /// Change webhook endpoints, retry deliveries.
    WebhooksWrite = "webhooks.write" => ;
    /// See management keys, never their secrets.
    KeysRead = "keys.read" => Auditor;
    /// Create and revoke management keys.
    KeysWrite = "keys.write" => ;
    /// See durable work.
    JobsRead = "jobs.read" => Auditor;
    /// Retry dead jobs.
    JobsWrite = "jobs.write" => ;
    /// See the audit trail (a tenant's role: of the tenant).
    AuditRead = "audit.read" => Auditor Admin;
    /// Exchange an identity for a token.
    SsoExchange = "sso.exchange" => Gateway Module;
    /// Evaluate flags for a person.
    FlagsEvaluate = "flags.evaluate" => Gateway Module;
}

/// Whether `role` has `permission`. Deny by default.
pub fn allows(role: Role, permission: Permission) -> bool {
    role == Role::Operator || permission.roles().contains(&role)
}

/// The whole matrix, a permission a line: what `policy.out` holds.
pub fn matrix() -> String {
    let mut lines = String::new();
    for permission in Permission::ALL {
        let roles: Vec<&str> =
            Role::ALL.into_iter().filter(|role| allows(*role, *permission)).map(Role::name).collect();
        lines.push_str(&format!("{:<22} {}\n", permission.name(), roles.join(" ")));
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_committed_matrix_is_the_code() {
        let committed = include_str!("../policy.out");
        assert_eq!(matrix(), committed, "rights changed: if that is meant, commit the new policy.out");
    }

    #[test]
    fn no_role_of_a_tenant_has_a_right_over_the_platform() {
        let of_the_platform = [
            "tenants.",
            "flags.",
            "catalogue.",
            "webhooks.",
            "jobs.",
            "keys.",
            "sso.",
            "quotas.write",
            "mail_addresses.",
            "tenant_flags.write",
        ];
        for permission in Permission::ALL {
            if of_the_platform.iter().any(|prefix| permission.name().starts_with(prefix)) {
                for role in Role::ALL.into_iter().filter(|role| !role.is_platform()) {
                    assert!(!allows(role, *permission), "{role} has {}", permission.name());
                }
            }
        }
    }
}
