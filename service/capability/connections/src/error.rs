//! Why nothing is found, changed or asked of a provider: as facts, and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry};
use platform::rules::LimitReached;
use web::{Code, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such connection or domain.
    #[error("there is no such resource")]
    NotFound,

    /// The policy admits people of another connection only.
    #[error("the policy does not admit this connection")]
    Enforced,
    /// Nobody comes in by the connection.
    #[error("the connection is disabled")]
    ConnectionDisabled,
    /// Without the connection nobody could come in.
    #[error("nobody of the organization could sign in")]
    ConnectionNeeded,
    /// The sign-in policy names the connection.
    #[error("the sign-in policy names this connection")]
    ConnectionNamed,
    /// The connection has no metadata of its identity provider yet.
    #[error("the connection has no provider")]
    ProviderUnknown,
    /// The connection has no usable signing certificate of its identity provider.
    #[error("the connection has no usable certificate")]
    CertificateMissing,
    /// The provider's metadata has no address for sign-ins.
    #[error("the provider has no address for sign-ins")]
    SignInAddressMissing,
    /// The service doesn't connect to this URL of the provider's.
    #[error("the provider's URL is refused")]
    UrlRefused,
    /// The service doesn't connect to where the metadata is.
    #[error("the metadata URL is refused: {why}")]
    MetadataUrlRefused {
        /// What is wrong with it.
        why: platform::http::UrlRefused,
    },
    /// The provider's metadata can't be fetched.
    #[error("the metadata can't be fetched: {why}")]
    MetadataUnreachable {
        /// What happened.
        why: String,
    },

    /// The tenant has this domain already.
    #[error("the tenant has this domain")]
    DomainExists,
    /// Another tenant has proven this domain.
    #[error("another tenant has proven this domain")]
    DomainTaken,
    /// The DNS record that proves the domain wasn't seen.
    #[error("the domain is not proven: {why}")]
    DomainUnproven {
        /// Why not.
        why: String,
        /// Where the record is to stand.
        record_name: String,
        /// What it is to say.
        record_value: String,
    },

    /// What was sent, or fetched, doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// There is no such tenant or organization, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// The quota leaves no room.
    #[error(transparent)]
    Quota(#[from] quota::Error),
    /// A mail is not made.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// What is stored can't be read, or a key couldn't be made or used.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a sealed value couldn't be opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// What happened, in one sentence.
    #[must_use]
    pub fn sentence(self) -> String {
        Problem::from(self).detail
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound => Retry::Never,
            Self::Enforced | Self::ConnectionDisabled | Self::ConnectionNeeded => Retry::Never,
            // The policy may name another one by then.
            Self::ConnectionNamed => Retry::Conflict,
            Self::ProviderUnknown | Self::CertificateMissing | Self::SignInAddressMissing => Retry::Never,
            Self::UrlRefused | Self::MetadataUrlRefused { .. } => Retry::Never,
            Self::MetadataUnreachable { .. } => Retry::Later,
            Self::DomainExists | Self::DomainTaken | Self::DomainUnproven { .. } => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Quota(error) => error.retry(),
            Self::Mail(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

/// The code of a fact; those that wrap another error are told by that one.
fn code(error: &Error) -> Code {
    match error {
        Error::NotFound => Code::NOT_FOUND,
        Error::Enforced => directory::codes::SSO_ENFORCED,
        Error::ConnectionDisabled => codes::CONNECTION_DISABLED,
        Error::ConnectionNeeded => codes::CONNECTION_NEEDED,
        Error::ConnectionNamed => Code::CONFLICT,
        Error::ProviderUnknown => codes::CONNECTION_INCOMPLETE,
        Error::CertificateMissing | Error::SignInAddressMissing => codes::CONNECTION_INCOMPLETE,
        Error::UrlRefused | Error::MetadataUrlRefused { .. } => Code::URL_REFUSED,
        Error::MetadataUnreachable { .. } => codes::PROVIDER_UNREACHABLE,
        Error::DomainExists => codes::DOMAIN_EXISTS,
        Error::DomainTaken => codes::DOMAIN_TAKEN,
        Error::DomainUnproven { .. } => codes::DOMAIN_UNPROVEN,
        Error::Invalid(_) | Error::LimitReached(_) | Error::Tenant(_) | Error::Quota(_) => Code::INTERNAL,
        Error::Mail(_) | Error::Internal(_) | Error::Store(_) => Code::INTERNAL,
    }
}

/// What is said of a fact, where it is more than its code's own sentence.
fn sentence(error: &Error) -> Option<String> {
    let said = match error {
        Error::ConnectionNamed => "The organization's sign-in policy names this connection.",
        Error::ProviderUnknown => "The connection has no metadata of its identity provider yet.",
        Error::CertificateMissing => {
            "The connection has no usable signing certificate of its identity provider."
        }
        Error::SignInAddressMissing => "The identity provider's metadata has no address for sign-ins.",
        Error::MetadataUrlRefused { why } => return Some(format!("The metadata URL is refused: {why}.")),
        Error::MetadataUnreachable { why } => return Some(format!("The metadata can't be fetched: {why}.")),
        Error::DomainUnproven { why, .. } => return Some(format!("The domain is not proven: {why}.")),
        _ => return None,
    };
    Some(said.to_owned())
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        let said = Self::saying(code(&error), sentence(&error));
        match error {
            Error::Invalid(invalid) => invalid.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Tenant(error) => error.into(),
            Error::Quota(error) => error.into(),
            Error::Mail(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
            Error::DomainUnproven { record_name, record_value, .. } => {
                said.fact("recordName", record_name).fact("recordValue", record_value)
            }
            _ => said,
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::tenancy::status::Unusable;
    use platform::DbError;
    use platform::http::UrlRefused;
    use platform::refusal::Invalid;
    use platform::rules::LimitReached;

    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        for (error, code) in [
            (Error::NotFound, "not_found"),
            (Error::Enforced, "sso.enforced"),
            (Error::ConnectionDisabled, "connection.disabled"),
            (Error::ConnectionNeeded, "connection.needed"),
            (Error::UrlRefused, "outbound.refused"),
            (Error::DomainExists, "domain.exists"),
            (Error::DomainTaken, "domain.taken"),
            (Invalid::at("/domain", "must be a domain").into(), "validation.failed"),
            (LimitReached::Full { resource: "domains", limit: 1 }.into(), "quota.exceeded"),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), "tenant.suspended"),
            (quota::Error::NotFound.into(), "not_found"),
            (mail::Error::NotFound.into(), "not_found"),
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
        let (refused, text) = (UrlRefused::NoHost, || "it is such".to_owned());
        for (error, code, sentence) in [
            (Error::ConnectionNamed, "conflict", "The organization's sign-in policy names this connection."),
            (Error::ProviderUnknown, "connection.incomplete", "The connection has no metadata"),
            (Error::CertificateMissing, "connection.incomplete", "The connection has no usable signing"),
            (Error::SignInAddressMissing, "connection.incomplete", "The identity provider's metadata has no"),
            (
                Error::MetadataUrlRefused { why: refused },
                "outbound.refused",
                "The metadata URL is refused: it names no host.",
            ),
            (
                Error::MetadataUnreachable { why: text() },
                "connection.provider_unreachable",
                "The metadata can't be fetched: it is such.",
            ),
        ] {
            let problem = Problem::agreed(error);
            assert_eq!((problem.code.name(), problem.dialect_code), (code, None));
            assert!(problem.detail.starts_with(sentence), "{}", problem.detail);
            assert!(problem.errors.is_empty() && problem.facts.is_empty(), "{code}");
        }
    }

    #[test]
    fn an_unproven_domain_says_which_record_is_missing() {
        let text = |text: &str| text.to_owned();
        let unproven =
            Error::DomainUnproven { why: text("no"), record_name: text("n"), record_value: text("v") };
        let problem = Problem::agreed(unproven);
        assert_eq!(problem.code.name(), "domain.unproven");
        assert_eq!(problem.facts.keys().collect::<Vec<_>>(), ["recordName", "recordValue"]);
    }
}
