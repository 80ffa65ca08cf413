//! What a session is about. Pure.

use uuid::Uuid;

/// Why a session ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Ended {
    /// The person or a module ended it.
    Revoked,
    /// A refresh token was used twice: somebody has a copy.
    RefreshReused,
    /// The person was deactivated.
    UserDeactivated,
    /// The tenant was suspended or deleted.
    TenantStopped,
    /// The person signed out.
    SignedOut,
    /// The person's identity provider ended its session.
    ProviderSignedOut,
    /// An authorization code was used twice: somebody has a copy.
    CodeReused,
    /// Nobody used the session for too long.
    Idle,
    /// The person has newer ones, as many as one may have.
    Superseded,
    /// The policy or the connection by which the person came in doesn't hold any more.
    PolicyChanged,
}

impl Ended {
    /// Its name, as stored.
    pub fn name(self) -> &'static str {
        match self {
            Ended::Revoked => "revoked",
            Ended::RefreshReused => "refresh_reused",
            Ended::UserDeactivated => "user_deactivated",
            Ended::TenantStopped => "tenant_stopped",
            Ended::SignedOut => "signed_out",
            Ended::ProviderSignedOut => "provider_signed_out",
            Ended::CodeReused => "code_reused",
            Ended::Idle => "idle",
            Ended::Superseded => "superseded",
            Ended::PolicyChanged => "policy_changed",
        }
    }
}

/// The person that a token is about, as it stands at the moment of minting.
#[derive(Clone, Debug)]
pub struct Subject {
    /// The tenant.
    pub tenant: Uuid,
    /// The organization.
    pub organization: Uuid,
    /// The user.
    pub user: Uuid,
    /// The user's role in the tenant.
    pub role: String,
    /// The tenant's plan.
    pub plan: String,
    /// Whose keys sign: the tenant's realm, or `None`: the platform's issuer.
    pub realm: Option<Uuid>,
    /// The issuer's URL.
    pub issuer: String,
}
