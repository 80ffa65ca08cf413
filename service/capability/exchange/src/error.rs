//! Why nothing is exchanged: as facts, and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry};
use web::{Code, Denied, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No tenant is known for what the token names.
    #[error("no tenant is known for the token")]
    TenantUnknown,
    /// The token doesn't say whose it is.
    #[error("the token's claim {claim} names no organization")]
    TenantUnnamed {
        /// Where it should say so.
        claim: String,
    },
    /// The token is of another tenant than its bearer says.
    #[error("the token is of another tenant")]
    TenantOther,
    /// The tenant of the token couldn't be made; whoever makes tenants says why.
    #[error("the tenant could not be made: {0}")]
    NotMade(Problem),
    /// The person belongs to an account that they can't prove to be theirs here.
    #[error("an account of this address is not linked")]
    LinkRequired,
    /// Several organizations were named, or another than the person's.
    #[error("another organization is meant")]
    OrganizationOther,
    /// The tenant has no organization of this name.
    #[error("there is no such organization")]
    OrganizationUnknown,

    /// A subject token is not believed.
    #[error("the subject token is refused: {why}")]
    SubjectTokenRefused {
        /// What is wrong with it.
        why: String,
    },
    /// Nobody registered the issuer of the token.
    #[error("the issuer is not registered")]
    IssuerUnknown,
    /// The keys of a registered issuer can't be had.
    #[error("the issuer's keys can't be fetched: {cause}")]
    IssuerUnreachable {
        /// What happened.
        cause: String,
    },
    /// The keys of a connection's provider can't be had.
    #[error("the provider's keys can't be fetched")]
    ProviderKeysUnreachable,
    /// A module asks for a token for somebody else.
    #[error("the audience is not the client's own")]
    AudienceOther,

    /// What was sent doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// The connection lets nobody in.
    #[error(transparent)]
    Connection(#[from] connections::Error),
    /// The person is not admitted.
    #[error(transparent)]
    SignIn(#[from] sign_in::Error),
    /// There is no such tenant, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// A session or token is not made.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// What is stored can't be read.
    #[error("{0}")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// Whether it may only mean that somebody else made the same person, or used up the same invitation, a moment before: whoever asks
    /// again finds them.
    pub(crate) fn is_race(&self) -> bool {
        match self {
            Self::SignIn(error) => error.is_race(),
            own => own.retry() == Retry::Conflict,
        }
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::TenantUnknown | Self::TenantUnnamed { .. } | Self::TenantOther => Retry::Never,
            Self::LinkRequired | Self::OrganizationOther | Self::OrganizationUnknown => Retry::Never,
            Self::SubjectTokenRefused { .. } | Self::IssuerUnknown | Self::AudienceOther => Retry::Never,
            Self::IssuerUnreachable { .. } | Self::ProviderKeysUnreachable => Retry::Later,
            Self::NotMade(problem) => problem.retry(),
            Self::Invalid(refused) => refused.retry(),
            Self::Connection(error) => error.retry(),
            Self::SignIn(error) => error.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Sessions(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

/// The code of a fact; those that wrap another error are told by that one.
fn code(error: &Error) -> Code {
    match error {
        Error::TenantUnknown | Error::TenantUnnamed { .. } | Error::TenantOther => {
            tenancy::codes::TENANT_UNKNOWN
        }
        Error::LinkRequired => directory::codes::LINK_REQUIRED,
        Error::OrganizationOther => directory::codes::ORGANIZATION_OTHER,
        Error::OrganizationUnknown => codes::ORGANIZATION_UNKNOWN,
        Error::SubjectTokenRefused { .. } => codes::TOKEN_REFUSED,
        Error::IssuerUnknown => codes::ISSUER_UNKNOWN,
        Error::IssuerUnreachable { .. } | Error::ProviderKeysUnreachable => codes::ISSUER_UNREACHABLE,
        Error::AudienceOther => Code::BODY_MALFORMED,
        Error::Invalid(_) | Error::Connection(_) | Error::SignIn(_) | Error::Tenant(_) => Code::INTERNAL,
        Error::Sessions(_) | Error::NotMade(_) | Error::Internal(_) | Error::Store(_) => Code::INTERNAL,
    }
}

/// What is said of a fact, where it is more than its code's own sentence.
fn sentence(error: &Error) -> Option<String> {
    let said = match error {
        Error::TenantUnnamed { .. } => "The subject token names no organization.",
        Error::TenantOther => {
            "The subject token belongs to a different tenant than the one named in the request."
        }
        Error::AudienceOther => "The audience must be your own client_id or base URL.",
        Error::SubjectTokenRefused { why } => {
            return Some(format!("The subject token is not accepted: {why}."));
        }
        _ => return None,
    };
    Some(said.to_owned())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = Self::saying(code(&error), sentence(&error));
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::Connection(error) => error.into(),
            Error::SignIn(error) => error.into(),
            Error::Tenant(error) => error.into(),
            Error::Sessions(error) => error.into(),
            Error::NotMade(problem) => problem,
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
            Error::TenantUnnamed { claim } => said.fact("claim", claim),
            Error::IssuerUnreachable { cause } => Self { cause: Some(cause), retry_after: Some(5), ..said },
            Error::AudienceOther => said.dialect("invalid_target"),
            _ => said,
        }
    }
}

impl From<Error> for Denied {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

#[cfg(test)]
mod tests {
    use entity::tenancy::status::Unusable;
    use platform::DbError;
    use platform::refusal::Invalid;

    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        for (error, code) in [
            (Error::TenantUnknown, "sso.tenant_unknown"),
            (Error::LinkRequired, "sso.link_required"),
            (Error::OrganizationOther, "sso.organization_other"),
            (Error::OrganizationUnknown, "sso.organization_unknown"),
            (Error::IssuerUnknown, "sso.issuer_unknown"),
            (Error::ProviderKeysUnreachable, "sso.issuer_unreachable"),
            (Error::NotMade(Problem::new(Code::UNAVAILABLE)), "unavailable"),
            (Invalid::at("/audience", "must be another").into(), "validation.failed"),
            (connections::Error::ConnectionDisabled.into(), "connection.disabled"),
            (sign_in::Error::UserDeactivated.into(), "user.deactivated"),
            (sign_in::Error::from(directory::Error::InvitationTaken).into(), "conflict"),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), "tenant.suspended"),
            (sessions::Error::KeyMissing.into(), "internal"),
            (Error::internal("why"), "internal"),
            (DbError::Conflict(String::new()).into(), "conflict"),
        ] {
            let problem = Problem::agreed(error);
            let plain = (problem.code.title(), None);
            assert_eq!(problem.code.name(), code);
            assert_eq!((problem.detail.as_str(), problem.dialect_code), plain, "{code}");
        }
    }

    #[test]
    fn some_facts_say_more() {
        let text = |text: &str| text.to_owned();
        let refused = Error::SubjectTokenRefused { why: text("it is such") };
        for (error, code, sentence, facts, dialect, retry_after) in [
            (
                Error::TenantOther,
                "sso.tenant_unknown",
                "The subject token belongs to a different",
                "",
                None,
                None,
            ),
            (refused, "sso.token_refused", "The subject token is not accepted: it is such.", "", None, None),
            (
                Error::TenantUnnamed { claim: text("org") },
                "sso.tenant_unknown",
                "The subject token names no",
                "claim",
                None,
                None,
            ),
            (
                Error::IssuerUnreachable { cause: text("no") },
                "sso.issuer_unreachable",
                codes::ISSUER_UNREACHABLE.title(),
                "",
                None,
                Some(5),
            ),
            (
                Error::AudienceOther,
                "validation.malformed",
                "The audience must be your own",
                "",
                Some("invalid_target"),
                None,
            ),
        ] {
            let problem = Problem::agreed(error);
            let named: Vec<&str> = problem.facts.keys().map(String::as_str).collect();
            let said = (problem.code.name(), named.join(" "), problem.dialect_code, problem.retry_after);
            assert_eq!(said, (code, facts.to_owned(), dialect, retry_after));
            assert!(problem.detail.starts_with(sentence), "{}", problem.detail);
        }
    }

    #[test]
    fn a_race_is_one_wherever_it_was_lost() {
        let lost = || directory::Error::InvitationTaken;
        assert!(lost().is_race() && Error::from(sign_in::Error::from(lost())).is_race());
        assert!(Error::from(DbError::Conflict("id".to_owned())).is_race());
        assert!(!Error::LinkRequired.is_race());
    }
}
