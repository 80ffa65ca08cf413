//! Who may call a route, whose failures count, and whose tenant its path is about.

use platform::db::Lookup;
use policy_core::Permission;
use uuid::Uuid;

/// Who may call a route. Bound to the route; never decided by the request's path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Access {
    /// Anybody, for this reason.
    Public(&'static str),
    /// A management key with this permission.
    Key(Permission),
    /// An organization's SCIM token.
    Scim,
}

/// For whom failures of a route count.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum CountFailures {
    /// For nobody.
    Never,
    /// For the network from which they come; its place is taken before the handler runs.
    OfNetwork,
    /// For the network, apart from its other failures; no place is held.
    OfSignIn,
    /// For the client; the handler takes the place as soon as it knows who that is.
    OfClient,
}

/// What a path names that belongs to a tenant.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Target {
    /// `{tenant}`
    Tenant,
    /// `{realm}`, where anybody may come.
    Realm,
    /// Another parameter that is an id, where anybody may come; how its tenant is found says the capability that has the route.
    Other(&'static str, fn(Uuid) -> Lookup),
}

impl Target {
    /// The target of a route. What stands behind `{tenant}` is looked for within it, by the handler: its caller is known.
    pub(crate) fn of(access: Access, pattern: &str) -> Option<Self> {
        let names = |name: &str| pattern.split('/').any(|word| word == name);
        match access {
            _ if names("{tenant}") => Some(Self::Tenant),
            Access::Public(_) if names("{realm}") => Some(Self::Realm),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use policy_core::Permission;

    use super::*;

    #[test]
    fn a_path_that_names_something_of_a_tenant_has_a_target() {
        let public = Access::Public("a test");
        let key = Access::Key(Permission::TenantRead);
        for (access, pattern, target) in [
            (key, "/api/v1/tenants/{tenant}/connections/{connection}", Some("Tenant")),
            (public, "/realms/{realm}/oauth2/authorize", Some("Realm")),
            (public, "/oauth2/token", None),
            (key, "/api/v1/keys/{key_id}", None),
            (Access::Scim, "/scim/v2/Users/{id}", None),
        ] {
            let found = Target::of(access, pattern).map(|target| format!("{target:?}"));
            assert_eq!(found.as_deref(), target, "{pattern}");
        }
    }
}
