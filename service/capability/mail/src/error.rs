//! Why a mail is not made, or an address not found: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry};
use platform::rules::UsedUp;
use web::{Code, Crowd, Problem};

use crate::codes;

/// Why nothing was made or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such mail or suppressed address.
    #[error("there is no such resource")]
    NotFound,
    /// The tenant has sent as many mails as it may today.
    #[error("the tenant's mails of the day: {0}")]
    Limited(UsedUp),
    /// Strangers ask for too much.
    #[error(transparent)]
    Crowd(#[from] Crowd),
    /// What was sent doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// A template lacks a text or a value, or something can't be written as JSON.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or content couldn't be sealed.
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
            Self::NotFound | Self::Limited(_) => Retry::Never,
            Self::Crowd(refused) => refused.retry(),
            Self::Invalid(refused) => refused.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Limited(used_up) => Self::used_up(codes::MAIL_LIMITED, used_up).fact("per", "tenant"),
            Error::Crowd(refused) => refused.into(),
            Error::Invalid(refused) => refused.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn each_fact_has_its_code_and_says_when_to_come_back() {
        let left = Duration::from_secs(5);
        for (error, code, facts, retry_after) in [
            (Error::NotFound, "not_found", 0, None),
            (Error::Limited(UsedUp { limit: 9, renewed_in: 60 }), "mail.limited", 2, Some(60)),
            (Crowd::Network { left }.into(), "rate.limited", 0, Some(6)),
            (Crowd::All { left }.into(), "unavailable", 0, Some(6)),
            (Invalid::at("/recipient", "is required").into(), "validation.failed", 0, None),
            (Error::internal("no text"), "internal", 0, None),
            (DbError::Conflict("key".to_owned()).into(), "conflict", 0, None),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            assert_eq!(
                (problem.code.name(), problem.facts.len(), problem.retry_after),
                (code, facts, retry_after)
            );
        }
    }
}
