//! What an installation sets for the exchange.

use platform::config::Section;
use serde::Deserialize;

/// Of `[sso]`: who is meant by a token or a gateway, and what becomes of strangers.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The claim that names the organization.
    pub tenant_claim: String,
    /// The claim that names an organization of the tenant, by id or slug.
    pub organization_claim: String,
    /// The exchange.
    pub exchange: Exchange,
    /// Names of the gateway's headers.
    pub gateway_headers: GatewayHeaders,
}

/// `[sso.exchange]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Exchange {
    /// Whether an organization that nobody knows becomes a tenant.
    pub auto_provision: bool,
    /// The plan of such a tenant.
    pub plan: String,
}

/// `[sso.gateway_headers]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct GatewayHeaders {
    /// Subject.
    pub user_id: String,
    /// E-mail.
    pub user_email: String,
    /// Display name.
    pub user_name: String,
    /// Organization at the identity backend.
    pub org_id: String,
    /// Roles.
    pub user_roles: String,
    /// Whether the e-mail was checked: `true` or `false`.
    pub email_verified: String,
    /// Organization of the tenant, by id or slug.
    pub organization: String,
}

impl Section for Settings {
    const NAME: &'static str = "sso";
}
