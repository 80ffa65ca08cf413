//! Why a receiver's URL is not taken: as facts; and what each is to a caller of the API.

use platform::refusal::{Classified, FieldError, Invalid, Retry};
use web::{Code, Problem};

/// Why a URL is not taken.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The service doesn't connect to what this URL points to.
    #[error("the URL at {} is refused: {}", .0.pointer, .0.detail)]
    UrlRefused(FieldError),
    /// It is no URL.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// It couldn't be looked at.
    #[error("{0}")]
    Internal(String),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::UrlRefused(_) => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::Internal(_) => Retry::Later,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::UrlRefused(field) => Self { errors: vec![field], ..Self::new(Code::URL_REFUSED) },
            Error::Invalid(invalid) => invalid.into(),
            Error::Internal(cause) => Self::internal(cause),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        let field = || FieldError { pointer: "/url".to_owned(), detail: "is private".to_owned() };
        for (error, code, errors) in [
            (Error::UrlRefused(field()), "outbound.refused", 1),
            (Invalid(vec![field()]).into(), "validation.failed", 1),
            (Error::Internal(String::new()), "internal", 0),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            assert_eq!((problem.code.name(), problem.errors.len()), (code, errors));
        }
    }
}
