//! Why nobody is signed in, nothing is handed out, found or changed: as facts. What each is to a caller of the API is said in
//! [`answers`].

mod answers;
mod reasons;

use platform::DbError;
use platform::refusal::{Classified, Invalid, Retry};
use platform::rules::{NoRoom, UsedUp};
use web::Problem;

use crate::refusal::is_failure;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// There is no such connection or domain, or the hints name none.
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
    /// The person belongs to an account that they can't prove to be theirs here.
    #[error("an account of this address is not linked")]
    LinkRequired,
    /// Several organizations were named, or another than the person's.
    #[error("another organization is meant")]
    OrganizationOther,
    /// The tenant has no organization of this name.
    #[error("there is no such organization")]
    OrganizationUnknown,

    /// The policy admits people of another connection only.
    #[error("the policy does not admit this connection")]
    Enforced,
    /// Nobody comes in by the connection.
    #[error("the connection is disabled")]
    ConnectionDisabled,
    /// Without the connection nobody could come in.
    #[error("the organization would have no way in")]
    ConnectionNeeded,
    /// The sign-in policy names the connection.
    #[error("the sign-in policy names this connection")]
    ConnectionNamed,
    /// The organization has no connection at all.
    #[error("the organization has no connection")]
    NoWayIn,
    /// None of the organization's connections is active, or the policy's one isn't.
    #[error("the organization has no active connection")]
    NoConnectionActive,
    /// The connection knows nothing of its identity provider yet.
    #[error("the connection has no provider")]
    ProviderUnknown,
    /// The connection has no usable signing certificate of its identity provider.
    #[error("the connection has no usable certificate")]
    CertificateMissing,
    /// The provider's metadata has no address for sign-ins.
    #[error("the provider has no address for sign-ins")]
    SignInAddressMissing,
    /// The service doesn't connect to this URL of the provider's.
    #[error("the provider's URL is refused")]
    UrlRefused,
    /// The service doesn't connect to where the metadata is.
    #[error("the metadata URL is refused: {why}")]
    MetadataUrlRefused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// The provider's metadata can't be fetched.
    #[error("the metadata can't be had: {why}")]
    MetadataUnreachable {
        /// What happened.
        why: String,
    },

    /// The tenant has this domain already.
    #[error("the tenant has this domain")]
    DomainExists,
    /// Another tenant has proven this domain.
    #[error("another tenant has proven this domain")]
    DomainTaken,
    /// The DNS record that proves the domain wasn't seen.
    #[error("the domain is not proven: {why}")]
    DomainUnproven {
        /// Why not.
        why: String,
        /// Where the record is to stand.
        record_name: String,
        /// What it is to say.
        record_value: String,
    },

    /// No tenant is known for what the token names.
    #[error("no tenant is known for the token")]
    TenantUnknown,
    /// The token doesn't say whose it is.
    #[error("the token's claim {claim} names no organization")]
    TenantUnnamed {
        /// Where it should say so.
        claim: String,
    },
    /// The token is of another tenant than its bearer says.
    #[error("the token is of another tenant")]
    TenantOther,
    /// The tenant of the token couldn't be made; whoever makes tenants says why.
    #[error("the tenant could not be made: {0}")]
    NotMade(Problem),
    /// A subject token is not believed.
    #[error("the subject token is refused: {why}")]
    SubjectTokenRefused {
        /// What is wrong with it.
        why: String,
    },
    /// A provider's logout message is not believed.
    #[error("the logout token is refused: {why}")]
    LogoutTokenRefused {
        /// What is wrong with it.
        why: &'static str,
    },
    /// Nobody registered the issuer of the token.
    #[error("the issuer is not registered")]
    IssuerUnknown,
    /// The keys of a registered issuer can't be had.
    #[error("the issuer's keys can't be had: {cause}")]
    IssuerUnreachable {
        /// What happened.
        cause: String,
    },
    /// The keys of a connection's provider can't be had.
    #[error("the provider's keys can't be had")]
    ProviderKeysUnreachable,
    /// A module asks for a token for somebody else.
    #[error("the audience is not the client's own")]
    AudienceOther,
    /// The code or refresh token is over, or was never given to this client.
    #[error("the grant is not valid")]
    GrantInvalid,
    /// The session belongs to another client.
    #[error("the session is another client's")]
    ClientOther,
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
    /// A parameter came twice.
    #[error("a parameter came twice")]
    ParameterTwice,

    /// What was sent, or fetched, doesn't fit.
    #[error(transparent)]
    Invalid(#[from] Invalid),
    /// There are as many as there may be.
    #[error(transparent)]
    NoRoom(#[from] NoRoom),
    /// There is no such tenant or organization, or it can't be used.
    #[error(transparent)]
    Tenant(#[from] tenancy::Error),
    /// The quota leaves no room.
    #[error(transparent)]
    Quota(#[from] quota::Error),
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

    /// Whether it may only mean that somebody else made the same person, or used up the same invitation, a moment before: whoever asks
    /// again finds them.
    pub(crate) fn is_race(&self) -> bool {
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
            Self::LinkRequired | Self::OrganizationOther | Self::OrganizationUnknown => Retry::Never,
            Self::Enforced | Self::ConnectionDisabled | Self::ConnectionNeeded => Retry::Never,
            // The policy may name another one by then.
            Self::ConnectionNamed => Retry::Conflict,
            Self::NoWayIn | Self::NoConnectionActive | Self::ProviderUnknown => Retry::Never,
            Self::CertificateMissing | Self::SignInAddressMissing => Retry::Never,
            Self::UrlRefused | Self::MetadataUrlRefused { .. } => Retry::Never,
            Self::MetadataUnreachable { .. } => Retry::Later,
            Self::DomainExists | Self::DomainTaken | Self::DomainUnproven { .. } => Retry::Never,
            Self::TenantUnknown | Self::TenantUnnamed { .. } | Self::TenantOther => Retry::Never,
            Self::SubjectTokenRefused { .. } | Self::LogoutTokenRefused { .. } => Retry::Never,
            Self::IssuerUnknown => Retry::Never,
            Self::IssuerUnreachable { .. } | Self::ProviderKeysUnreachable => Retry::Later,
            Self::AudienceOther | Self::GrantInvalid | Self::ClientOther | Self::ClientUnknown => {
                Retry::Never
            }
            Self::RedirectMissing | Self::RedirectRefused | Self::RequestTooLong => Retry::Never,
            Self::ParametersTooMany | Self::ParameterUnreadable | Self::ParameterTwice => Retry::Never,
            Self::Invalid(refused) => refused.retry(),
            Self::NoRoom(refused) => refused.retry(),
            Self::Tenant(error) => error.retry(),
            Self::Quota(error) => error.retry(),
            Self::Directory(error) => error.retry(),
            Self::Mail(error) => error.retry(),
            Self::Sessions(error) => error.retry(),
            Self::NotMade(problem) => problem.retry(),
            Self::Internal(_) => Retry::Later,
            Self::Store(error) => error.retry(),
        }
    }
}
