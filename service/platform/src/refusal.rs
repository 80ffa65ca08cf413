//! Refusals that every capability has in common, as facts. What each is to a caller of the API is decided where answers are
//! written (`web::Problem`).

use crate::DbError;
use crate::crypto::HashError;
use crate::rules::LimitReached;

/// Whether the same may end otherwise at another try. Each error says it once; a job that fails by it is tried again or not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Retry {
    /// A rule refused it.
    Never,
    /// Another resource or change stands in the way: that refuses it, and may be gone at another try.
    Conflict,
    /// Something failed, here or at somebody whom we ask.
    Later,
}

/// An error that knows whether another try can help.
pub trait Classified: std::error::Error + Sized {
    /// Whether another try can help.
    fn retry(&self) -> Retry;

    /// Whether it was refused; a failure of ours, or of somebody whom we ask, is no refusal.
    fn is_refusal(&self) -> bool {
        self.retry() != Retry::Later
    }
}

impl Classified for DbError {
    fn retry(&self) -> Retry {
        match self {
            Self::Conflict(_) => Retry::Conflict,
            _ => Retry::Later,
        }
    }
}

impl Classified for HashError {
    fn retry(&self) -> Retry {
        Retry::Later
    }
}

impl Classified for LimitReached {
    fn retry(&self) -> Retry {
        match self {
            Self::Full { .. } => Retry::Never,
            Self::Store(error) => error.retry(),
        }
    }
}

impl Classified for Invalid {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

impl Classified for VersionMismatch {
    fn retry(&self) -> Retry {
        Retry::Never
    }
}

/// One field of the input that doesn't fit.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FieldError {
    /// JSON pointer (RFC 6901) into the body, or `?name` for a query parameter.
    pub pointer: String,
    /// What is wrong with it.
    pub detail: String,
}

/// Input that doesn't fit, at one place or several.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{}", at_each(.0))]
pub struct Invalid(pub Vec<FieldError>);

fn at_each(errors: &[FieldError]) -> String {
    let each: Vec<String> = errors.iter().map(|one| format!("{}: {}", one.pointer, one.detail)).collect();
    format!("the input is not valid: {}", each.join("; "))
}

impl Invalid {
    /// Input that doesn't fit at one place.
    pub fn at(pointer: impl Into<String>, detail: impl Into<String>) -> Self {
        Self(vec![FieldError { pointer: pointer.into(), detail: detail.into() }])
    }
}

/// Somebody else changed the resource since the caller read it (`If-Match`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the resource has changed since it was read")]
pub struct VersionMismatch;
