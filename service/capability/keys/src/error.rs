//! Why a key is not made, found or accepted: as facts; and what each is to a caller of the API.

use entity::tenancy::status::Unusable;
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
    /// The key's tenant can't be used.
    #[error("the tenant can't be used")]
    Unusable(Unusable),
    /// A secret couldn't be made or recognised.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(unusable)
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::Unusable(_) => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::Hash(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NotFound),
            Error::Invalid(refused) => refused.into(),
            Error::Unusable(unusable) => unusable.into(),
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
            (Unusable::Suspended.into(), "tenant.suspended"),
            (Unusable::Gone.into(), "auth.invalid"),
            (HashError::Busy.into(), "unavailable"),
            (DbError::Conflict("key".to_owned()).into(), "conflict"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
