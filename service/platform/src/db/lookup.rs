//! Which tenant something belongs to, asked before a tenant is known.

use sea_orm::Value;
use uuid::Uuid;

/// Which tenant something belongs to, asked before a tenant is known. Answered by narrow `SECURITY DEFINER` functions
/// on Postgres, which tell the tenant's id and nothing else.
#[derive(Clone, Copy, Debug)]
pub enum Lookup<'a> {
    /// A tenant by its slug.
    TenantSlug(&'a str),
    /// A tenant by its id at the identity backend.
    TenantExternalId(&'a str),
    /// A tenant by the issuer of its own realm.
    TenantIssuer(&'a str),
    /// A tenant by the alias of its identity provider at a shared realm.
    TenantIdpAlias(&'a str),
    /// A tenant by its customer's id at the payment provider.
    TenantCustomer(&'a str),
    /// A reservation of a quota by its id.
    Reservation(Uuid),
    /// An organization's SCIM token by its id.
    ScimToken(Uuid),
    /// A refresh token by the digest of its text.
    RefreshToken(&'a [u8]),
    /// An invitation by the digest of its token.
    Invitation(&'a [u8]),
    /// A connection to an identity provider by its id.
    Connection(Uuid),
    /// An e-mail domain that a tenant has proven to be its own.
    Domain(&'a str),
    /// A browser's session by the digest of its cookie.
    BrowserSession(&'a [u8]),
    /// An authorization code by its digest.
    AuthorizationCode(&'a [u8]),
}

impl Lookup<'_> {
    /// Table, key, the tenant's column, a condition, the value.
    pub(super) fn parts(self) -> (&'static str, &'static str, &'static str, &'static str, Value) {
        let live = " AND status <> 'deleted'";
        match self {
            Lookup::TenantSlug(slug) => ("tenant", "slug", "id", live, slug.into()),
            Lookup::TenantExternalId(id) => ("tenant", "identity_external_id", "id", live, id.into()),
            Lookup::TenantIssuer(issuer) => ("tenant", "identity_issuer", "id", live, issuer.into()),
            Lookup::TenantIdpAlias(alias) => ("tenant", "identity_idp_alias", "id", live, alias.into()),
            Lookup::TenantCustomer(id) => ("tenant", "billing_customer", "id", live, id.into()),
            Lookup::Reservation(id) => ("quota_reservation", "id", "tenant_id", "", id.into()),
            Lookup::ScimToken(id) => ("scim_token", "id", "tenant_id", "", id.into()),
            Lookup::RefreshToken(digest) => {
                ("refresh_token", "digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::Invitation(digest) => {
                ("invitation", "token_digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::Connection(id) => ("connection", "id", "tenant_id", "", id.into()),
            Lookup::Domain(name) => ("domain", "verified_name", "tenant_id", "", name.into()),
            Lookup::BrowserSession(digest) => {
                ("browser_session", "digest", "tenant_id", "", digest.to_vec().into())
            }
            Lookup::AuthorizationCode(digest) => {
                ("authorization_code", "digest", "tenant_id", "", digest.to_vec().into())
            }
        }
    }
}
