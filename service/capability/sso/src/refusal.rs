//! Why a sign-in failed: a stable reason, what was expected and what came, who can mend it and how. Pure.

use saml_core::Reason as SamlReason;
use serde::Serialize;

/// Who can mend something.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Mender {
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
        pub(crate) enum Reason { $(#[doc = $how] $variant,)* }

        impl Reason {
            pub(crate) const ALL: &'static [Reason] = &[$(Reason::$variant,)*];

            pub(crate) fn name(self) -> &'static str {
                match self { $(Reason::$variant => $name,)* }
            }

            fn mender(self) -> Mender {
                match self { $(Reason::$variant => Mender::$who,)* }
            }

            fn how(self) -> &'static str {
                match self { $(Reason::$variant => $how,)* }
            }
        }
    };
}

reasons! {
    DiscoveryFailed = "oidc.discovery_failed" TenantAdmin "Check the connection's issuer: its /.well-known/openid-configuration must answer and name exactly this issuer.";
    UrlRefused = "oidc.url_refused" TenantAdmin "The provider's metadata names an address that the service doesn't go to: it must be public and https.";
    ProviderError = "oidc.provider_error" ProviderAdmin "The identity provider refused the sign-in: its own log says why.";
    IssMissing = "oidc.iss_missing" ProviderAdmin "The provider promises the iss parameter (RFC 9207) but didn't send it.";
    IssWrong = "oidc.iss_wrong" ProviderAdmin "The answer came from another issuer than the one that was asked.";
    CodeMissing = "oidc.code_missing" ProviderAdmin "The provider sent neither a code nor an error.";
    ProviderUnreachable = "oidc.provider_unreachable" ProviderAdmin "The provider fails or doesn't answer: is it up? Try again.";
    TokenRequestFailed = "oidc.token_request_failed" TenantAdmin "The provider refused the code: check client id, client secret (expired?) and redirect URI.";
    IdTokenMissing = "oidc.id_token_missing" ProviderAdmin "The provider sent no ID token: the client must be allowed the scope openid.";
    SignatureWrong = "oidc.signature_wrong" ProviderAdmin "The ID token isn't signed with one of the provider's published keys.";
    AlgorithmRefused = "oidc.algorithm_refused" ProviderAdmin "Let the provider sign ID tokens with RS256, PS256, ES256, ES384 or EdDSA.";
    ExtensionUnknown = "oidc.extension_unknown" ProviderAdmin "The ID token demands an extension (crit) that isn't understood here: let the provider sign plain ones.";
    IssuerWrong = "oidc.issuer_wrong" TenantAdmin "The ID token's issuer must be exactly the connection's issuer.";
    AudienceWrong = "oidc.audience_wrong" TenantAdmin "The ID token must be for the connection's client id, and for nobody else.";
    NonceWrong = "oidc.nonce_wrong" ProviderAdmin "The ID token doesn't carry the nonce of this sign-in.";
    Expired = "oidc.expired" ProviderAdmin "The ID token is over, or from the future: check the provider's clock.";
    ClaimsUnusable = "oidc.claims_unusable" ProviderAdmin "The ID token's claims can't be read, or are of wrong types.";
    UserinfoFailed = "oidc.userinfo_failed" ProviderAdmin "The userinfo endpoint must answer for the same person as the ID token.";
    HostedDomainWrong = "oidc.hosted_domain_wrong" Person "Sign in with the account of your organization's Google Workspace.";
    TenantIdWrong = "oidc.tenant_id_wrong" TenantAdmin "The token is of another Entra tenant: use the issuer with your own tenant id.";
    SubjectUnusable = "sign_in.subject_unusable" TenantAdmin "The mapped subject must be there, and name the person for good.";
    AttributeAmbiguous = "sign_in.attribute_ambiguous" ProviderAdmin "The attribute has several values where one belongs.";
    ReplayedAssertion = "saml.replayed" Person "Start again: this answer was used before.";
    UserDeactivated = "sign_in.user_deactivated" TenantAdmin "The account is deactivated; the directory or an admin can activate it.";
    DomainRefused = "sign_in.domain_refused" TenantAdmin "Add the address' domain to the policy's allowedDomains, or sign in with another account.";
    NotProvisioned = "sign_in.not_provisioned" TenantAdmin "Switch on jitProvisioning, assign the person in the directory, or invite them.";
    QuotaExceeded = "sign_in.quota_exceeded" TenantAdmin "All seats of the plan are taken: free one or change the plan.";
    TenantNotActive = "sign_in.tenant_not_active" Operator "The tenant is suspended or not ready.";
    ConnectionDisabled = "sign_in.connection_disabled" TenantAdmin "The connection is disabled.";
    Enforced = "sign_in.enforced" TenantAdmin "The policy admits only another connection.";
    SeatBlocked = "sign_in.seat_blocked" TenantAdmin "A payment is overdue: no new seats until it arrives.";
    SubjectOther = "sign_in.subject_other" TenantAdmin "The provider sent a different subject for this account. If it is the same person, restore the old subject at the provider, or remove the account.";
    LinkRequired = "sign_in.link_required" TenantAdmin "An account has this address, and no mailbox to which a code could go; or several accounts have it: let the directory name the person (externalId), or give the account its address.";
    OrganizationOther = "sign_in.organization_other" TenantAdmin "The person belongs to another organization.";
    UserExists = "sign_in.user_exists" TenantAdmin "Another account has this name.";
    MailLimited = "sign_in.mail_limited" Person "The daily limit of mailed codes is reached. Try again tomorrow.";
    BrowserOther = "sign_in.browser_other" Person "Start again in this browser, with cookies allowed.";
    StateUnknown = "sign_in.state_unknown" Person "This answers no sign-in that is under way: it was finished before, took too long, or began elsewhere. Begin again.";
    Abandoned = "sign_in.abandoned" Person "Nothing came back from the identity provider.";
    ProofNeeded = "sign_in.proof_needed" Person "Enter the code that was mailed to you: an account with your address exists already.";
    ProofWrong = "sign_in.proof_wrong" Person "The code was wrong too often: start again.";
    Internal = "sign_in.internal" Operator "Something went wrong on our side.";
}

/// A sign-in's end that wasn't meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Refused {
    pub(crate) reason: String,
    pub(crate) mender: Mender,
    pub(crate) how: String,
    pub(crate) expected: Option<String>,
    pub(crate) got: Option<String>,
}

/// Characters of a foreign value that are kept.
const SHOWN_MAX: usize = 300;

fn shown(text: impl Into<String>) -> String {
    text.into().chars().filter(|c| !c.is_control()).take(SHOWN_MAX).collect()
}

impl Refused {
    pub(crate) fn new(reason: Reason) -> Self {
        Self {
            reason: reason.name().to_owned(),
            mender: reason.mender(),
            how: reason.how().to_owned(),
            expected: None,
            got: None,
        }
    }

    #[must_use]
    pub(crate) fn expected(mut self, what: impl Into<String>) -> Self {
        self.expected = Some(shown(what));
        self
    }

    #[must_use]
    pub(crate) fn got(mut self, what: impl Into<String>) -> Self {
        self.got = Some(shown(what));
        self
    }

    /// A reason by its stored name: who can mend it, and how.
    pub(crate) fn advice(name: &str) -> Option<(Mender, String)> {
        if let Some(reason) =
            SamlReason::ALL.iter().find(|one| name.strip_prefix("saml.") == Some(one.name()))
        {
            return Some((saml_mender(*reason), saml_how(*reason)));
        }
        let known = Reason::ALL.iter().find(|reason| reason.name() == name)?;
        Some((known.mender(), known.how().to_owned()))
    }
}

impl From<saml_core::Refusal> for Refused {
    fn from(refusal: saml_core::Refusal) -> Self {
        Self {
            reason: format!("saml.{}", refusal.reason.name()),
            mender: saml_mender(refusal.reason),
            how: saml_how(refusal.reason),
            expected: refusal.expected.map(shown),
            got: refusal.got.map(shown),
        }
    }
}

fn saml_mender(reason: SamlReason) -> Mender {
    match reason {
        SamlReason::IssuerWrong | SamlReason::CertificateMissing | SamlReason::Unsolicited => {
            Mender::TenantAdmin
        }
        SamlReason::InResponseToWrong | SamlReason::Expired => Mender::Person,
        _ => Mender::ProviderAdmin,
    }
}

fn saml_how(reason: SamlReason) -> String {
    let advice = match reason {
        SamlReason::SignatureMissing => "Let the provider sign the assertion or the response.",
        SamlReason::SignatureInvalid => {
            "The provider signs with a certificate that the connection doesn't know: update its metadata or certificates."
        }
        SamlReason::AlgorithmRefused => "Let the provider use SHA-256, RSA-OAEP and AES-GCM.",
        SamlReason::EncryptionUnsigned => "Let the provider encrypt with AES-GCM, or sign the response too.",
        SamlReason::AudienceWrong => {
            "Set the audience (SP entity ID) at the provider to the connection's entityId."
        }
        SamlReason::DestinationWrong | SamlReason::RecipientWrong => {
            "Set the ACS URL (reply URL) at the provider to the connection's acsUrl."
        }
        SamlReason::IssuerWrong => "Set the connection's provider entity id to what the provider says.",
        SamlReason::NotYetValid | SamlReason::Expired => {
            "Start again; if it goes on, check the provider's clock."
        }
        SamlReason::Unsolicited => "Allow sign-ins that the provider begins, or begin here.",
        SamlReason::DecryptionFailed => {
            "Give the provider the connection's current metadata: it encrypts for another key."
        }
        SamlReason::StatusFailed => "The provider refused the sign-in: its own log says why.",
        _ => "Compare the provider's settings with the connection's metadata.",
    };
    format!("{} {advice}", reason.meaning())
}
