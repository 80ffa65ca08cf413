//! Client credentials (RFC 6749, section 4.4): the token endpoint takes them, whoever owns the clients grants.

use futures_util::future::LocalBoxFuture;
use platform::DbError;
use uuid::Uuid;
use web::{Caller, Problem};

/// How a client proves who it is.
#[derive(Clone, Debug, Default)]
pub struct ClientCredentials {
    /// `client_id`
    pub client_id: Option<String>,
    /// `client_secret`
    pub client_secret: Option<String>,
    /// `client_assertion`, a JWT that the client's key signed (RFC 7523).
    pub assertion: Option<String>,
    /// `scope`
    pub scope: Option<String>,
}

/// A token for a client.
#[derive(Clone, Debug)]
pub struct Granted {
    /// The token.
    pub access_token: String,
    /// Seconds until it ends.
    pub expires_in: i64,
    /// What it is for.
    pub scope: &'static str,
}

/// Grants clients their tokens.
pub trait ClientGrant: Send + Sync {
    /// Whether there is a client of this id.
    fn knows<'a>(&'a self, caller: &'a Caller, id: Uuid) -> LocalBoxFuture<'a, Result<bool, DbError>>;

    /// The token, or `invalid_client`, `invalid_scope`.
    fn grant<'a>(
        &'a self,
        caller: &'a Caller,
        credentials: ClientCredentials,
    ) -> LocalBoxFuture<'a, Result<Granted, Problem>>;
}
