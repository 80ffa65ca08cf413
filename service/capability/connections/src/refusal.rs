//! Why a sign-in failed: a stable reason, what was expected and what came, who can mend it and how. Pure.

use saml_core::Reason as SamlReason;
use serde::Serialize;

/// Who can mend something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ResponsibleParty {
    /// The customer's admin, at the identity provider.
    ProviderAdmin,
    /// The customer's admin, here.
    TenantAdmin,
    /// The person who signs in.
    Person,
    /// Staff of the platform.
    Operator,
}

macro_rules! reasons {
    ($($variant:ident = $name:literal $who:ident $how:literal;)*) => {
        /// Why an OIDC sign-in failed, or one of either kind after the provider was believed.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub enum Reason { $(#[doc = $how] $variant,)* }

        impl Reason {
            /// All of them.
            pub const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            /// Its stable name.
            #[must_use]
            pub fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            fn responsible_party(self) -> ResponsibleParty {
                match self { $(Reason::$variant => ResponsibleParty::$who,)* }
            }

            fn how(self) -> &'static str {
                match self { $(Reason::$variant => $how,)* }
            }
        }
    };
}

reasons! {
    DiscoveryFailed = "oidc.discovery_failed" TenantAdmin "Check the connection's issuer: its /.well-known/openid-configuration must answer and name exactly this issuer.";
    UrlRefused = "oidc.url_refused" TenantAdmin "The provider's metadata contains a URL to which the service does not connect: it must be public and use https.";
    ProviderError = "oidc.provider_error" ProviderAdmin "The identity provider refused the sign-in: see its log for the reason.";
    IssMissing = "oidc.iss_missing" ProviderAdmin "The provider's metadata promises the iss parameter (RFC 9207), but the provider did not send it.";
    IssWrong = "oidc.iss_wrong" ProviderAdmin "The response came from a different issuer than expected.";
    CodeMissing = "oidc.code_missing" ProviderAdmin "The provider sent neither a code nor an error.";
    ProviderUnreachable = "oidc.provider_unreachable" ProviderAdmin "The provider does not respond, or responds with an error. Check that it is running, and try again.";
    TokenRequestFailed = "oidc.token_request_failed" TenantAdmin "The provider refused the authorization code: check the client id, the client secret (has it expired?) and the redirect URI.";
    IdTokenMissing = "oidc.id_token_missing" ProviderAdmin "The provider sent no ID token: the client must be allowed to use the scope openid.";
    SignatureWrong = "oidc.signature_wrong" ProviderAdmin "The ID token isn't signed with one of the provider's published keys.";
    AlgorithmRefused = "oidc.algorithm_refused" ProviderAdmin "Configure the provider to sign ID tokens with RS256, PS256, ES256, ES384 or EdDSA.";
    ExtensionUnknown = "oidc.extension_unknown" ProviderAdmin "The ID token requires an extension (crit) that is not supported: configure the provider to sign tokens without it.";
    IssuerWrong = "oidc.issuer_wrong" TenantAdmin "The ID token's issuer must be exactly the connection's issuer.";
    AudienceWrong = "oidc.audience_wrong" TenantAdmin "The ID token's audience must be the connection's client id, and nothing else.";
    NonceWrong = "oidc.nonce_wrong" ProviderAdmin "The ID token doesn't carry the nonce of this sign-in.";
    Expired = "oidc.expired" ProviderAdmin "The ID token has expired or is dated in the future: check the provider's clock.";
    ClaimsUnusable = "oidc.claims_unusable" ProviderAdmin "The ID token's claims can't be read or have wrong types.";
    UserinfoFailed = "oidc.userinfo_failed" ProviderAdmin "The userinfo endpoint must return the same subject as the ID token.";
    HostedDomainWrong = "oidc.hosted_domain_wrong" Person "Sign in with the account of your organization's Google Workspace.";
    TenantIdWrong = "oidc.tenant_id_wrong" TenantAdmin "The token is from another Entra tenant: use the issuer with your own tenant id.";
    SubjectUnusable = "sign_in.subject_unusable" TenantAdmin "The claim or attribute mapped to the subject must be present and identify the person permanently.";
    AttributeAmbiguous = "sign_in.attribute_ambiguous" ProviderAdmin "The attribute has several values, but only one is expected.";
    ReplayedAssertion = "saml.replayed" Person "Start again: this response was already used.";
    UserDeactivated = "sign_in.user_deactivated" TenantAdmin "The account is deactivated; the directory or an admin can activate it.";
    DomainRefused = "sign_in.domain_refused" TenantAdmin "Add the address's domain to the policy's allowedDomains, or sign in with another account.";
    NotProvisioned = "sign_in.not_provisioned" TenantAdmin "Enable jitProvisioning, assign the person in the directory, or invite them.";
    QuotaExceeded = "sign_in.quota_exceeded" TenantAdmin "All seats of the plan are in use: free one, or change the plan.";
    TenantNotActive = "sign_in.tenant_not_active" Operator "The tenant is suspended or not ready.";
    ConnectionDisabled = "sign_in.connection_disabled" TenantAdmin "The connection is disabled.";
    Enforced = "sign_in.enforced" TenantAdmin "The policy allows sign-in only through another connection.";
    SeatBlocked = "sign_in.seat_blocked" TenantAdmin "A payment is overdue: no seats can be added until it is received.";
    SubjectOther = "sign_in.subject_other" TenantAdmin "The provider sent a different subject for this account. If it is the same person, restore the old subject at the provider, or remove the account.";
    LinkRequired = "sign_in.link_required" TenantAdmin "An account has this address but no mailbox to which a code can be sent, or several accounts have it. Let the directory identify the person (externalId), or give the account its address.";
    OrganizationOther = "sign_in.organization_other" TenantAdmin "The person belongs to another organization.";
    UserExists = "sign_in.user_exists" TenantAdmin "Another account has this name.";
    MailLimited = "sign_in.mail_limited" Person "The daily limit of mailed codes is reached. Try again tomorrow.";
    BrowserOther = "sign_in.browser_other" Person "Start again in this browser, with cookies allowed.";
    StateUnknown = "sign_in.state_unknown" Person "This response belongs to no sign-in in progress: it was already finished, took too long, or was started elsewhere. Start again.";
    Abandoned = "sign_in.abandoned" Person "No response came back from the identity provider.";
    ProofNeeded = "sign_in.proof_needed" Person "Enter the code that was sent to you by e-mail: an account with your address already exists.";
    ProofWrong = "sign_in.proof_wrong" Person "The code was wrong too often: start again.";
    Internal = "sign_in.internal" Operator "Something went wrong on our side.";
}

/// Reasons for which nobody was denied anything: the provider failed, or we did.
const FAILURES: [&str; 4] =
    ["oidc.discovery_failed", "oidc.provider_unreachable", "saml.metadata_unusable", "sign_in.internal"];

/// Whether a sign-in that failed for this reason was no refusal.
#[must_use]
pub fn is_failure(reason: &str) -> bool {
    FAILURES.contains(&reason)
}

/// A sign-in's end that wasn't meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// The stable name of the reason.
    pub reason: String,
    /// Who can mend it.
    pub responsible_party: ResponsibleParty,
    /// How.
    pub how: String,
    /// What should have come.
    pub expected: Option<String>,
    /// What came.
    pub got: Option<String>,
}

/// Characters of a foreign value that are kept.
const SHOWN_MAX: usize = 300;

fn shown(text: impl Into<String>) -> String {
    text.into().chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}

impl Refused {
    /// For this reason.
    #[must_use]
    pub fn new(reason: Reason) -> Self {
        Self {
            reason: reason.name().to_owned(),
            responsible_party: reason.responsible_party(),
            how: reason.how().to_owned(),
            expected: None,
            got: None,
        }
    }

    /// With what should have come.
    #[must_use]
    pub fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(shown(what));
        self
    }

    /// With what came.
    #[must_use]
    pub fn got(mut self, what: impl Into<String>) -> Self {
        self.got = Some(shown(what));
        self
    }

    /// A reason by its stored name: who can mend it, and how.
    #[must_use]
    pub fn advice(name: &str) -> Option<(ResponsibleParty, String)> {
        if let Some(reason) =
            SamlReason::ALL.iter().find(|one| name.strip_prefix("saml.") == Some(one.name()))
        {
            return Some((saml_responsible_party(*reason), saml_remediation(*reason)));
        }
        let known = Reason::ALL.iter().find(|reason| reason.name() == name)?;
        Some((known.responsible_party(), known.how().to_owned()))
    }
}

impl From<saml_core::Refusal> for Refused {
    fn from(refusal: saml_core::Refusal) -> Self {
        Self {
            reason: format!("saml.{}", refusal.reason.name()),
            responsible_party: saml_responsible_party(refusal.reason),
            how: saml_remediation(refusal.reason),
            expected: refusal.expected.map(shown),
            got: refusal.got.map(shown),
        }
    }
}

fn saml_responsible_party(reason: SamlReason) -> ResponsibleParty {
    match reason {
        SamlReason::IssuerWrong | SamlReason::CertificateMissing | SamlReason::Unsolicited => {
            ResponsibleParty::TenantAdmin
        }
        SamlReason::InResponseToWrong | SamlReason::Expired => ResponsibleParty::Person,
        _ => ResponsibleParty::ProviderAdmin,
    }
}

fn saml_remediation(reason: SamlReason) -> String {
    let advice = match reason {
        SamlReason::SignatureMissing => "Configure the provider to sign the assertion or the response.",
        SamlReason::SignatureInvalid => {
            "The provider signs with a certificate that the connection does not have: update the connection's metadata or certificates."
        }
        SamlReason::AlgorithmRefused => "Configure the provider to use SHA-256, RSA-OAEP and AES-GCM.",
        SamlReason::EncryptionUnsigned => {
            "Configure the provider to encrypt with AES-GCM, or to sign the response too."
        }
        SamlReason::AudienceWrong => {
            "Set the audience (SP entity ID) at the provider to the connection's entityId."
        }
        SamlReason::DestinationWrong | SamlReason::RecipientWrong => {
            "Set the ACS URL (reply URL) at the provider to the connection's acsUrl."
        }
        SamlReason::IssuerWrong => "Set the connection's entityId to the issuer that the provider sends.",
        SamlReason::NotYetValid | SamlReason::Expired => {
            "Start again; if it happens again, check the provider's clock."
        }
        SamlReason::Unsolicited => {
            "Allow sign-ins that the provider starts (allowIdpInitiated), or start the sign-in here."
        }
        SamlReason::DecryptionFailed => {
            "Give the provider the connection's current metadata: it encrypts with a different key."
        }
        SamlReason::StatusFailed => "The provider refused the sign-in: see its log for the reason.",
        _ => "Compare the provider's settings with the connection's metadata.",
    };
    format!("{} {advice}", reason.meaning())
}
