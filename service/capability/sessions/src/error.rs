//! Why a session or token is not made or read: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Retry};
use web::Problem;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The key that would sign is not at hand: [`Keyring::write_signed`](crate::Keyring::write_signed) fetches it and begins again.
    #[error("no key of the tenant's signs its tokens")]
    KeyMissing,
    /// A key can't be made, read or used.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a sealed key couldn't be opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::KeyMissing | Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::KeyMissing | Error::Internal(_) => Self::internal(error),
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
            (Error::KeyMissing, "internal"),
            (Error::internal("no point"), "internal"),
            (DbError::Conflict("kid".to_owned()).into(), "conflict"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
