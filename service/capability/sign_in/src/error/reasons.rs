//! Why somebody who signs in is not let in, in the words of the page and of the trace.

use connections::{Reason, Refused};
use entity::tenancy::status::Unusable;
use platform::rules::LimitReached;

use super::Error;

impl Error {
    /// The refusal behind an error of admission: what its page and its trace say.
    pub(crate) fn refused(&self) -> Option<Refused> {
        let reason = match self {
            // The session that was just opened: the provider's own end of it is past.
            Error::SessionOver => return Some(saml_core::Refusal::new(saml_core::Reason::Expired).into()),
            Error::Directory(error) => return refused_by_directory(error),
            Error::UserDeactivated => Reason::UserDeactivated,
            Error::Connection(connections::Error::ConnectionDisabled) => Reason::ConnectionDisabled,
            Error::Connection(connections::Error::Enforced) => Reason::Enforced,
            Error::CodesUsedUp(_) | Error::Mail(mail::Error::Limited(_)) => Reason::MailLimited,
            Error::NotFound
            | Error::Connection(connections::Error::NotFound)
            | Error::Tenant(tenancy::Error::NotFound) => Reason::TenantNotActive,
            Error::Tenant(tenancy::Error::Unusable(Unusable::Suspended | Unusable::NotActive(_))) => {
                Reason::TenantNotActive
            }
            _ => return None,
        };
        Some(Refused::new(reason))
    }
}

fn refused_by_directory(error: &directory::Error) -> Option<Refused> {
    use identity_core::Reason as Decided;
    let reason = match error {
        directory::Error::Refused { reason, domain } => {
            let reason = match reason {
                Decided::Deactivated | Decided::Departed => Reason::UserDeactivated,
                Decided::OtherSubject => Reason::SubjectOther,
                Decided::Enforced => Reason::Enforced,
                Decided::DomainRefused => Reason::DomainRefused,
                Decided::NotProvisioned => Reason::NotProvisioned,
                Decided::Ambiguous => Reason::LinkRequired,
                Decided::OtherOrganization => Reason::OrganizationOther,
            };
            let refused = Refused::new(reason);
            return Some(match domain {
                Some(domain) => refused.got(domain),
                None => refused,
            });
        }
        directory::Error::UserExists { .. } => Reason::UserExists,
        directory::Error::NoAddress => Reason::LinkRequired,
        directory::Error::NotFound => Reason::TenantNotActive,
        directory::Error::LimitReached(LimitReached::Full { .. }) => Reason::QuotaExceeded,
        directory::Error::Quota(error) => refused_by_quota(error)?,
        _ => return None,
    };
    Some(Refused::new(reason))
}

fn refused_by_quota(error: &quota::Error) -> Option<Reason> {
    Some(match error {
        quota::Error::Exceeded(_) => Reason::QuotaExceeded,
        quota::Error::SeatBlocked { .. } => Reason::SeatBlocked,
        quota::Error::NotFound => Reason::TenantNotActive,
        quota::Error::Unusable(Unusable::Suspended | Unusable::NotActive(_)) => Reason::TenantNotActive,
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use identity_core::Reason as Decided;
    use platform::DbError;
    use platform::rules::UsedUp;
    use web::Problem;

    use super::*;

    #[test]
    fn what_keeps_somebody_out_has_its_reason() {
        let refused = |reason, domain: Option<&str>| {
            directory::Error::Refused { reason, domain: domain.map(ToOwned::to_owned) }.into()
        };
        let used_up = UsedUp { limit: 5, renewed_in: 60 };
        for (error, reason, got) in [
            (refused(Decided::Departed, None), Some(Reason::UserDeactivated), None),
            (refused(Decided::OtherSubject, None), Some(Reason::SubjectOther), None),
            (refused(Decided::Enforced, None), Some(Reason::Enforced), None),
            (
                refused(Decided::DomainRefused, Some("example.com")),
                Some(Reason::DomainRefused),
                Some("example.com"),
            ),
            (refused(Decided::NotProvisioned, None), Some(Reason::NotProvisioned), None),
            (refused(Decided::Ambiguous, None), Some(Reason::LinkRequired), None),
            (refused(Decided::OtherOrganization, None), Some(Reason::OrganizationOther), None),
            (directory::Error::UserExists { what: "userName" }.into(), Some(Reason::UserExists), None),
            (directory::Error::NoAddress.into(), Some(Reason::LinkRequired), None),
            (
                directory::Error::Quota(quota::Error::SeatBlocked { resource: "users".to_owned() }).into(),
                Some(Reason::SeatBlocked),
                None,
            ),
            (mail::Error::Limited(used_up).into(), Some(Reason::MailLimited), None),
            (Error::CodesUsedUp(used_up), Some(Reason::MailLimited), None),
            (tenancy::Error::Unusable(Unusable::Suspended).into(), Some(Reason::TenantNotActive), None),
            (tenancy::Error::Unusable(Unusable::Gone).into(), None, None),
            (directory::Error::ProvenOther.into(), None, None),
            (DbError::Conflict("id".to_owned()).into(), None, None),
        ] {
            let refused = error.refused();
            let said = refused.as_ref().map(|one| (one.reason.as_str(), one.got.as_deref()));
            assert_eq!(said, reason.map(|reason| (reason.name(), got)), "{error:?}");
            // Page, trace and API tell the same: the reason's code is the fact's.
            if let Some(refused) = refused {
                let (by_reason, by_fact) =
                    (Problem::from(Error::of(&refused)).code, Problem::from(error).code);
                assert_eq!(by_reason, by_fact);
            }
        }
    }
}
