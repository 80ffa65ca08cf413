//! Whose tenant a path is about. Asked before a body is read: what is sent to nobody isn't taken in.

use actix_web::dev::ServiceRequest;
use platform::DbError;
use platform::db::Lookup;
use uuid::Uuid;

use super::Rules;
use crate::credential::Principal;
use crate::extract::strict_uuid;
use crate::input::is_slug;
use crate::routes::Access;
use crate::{Code, Problem, Service};

/// What a path names that belongs to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    /// `{tenant}`
    Tenant,
    /// `{connection}`, where anybody may come.
    Connection,
    /// `{realm}`, where anybody may come.
    Realm,
}

impl Target {
    /// The target of a route. What stands behind `{tenant}` is looked for within it, by the handler: its caller is known.
    pub(crate) fn of(access: Access, pattern: &str) -> Option<Self> {
        let names = |name: &str| pattern.split('/').any(|word| word == name);
        match access {
            _ if names("{tenant}") => Some(Self::Tenant),
            Access::Public(_) if names("{connection}") => Some(Self::Connection),
            Access::Public(_) if names("{realm}") => Some(Self::Realm),
            _ => None,
        }
    }
}

/// The tenant that the path names, if it names one. Another tenant's id is answered as one that doesn't exist.
pub(super) async fn tenant(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
) -> Result<Option<Uuid>, Problem> {
    let word = |name: &str| request.match_info().get(name).unwrap_or_default();
    let found = match rules.target {
        None => return Ok(None),
        Some(Target::Tenant) => tenant_named(service, word("tenant")).await?,
        Some(Target::Realm) => by_slug(service, word("realm")).await?,
        Some(Target::Connection) => match strict_uuid(word("connection")) {
            Some(id) => service.db.tenant_of(Lookup::Connection(id)).await?,
            None => None,
        },
    };
    let allowed = |id: &Uuid| principal.is_none_or(|principal| principal.tenant.is_none_or(|own| own == *id));
    found.filter(allowed).map(Some).ok_or_else(|| Problem::new(Code::NotFound))
}

/// The tenant of an id or slug. An id is taken as it is: whether there is such a tenant says whoever reads it.
///
/// # Errors
/// [`DbError`].
pub async fn tenant_named(service: &Service, name: &str) -> Result<Option<Uuid>, DbError> {
    match strict_uuid(name) {
        Some(id) => Ok(Some(id)),
        None => by_slug(service, name).await,
    }
}

async fn by_slug(service: &Service, name: &str) -> Result<Option<Uuid>, DbError> {
    if is_slug(name) { service.db.tenant_of(Lookup::TenantSlug(name)).await } else { Ok(None) }
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
            (key, "/api/v1/tenants/{tenant}/connections/{connection}", Some(Target::Tenant)),
            (public, "/sso/saml/{connection}/acs", Some(Target::Connection)),
            (public, "/realms/{realm}/oauth2/authorize", Some(Target::Realm)),
            (public, "/oauth2/token", None),
            (key, "/api/v1/keys/{key_id}", None),
            (Access::Scim, "/scim/v2/Users/{id}", None),
        ] {
            assert_eq!(Target::of(access, pattern), target, "{pattern}");
        }
    }
}
