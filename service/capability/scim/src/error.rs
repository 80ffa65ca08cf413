//! Why a request of an identity provider, or of an admin about it, is not done: as facts; and what each is to a caller of the API.
//! What SCIM and OAuth call it stands here too.

use std::sync::Arc;

use entity::tenancy::status::Unusable;
use platform::DbError;
use platform::crypto::HashError;
use platform::jobs::JobError;
use platform::refusal::{Classified, Invalid, Retry, VersionMismatch};
use platform::rules::LimitReached;
use platform::work::Refused;
use scim_core::{ErrorType, ScimError};
use web::{Code, Problem};

use crate::codes;

/// When an identity provider may ask again while the directory is being restored, in seconds.
const RESTORING_SECONDS: u64 = 5;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such token, schema or logged request.
    #[error("there is no such resource")]
    NotFound,
    /// There is no such user.
    #[error("there is no such user")]
    NoUser,
    /// There is no such group.
    #[error("there is no such group")]
    NoGroup,
    /// The protocol refuses what was sent.
    #[error(transparent)]
    Protocol(#[from] ScimError),
    /// The directory goes back to what it was: nothing is written meanwhile.
    #[error("the directory is being restored")]
    Restoring,
    /// The token was revoked, or has ended: it has no successor.
    #[error("the token is revoked")]
    TokenRevoked,
    /// The client is not known, or what it shows doesn't prove that it is this one.
    #[error("the client is not known by this")]
    Unauthenticated,
    /// The client asks for another scope than there is.
    #[error("there is no such scope")]
    ScopeUnknown,
    /// Another schema of the tenant has this URN.
    #[error("a schema of this URN is declared")]
    SchemaExists,
    /// Resources have values of the schema.
    #[error("resources have values of the schema")]
    SchemaInUse,
    /// What was sent doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// Somebody else changed it since it was read.
    #[error(transparent)]
    Version(#[from] VersionMismatch),
    /// There are as many as there may be.
    #[error(transparent)]
    LimitReached(#[from] LimitReached),
    /// A secret couldn't be recognised.
    #[error(transparent)]
    Hash(#[from] HashError),
    /// There is no place for heavy work.
    #[error(transparent)]
    Busy(#[from] Refused),
    /// The tenant has spent what its requests may cost.
    #[error("{0}")]
    Spent(Problem),
    /// There is no such tenant or organization, or the tenant can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// The directory refuses it.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// An admin can't be told by mail.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// How many there are couldn't be counted, for all who asked at once.
    #[error(transparent)]
    Uncounted(#[from] Arc<DbError>),
    /// What is stored can't be read, or a decision can't be done.
    #[error("{0}")]
    Internal(String),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl From<Unusable> for Error {
    fn from(unusable: Unusable) -> Self {
        Self::Tenant(unusable.into())
    }
}

impl From<directory::NotAdmitted> for Error {
    fn from(refused: directory::NotAdmitted) -> Self {
        refused.error.into()
    }
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// A schema that the store doesn't take beside the others.
    pub(crate) fn of_schema(error: DbError) -> Self {
        if error.conflicts_on("urn") { Self::SchemaExists } else { Self::Store(error) }
    }

    /// A search that can't be paid: because it costs more than any request may, or because the tenant has spent what it has.
    pub(crate) fn of_search(spent: Problem) -> Self {
        match spent.code {
            Code::BODY_TOO_LARGE => {
                let detail = "The search looks at more resources than one request may: filter by an indexed attribute \
                              (`id`, `userName`, `externalId`, `emails.value`), or use fewer conditions.";
                ScimError::new(ErrorType::TooMany, detail).into()
            }
            _ => Self::Spent(spent),
        }
    }

    /// What an admin is shown of a restore that failed by it, and what its job ends with.
    pub(crate) fn into_failure(self) -> (String, JobError) {
        let problem = Problem::from(self);
        (problem.to_string(), problem.into())
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::NoUser | Self::NoGroup | Self::TokenRevoked => Retry::Never,
            Self::Unauthenticated | Self::ScopeUnknown => Retry::Never,
            // Another resource, schema or value is in the way, and may go.
            Self::Protocol(error) if error.kind == ErrorType::Uniqueness => Retry::Conflict,
            Self::SchemaExists | Self::SchemaInUse => Retry::Conflict,
            Self::Restoring => Retry::Later,
            Self::Protocol(_) | Self::Busy(Refused::Share) => Retry::Never,
            Self::Busy(Refused::Full | Refused::Failed) => Retry::Later,
            Self::Invalid(refused) => refused.retry(),
            Self::Version(refused) => refused.retry(),
            Self::LimitReached(refused) => refused.retry(),
            Self::Hash(error) => error.retry(),
            Self::Spent(problem) => problem.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Directory(error) => error.retry(),
            Self::Mail(error) => error.retry(),
            Self::Uncounted(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}

impl From<Error> for Problem {
    fn from(error: Error) -> Self {
        match error {
            Error::NotFound => Self::new(Code::NOT_FOUND),
            Error::NoUser => Self::detailed(Code::NOT_FOUND, "There is no such user."),
            Error::NoGroup => Self::detailed(Code::NOT_FOUND, "There is no such group."),
            Error::Protocol(error) => protocol(error),
            Error::Restoring => {
                Self { retry_after: Some(RESTORING_SECONDS), ..Self::new(codes::DIRECTORY_RESTORING) }
            }
            Error::TokenRevoked => Self::new(codes::TOKEN_REVOKED),
            Error::Unauthenticated => Self::new(Code::AUTH_INVALID).dialect("invalid_client"),
            Error::ScopeUnknown => {
                Self::detailed(Code::BODY_MALFORMED, "The only scope is `scim`.").dialect("invalid_scope")
            }
            Error::SchemaExists => {
                Self::detailed(Code::CONFLICT, "A schema with this URN is already declared.")
            }
            Error::SchemaInUse => {
                Self::detailed(Code::CONFLICT, "Resources still have values of this schema.")
            }
            Error::Invalid(invalid) => invalid.into(),
            Error::Version(mismatch) => mismatch.into(),
            Error::LimitReached(refused) => refused.into(),
            Error::Hash(error) => error.into(),
            Error::Busy(refused) => refused.into(),
            Error::Spent(problem) => problem,
            Error::Tenant(error) => error.into(),
            Error::Directory(error) => error.into(),
            Error::Mail(error) => error.into(),
            Error::Uncounted(error) => Self::from(&*error),
            Error::Internal(cause) => Self::internal(cause),
            Error::Store(error) => error.into(),
        }
    }
}

/// A refusal of the protocol; the route renders it in SCIM's words.
fn protocol(error: ScimError) -> Problem {
    let code = match error.kind {
        ErrorType::Uniqueness => Code::CONFLICT,
        ErrorType::TooLarge => Code::BODY_TOO_LARGE,
        _ => Code::VALIDATION_FAILED,
    };
    Problem::detailed(code, error.detail).dialect(error.kind.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    type Row = (Error, &'static str, &'static str, Option<&'static str>, Option<u64>);

    fn compare(rows: Vec<Row>) {
        for (error, code, detail, dialect, retry_after) in rows {
            let retry = error.retry();
            let problem = Problem::from(error);
            assert_eq!((problem.code.name(), problem.retry()), (code, retry), "{detail}");
            let detail = if detail.is_empty() { problem.code.title() } else { detail };
            let said = (problem.detail.as_str(), problem.dialect_code, problem.retry_after);
            assert_eq!(said, (detail, dialect, retry_after), "{code}");
        }
    }

    #[test]
    fn each_fact_has_its_code_and_its_word() {
        let declared = "A schema with this URN is already declared.";
        let in_use = "Resources still have values of this schema.";
        let scope = "The only scope is `scim`.";
        compare(vec![
            (Error::NotFound, "not_found", "", None, None),
            (Error::NoUser, "not_found", "There is no such user.", None, None),
            (Error::NoGroup, "not_found", "There is no such group.", None, None),
            (Error::Restoring, "directory.restoring", "", None, Some(5)),
            (Error::TokenRevoked, "scim_token.revoked", "", None, None),
            (Error::Unauthenticated, "auth.invalid", "", Some("invalid_client"), None),
            (Error::ScopeUnknown, "validation.malformed", scope, Some("invalid_scope"), None),
            (Error::SchemaExists, "conflict", declared, None, None),
            (Error::SchemaInUse, "conflict", in_use, None, None),
        ]);
    }

    #[test]
    fn what_the_protocol_refuses_keeps_its_word() {
        let refused = |kind| Error::from(ScimError::new(kind, "No."));
        compare(vec![
            (refused(ErrorType::Uniqueness), "conflict", "No.", Some("uniqueness"), None),
            (refused(ErrorType::TooLarge), "validation.too_large", "No.", Some("tooLarge"), None),
            (refused(ErrorType::TooMany), "validation.failed", "No.", Some("tooMany"), None),
            (refused(ErrorType::InvalidFilter), "validation.failed", "No.", Some("invalidFilter"), None),
            (refused(ErrorType::Mutability), "validation.failed", "No.", Some("mutability"), None),
        ]);
    }

    #[test]
    fn what_others_refuse_is_what_it_was() {
        let unusable = Problem::from(Unusable::Suspended).detail;
        assert_eq!(Problem::from(Error::from(Unusable::Suspended)).detail, unusable);
        let waiting = "Too many of your requests are waiting already.";
        let full = "Too many requests are waiting already.";
        let exists = "A user with this userName already exists.";
        let broken = || DbError::Sealed("secret");
        compare(vec![
            (Invalid::at("/id", "can't be changed").into(), "validation.failed", "", None, None),
            (VersionMismatch.into(), "conflict.version", "", None, None),
            (
                LimitReached::Full { resource: "scim_tokens", limit: 50 }.into(),
                "quota.exceeded",
                "",
                None,
                None,
            ),
            (HashError::Busy.into(), "unavailable", "", None, Some(1)),
            (Refused::Share.into(), "rate.limited", waiting, None, Some(1)),
            (Refused::Full.into(), "unavailable", full, None, Some(1)),
            (Refused::Failed.into(), "internal", "", None, None),
            (tenancy::Error::NotFound.into(), "not_found", "", None, None),
            (
                directory::Error::UserExists { what: "userName" }.into(),
                "user.exists",
                exists,
                Some("uniqueness"),
                None,
            ),
            (Error::internal("no attributes"), "internal", "", None, None),
            (Arc::new(broken()).into(), "internal", "", None, None),
            (broken().into(), "internal", "", None, None),
        ]);
    }

    #[test]
    fn a_search_that_costs_too_much_is_refused_in_the_words_of_scim() {
        let (large, often) = (Problem::new(Code::BODY_TOO_LARGE), Problem::new(Code::RATE_LIMITED));
        let (large, often) = (Error::of_search(large), Error::of_search(often));
        let (large, often) = (Problem::from(large), Problem::from(often));
        assert_eq!((large.code, large.dialect_code), (Code::VALIDATION_FAILED, Some("tooMany")));
        assert!(large.detail.starts_with("The search looks at more resources than one request may"));
        assert_eq!((often.code, often.dialect_code), (Code::RATE_LIMITED, None));
    }

    #[test]
    fn a_restore_that_failed_shows_code_and_sentence() {
        let (shown, job) = Error::internal("no image").into_failure();
        assert_eq!(shown, format!("internal: {}", Code::INTERNAL.title()));
        assert!(matches!(job, JobError::Retry { reason, .. } if reason == format!("{shown}: no image")));
    }
}
