//! What each fact is to a caller of the API.

use connections::Reason;
use web::{Code, Denied, Problem};

use crate::codes;

use super::Error;

/// What stands in the way of somebody whose provider is believed: to the outside, and as the reason in the trace.
const BY_DECISION: [(Code, Reason); 13] = [
    (directory::codes::USER_DEACTIVATED, Reason::UserDeactivated),
    (directory::codes::SSO_DOMAIN_REFUSED, Reason::DomainRefused),
    (directory::codes::SSO_NOT_PROVISIONED, Reason::NotProvisioned),
    (Code::QUOTA_EXCEEDED, Reason::QuotaExceeded),
    (quota::codes::SEAT_BLOCKED, Reason::SeatBlocked),
    (Code::TENANT_SUSPENDED, Reason::TenantNotActive),
    (connections::codes::CONNECTION_DISABLED, Reason::ConnectionDisabled),
    (directory::codes::SSO_ENFORCED, Reason::Enforced),
    (directory::codes::SUBJECT_OTHER, Reason::SubjectOther),
    (directory::codes::LINK_REQUIRED, Reason::LinkRequired),
    (directory::codes::ORGANIZATION_OTHER, Reason::OrganizationOther),
    (directory::codes::USER_EXISTS, Reason::UserExists),
    (mail::codes::MAIL_LIMITED, Reason::MailLimited),
];

/// What the reason of a failed sign-in is to the outside.
fn code_of_reason(reason: &str) -> Code {
    let by_decision = BY_DECISION.iter().find(|(_, one)| one.name() == reason).map(|(code, _)| *code);
    by_decision.unwrap_or(match reason {
        "sign_in.browser_other" => codes::SSO_BROWSER_OTHER,
        "sign_in.state_unknown" => directory::codes::SSO_STATE_UNKNOWN,
        "sign_in.proof_wrong" => codes::SSO_PROOF_WRONG,
        "saml.certificate_missing" => connections::codes::CONNECTION_INCOMPLETE,
        "oidc.url_refused" => Code::URL_REFUSED,
        "oidc.discovery_failed" | "oidc.provider_unreachable" | "saml.metadata_unusable" => {
            connections::codes::PROVIDER_UNREACHABLE
        }
        "sign_in.internal" => Code::INTERNAL,
        _ => codes::SSO_REFUSED,
    })
}

/// The code of a fact; those that wrap another error are told by that one.
fn code(error: &Error) -> Code {
    match error {
        Error::NotFound => Code::NOT_FOUND,
        Error::CredentialUnknown => Code::AUTH_INVALID,
        Error::SignIn { reason, .. } => code_of_reason(reason),
        Error::StateUnknown => directory::codes::SSO_STATE_UNKNOWN,
        Error::ProofWrong { .. } => codes::SSO_PROOF_WRONG,
        Error::CodesUsedUp(_) => mail::codes::MAIL_LIMITED,
        Error::SessionOver => Code::AUTH_REQUIRED,
        Error::UserDeactivated => directory::codes::USER_DEACTIVATED,
        Error::NoWayIn => codes::SSO_NO_WAY_IN,
        Error::NoConnectionActive => connections::codes::CONNECTION_INCOMPLETE,
        Error::ClientUnknown => codes::CLIENT_UNKNOWN,
        Error::RedirectMissing | Error::RedirectRefused => codes::REDIRECT_REFUSED,
        Error::RequestTooLong | Error::ParametersTooMany => Code::VALIDATION_FAILED,
        Error::ParameterUnreadable | Error::ParameterTwice => Code::VALIDATION_FAILED,
        Error::Connection(_) | Error::Tenant(_) | Error::Directory(_) | Error::Mail(_) => Code::INTERNAL,
        Error::Sessions(_) | Error::Internal(_) | Error::Store(_) => Code::INTERNAL,
    }
}

/// What is said of a fact, where it is more than its code's own sentence.
fn sentence(error: &Error) -> Option<String> {
    let said = match error {
        Error::SignIn { how, .. } => how.as_str(),
        Error::NoWayIn => {
            "Nobody has connected an identity provider to the organization yet. Its admin connects one \
             (POST /api/v1/tenants/{tenant}/organizations/{organization}/connections) and tests it; then this link works."
        }
        Error::NoConnectionActive => "The organization has no active connection to an identity provider.",
        Error::RedirectMissing => "The redirect URI is missing.",
        Error::RequestTooLong => "The request is too long.",
        Error::ParametersTooMany => "There are too many parameters.",
        Error::ParameterUnreadable => "A parameter is too long or not text.",
        Error::ParameterTwice => "A parameter was sent twice.",
        _ => return None,
    };
    Some(said.to_owned())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = Self::saying(code(&error), sentence(&error));
        match error {
            Error::Connection(error) => error.into(),
            Error::Tenant(error) => error.into(),
            Error::Directory(error) => error.into(),
            Error::Mail(error) => error.into(),
            Error::Sessions(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
            Error::SignIn { reason, .. } => said.fact("reason", reason),
            Error::ProofWrong { left } => said.fact("left", left),
            Error::CodesUsedUp(used_up) => {
                Self::used_up(mail::codes::MAIL_LIMITED, used_up).fact("per", "recipient")
            }
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
}

#[cfg(test)]
mod tests {
    use connections::{Refused, is_failure};
    use entity::tenancy::status::Unusable;
    use platform::DbError;
    use platform::refusal::{Classified as _, Retry};
    use platform::rules::UsedUp;

    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        for (error, code) in [
            (Error::NotFound, "not_found"),
            (Error::CredentialUnknown, "auth.invalid"),
            (Error::StateUnknown, "sso.state_unknown"),
            (Error::SessionOver, "auth.required"),
            (Error::UserDeactivated, "user.deactivated"),
            (connections::Error::Enforced.into(), "sso.enforced"),
            (Error::ClientUnknown, "oauth.client_unknown"),
            (Error::RedirectRefused, "oauth.redirect_refused"),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), "tenant.suspended"),
            (directory::Error::InvitationTaken.into(), "conflict"),
            (directory::Error::InvitationGone.into(), "invitation.gone"),
            (mail::Error::NotFound.into(), "not_found"),
            (sessions::Error::KeyMissing.into(), "internal"),
            (Error::internal("why"), "internal"),
            (DbError::Conflict(String::new()).into(), "conflict"),
            (DbError::Sealed("connection").into(), "internal"),
        ] {
            let problem = Problem::agreed(error);
            let plain = (problem.code.title(), None);
            assert_eq!(problem.code.name(), code);
            assert_eq!((problem.detail.as_str(), problem.dialect_code), plain, "{code}");
        }
    }

    #[test]
    fn some_facts_have_a_sentence_of_their_own() {
        for (error, code, sentence) in [
            (Error::NoConnectionActive, "connection.incomplete", "The organization has no active connection"),
            (Error::NoWayIn, "sso.no_way_in", "Nobody has connected an identity provider"),
            (Error::RedirectMissing, "oauth.redirect_refused", "The redirect URI is missing."),
            (Error::RequestTooLong, "validation.failed", "The request is too long."),
            (Error::ParametersTooMany, "validation.failed", "There are too many parameters."),
            (Error::ParameterUnreadable, "validation.failed", "A parameter is too long or not text."),
            (Error::ParameterTwice, "validation.failed", "A parameter was sent twice."),
        ] {
            let problem = Problem::agreed(error);
            assert_eq!((problem.code.name(), problem.dialect_code), (code, None));
            assert!(problem.detail.starts_with(sentence), "{}", problem.detail);
            assert!(problem.errors.is_empty() && problem.facts.is_empty(), "{code}");
        }
    }

    #[test]
    fn some_facts_say_more() {
        let text = |text: &str| text.to_owned();
        let sign_in = Error::SignIn { reason: text("sign_in.proof_wrong"), how: text("Start again.") };
        for (error, code, facts, retry_after) in [
            (sign_in, "sso.proof_wrong", "reason", None),
            (Error::ProofWrong { left: 3 }, "sso.proof_wrong", "left", None),
            (Error::CodesUsedUp(UsedUp { limit: 5, renewed_in: 60 }), "mail.limited", "limit per", Some(60)),
        ] {
            let problem = Problem::agreed(error);
            let named: Vec<&str> = problem.facts.keys().map(String::as_str).collect();
            let said = (problem.code.name(), named.join(" "), problem.retry_after);
            assert_eq!(said, (code, facts.to_owned(), retry_after));
        }
    }

    #[test]
    fn a_sign_in_that_failed_is_a_refusal_unless_somebody_could_not_answer() {
        let saml = saml_core::Reason::ALL.iter().map(|one| saml_core::Refusal::new(*one).into());
        let own = Reason::ALL.iter().map(|one| Refused::new(*one));
        for refused in own.chain(saml) {
            let failed = is_failure(&refused.reason);
            assert_eq!(Error::of(&refused).retry() == Retry::Later, failed, "{}", refused.reason);
            let problem = Problem::agreed(Error::of(&refused));
            assert_eq!(problem.is_refusal(), !failed, "{}", refused.reason);
            assert_eq!((problem.detail, problem.facts.len()), (refused.how, 1));
        }
    }
}
