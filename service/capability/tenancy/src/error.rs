//! Why a tenant, or what it has, is not answered or changed: as facts; and what each is to a caller of the API.

use entity::tenancy::status::Unusable;
use platform::DbError;
use platform::refusal::{Classified, Retry};
use web::{Code, Problem};

use crate::codes;
use crate::model::Status;

/// Why nothing was found or changed.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such tenant, organization or instance.
    #[error("there is no such resource")]
    NotFound,
    /// The tenant can't be used, or not be changed in this way, in its status.
    #[error("the tenant's status doesn't allow this")]
    Unusable(Unusable),
    /// There is no such plan.
    #[error("there is no plan `{key}`")]
    PlanUnknown {
        /// The key that was asked for.
        key: String,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A change that this status doesn't allow.
    pub fn not_in(status: Status) -> Self {
        Self::Unusable(Unusable::NotActive(status))
    }
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::Unusable(unusable)
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::Unusable(_) | Self::PlanUnknown { .. } => Retry::Never,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Unusable(unusable) => unusable.into(),
            Error::PlanUnknown { key } => Self::new(codes::PLAN_UNKNOWN).fact("plan", key),
            Error::Store(error) => error.into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code() {
        for (error, code, fact) in [
            (Error::NotFound, "not_found", None),
            (Error::Unusable(Unusable::Suspended), "tenant.suspended", None),
            (Error::not_in(Status::Deleted), "tenant.not_active", Some(("status", "deleted"))),
            (Error::PlanUnknown { key: "p".to_owned() }, "tenant.plan_unknown", Some(("plan", "p"))),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            let said = problem.facts.iter().next().map(|(name, value)| (name.as_str(), value.as_str()));
            let wanted = fact.map(|(name, value)| (name, Some(value)));
            assert_eq!((problem.code.name(), said), (code, wanted));
        }
    }
}
