//! Why the directory lets somebody not in, or changes or finds nothing: as facts; and what each is to a caller of the API.

use entity::invitations::states::InvitationStatus;
use identity_core::{Forbidden, Reason};
use platform::refusal::{Classified, Invalid, Retry, VersionMismatch};
use platform::rules::LimitReached;
use platform::{DbError, Timestamp};
use scim_core::ScimError;
use uuid::Uuid;
use web::{Code, Problem};

use crate::codes;

/// When an identity provider may ask again whose removals a guard blocks, in seconds.
const RETRY_SECONDS: u64 = 600;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such user, group, role mapping or guard.
    #[error("there is no such resource")]
    NotFound,
    /// Another user of the organization has this.
    #[error("a user of this {what} exists")]
    UserExists {
        /// The attribute that both have.
        what: &'static str,
    },
    /// Another group of the organization has this name or external id.
    #[error("a group of this name exists")]
    GroupExists,
    /// A user's name or address holds what nobody can see.
    #[error("{pointer} {forbidden}")]
    Unseen {
        /// Where it stands in the user's attributes.
        pointer: String,
        /// What it holds.
        forbidden: Forbidden,
    },
    /// What is to be a member is neither a user nor a group of the organization.
    #[error("a member is neither a user nor a group of this organization")]
    MemberUnknown,
    /// The group would be its own member, by itself or by another.
    #[error("a group can't be its own member")]
    MemberCircle,
    /// The list can't be searched or sorted by this.
    #[error(transparent)]
    Unsearchable(#[from] ScimError),
    /// The tenant would be without an active admin.
    #[error("this is the tenant's last admin")]
    LastAdmin,
    /// The user's directory has the word.
    #[error("an identity provider manages this user")]
    Managed,
    /// A group of the directory gives the user their role.
    #[error("a group gives this user their role")]
    RoleOfGroup,
    /// The group has a role mapping.
    #[error("the group is mapped already")]
    GroupMapped,
    /// The guard blocks removals until an admin decides.
    #[error("the directory guard blocks this removal")]
    Blocked,
    /// An admin rejected removals.
    #[error("an admin rejected the removal of so many users")]
    Rejected {
        /// Until then.
        until: Option<Timestamp>,
    },
    /// An admin answers a guard that waits for none.
    #[error("the directory guard is not blocking any removals")]
    NothingBlocked,
    /// Another restore of the directory runs.
    #[error("the directory is being restored already")]
    Restoring,
    /// The decision about people lets them not in.
    #[error("the sign-in is refused: {reason:?}")]
    Refused {
        /// Why.
        reason: Reason,
        /// The domain of their address, where that is why.
        domain: Option<String>,
    },
    /// They must prove that an account or an invitation is theirs, and there is no address to which a code could go.
    #[error("there is no address to prove it by")]
    NoAddress,
    /// They proved something else than what they would be given now.
    #[error("something else was proven")]
    ProvenOther,
    /// The invitation can't be accepted any more.
    #[error("the invitation can't be accepted any more")]
    InvitationGone,
    /// The invitation that they came with was there a moment ago: whoever asks again is decided about without it.
    #[error("the invitation was used meanwhile")]
    InvitationTaken,
    /// What is to be done with the invitation is not done in its status.
    #[error("the invitation is {}", .status.as_str())]
    InvitationNotPending {
        /// The status.
        status: InvitationStatus,
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
    /// There is no seat, or no room for a group.
    #[error(transparent)]
    Quota(#[from] quota::Error),
    /// What was recorded can't be read, or a decision can't be done.
    #[error("{0}")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// Somebody whose account is switched off, or was a moment ago.
    pub(crate) fn deactivated() -> Self {
        Self::Refused { reason: Reason::Deactivated, domain: None }
    }

    /// A user whom the store doesn't take beside the others.
    pub(crate) fn of_user(error: DbError) -> Self {
        if error.conflicts_on("user_name") {
            Self::UserExists { what: "userName" }
        } else if error.conflicts_on("external_id") {
            Self::UserExists { what: "externalId" }
        } else {
            Self::Store(error)
        }
    }

    /// A group that the store doesn't take beside the others.
    pub(crate) fn of_group(error: DbError) -> Self {
        if error.conflicts_on("display_name") || error.conflicts_on("external_id") {
            Self::GroupExists
        } else {
            Self::Store(error)
        }
    }

    /// Whether it may only mean that somebody else made the same person, or used up the same invitation, a moment before: whoever asks
    /// again finds them.
    pub fn is_race(&self) -> bool {
        matches!(self, Self::UserExists { .. }) || self.retry() == Retry::Conflict
    }
}

/// Does it, and once more where the first time failed by a race ([`Error::is_race`]): the other one made the person, who is found now.
pub async fn again_after_race<T, E>(
    is_race: impl FnOnce(&E) -> bool,
    work: impl AsyncFn() -> Result<T, E>,
) -> Result<T, E> {
    match work().await {
        Err(error) if is_race(&error) => work().await,
        done => done,
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::UserExists { .. } | Self::GroupExists => Retry::Never,
            Self::Unseen { .. } | Self::MemberUnknown | Self::MemberCircle => Retry::Never,
            Self::Unsearchable(_) | Self::LastAdmin | Self::Managed => Retry::Never,
            Self::RoleOfGroup | Self::Rejected { .. } | Self::Refused { .. } => Retry::Never,
            Self::NoAddress | Self::ProvenOther | Self::InvitationGone => Retry::Never,
            Self::InvitationNotPending { .. } => Retry::Never,
            // An admin answers, the other one ends, or is undone.
            Self::Blocked => Retry::Later,
            Self::NothingBlocked | Self::GroupMapped => Retry::Conflict,
            Self::Restoring | Self::InvitationTaken => Retry::Conflict,
            Self::Invalid(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Quota(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::UserExists { what } => {
                Self::detailed(codes::USER_EXISTS, format!("A user with this {what} already exists."))
                    .dialect("uniqueness")
            }
            Error::GroupExists => Self::new(codes::GROUP_EXISTS).dialect("uniqueness"),
            Error::Unseen { pointer, forbidden } => {
                Self::invalid(pointer, forbidden.to_string()).dialect("invalidValue")
            }
            Error::MemberUnknown => no_member("A member is not a user or group of this organization."),
            Error::MemberCircle => no_member("A group can't be its own member, not even indirectly."),
            Error::Unsearchable(error) => {
                Self::detailed(Code::VALIDATION_FAILED, error.detail).dialect(error.kind.name())
            }
            Error::LastAdmin => Self::new(codes::USER_LAST_ADMIN),
            Error::Managed => Self::new(codes::USER_MANAGED),
            Error::RoleOfGroup => Self::detailed(
                codes::USER_MANAGED,
                "The role comes from a group of the identity provider: change the group, or its mapping.",
            ),
            Error::GroupMapped => Self::detailed(Code::CONFLICT, "The group is already mapped to a role."),
            Error::Blocked => blocked(),
            Error::Rejected { until } => rejected(until),
            Error::NothingBlocked => {
                Self::detailed(Code::CONFLICT, "The directory guard is not blocking any removals.")
            }
            Error::Restoring => Self::detailed(Code::CONFLICT, "The directory is being restored already."),
            Error::Refused { reason, domain } => not_let_in(reason, domain),
            Error::NoAddress => Self::new(codes::LINK_REQUIRED),
            Error::ProvenOther => Self::new(codes::SSO_STATE_UNKNOWN),
            Error::InvitationGone => Self::new(Code::INVITATION_GONE),
            Error::InvitationTaken => Self::new(Code::CONFLICT),
            Error::InvitationNotPending { status } => {
                Self::new(codes::INVITATION_NOT_PENDING).fact("status", status.as_str())
            }
            Error::Invalid(invalid) => invalid.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Quota(error) => error.into(),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
        }
    }
}

fn no_member(detail: &str) -> Problem {
    Problem::detailed(Code::VALIDATION_FAILED, detail).dialect("invalidValue")
}

fn blocked() -> Problem {
    let detail = "Too many users would be deactivated or deleted at once. The admins have been notified, and one of them must confirm; try again later.";
    Problem { retry_after: Some(RETRY_SECONDS), ..Problem::detailed(codes::DIRECTORY_BLOCKED, detail) }
}

fn rejected(until: Option<Timestamp>) -> Problem {
    let until = until.map(|until| until.to_rfc3339()).unwrap_or_default();
    Problem::detailed(
        codes::DIRECTORY_REJECTED,
        format!("An admin rejected the removal of so many users. Removals are refused until {until}."),
    )
}

/// What a reason is to the outside.
fn not_let_in(reason: Reason, domain: Option<String>) -> Problem {
    match reason {
        Reason::Deactivated => Problem::new(codes::USER_DEACTIVATED),
        Reason::Departed => {
            let detail = "The organization's directory removed this person; it can bring them back, or an admin can invite them.";
            Problem::detailed(codes::USER_DEACTIVATED, detail)
        }
        Reason::OtherSubject => Problem::new(codes::SUBJECT_OTHER),
        Reason::Enforced => Problem::new(codes::SSO_ENFORCED),
        Reason::DomainRefused => Problem::new(codes::SSO_DOMAIN_REFUSED).fact("domain", domain),
        Reason::NotProvisioned => Problem::new(codes::SSO_NOT_PROVISIONED),
        Reason::Ambiguous => Problem::new(codes::LINK_REQUIRED),
        Reason::OtherOrganization => Problem::new(codes::ORGANIZATION_OTHER),
    }
}

/// Why somebody is not let in, and which organization refused, as far as that was known by then.
#[derive(Debug, thiserror::Error)]
#[error("{error}")]
pub struct NotAdmitted {
    /// The organization of the tenant.
    pub organization: Option<Uuid>,
    /// Why.
    pub error: Error,
}

/// Before it was known who comes.
impl From<Error> for NotAdmitted {
    fn from(error: Error) -> Self {
        Self { organization: None, error }
    }
}

#[cfg(test)]
mod tests {
    use platform::refusal::FieldError;
    use scim_core::ErrorType;
    use serde_json::{Value, json};

    use super::*;

    /// A fact and what it is to a caller: its code, its sentence or `""` for the code's own, its word in SCIM, and a member.
    type Wanted = (Error, &'static str, &'static str, Option<&'static str>, Option<(&'static str, Value)>);

    fn compare(all: Vec<Wanted>) {
        for (error, code, detail, dialect, member) in all {
            let (said, retry, race) = (error.to_string(), error.retry(), error.is_race());
            let problem = Problem::from(error);
            let may_be_a_race = matches!(problem.code, Code::CONFLICT | codes::USER_EXISTS);
            assert_eq!((problem.code.name(), problem.retry(), may_be_a_race), (code, retry, race), "{said}");
            let detail = if detail.is_empty() { problem.code.title() } else { detail };
            assert_eq!((problem.detail.as_str(), problem.dialect_code), (detail, dialect), "{said}");
            let members: Vec<(&str, Value)> =
                problem.facts.iter().map(|(name, value)| (name.as_str(), value.clone())).collect();
            assert_eq!(members, Vec::from_iter(member), "{said}");
        }
    }

    #[test]
    fn each_fact_of_the_directory_has_its_code() {
        let exists = |what| Error::UserExists { what };
        let no_filter = ScimError::new(ErrorType::InvalidFilter, "No.");
        let moment = "2026-11-27T12:00:00Z".parse::<Timestamp>().unwrap();
        let until = "An admin rejected the removal of so many users. Removals are refused until 2026-11-27T12:00:00+00:00.";
        let unique = Some("uniqueness");
        let value = Some("invalidValue");
        compare(vec![
            (Error::NotFound, "not_found", "", None, None),
            (exists("userName"), "user.exists", "A user with this userName already exists.", unique, None),
            (
                exists("externalId"),
                "user.exists",
                "A user with this externalId already exists.",
                unique,
                None,
            ),
            (Error::GroupExists, "group.exists", "", unique, None),
            (
                Error::MemberUnknown,
                "validation.failed",
                "A member is not a user or group of this organization.",
                value,
                None,
            ),
            (
                Error::MemberCircle,
                "validation.failed",
                "A group can't be its own member, not even indirectly.",
                value,
                None,
            ),
            (no_filter.into(), "validation.failed", "No.", Some("invalidFilter"), None),
            (Error::LastAdmin, "user.last_admin", "", None, None),
            (Error::Managed, "user.managed", "", None, None),
            (
                Error::RoleOfGroup,
                "user.managed",
                "The role comes from a group of the identity provider: change the group, or its mapping.",
                None,
                None,
            ),
            (Error::GroupMapped, "conflict", "The group is already mapped to a role.", None, None),
            (Error::Rejected { until: Some(moment) }, "directory.rejected", until, None, None),
            (
                Error::NothingBlocked,
                "conflict",
                "The directory guard is not blocking any removals.",
                None,
                None,
            ),
            (Error::Restoring, "conflict", "The directory is being restored already.", None, None),
            (VersionMismatch.into(), "conflict.version", "", None, None),
            (Error::Internal("why".to_owned()), "internal", "", None, None),
            (DbError::Conflict("x".to_owned()).into(), "conflict", "", None, None),
            (quota::Error::NotFound.into(), "not_found", "", None, None),
        ]);
    }

    #[test]
    fn each_fact_of_who_comes_has_its_code() {
        let refused = |reason| Error::Refused { reason, domain: None };
        let domain = Error::Refused { reason: Reason::DomainRefused, domain: Some("x.org".to_owned()) };
        let removed = "The organization's directory removed this person; it can bring them back, or an admin can invite them.";
        let not_pending = Error::InvitationNotPending { status: InvitationStatus::Accepted };
        compare(vec![
            (refused(Reason::Deactivated), "user.deactivated", "", None, None),
            (refused(Reason::Departed), "user.deactivated", removed, None, None),
            (refused(Reason::OtherSubject), "sso.subject_other", "", None, None),
            (refused(Reason::Enforced), "sso.enforced", "", None, None),
            (domain, "sso.domain_refused", "", None, Some(("domain", json!("x.org")))),
            (refused(Reason::DomainRefused), "sso.domain_refused", "", None, Some(("domain", Value::Null))),
            (refused(Reason::NotProvisioned), "sso.not_provisioned", "", None, None),
            (refused(Reason::Ambiguous), "sso.link_required", "", None, None),
            (refused(Reason::OtherOrganization), "sso.organization_other", "", None, None),
            (Error::NoAddress, "sso.link_required", "", None, None),
            (Error::ProvenOther, "sso.state_unknown", "", None, None),
            (Error::InvitationGone, "invitation.gone", "", None, None),
            (Error::InvitationTaken, "conflict", "", None, None),
            (not_pending, "invitation.not_pending", "", None, Some(("status", json!("accepted")))),
        ]);
    }

    #[test]
    fn what_says_where_or_when_or_how_many_says_it() {
        let forbidden = identity_core::check("a\u{200b}").unwrap_err();
        let unseen = Error::Unseen { pointer: "/userName".to_owned(), forbidden };
        for (error, detail, dialect) in [
            (unseen, "must not contain the character U+200B", Some("invalidValue")),
            (Invalid::at("/userName", "no").into(), "no", None),
        ] {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!(
                (problem.code, problem.retry(), problem.dialect_code),
                (Code::VALIDATION_FAILED, retry, dialect)
            );
            let wanted = FieldError { pointer: "/userName".to_owned(), detail: detail.to_owned() };
            assert_eq!(problem.errors, [wanted]);
        }
        let retry = Error::Blocked.retry();
        let blocked = Problem::from(Error::Blocked);
        assert_eq!(
            (blocked.code, blocked.retry_after, blocked.retry()),
            (codes::DIRECTORY_BLOCKED, Some(600), retry)
        );
        assert!(blocked.detail.starts_with("Too many users would be deactivated or deleted at once."));
        let full = Problem::from(Error::from(LimitReached::Full { resource: "role_mappings", limit: 1 }));
        assert_eq!((full.code, full.facts.len()), (Code::QUOTA_EXCEEDED, 2));
    }
}
