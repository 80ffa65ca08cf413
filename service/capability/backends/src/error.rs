//! Why there is no backend for a tenant: as facts; and what each is to a caller of the API.

use entity::tenancy::states::{IdentityBackend, IdentityKind};
use platform::http::Failure;
use platform::refusal::{Classified, Retry};
use web::Problem;

use crate::codes;

/// Why there is no backend.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Error {
    /// It isn't configured.
    #[error("{} is not configured", .0.as_str())]
    NotConfigured(IdentityBackend),
    /// It has no tenants of this kind.
    #[error("{} has no kind {}", backend.as_str(), kind.as_str())]
    KindUnknown {
        /// The backend.
        backend: IdentityBackend,
        /// The kind that was asked for.
        kind: IdentityKind,
    },
}

/// What of ours failed while a builtin realm was made, compared or removed: a run and a comparison show what a caller would be shown.
pub(crate) fn failed(error: impl Into<Problem>) -> Failure {
    Failure::later(error.into())
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotConfigured(_) | Self::KindUnknown { .. } => Retry::Never,
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotConfigured(backend) => {
                Self::new(codes::BACKEND_UNAVAILABLE).fact("backend", backend.as_str())
            }
            Error::KindUnknown { backend, kind } => {
                Self::detailed(codes::BACKEND_UNAVAILABLE, "Zitadel has orgs, not realms.")
                    .fact("backend", backend.as_str())
                    .fact("kind", kind.as_str())
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code_and_says_of_what() {
        let backend = IdentityBackend::Zitadel;
        for (error, facts) in [
            (Error::NotConfigured(backend), 1),
            (Error::KindUnknown { backend, kind: IdentityKind::Realm }, 2),
        ] {
            let problem = Problem::from(error);
            assert_eq!(error.retry(), problem.retry());
            assert_eq!((problem.code.name(), problem.facts.len()), ("tenant.backend_unavailable", facts));
        }
    }
}
