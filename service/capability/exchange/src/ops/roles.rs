//! What a tenant's own identity backend says of somebody's role. Pure.
//!
//! The realm is the tenant's, and so are its roles (`realm_access`, Keycloak). In Zitadel roles are granted by a project to an org: those of
//! another org say nothing. A realm that many tenants share has no roles of one of them.

use entity::exchange::issuer;
use entity::exchange::states::ResolveBy;
use entity::tenancy::states::{IdentityBackend, IdentityKind};
use entity::tenancy::tenant;
use identity_core::Groups;
use policy_core::TenantRole;
use serde_json::{Map, Value};

use crate::model::SubjectClaims;

/// Keycloak's claim of the realm's roles: `{"roles": ["admin"]}`.
const KEYCLOAK: &str = "realm_access";
/// Zitadel's claim of the roles of the token's project: `{"admin": {"<org id>": "<domain>"}}`.
const ZITADEL: &str = "urn:zitadel:iam:org:project:roles";

/// What a token says of roles.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct BackendRoles {
    keycloak: Option<Vec<String>>,
    /// Of a token of Zitadel's. It leaves the claim out where there are no roles.
    zitadel: Option<Map<String, Value>>,
}

impl BackendRoles {
    pub(crate) fn of(issuer: &issuer::Model, claims: &SubjectClaims) -> Self {
        let is_zitadel = issuer.resolve_by == ResolveBy::Claim && issuer.tenant_claim == issuer::ZITADEL_ORG;
        let list = claims.value(KEYCLOAK).and_then(|access| access.get("roles")?.as_array());
        let texts =
            |list: &Vec<Value>| list.iter().filter_map(|role| role.as_str().map(ToOwned::to_owned)).collect();
        let granted = || claims.value(ZITADEL).and_then(Value::as_object).cloned().unwrap_or_default();
        Self { keycloak: list.map(texts), zitadel: is_zitadel.then(granted) }
    }

    /// What it means for this tenant, whose person comes with a token of `issuer`.
    pub(crate) fn for_tenant(&self, tenant: &tenant::Model, issuer: &str) -> Groups {
        let named: Option<Vec<&str>> = match (tenant.identity_backend, tenant.identity_kind) {
            (IdentityBackend::Keycloak, IdentityKind::Realm)
                if tenant.identity_issuer.as_deref() == Some(issuer) =>
            {
                self.keycloak.as_ref().map(|roles| roles.iter().map(String::as_str).collect())
            }
            (IdentityBackend::Zitadel, _) => {
                self.zitadel.as_ref().zip(tenant.identity_external_id.as_ref()).map(|(roles, org)| {
                    roles
                        .iter()
                        .filter(|(_, orgs)| orgs.get(org).is_some())
                        .map(|(role, _)| role.as_str())
                        .collect()
                })
            }
            (IdentityBackend::Keycloak | IdentityBackend::Builtin, _) => None,
        };
        named.map_or(Groups::NotSaid, |named| Groups::Role(highest(&named)))
    }
}

/// The highest role of a person among these names. Roles of the platform, and of machines, are nobody's to give away there.
pub(crate) fn highest(names: &[&str]) -> Option<TenantRole> {
    let known = names.iter().filter_map(|name| TenantRole::parse(name));
    let of_people = known.filter(|role| *role != TenantRole::Service);
    of_people.reduce(TenantRole::or_higher)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_highest_role_of_a_person_counts() {
        for (names, role) in [
            (vec!["viewer", "admin", "contributor"], Some(TenantRole::Admin)),
            (vec!["offline_access", "guest"], Some(TenantRole::Guest)),
            (vec!["operator", "gateway", "module", "auditor", "service"], None),
            (vec!["Admin", "uma_authorization"], None),
            (vec![], None),
        ] {
            assert_eq!(highest(&names), role, "{names:?}");
        }
    }

    #[test]
    fn a_token_says_what_its_own_issuer_may_say() {
        let issuer = |claim: &str, resolve_by: ResolveBy| issuer::Model {
            id: uuid::Uuid::nil(),
            issuer: "i".to_owned(),
            audience: "a".to_owned(),
            tenant_claim: claim.to_owned(),
            jwks_uri: None,
            version: 1,
            created_at: chrono::DateTime::UNIX_EPOCH,
            updated_at: chrono::DateTime::UNIX_EPOCH,
            resolve_by,
        };
        let claims = |issuer: &issuer::Model, rest: Value| {
            let mut claims = json!({"iss": "i", "sub": "s", "aud": "a", "exp": 1});
            claims.as_object_mut().unwrap().extend(rest.as_object().unwrap().clone());
            BackendRoles::of(issuer, &serde_json::from_value(claims).unwrap())
        };
        let realm = issuer("organization", ResolveBy::Issuer);
        let zitadel = issuer(issuer::ZITADEL_ORG, ResolveBy::Claim);
        let other = issuer("org_id", ResolveBy::Claim);
        assert_eq!(claims(&realm, json!({})), BackendRoles::default());
        let said = claims(&realm, json!({"realm_access": {"roles": ["admin", 7]}}));
        assert_eq!(said.keycloak, Some(vec!["admin".to_owned()]));
        assert_eq!(claims(&realm, json!({"realm_access": ["admin"]})), BackendRoles::default());
        let granted = json!({ZITADEL: {"admin": {"1": "acme.example"}}});
        assert_eq!(claims(&zitadel, granted.clone()).zitadel.map(|roles| roles.len()), Some(1));
        // No claim: no roles. Another issuer says nothing by it.
        assert_eq!(claims(&zitadel, json!({})).zitadel.map(|roles| roles.len()), Some(0));
        assert_eq!(claims(&other, granted), BackendRoles::default());
    }
}
