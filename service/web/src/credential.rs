//! What callers show: whose it is, how it is recognised, and whether it is still good.

use std::net::IpAddr;
use std::sync::Arc;

use actix_web::http::StatusCode;
use futures_util::future::{LocalBoxFuture, ready};
use ipnet::IpNet;
use policy_core::Role;
use secrecy::{ExposeSecret as _, SecretString};
use serde::{Deserialize, Serialize};
use uuid::Uuid;

use crate::{Denied, Problem, Service};

/// What somebody showed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CredentialKind {
    /// A management key.
    Key,
    /// A session of an operator.
    Operator,
    /// A session of one of a tenant's people.
    User,
    /// An organization's SCIM token.
    ScimToken,
}

impl CredentialKind {
    /// As records name who showed it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Key => "key",
            Self::Operator => "operator",
            Self::User => "user",
            Self::ScimToken => "scim_token",
        }
    }
}

/// Somebody whose credentials were accepted.
#[derive(Clone, Debug)]
pub struct Principal {
    /// What they showed.
    pub kind: CredentialKind,
    /// The credential's id.
    pub id: Uuid,
    /// What it may do.
    pub role: Role,
    /// The tenant it belongs to; `None`: the platform.
    pub tenant: Option<Uuid>,
    /// The organization it belongs to.
    pub organization: Option<Uuid>,
    /// How often a tenant's credential may call, by plan; a platform's isn't limited.
    pub rate_multiplier: Option<u32>,
    /// A SCIM token's profile: whether the tolerance for real clients is on.
    pub compat: bool,
    /// Where it may be used from; empty: everywhere.
    pub addresses: Arc<[IpNet]>,
    /// The hidden tenant on whose copy of the directory its requests work, instead of the real one.
    pub dry_run: Option<Uuid>,
}

impl Principal {
    /// Whether it may be used from there. An address that isn't known is nowhere.
    pub(crate) fn may_come_from(&self, address: Option<IpAddr>) -> bool {
        let inside = |address: IpAddr| self.addresses.iter().any(|range| range.contains(&address));
        self.addresses.is_empty() || address.is_some_and(inside)
    }
}

/// Recognises bearer credentials of one kind.
pub trait Authenticator: Send + Sync {
    /// Who `bearer` is, or the refusal. Wrong, unknown and other people's credentials are answered alike.
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>>;

    /// Whether a credential that was recognised earlier, named by its kind and id, is still good: what a ticket asks that was handed
    /// out for it. Where no tickets are handed out, none is.
    fn is_live<'a>(
        &'a self,
        _service: &'a Service,
        _kind: CredentialKind,
        _id: Uuid,
    ) -> LocalBoxFuture<'a, Result<bool, Problem>> {
        Box::pin(ready(Ok(false)))
    }
}

/// What was shown, for those who look again: an answer that goes on for hours outlives a revocation.
pub(crate) struct Credential {
    authenticator: Arc<dyn Authenticator>,
    bearer: SecretString,
}

impl std::fmt::Debug for Credential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Credential")
    }
}

impl Credential {
    pub(crate) fn new(authenticator: &Arc<dyn Authenticator>, bearer: &str) -> Arc<Self> {
        Arc::new(Self { authenticator: authenticator.clone(), bearer: bearer.into() })
    }

    /// Whether it still is that principal's, for the same role.
    pub(crate) async fn still_shows(
        &self,
        service: &Service,
        principal: &Principal,
    ) -> Result<bool, Problem> {
        let again = self.authenticator.authenticate(service, self.bearer.expose_secret()).await?;
        Ok(again.id == principal.id && again.role == principal.role)
    }
}

/// Whether what a credential opened goes on. Only a refusal ends it: a store that can't be asked takes nobody's word back.
pub(crate) fn still_good(answer: Result<bool, Problem>) -> bool {
    answer.unwrap_or_else(|problem| {
        let status = problem.code.status();
        !status.is_client_error() || status == StatusCode::TOO_MANY_REQUESTS
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Code;

    #[test]
    fn only_a_refusal_ends_what_a_credential_opened() {
        for (answer, good) in [
            (Ok(true), true),
            (Ok(false), false),
            (Err(Code::AUTH_INVALID), false),
            (Err(Code::AUTH_INSUFFICIENT), false),
            (Err(Code::TENANT_SUSPENDED), false),
            (Err(Code::TENANT_NOT_ACTIVE), false),
            (Err(Code::UNAVAILABLE), true),
            (Err(Code::INTERNAL), true),
            (Err(Code::RATE_LIMITED), true),
        ] {
            assert_eq!(still_good(answer.map_err(Problem::new)), good, "{answer:?}");
        }
    }
}
