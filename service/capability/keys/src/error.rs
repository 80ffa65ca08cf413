//! Why a key is not made, found or accepted: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::crypto::HashError;
use platform::refusal::{Classified, Invalid, Retry};
use web::{Code, Problem};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such key.
    #[error("there is no such resource")]
    NotFound,
    /// What was sent doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A secret couldn't be made or recognised.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::Hash(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Invalid(refused) => refused.into(),
            Error::Hash(error) => error.into(),
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
            (Error::NotFound, "not_found"),
            (Invalid::at("/role", "is unknown").into(), "validation.failed"),
            (HashError::Busy.into(), "unavailable"),
            (DbError::Conflict("key".to_owned()).into(), "conflict"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
