//! What each fact is to a caller of the API.

use web::{Code, Denied, Problem};

use super::Error;
use crate::refusal::Reason;

/// What stands in the way of somebody whose provider is believed: to the outside, and as the reason that the trace keeps.
const ADMISSION: [(Code, Reason); 13] = [
    (Code::UserDeactivated, Reason::UserDeactivated),
    (Code::SsoDomainRefused, Reason::DomainRefused),
    (Code::SsoNotProvisioned, Reason::NotProvisioned),
    (Code::QuotaExceeded, Reason::QuotaExceeded),
    (Code::SeatBlocked, Reason::SeatBlocked),
    (Code::TenantSuspended, Reason::TenantNotActive),
    (Code::ConnectionDisabled, Reason::ConnectionDisabled),
    (Code::SsoEnforced, Reason::Enforced),
    (Code::SubjectOther, Reason::SubjectOther),
    (Code::LinkRequired, Reason::LinkRequired),
    (Code::OrganizationOther, Reason::OrganizationOther),
    (Code::UserExists, Reason::UserExists),
    (Code::MailLimited, Reason::MailLimited),
];

/// What the reason of a failed sign-in is to the outside.
fn code_of_reason(reason: &str) -> Code {
    let by_admission = ADMISSION.iter().find(|(_, one)| one.name() == reason).map(|(code, _)| *code);
    by_admission.unwrap_or(match reason {
        "sign_in.browser_other" => Code::SsoBrowserOther,
        "sign_in.state_unknown" => Code::SsoStateUnknown,
        "sign_in.proof_wrong" => Code::SsoProofWrong,
        "saml.certificate_missing" => Code::ConnectionIncomplete,
        "oidc.url_refused" => Code::UrlRefused,
        "oidc.discovery_failed" | "oidc.provider_unreachable" | "saml.metadata_unusable" => {
            Code::ProviderUnreachable
        }
        "sign_in.internal" => Code::Internal,
        _ => Code::SsoRefused,
    })
}

/// The code of a fact; those that wrap another error are told by that one.
fn code(error: &Error) -> Code {
    match error {
        Error::NotFound => Code::NotFound,
        Error::CredentialUnknown | Error::ClientOther => Code::AuthInvalid,
        Error::SignIn { reason, .. } => code_of_reason(reason),
        Error::StateUnknown => Code::SsoStateUnknown,
        Error::ProofWrong { .. } => Code::SsoProofWrong,
        Error::CodesUsedUp(_) => Code::MailLimited,
        Error::SessionOver => Code::AuthRequired,
        Error::UserDeactivated => Code::UserDeactivated,
        Error::LinkRequired => Code::LinkRequired,
        Error::OrganizationOther => Code::OrganizationOther,
        Error::OrganizationUnknown => Code::OrganizationUnknown,
        Error::Enforced => Code::SsoEnforced,
        Error::ConnectionDisabled => Code::ConnectionDisabled,
        Error::ConnectionNeeded => Code::ConnectionNeeded,
        Error::ConnectionNamed => Code::Conflict,
        Error::NoWayIn => Code::SsoNoWayIn,
        Error::NoConnectionActive | Error::ProviderUnknown => Code::ConnectionIncomplete,
        Error::CertificateMissing | Error::SignInAddressMissing => Code::ConnectionIncomplete,
        Error::UrlRefused | Error::MetadataUrlRefused { .. } => Code::UrlRefused,
        Error::MetadataUnreachable { .. } => Code::ProviderUnreachable,
        Error::DomainExists => Code::DomainExists,
        Error::DomainTaken => Code::DomainTaken,
        Error::DomainUnproven { .. } => Code::DomainUnproven,
        Error::TenantUnknown | Error::TenantUnnamed { .. } | Error::TenantOther => Code::TenantUnknown,
        Error::SubjectTokenRefused { .. } | Error::LogoutTokenRefused { .. } => Code::TokenRefused,
        Error::IssuerUnknown => Code::IssuerUnknown,
        Error::IssuerUnreachable { .. } | Error::ProviderKeysUnreachable => Code::IssuerUnreachable,
        Error::AudienceOther => Code::BodyMalformed,
        Error::GrantInvalid => Code::GrantInvalid,
        Error::ClientUnknown => Code::ClientUnknown,
        Error::RedirectMissing | Error::RedirectRefused => Code::RedirectRefused,
        Error::RequestTooLong | Error::ParametersTooMany => Code::ValidationFailed,
        Error::ParameterUnreadable | Error::ParameterTwice => Code::ValidationFailed,
        Error::Invalid(_) | Error::NoRoom(_) | Error::Tenant(_) | Error::Quota(_) => Code::Internal,
        Error::Directory(_) | Error::Mail(_) | Error::Sessions(_) => Code::Internal,
        Error::NotMade(_) | Error::Internal(_) | Error::Store(_) => Code::Internal,
    }
}

/// What is said of a fact, where it is more than its code's own sentence.
fn sentence(error: &Error) -> Option<String> {
    let said = match error {
        Error::SignIn { how, .. } => how.as_str(),
        Error::ConnectionNamed => "The organization's sign-in policy names this connection.",
        Error::NoWayIn => {
            "Nobody has connected an identity provider to the organization yet. Its admin connects one \
             (POST /api/v1/tenants/{tenant}/organizations/{organization}/connections) and tests it; then this link works."
        }
        Error::NoConnectionActive => "The organization has no active connection to an identity provider.",
        Error::ProviderUnknown => "The connection knows nothing of its identity provider yet.",
        Error::CertificateMissing => {
            "The connection has no usable signing certificate of its identity provider."
        }
        Error::SignInAddressMissing => "The identity provider's metadata has no address for sign-ins.",
        Error::TenantUnnamed { .. } => "The subject token names no organization.",
        Error::TenantOther => "The subject token is of another tenant than the one that is named.",
        Error::AudienceOther => "The audience must be your own client_id or base URL.",
        Error::RedirectMissing => "The redirect URI is missing.",
        Error::RequestTooLong => "The request is too long.",
        Error::ParametersTooMany => "There are too many parameters.",
        Error::ParameterUnreadable => "A parameter is too long or not text.",
        Error::ParameterTwice => "A parameter came twice.",
        Error::MetadataUrlRefused { why } => return Some(format!("The metadata URL is refused: {why}.")),
        Error::MetadataUnreachable { why } => return Some(format!("The metadata can't be had: {why}.")),
        Error::DomainUnproven { why, .. } => return Some(format!("The domain is not proven: {why}.")),
        Error::SubjectTokenRefused { why } => {
            return Some(format!("The subject token is not accepted: {why}."));
        }
        Error::LogoutTokenRefused { why } => {
            return Some(format!("The logout token is not accepted: {why}."));
        }
        _ => return None,
    };
    Some(said.to_owned())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let code = code(&error);
        let said = match sentence(&error) {
            Some(sentence) => Self::detailed(code, sentence),
            None => Self::new(code),
        };
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::NoRoom(refused) => refused.into(),
            Error::Tenant(error) => error.into(),
            Error::Quota(error) => error.into(),
            Error::Directory(error) => error.into(),
            Error::Mail(error) => error.into(),
            Error::Sessions(error) => error.into(),
            Error::NotMade(problem) => problem,
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
            Error::SignIn { reason, .. } => said.fact("reason", reason),
            Error::ProofWrong { left } => said.fact("left", left),
            Error::CodesUsedUp(used_up) => Self::used_up(Code::MailLimited, used_up).fact("per", "recipient"),
            Error::DomainUnproven { record_name, record_value, .. } => {
                said.fact("recordName", record_name).fact("recordValue", record_value)
            }
            Error::TenantUnnamed { claim } => said.fact("claim", claim),
            Error::IssuerUnreachable { cause } => Self { cause: Some(cause), retry_after: Some(5), ..said },
            Error::LogoutTokenRefused { .. } => said.dialect("invalid_request"),
            Error::AudienceOther => said.dialect("invalid_target"),
            Error::GrantInvalid => said.dialect("invalid_grant"),
            Error::ClientOther => said.dialect("invalid_client"),
            _ => said,
        }
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

impl Error {
    /// The code by which records tell of it.
    pub(crate) fn code_name(self) -> &'static str {
        Problem::from(self).code.name()
    }

    /// What happened, in one sentence.
    pub(crate) fn sentence(self) -> String {
        Problem::from(self).detail
    }
}

#[cfg(test)]
mod tests {
    use entity::tenancy::status::Unusable;
    use platform::DbError;
    use platform::refusal::{Classified as _, Invalid, Retry};
    use platform::rules::{NoRoom, UsedUp};

    use super::*;
    use crate::refusal::Refused;
    use crate::refusal::is_failure;

    /// Whether another try can help, and whether it was a refusal, is the same for the fact and for what it is to the outside.
    fn answered(error: Error) -> Problem {
        let (retry, is_refusal) = (error.retry(), error.is_refusal());
        let problem = Problem::from(error);
        assert_eq!((retry, is_refusal), (problem.retry(), problem.is_refusal()), "{problem}");
        problem
    }

    #[test]
    fn each_fact_has_its_code() {
        for (error, code) in [
            (Error::NotFound, "not_found"),
            (Error::CredentialUnknown, "auth.invalid"),
            (Error::StateUnknown, "sso.state_unknown"),
            (Error::SessionOver, "auth.required"),
            (Error::UserDeactivated, "user.deactivated"),
            (Error::LinkRequired, "sso.link_required"),
            (Error::OrganizationOther, "sso.organization_other"),
            (Error::OrganizationUnknown, "sso.organization_unknown"),
            (Error::Enforced, "sso.enforced"),
            (Error::ConnectionDisabled, "connection.disabled"),
            (Error::ConnectionNeeded, "connection.needed"),
            (Error::UrlRefused, "outbound.refused"),
            (Error::DomainExists, "domain.exists"),
            (Error::DomainTaken, "domain.taken"),
            (Error::TenantUnknown, "sso.tenant_unknown"),
            (Error::IssuerUnknown, "sso.issuer_unknown"),
            (Error::ProviderKeysUnreachable, "sso.issuer_unreachable"),
            (Error::ClientUnknown, "oauth.client_unknown"),
            (Error::RedirectRefused, "oauth.redirect_refused"),
            (Invalid::at("/domain", "must be a domain").into(), "validation.failed"),
            (NoRoom::Full { resource: "domains", limit: 1 }.into(), "quota.exceeded"),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), "tenant.suspended"),
            (quota::Error::NotFound.into(), "not_found"),
            (Error::NotMade(Problem::new(Code::Unavailable)), "unavailable"),
            (directory::Error::InvitationTaken.into(), "conflict"),
            (directory::Error::InvitationGone.into(), "invitation.gone"),
            (mail::Error::NotFound.into(), "not_found"),
            (sessions::Error::KeyMissing.into(), "internal"),
            (Error::internal("why"), "internal"),
            (DbError::Conflict(String::new()).into(), "conflict"),
            (DbError::Sealed("connection").into(), "internal"),
        ] {
            let problem = answered(error);
            let plain = (problem.code.title(), None);
            assert_eq!(problem.code.name(), code);
            assert_eq!((problem.detail.as_str(), problem.dialect_code), plain, "{code}");
        }
    }

    #[test]
    fn some_facts_have_a_sentence_of_their_own() {
        let (why, text) = ("it is such", || "it is such".to_owned());
        for (error, code, sentence) in [
            (Error::ConnectionNamed, "conflict", "The organization's sign-in policy names this connection."),
            (Error::NoConnectionActive, "connection.incomplete", "The organization has no active connection"),
            (Error::NoWayIn, "sso.no_way_in", "Nobody has connected an identity provider"),
            (Error::ProviderUnknown, "connection.incomplete", "The connection knows nothing"),
            (Error::CertificateMissing, "connection.incomplete", "The connection has no usable signing"),
            (Error::SignInAddressMissing, "connection.incomplete", "The identity provider's metadata has no"),
            (
                Error::MetadataUrlRefused { why },
                "outbound.refused",
                "The metadata URL is refused: it is such.",
            ),
            (
                Error::MetadataUnreachable { why: text() },
                "connection.provider_unreachable",
                "The metadata can't be had: it is such.",
            ),
            (Error::TenantOther, "sso.tenant_unknown", "The subject token is of another tenant than"),
            (
                Error::SubjectTokenRefused { why: text() },
                "sso.token_refused",
                "The subject token is not accepted: it is such.",
            ),
            (Error::RedirectMissing, "oauth.redirect_refused", "The redirect URI is missing."),
            (Error::RequestTooLong, "validation.failed", "The request is too long."),
            (Error::ParametersTooMany, "validation.failed", "There are too many parameters."),
            (Error::ParameterUnreadable, "validation.failed", "A parameter is too long or not text."),
            (Error::ParameterTwice, "validation.failed", "A parameter came twice."),
        ] {
            let problem = answered(error);
            assert_eq!((problem.code.name(), problem.dialect_code), (code, None));
            assert!(problem.detail.starts_with(sentence), "{}", problem.detail);
            assert!(problem.errors.is_empty() && problem.facts.is_empty(), "{code}");
        }
    }

    #[test]
    fn some_facts_say_more() {
        let text = |text: &str| text.to_owned();
        let sign_in = Error::SignIn { reason: text("sign_in.proof_wrong"), how: text("Start again.") };
        let unproven =
            Error::DomainUnproven { why: text("no"), record_name: text("n"), record_value: text("v") };
        for (error, code, facts, dialect, retry_after) in [
            (sign_in, "sso.proof_wrong", "reason", None, None),
            (Error::ProofWrong { left: 3 }, "sso.proof_wrong", "left", None, None),
            (
                Error::CodesUsedUp(UsedUp { limit: 5, renewed_in: 60 }),
                "mail.limited",
                "limit per",
                None,
                Some(60),
            ),
            (unproven, "domain.unproven", "recordName recordValue", None, None),
            (Error::TenantUnnamed { claim: text("org") }, "sso.tenant_unknown", "claim", None, None),
            (Error::LogoutTokenRefused { why: "no" }, "sso.token_refused", "", Some("invalid_request"), None),
            (Error::IssuerUnreachable { cause: text("no") }, "sso.issuer_unreachable", "", None, Some(5)),
            (Error::AudienceOther, "validation.malformed", "", Some("invalid_target"), None),
            (Error::GrantInvalid, "oauth.invalid_grant", "", Some("invalid_grant"), None),
            (Error::ClientOther, "auth.invalid", "", Some("invalid_client"), None),
        ] {
            let problem = answered(error);
            let named: Vec<&str> = problem.facts.keys().map(String::as_str).collect();
            let said = (problem.code.name(), named.join(" "), problem.dialect_code, problem.retry_after);
            assert_eq!(said, (code, facts.to_owned(), dialect, retry_after));
        }
    }

    #[test]
    fn a_sign_in_that_failed_is_a_refusal_unless_somebody_could_not_answer() {
        let saml = saml_core::Reason::ALL.iter().map(|one| saml_core::Refusal::new(*one).into());
        let own = Reason::ALL.iter().map(|one| Refused::new(*one));
        for refused in own.chain(saml) {
            let failed = is_failure(&refused.reason);
            assert_eq!(refused.error().retry() == Retry::Later, failed, "{}", refused.reason);
            let problem = answered(refused.error());
            assert_eq!(problem.is_refusal(), !failed, "{}", refused.reason);
            assert_eq!((problem.detail, problem.facts.len()), (refused.how, 1));
        }
    }
}
