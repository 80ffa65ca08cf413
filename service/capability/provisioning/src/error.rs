//! Why a run is not begun, found or given up, and why a step isn't done: as facts; and what each is to a caller of the API.

use entity::provisioning::states::RunStatus;
use platform::DbError;
use platform::http::Failure;
use platform::refusal::{Classified, Retry};
use web::{Code, Problem};

use crate::codes;
use crate::model::{Kind, StepError};

/// Why nothing was begun, found or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such run, or the tenant is gone.
    #[error("there is no such resource")]
    NotFound,
    /// Another tenant has this slug.
    #[error("another tenant has this slug")]
    SlugTaken,
    /// Another tenant is this realm or org of the backend.
    #[error("another tenant has this external id")]
    ExternalIdTaken,
    /// Another run of the tenant is under way.
    #[error("another run is under way")]
    RunOpen,
    /// The run has ended, or is of a kind that isn't given up.
    #[error("a {} that is {} can't be given up", kind.as_str(), status.as_str())]
    RunNotOpen {
        /// What the run does.
        kind: Kind,
        /// Where it stands.
        status: RunStatus,
    },
    /// The tenant's backend isn't configured.
    #[error(transparent)]
    Backend(#[from] backends::Error),
    /// The backend doesn't answer, or not what was asked.
    #[error("{}", .0.reason)]
    Unreachable(Failure),
    /// The tenant can't be found, used or changed.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// What a run has stored can't be read.
    #[error("{0}")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::SlugTaken | Self::ExternalIdTaken => Retry::Never,
            Self::RunOpen | Self::RunNotOpen { .. } => Retry::Never,
            Self::Backend(error) => error.retry(),
            Self::Unreachable(_) | Self::Internal(_) => Retry::Later,
            Self::Tenant(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::SlugTaken => Self::new(codes::TENANT_SLUG_TAKEN),
            Error::ExternalIdTaken => Self::new(codes::TENANT_EXTERNAL_ID_TAKEN),
            Error::RunOpen => Self::new(codes::RUN_OPEN),
            Error::RunNotOpen { kind, status } => {
                Self::new(codes::RUN_NOT_OPEN).fact("run", kind.as_str()).fact("status", status.as_str())
            }
            Error::Backend(error) => error.into(),
            Error::Unreachable(failure) => Self::detailed(Code::UNAVAILABLE, failure.reason),
            Error::Tenant(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
        }
    }
}

/// What a run shows of an error is what a caller of the API would be shown of it.
fn shown(problem: &Problem, retry: Retry) -> StepError {
    let why = match &problem.cause {
        Some(cause) => format!("{} ({cause})", problem.detail),
        None => problem.detail.clone(),
    };
    match retry {
        Retry::Conflict | Retry::Later => StepError::Transient { after: None, why },
        Retry::Never => StepError::Permanent { why },
    }
}

macro_rules! shown_as_problems {
    ($($error:ty),*) => {$(
        impl From<$error> for StepError {
            fn from(error: $error) -> Self {
                let retry = error.retry();
                shown(&Problem::from(error), retry)
            }
        }
    )*};
}

shown_as_problems!(DbError, Error, backends::Error, invitations::Error, quota::Error, tenancy::Error);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        let status = RunStatus::Done;
        for (error, code, facts) in [
            (Error::NotFound, "not_found", 0),
            (Error::SlugTaken, "tenant.slug_taken", 0),
            (Error::ExternalIdTaken, "tenant.external_id_taken", 0),
            (Error::RunOpen, "tenant.run_open", 0),
            (Error::RunNotOpen { kind: Kind::Provision, status }, "tenant.run_not_open", 2),
            (Error::Unreachable(Failure::later("no answer")), "unavailable", 0),
            (tenancy::Error::NotFound.into(), "not_found", 0),
            (Error::Internal("no status".to_owned()), "internal", 0),
            (DbError::Conflict("id".to_owned()).into(), "conflict", 0),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            let said = (problem.code.name(), problem.retry(), problem.facts.len());
            assert_eq!(said, (code, retry, facts));
        }
    }

    #[test]
    fn a_run_shows_what_a_caller_is_shown_and_goes_on_where_another_try_can_help() {
        assert!(matches!(StepError::from(Error::RunOpen), StepError::Permanent { .. }));
        let StepError::Transient { after: None, why } = Error::Internal("no status".to_owned()).into() else {
            panic!("it may pass");
        };
        assert_eq!(why, format!("{} (no status)", Code::INTERNAL.title()));
    }
}
