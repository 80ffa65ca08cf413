//! Clients get their tokens at the token endpoint.

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::{Ctx, DbError};
use sessions::{ClientCredentials, ClientGrant, Granted};
use uuid::Uuid;
use web::{Problem, Service};

use crate::lookup::by_token;
use crate::oauth;

/// Grants SCIM clients their tokens.
#[derive(Clone, Copy, Debug, Default)]
pub struct ScimClients;

impl ClientGrant for ScimClients {
    fn knows<'a>(&'a self, service: &'a Service, id: Uuid) -> LocalBoxFuture<'a, Result<bool, DbError>> {
        async move { Ok(service.db.tenant_of(by_token(id)).await?.is_some()) }.boxed_local()
    }

    fn grant<'a>(
        &'a self,
        service: &'a Service,
        ctx: &'a Ctx,
        credentials: ClientCredentials,
    ) -> LocalBoxFuture<'a, Result<Granted, Problem>> {
        async move { Ok(oauth::grant(service, ctx, credentials).await?) }.boxed_local()
    }
}
