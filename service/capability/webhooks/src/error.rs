//! Why an endpoint is not made, changed or found: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::http::UrlRefusedAt;
use platform::refusal::{Classified, Retry, VersionMismatch};
use platform::rules::LimitReached;
use web::{Code, Problem};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such endpoint.
    #[error("there is no such resource")]
    NotFound,
    /// A URL isn't taken.
    #[error(transparent)]
    Url(#[from] UrlRefusedAt),
    /// Somebody else changed it since it was read.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// A stored secret is no text.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a sealed value couldn't be opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound => Retry::Never,
            Self::Url(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Url(refused) => refused.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use platform::http::UrlRefused;

    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        let refused = UrlRefusedAt { pointer: "/url".to_owned(), why: UrlRefused::PrivateAddress };
        for (error, code, errors) in [
            (Error::NotFound, "not_found", 0),
            (refused.into(), "outbound.refused", 1),
            (VersionMismatch.into(), "conflict.version", 0),
            (LimitReached::Full { resource: "webhook endpoints", limit: 1 }.into(), "quota.exceeded", 0),
            (Error::Internal(String::new()), "internal", 0),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            assert_eq!((problem.code.name(), problem.errors.len()), (code, errors));
        }
    }
}
