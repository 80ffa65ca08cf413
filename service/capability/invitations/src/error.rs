//! Why somebody is not invited, or doesn't come in: as facts; and what each is to a caller of the API.

use entity::invitations::states::JoinRequestStatus;
use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry, VersionMismatch};
use platform::rules::{LimitReached, UsedUp};
use uuid::Uuid;
use web::{Code, Denied, Problem};

use crate::codes;

/// What there were too many of within 24 hours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TooMany {
    /// Invitations of an organization.
    Invitations,
    /// Mails to one address.
    Mails,
    /// Batches of a tenant.
    Batches,
}

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such invitation, batch, join rule or request to join.
    #[error("there is no such resource")]
    NotFound,
    /// No invitation has this token.
    #[error("no invitation has this token")]
    Unknown,
    /// The address has an invitation that can still be accepted.
    #[error("the address has a pending invitation")]
    Pending {
        /// It, where it is known.
        invitation: Option<Uuid>,
    },
    /// The address has a user.
    #[error("the address is that of user {user}")]
    Member {
        /// The user.
        user: Uuid,
    },
    /// The organization's identity provider pushes its users: nobody is invited by hand.
    #[error("an identity provider manages the directory")]
    DirectoryManaged,
    /// There were as many as there may be within 24 hours.
    #[error("too many {of:?} within 24 hours: {used_up}")]
    Limited {
        /// Of what.
        of: TooMany,
        /// How many there may be, and when there may be more.
        used_up: UsedUp,
    },
    /// Another mail took the last place of the day after a line of a batch was begun.
    #[error("another mail took the place of this one")]
    PlaceTaken,
    /// The organization wants people to come in by its identity provider only.
    #[error("people of the organization sign in only through its identity provider")]
    SignInEnforced {
        /// Where to go instead; the invitation's token goes along.
        sign_in: String,
    },
    /// Whoever is signed in has another address than the one that is invited.
    #[error("the invitation is for another address")]
    OtherAddress,
    /// Somebody has the address already and would have to prove that it is theirs.
    #[error("the address must be proven")]
    MustProve,
    /// The organization has not proven the domain.
    #[error("`{domain}` is no proven domain of the organization")]
    DomainUnverified {
        /// The domain.
        domain: String,
    },
    /// Somebody decided the request to join before.
    #[error("the request to join is {} already", .status.as_str())]
    JoinDecided {
        /// How.
        status: JoinRequestStatus,
    },
    /// What was sent doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Somebody else changed it since it was read.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// There is no such tenant or organization, or the tenant can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// There is no seat.
    #[error(transparent)]
    Quota(#[from] quota::Error),
    /// No mail can be sent.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// The directory doesn't let them in, or the invitation is not in a status for this.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl From<directory::NotAdmitted> for Error {
    fn from(refused: directory::NotAdmitted) -> Self {
        refused.error.into()
    }
}

impl Error {
    /// An invitation that the store doesn't take beside the others.
    pub(crate) fn of_invitation(error: DbError) -> Self {
        match error {
            DbError::Conflict(_) => Self::Pending { invitation: None },
            other => other.into(),
        }
    }

    /// Whether it may only mean that somebody else made the same person a moment before: whoever asks again finds them.
    pub(crate) fn is_race(&self) -> bool {
        match self {
            Self::Directory(error) => error.is_race(),
            own => own.retry() == Retry::Conflict,
        }
    }

    /// What a line of a batch says of it: the code and the sentence that a caller of the API would be told.
    pub(crate) fn code_and_detail(self) -> (&'static str, String) {
        let problem = Problem::from(self);
        (problem.code.name(), problem.detail)
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::Unknown | Self::Pending { .. } | Self::Member { .. } => Retry::Never,
            Self::DirectoryManaged | Self::Limited { .. } | Self::SignInEnforced { .. } => Retry::Never,
            Self::OtherAddress | Self::MustProve => Retry::Never,
            Self::DomainUnverified { .. } | Self::JoinDecided { .. } => Retry::Never,
            Self::PlaceTaken => Retry::Later,
            Self::Invalid(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Quota(error) => error.retry(),
            Self::Mail(error) => error.retry(),
            Self::Directory(error) => error.retry(),
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::Unknown => Self::new(codes::INVITATION_UNKNOWN),
            Error::Pending { invitation: Some(id) } => {
                Self::new(codes::INVITATION_PENDING).fact("invitationId", id.to_string())
            }
            Error::Pending { invitation: None } => Self::new(codes::INVITATION_PENDING),
            Error::Member { user } => Self::new(codes::INVITATION_MEMBER).fact("userId", user.to_string()),
            Error::DirectoryManaged => Self::detailed(
                codes::INVITATION_DIRECTORY_MANAGED,
                "The organization's identity provider pushes its users by SCIM; assign the person there.",
            ),
            Error::Limited { of, used_up } => limited(of, used_up),
            Error::PlaceTaken => Self::new(Code::UNAVAILABLE),
            Error::SignInEnforced { sign_in } => {
                Self::new(directory::codes::SSO_ENFORCED).fact("ssoUrl", sign_in)
            }
            Error::OtherAddress => Self::new(codes::INVITATION_OTHER_ADDRESS),
            Error::MustProve => Self::new(directory::codes::LINK_REQUIRED),
            Error::DomainUnverified { domain } => {
                Self::new(codes::JOIN_DOMAIN_UNVERIFIED).fact("domain", domain)
            }
            Error::JoinDecided { status } => {
                Self::new(codes::JOIN_REQUEST_DECIDED).fact("status", status.as_str())
            }
            Error::Invalid(invalid) => invalid.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Tenant(error) => error.into(),
            Error::Quota(error) => error.into(),
            Error::Mail(error) => error.into(),
            Error::Directory(error) => error.into(),
            Error::Store(error) => error.into(),
        }
    }
}

fn limited(of: TooMany, used_up: UsedUp) -> Problem {
    let (per, detail) = match of {
        TooMany::Invitations => {
            ("organization", "The organization has sent as many invitations as it may within 24 hours.")
        }
        TooMany::Mails => {
            ("recipient", "This address was sent as many invitations as it may get within 24 hours.")
        }
        TooMany::Batches => {
            ("tenant", "The tenant has sent as many batches of invitations as it may within 24 hours.")
        }
    };
    let refused = Problem::used_up(codes::INVITATION_LIMITED, used_up).fact("per", per);
    Problem { detail: detail.to_owned(), ..refused }
}

/// Why an invitation was not accepted, and whose door it was as far as that was known by then.
#[derive(Debug)]
pub(crate) struct NotAccepted {
    /// The tenant.
    pub(crate) tenant: Option<Uuid>,
    /// The organization of the tenant.
    pub(crate) organization: Option<Uuid>,
    /// Why.
    pub(crate) error: Error,
}

/// Before it was known whose door it is.
impl From<Error> for NotAccepted {
    fn from(error: Error) -> Self {
        Self { tenant: None, organization: None, error }
    }
}

impl From<DbError> for NotAccepted {
    fn from(error: DbError) -> Self {
        Error::from(error).into()
    }
}

impl From<NotAccepted> for Denied {
    fn from(NotAccepted { tenant, organization, error }: NotAccepted) -> Self {
        Self { tenant, organization, credential: None, problem: error.into() }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    /// What `directory::Error::is_race` is to a caller.
    fn may_be_a_race(problem: &Problem) -> bool {
        matches!(problem.code, Code::CONFLICT | directory::codes::USER_EXISTS)
    }

    type Row = (Error, &'static str, Option<(&'static str, Value)>);

    fn compare(rows: Vec<Row>) {
        for (error, code, fact) in rows {
            let said = (error.retry(), error.is_refusal(), error.is_race());
            let problem = Problem::from(error);
            assert_eq!(problem.code.name(), code);
            let wanted = (problem.retry(), problem.is_refusal(), may_be_a_race(&problem));
            assert_eq!(said, wanted, "{code}");
            let facts: Vec<(&str, Value)> =
                problem.facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(facts, Vec::from_iter(fact), "{code}");
        }
    }

    #[test]
    fn each_fact_has_its_code() {
        let id = Uuid::from_u128(7);
        let sign_in = || "https://t.example/login".to_owned();
        let domain = || "x.example".to_owned();
        compare(vec![
            (Error::NotFound, "not_found", None),
            (Error::Unknown, "invitation.unknown", None),
            (
                Error::Pending { invitation: Some(id) },
                "invitation.pending",
                Some(("invitationId", json!(id.to_string()))),
            ),
            (Error::of_invitation(DbError::Conflict("email_key".to_owned())), "invitation.pending", None),
            (Error::Member { user: id }, "invitation.member", Some(("userId", json!(id.to_string())))),
            (Error::DirectoryManaged, "invitation.directory_managed", None),
            (Error::PlaceTaken, "unavailable", None),
            (
                Error::SignInEnforced { sign_in: sign_in() },
                "sso.enforced",
                Some(("ssoUrl", json!(sign_in()))),
            ),
            (Error::OtherAddress, "invitation.other_address", None),
            (Error::MustProve, "sso.link_required", None),
            (
                Error::DomainUnverified { domain: domain() },
                "join.domain_unverified",
                Some(("domain", json!(domain()))),
            ),
            (
                Error::JoinDecided { status: JoinRequestStatus::Declined },
                "join.decided",
                Some(("status", json!("declined"))),
            ),
            (Invalid::at("/role", "is none").into(), "validation.failed", None),
            (VersionMismatch.into(), "conflict.version", None),
        ]);
    }

    #[test]
    fn what_others_refuse_is_what_it_was() {
        let conflict = || DbError::Conflict("user_name".to_owned());
        let used_up = UsedUp { limit: 1, renewed_in: 2 };
        for (error, code) in [
            (LimitReached::Full { resource: "join_rules", limit: 100 }.into(), "quota.exceeded"),
            (LimitReached::Store(conflict()).into(), "conflict"),
            (tenancy::Error::NotFound.into(), "not_found"),
            (tenancy::Error::Store(conflict()).into(), "conflict"),
            (quota::Error::NotFound.into(), "not_found"),
            (quota::Error::Store(conflict()).into(), "conflict"),
            (mail::Error::Limited(used_up).into(), "mail.limited"),
            (mail::Error::Store(conflict()).into(), "conflict"),
            (directory::Error::InvitationGone.into(), "invitation.gone"),
            (directory::Error::InvitationTaken.into(), "conflict"),
            (directory::Error::UserExists { what: "userName" }.into(), "user.exists"),
            (directory::Error::Blocked.into(), "directory.blocked"),
            (conflict().into(), "conflict"),
            (DbError::Sealed("secret").into(), "internal"),
        ] {
            let error: Error = error;
            let said = (error.retry(), error.is_refusal(), error.is_race());
            let problem = Problem::from(error);
            let wanted = (problem.retry(), problem.is_refusal(), may_be_a_race(&problem));
            assert_eq!((problem.code.name(), said), (code, wanted));
        }
    }

    #[test]
    fn what_is_used_up_says_of_whom_and_until_when() {
        for (of, per) in [
            (TooMany::Invitations, "organization"),
            (TooMany::Mails, "recipient"),
            (TooMany::Batches, "tenant"),
        ] {
            let error = Error::Limited { of, used_up: UsedUp { limit: 3, renewed_in: 60 } };
            assert_eq!((error.retry(), error.is_refusal()), (Retry::Never, true));
            let problem = Problem::from(error);
            assert_eq!((problem.code, problem.retry_after), (codes::INVITATION_LIMITED, Some(60)));
            assert_eq!((&problem.facts["limit"], &problem.facts["per"]), (&json!(3), &json!(per)));
            assert_ne!(problem.detail, codes::INVITATION_LIMITED.title());
        }
    }

    #[test]
    fn a_line_says_what_a_caller_is_told() {
        let (code, detail) = Error::DirectoryManaged.code_and_detail();
        assert_eq!(code, "invitation.directory_managed");
        assert!(detail.contains("assign the person there"));
    }
}
