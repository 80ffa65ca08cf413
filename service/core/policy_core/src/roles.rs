//! Who somebody is.

use std::fmt;

/// Who somebody is, in the platform or in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Role {
    /// Staff of the platform: everything.
    Operator,
    /// Staff of the platform: reads everything, changes nothing.
    Auditor,
    /// An API gateway: vouches for identities.
    Gateway,
    /// A downstream service.
    Module,
    /// Runs a tenant.
    Admin,
    /// Works in a tenant.
    Contributor,
    /// Looks at a tenant.
    Viewer,
    /// A guest of a tenant: only the tenant itself.
    Guest,
    /// A machine of a tenant.
    Service,
}

impl Role {
    /// All roles.
    pub const ALL: [Role; 9] = [
        Role::Operator,
        Role::Auditor,
        Role::Gateway,
        Role::Module,
        Role::Admin,
        Role::Contributor,
        Role::Viewer,
        Role::Guest,
        Role::Service,
    ];

    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Role::Operator => "operator",
            Role::Auditor => "auditor",
            Role::Gateway => "gateway",
            Role::Module => "module",
            Role::Admin => "admin",
            Role::Contributor => "contributor",
            Role::Viewer => "viewer",
            Role::Guest => "guest",
            Role::Service => "service",
        }
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// What somebody of this role is in a tenant; `None`: the role is the platform's, outside any tenant.
    #[must_use]
    pub const fn in_tenant(self) -> Option<TenantRole> {
        match self {
            Role::Operator | Role::Auditor | Role::Gateway | Role::Module => None,
            Role::Admin => Some(TenantRole::Admin),
            Role::Contributor => Some(TenantRole::Contributor),
            Role::Viewer => Some(TenantRole::Viewer),
            Role::Guest => Some(TenantRole::Guest),
            Role::Service => Some(TenantRole::Service),
        }
    }

    /// Whether the role is of the platform, outside any tenant.
    #[must_use]
    pub const fn is_platform(self) -> bool {
        self.in_tenant().is_none()
    }
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

/// Who somebody is in a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum TenantRole {
    /// Runs the tenant.
    Admin,
    /// Works in it.
    Contributor,
    /// Looks at it.
    Viewer,
    /// A guest: sees only the tenant itself.
    Guest,
    /// A machine.
    Service,
}

impl TenantRole {
    /// All of them, from the highest to the lowest.
    pub const ALL: [TenantRole; 5] = [
        TenantRole::Admin,
        TenantRole::Contributor,
        TenantRole::Viewer,
        TenantRole::Guest,
        TenantRole::Service,
    ];

    /// What an address of a domain may give to whoever has it: nobody runs a tenant by an address.
    pub const BY_DOMAIN: [TenantRole; 3] = [TenantRole::Contributor, TenantRole::Viewer, TenantRole::Guest];

    /// Its name, as stored and shown.
    #[must_use]
    pub const fn name(self) -> &'static str {
        self.role().name()
    }

    /// The role of this name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|role| role.name() == name)
    }

    /// The role as it is among all of them.
    #[must_use]
    pub const fn role(self) -> Role {
        match self {
            TenantRole::Admin => Role::Admin,
            TenantRole::Contributor => Role::Contributor,
            TenantRole::Viewer => Role::Viewer,
            TenantRole::Guest => Role::Guest,
            TenantRole::Service => Role::Service,
        }
    }

    /// Whether it is higher than another one.
    #[must_use]
    pub fn outranks(self, other: Self) -> bool {
        let rank = |role| Self::ALL.iter().position(|one| *one == role);
        rank(self) < rank(other)
    }

    /// The higher of both.
    #[must_use]
    pub fn or_higher(self, other: Self) -> Self {
        if other.outranks(self) { other } else { self }
    }
}

impl fmt::Display for TenantRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::{Role, TenantRole};

    #[test]
    fn names_are_read_back() {
        for role in Role::ALL {
            assert_eq!(Role::parse(role.name()), Some(role));
            assert_eq!(TenantRole::parse(role.name()), role.in_tenant());
            assert_eq!(role.to_string(), role.name());
        }
        for role in TenantRole::ALL {
            assert_eq!(role.role().in_tenant(), Some(role));
            assert_eq!(role.to_string(), role.name());
        }
        assert_eq!(Role::parse("root"), None);
    }

    #[test]
    fn a_role_is_of_the_platform_or_of_a_tenant() {
        let platform = Role::ALL.into_iter().filter(|role| role.is_platform());
        assert!(platform.eq([Role::Operator, Role::Auditor, Role::Gateway, Role::Module]));
    }

    #[test]
    fn roles_of_a_tenant_have_an_order() {
        let higher = |role: TenantRole| TenantRole::ALL.into_iter().filter(|one| one.outranks(role)).count();
        assert_eq!(TenantRole::ALL.map(higher), [0, 1, 2, 3, 4]);
    }
}
