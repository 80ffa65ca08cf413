//! Signing in: connections to identity providers, sign-ins, sessions, tokens.

use serde::Deserialize;
use serde_json::Value;

/// A connection to an identity provider.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Connection {
    pub id: String,
    pub status: String,
    pub enabled: bool,
    pub issuer: Option<String>,
    pub redirect_uri: Option<String>,
    pub post_logout_redirect_uri: Option<String>,
    pub backchannel_logout_uri: Option<String>,
    pub entity_id: Option<String>,
    pub acs_url: Option<String>,
    pub slo_url: Option<String>,
    pub metadata_url: Option<String>,
    pub tested_at: Option<String>,
}

impl Connection {
    /// SAML: the service's entity ID.
    #[track_caller]
    pub fn entity_id(&self) -> &str {
        self.entity_id.as_deref().expect("an entity ID")
    }

    /// SAML: the URL of the assertion consumer service.
    #[track_caller]
    pub fn acs_url(&self) -> &str {
        self.acs_url.as_deref().expect("a URL")
    }

    /// SAML: the URL of single logout.
    #[track_caller]
    pub fn slo_url(&self) -> &str {
        self.slo_url.as_deref().expect("a URL")
    }

    /// SAML: the URL of the service's metadata.
    #[track_caller]
    pub fn metadata_url(&self) -> &str {
        self.metadata_url.as_deref().expect("a URL")
    }
}

/// What a test of a connection found out.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ConnectionTest {
    pub ok: bool,
    pub status: String,
    pub reason: Option<String>,
    pub test_url: String,
}

/// A domain of an organization, and the record that proves it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Domain {
    pub id: String,
    pub domain: String,
    pub status: String,
    pub record_name: String,
    pub record_value: String,
}

/// How an organization's people may sign in.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Policy {
    pub enforced: bool,
    pub jit_provisioning: bool,
    pub connection_id: Option<String>,
}

/// A sign-in, as its trace shows it.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SignIn {
    pub id: String,
    pub status: String,
    pub reason: Option<String>,
    pub advice: Option<String>,
    pub responsible_party: Option<String>,
    pub connection_id: String,
    pub user_id: Option<String>,
    pub steps: Vec<SignInStep>,
}

/// A step of a sign-in.
#[derive(Clone, Debug, Deserialize)]
pub struct SignInStep {
    pub name: String,
    pub detail: Option<Value>,
}

/// A session.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Session {
    pub id: String,
    pub user_id: String,
    pub live: bool,
    pub user_agent: Option<String>,
    pub ended_reason: Option<String>,
}

/// An issuer whose tokens are exchanged.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegisteredIssuer {
    pub id: String,
    pub tenant_claim: String,
}

/// What an upstream token was exchanged for.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Exchanged {
    pub token: String,
    pub token_type: String,
    pub expires_in: i64,
    pub refresh_token: String,
    pub tenant_id: String,
    pub tenant_slug: String,
    pub organization_id: String,
    pub user: ExchangedUser,
    pub redirect_url: String,
}

/// Whose token it is.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ExchangedUser {
    pub id: String,
    pub email: Option<String>,
    pub display_name: Option<String>,
    pub role: String,
}

/// What the token endpoint answers (RFC 6749, section 5.1; OpenID Connect Core 1.0, section 3.1.3.3).
#[derive(Clone, Debug, Deserialize)]
pub struct Tokens {
    pub access_token: String,
    pub token_type: String,
    pub expires_in: i64,
    pub refresh_token: Option<String>,
    pub id_token: Option<String>,
    pub scope: Option<String>,
}

impl Tokens {
    /// The refresh token.
    #[track_caller]
    pub fn refresh(&self) -> &str {
        self.refresh_token.as_deref().expect("a refresh token")
    }

    /// The ID token.
    #[track_caller]
    pub fn id(&self) -> &str {
        self.id_token.as_deref().expect("an ID token")
    }
}

/// What is said of a token (RFC 7662, section 2.2).
#[derive(Debug, Deserialize)]
pub struct Introspection {
    pub active: bool,
    pub iss: Option<String>,
    pub tenant_id: Option<String>,
    pub plan: Option<String>,
    #[serde(default)]
    pub roles: Vec<String>,
}
