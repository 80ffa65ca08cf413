//! Why nobody is signed in, and no code is handed out: as facts. What each is to a caller of the API is said in
//! [`answers`].

mod answers;
mod reasons;

use connections::{Refused, is_failure};
use platform::DbError;
use platform::refusal::{Classified, Retry};
use platform::rules::UsedUp;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The hints name no tenant or connection.
    #[error("there is no such resource")]
    NotFound,
    /// Nobody has this credential, or its person may not come in any more.
    #[error("nobody has this credential")]
    CredentialUnknown,

    /// A sign-in ended without a session, for this reason.
    #[error("the sign-in failed: {reason}")]
    SignIn {
        /// The stable name of the reason.
        reason: String,
        /// How to mend it.
        how: String,
    },
    /// No attempt of this name is under way.
    #[error("the sign-in is not under way")]
    StateUnknown,
    /// The mailed code is another one.
    #[error("the code is wrong")]
    ProofWrong {
        /// How many more codes are compared.
        left: i64,
    },
    /// This address was sent as many codes as it may be within a day.
    #[error("codes to this address: {0}")]
    CodesUsedUp(UsedUp),
    /// The browser's session is over.
    #[error("the browser's session is over")]
    SessionOver,
    /// The person is deactivated, or gone.
    #[error("the user is deactivated")]
    UserDeactivated,
    /// The organization has no connection at all.
    #[error("the organization has no connection")]
    NoWayIn,
    /// None of the organization's connections is active, or the policy's one isn't.
    #[error("the organization has no active connection")]
    NoConnectionActive,
    /// There is no client of this id.
    #[error("there is no such client")]
    ClientUnknown,
    /// The request doesn't say where the browser goes back to.
    #[error("the redirect URI is missing")]
    RedirectMissing,
    /// The client never registered this redirect URI.
    #[error("the redirect URI is not the client's")]
    RedirectRefused,

    /// A query or form is too long.
    #[error("the request is too long")]
    RequestTooLong,
    /// A query or form has too many parameters.
    #[error("there are too many parameters")]
    ParametersTooMany,
    /// A parameter is too long, or no text.
    #[error("a parameter can't be read")]
    ParameterUnreadable,
    /// A parameter was sent twice.
    #[error("a parameter was sent twice")]
    ParameterTwice,

    /// The connection, or the policy, lets nobody in.
    #[error(transparent)]
    Connection(#[from] connections::Error),
    /// There is no such tenant or organization, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// The directory lets them not in, or can't change or find somebody.
    #[error(transparent)]
    Directory(#[from] directory::Error),
    /// A mail is not made.
    #[error(transparent)]
    Mail(#[from] mail::Error),
    /// A session or token is not made.
    #[error(transparent)]
    Sessions(#[from] sessions::Error),
    /// What is stored can't be read, or a key couldn't be made or used.
    #[error("{0}")]
    Internal(String),
    /// The store failed, or a sealed value couldn't be opened.
    #[error(transparent)]
    Store(#[from] DbError),
}

impl Error {
    /// A failure of ours.
    pub(crate) fn internal(cause: impl ToString) -> Self {
        Self::Internal(cause.to_string())
    }

    /// A sign-in that failed for this reason.
    pub(crate) fn of(refused: &Refused) -> Self {
        Self::SignIn { reason: refused.reason.clone(), how: refused.how.clone() }
    }

    /// Whether it may only mean that somebody else made the same person, or used up the same invitation, a moment before: whoever asks
    /// again finds them.
    #[must_use]
    pub fn is_race(&self) -> bool {
        match self {
            Self::Directory(error) => error.is_race(),
            own => own.retry() == Retry::Conflict,
        }
    }
}

impl Classified for Error {
    fn retry(&self) -> Retry {
        match self {
            Self::NotFound | Self::CredentialUnknown => Retry::Never,
            Self::SignIn { reason, .. } if is_failure(reason) => Retry::Later,
            Self::SignIn { .. } | Self::StateUnknown | Self::ProofWrong { .. } => Retry::Never,
            Self::CodesUsedUp(_) | Self::SessionOver | Self::UserDeactivated => Retry::Never,
            Self::NoWayIn | Self::NoConnectionActive => Retry::Never,
            Self::ClientUnknown | Self::RedirectMissing | Self::RedirectRefused => Retry::Never,
            Self::RequestTooLong | Self::ParametersTooMany => Retry::Never,
            Self::ParameterUnreadable | Self::ParameterTwice => Retry::Never,
            Self::Connection(error) => error.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Directory(error) => error.retry(),
            Self::Mail(error) => error.retry(),
            Self::Sessions(error) => error.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}
