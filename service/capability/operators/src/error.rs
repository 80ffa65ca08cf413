//! Why an operator is not made, found or let in: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Retry};
use platform::rules::LimitReached;
use web::{Code, Problem};

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Error {
    /// There is no such operator.
    #[error("there is no such resource")]
    NotFound,
    /// Another operator has this address.
    #[error("an operator has this address")]
    AddressTaken,
    /// The ceremony is over, somebody else's or not theirs; or the passkey's signature is wrong.
    #[error("the passkey is not accepted")]
    PasskeyRefused,
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// The public URL, or what is stored of a passkey, can't be read.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a ceremony couldn't be sealed or opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }
}

impl From<passkey_core::Error> for Error {
    fn from(error: passkey_core::Error) -> Self {
        match error {
            passkey_core::Error::Refused => Self::PasskeyRefused,
            passkey_core::Error::Internal(cause) => Self::Internal(cause),
        }
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::PasskeyRefused => Retry::Never,
            Self::AddressTaken => Retry::Conflict,
            Self::Internal(_) => Retry::Later,
            Self::LimitReached(refused) => refused.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::AddressTaken => Self::detailed(Code::CONFLICT, "An operator has this address."),
            Error::PasskeyRefused => Self::detailed(Code::AUTH_INVALID, "The passkey is not accepted."),
            Error::LimitReached(refused) => refused.into(),
            Error::Internal(cause) => Self::internal(cause),
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
            (Error::AddressTaken, "conflict"),
            (Error::PasskeyRefused, "auth.invalid"),
            (LimitReached::Full { resource: "operators", limit: 500 }.into(), "quota.exceeded"),
            (Error::internal("no host"), "internal"),
            (DbError::Conflict("id".to_owned()).into(), "conflict"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
