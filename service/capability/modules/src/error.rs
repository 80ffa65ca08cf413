//! Why a module is not made, changed or found: as facts; and what each is to a caller of the API.

use platform::DbError;
use platform::crypto::HashError;
use platform::http::UrlRefusedAt;
use platform::refusal::{Classified, Retry, VersionMismatch};
use platform::rules::LimitReached;
use web::{Code, Problem};

use crate::codes;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such module.
    #[error("there is no such resource")]
    NotFound,
    /// Another module has this name.
    #[error("a module of this name exists")]
    ModuleExists,
    /// A URL isn't taken.
    #[error(transparent)]
    Url(#[from] UrlRefusedAt),
    /// Somebody else changed it since it was read.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// A secret couldn't be made or recognised.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// A stored secret is no text.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a sealed value couldn't be opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// Two modules of one name, where that is what the store refuses.
    pub(crate) fn of_module(error: DbError) -> Self {
        if error.conflicts_on("name") { Self::ModuleExists } else { Self::Store(error) }
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::ModuleExists => Retry::Never,
            Self::Url(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Hash(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::ModuleExists => Self::new(codes::MODULE_EXISTS),
            Error::Url(refused) => refused.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Hash(error) => error.into(),
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
            (Error::ModuleExists, "module.exists", 0),
            (refused.into(), "outbound.refused", 1),
            (VersionMismatch.into(), "conflict.version", 0),
            (LimitReached::Full { resource: "modules", limit: 1 }.into(), "quota.exceeded", 0),
            (HashError::Busy.into(), "unavailable", 0),
            (Error::Internal(String::new()), "internal", 0),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            assert_eq!((problem.code.name(), problem.errors.len()), (code, errors));
        }
    }
}
