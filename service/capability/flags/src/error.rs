//! Why a flag is not made, changed, found or evaluated: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry, VersionMismatch};
use platform::rules::LimitReached;
use web::{Code, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such flag, or the tenant has no variant of its own.
    #[error("there is no such resource")]
    NotFound,
    /// Another flag has this key.
    #[error("a flag of this key exists")]
    Exists,
    /// Another flag needs this one.
    #[error("the flag `{by}` needs this one")]
    InUse {
        /// The other flag's key.
        by: String,
    },
    /// The definition contradicts itself or the other flags, or the variant is none of the flag's.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Somebody else changed it since it was read.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// A stored definition can't be read.
    #[error("flag {key} has {what}")]
    Corrupt {
        /// The flag's key.
        key: String,
        /// What is wrong with it.
        what: &'static str,
    },
    /// There is no such tenant, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::Exists | Self::InUse { .. } => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Corrupt { .. } => Retry::Later,
            Self::Tenant(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Exists => Self::new(codes::FLAG_EXISTS),
            Error::InUse { by } => Self::new(codes::FLAG_IN_USE).fact("by", by),
            Error::Invalid(invalid) => invalid.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Corrupt { .. } => Self::internal(error),
            Error::Tenant(error) => error.into(),
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
            (Error::Exists, "flag.exists"),
            (Error::InUse { by: "beta".to_owned() }, "flag.in_use"),
            (Invalid::at("/variant", "unknown").into(), "validation.failed"),
            (VersionMismatch.into(), "conflict.version"),
            (LimitReached::Full { resource: "flags", limit: 1 }.into(), "quota.exceeded"),
            (Error::Corrupt { key: "beta".to_owned(), what: "unreadable rules" }, "internal"),
            (tenancy::Error::NotFound.into(), "not_found"),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry));
        }
    }
}
