//! Why an event is not taken, or what it means not done: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::http::Failure;
use platform::refusal::{Classified, Retry};
use web::{Code, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// No secret of this source is configured.
    #[error("no secret is configured")]
    Unconfigured,
    /// No signature by a known secret.
    #[error("the signature is wrong")]
    SignatureWrong,
    /// It was signed too long ago, or in the future.
    #[error("the timestamp is refused")]
    TimestampRefused,
    /// The backend doesn't answer, or not what was asked.
    #[error("{}", .0.reason)]
    Unreachable(Failure),
    /// A tenant can't be found or changed.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// A person can't be found or changed.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// The stable code under which the outcome of an event names a refusal.
    pub(crate) fn code(self) -> &'static str {
        Problem::from(self).code.name()
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::SignatureWrong | Self::TimestampRefused => Retry::Never,
            // Until somebody sets a secret, or the backend is there.
            Self::Unconfigured | Self::Unreachable(_) => Retry::Later,
            Self::Tenant(error) => error.retry(),
            Self::Directory(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Unconfigured => Self::new(codes::INBOX_UNCONFIGURED),
            Error::SignatureWrong => Self::new(codes::INBOX_SIGNATURE_WRONG),
            Error::TimestampRefused => Self::new(codes::INBOX_TIMESTAMP_REFUSED),
            Error::Unreachable(failure) => Self::detailed(Code::UNAVAILABLE, failure.reason),
            Error::Tenant(error) => error.into(),
            Error::Directory(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        for (error, code) in [
            (Error::Unconfigured, "inbox.unconfigured"),
            (Error::SignatureWrong, "inbox.signature_wrong"),
            (Error::TimestampRefused, "inbox.timestamp_refused"),
            (Error::Unreachable(Failure::later("no answer")), "unavailable"),
            (tenancy::Error::NotFound.into(), "not_found"),
            (DbError::Conflict("id".to_owned()).into(), "conflict"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
