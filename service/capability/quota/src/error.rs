//! Why a quota refuses, as facts; and what each is to a caller of the API.

use entity::quota::states::ReservationStatus;
use entity::tenancy::status::Unusable;
use platform::DbError;
use platform::refusal::{Classified, Retry};
use web::{Code, Problem};

use crate::codes;
use crate::usage::Usage;

/// Why nothing was taken, held, set or given back.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The limit leaves no room for what was asked.
    #[error("this would exceed the quota of `{}`", .0.resource)]
    Exceeded(Usage),
    /// A payment is overdue: no seats can be added.
    #[error("a payment is overdue: `{resource}` can't be increased")]
    SeatBlocked {
        /// `users` or `admins`.
        resource: String,
    },
    /// A limit set by hand lies below what is used and held.
    #[error("the limit {limit} is below the use of `{}`", usage.resource)]
    BelowUsage {
        /// The limit that was asked for.
        limit: i64,
        /// What is used and held.
        usage: Usage,
    },
    /// Neither the service, the tenant's plan nor a module declares it.
    #[error("there is no quota resource `{resource}`")]
    ResourceUnknown {
        /// The name that was asked for.
        resource: String,
    },
    /// The reservation has ended.
    #[error("the reservation is {}", .0.as_str())]
    ReservationFinalized(ReservationStatus),
    /// The tenant has no such reservation, or there is no such tenant.
    #[error("there is nothing of this id")]
    NotFound,
    /// The tenant takes no reservations in its status.
    #[error("the tenant can't be used")]
    Unusable(Unusable),
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
            Self::Exceeded(_) | Self::SeatBlocked { .. } | Self::BelowUsage { .. } => Retry::Never,
            Self::ResourceUnknown { .. } | Self::ReservationFinalized(_) => Retry::Never,
            Self::NotFound | Self::Unusable(_) => Retry::Never,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::Exceeded(usage) => exceeded(&usage),
            Error::SeatBlocked { resource } => Self::new(codes::SEAT_BLOCKED).fact("resource", resource),
            Error::BelowUsage { limit, usage } => Self::new(codes::QUOTA_BELOW_USAGE)
                .fact("resource", usage.resource)
                .fact("limit", limit)
                .fact("used", usage.used)
                .fact("reserved", usage.reserved),
            Error::ResourceUnknown { resource } => {
                Self::new(codes::QUOTA_RESOURCE_UNKNOWN).fact("resource", resource)
            }
            Error::ReservationFinalized(status) => {
                Self::new(codes::RESERVATION_CLOSED).fact("status", status.as_str())
            }
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Unusable(unusable) => unusable.into(),
            Error::Store(error) => error.into(),
        }
    }
}

fn exceeded(usage: &Usage) -> Problem {
    let problem = match usage.remaining() {
        Some(left) if left > 0 => {
            Problem::detailed(Code::QUOTA_EXCEEDED, format!("Only {left} left of `{}`.", usage.resource))
        }
        _ => Problem::new(Code::QUOTA_EXCEEDED),
    };
    problem
        .fact("resource", usage.resource.as_str())
        .fact("limit", usage.limit)
        .fact("used", usage.used)
        .fact("reserved", usage.reserved)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_fact_has_its_code_and_says_of_what() {
        let usage = || Usage {
            resource: "users".to_owned(),
            limit: Some(5),
            used: 3,
            reserved: 1,
            soft_limit: None,
            own: false,
        };
        let full = Usage { used: 4, ..usage() };
        let resource = || "users".to_owned();
        for (error, code, detail, facts) in [
            (Error::Exceeded(usage()), "quota.exceeded", "Only 1 left of `users`.", 4),
            (Error::Exceeded(full), "quota.exceeded", Code::QUOTA_EXCEEDED.title(), 4),
            (
                Error::SeatBlocked { resource: resource() },
                "billing.seat_blocked",
                codes::SEAT_BLOCKED.title(),
                1,
            ),
            (
                Error::BelowUsage { limit: 2, usage: usage() },
                "quota.below_usage",
                codes::QUOTA_BELOW_USAGE.title(),
                4,
            ),
            (
                Error::ResourceUnknown { resource: resource() },
                "quota.resource_unknown",
                codes::QUOTA_RESOURCE_UNKNOWN.title(),
                1,
            ),
            (
                Error::ReservationFinalized(ReservationStatus::Expired),
                "quota.reservation_closed",
                codes::RESERVATION_CLOSED.title(),
                1,
            ),
            (Error::NotFound, "not_found", Code::NOT_FOUND.title(), 0),
            (Error::Unusable(Unusable::Suspended), "tenant.suspended", Code::TENANT_SUSPENDED.title(), 0),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(retry, problem.retry(), "{code}");
            let said = (problem.code.name(), problem.detail.as_str(), problem.facts.len());
            assert_eq!(said, (code, detail, facts));
        }
    }
}
