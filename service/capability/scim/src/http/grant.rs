//! Clients get their tokens at the token endpoint.

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::DbError;
use sessions::{ClientCredentials, ClientGrant, Granted};
use uuid::Uuid;
use web::{Caller, Problem};

use crate::error::Error;
use crate::lookup::by_token;
use crate::oauth;

/// Grants SCIM clients their tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScimClients;

impl ClientGrant for ScimClients {
    fn knows<'a>(&'a self, caller: &'a Caller, id: Uuid) -> LocalBoxFuture<'a, Result<bool, DbError>> {
        async move { Ok(caller.at(by_token(id)).await?.is_some()) }.boxed_local()
    }

    fn grant<'a>(
        &'a self,
        caller: &'a Caller,
        credentials: ClientCredentials,
    ) -> LocalBoxFuture<'a, Result<Granted, Problem>> {
        async move {
            let id = oauth::client_of(&credentials)?;
            let tenant = caller.at(by_token(id)).await?.ok_or(Error::Unauthenticated)?;
            Ok(oauth::grant(tenant.service(), &tenant.ctx, id, credentials).await?)
        }
        .boxed_local()
    }
}
