//! Why no tokens are handed out, and nobody is signed out: as facts, and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Retry};
use web::{Code, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The connection speaks no OpenID Connect.
    #[error("there is no such resource")]
    NotFound,
    /// The code or refresh token is over, or was never given to this client.
    #[error("the grant is not valid")]
    GrantInvalid,
    /// The session belongs to another client.
    #[error("the session is another client's")]
    ClientOther,
    /// A provider's logout message is not believed.
    #[error("the logout token is refused: {why}")]
    LogoutTokenRefused {
        /// What is wrong with it.
        why: &'static str,
    },

    /// The connection, or the policy, lets nobody in any more.
    #[error(transparent)]
    Connection(#[from] connections::Error),
    /// There is no such tenant, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// A session or token is not made.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::GrantInvalid | Self::ClientOther => Retry::Never,
            Self::LogoutTokenRefused { .. } => Retry::Never,
            Self::Connection(error) => error.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Sessions(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::GrantInvalid => Self::new(codes::GRANT_INVALID).dialect("invalid_grant"),
            Error::ClientOther => Self::new(Code::AUTH_INVALID).dialect("invalid_client"),
            Error::LogoutTokenRefused { why } => {
                let sentence = format!("The logout token is not accepted: {why}.");
                Self::detailed(exchange::codes::TOKEN_REFUSED, sentence).dialect("invalid_request")
            }
            Error::Connection(error) => error.into(),
            Error::Tenant(error) => error.into(),
            Error::Sessions(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use entity::tenancy::status::Unusable;
    use platform::DbError;
    use platform::refusal::Classified as _;

    use super::*;

    #[test]
    fn each_fact_has_its_code_and_its_word_of_oauth() {
        for (error, code, dialect) in [
            (Error::NotFound, "not_found", None),
            (Error::GrantInvalid, "oauth.invalid_grant", Some("invalid_grant")),
            (Error::ClientOther, "auth.invalid", Some("invalid_client")),
            (Error::LogoutTokenRefused { why: "no" }, "sso.token_refused", Some("invalid_request")),
            (connections::Error::Enforced.into(), "sso.enforced", None),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), "tenant.suspended", None),
            (sessions::Error::KeyMissing.into(), "internal", None),
            (DbError::Conflict(String::new()).into(), "conflict", None),
        ] {
            // Whether another try can help, and whether it was a refusal, is the same for the fact and for what it is to the outside.
            let (retry, is_refusal) = (error.retry(), error.is_refusal());
            let problem = Problem::from(error);
            assert_eq!((retry, is_refusal), (problem.retry(), problem.is_refusal()), "{problem}");
            assert_eq!((problem.code.name(), problem.dialect_code), (code, dialect));
            assert!(problem.facts.is_empty(), "{code}");
        }
    }
}
