//! People whom their identity provider signed in, as callers of the management API: each with their own role, in their own
//! tenant. Asked of the store each time: who is deactivated, or may not come in any more, is out at once.

use std::sync::Arc;

use entity::ids::OrganizationId;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::View;
use web::{Authenticator, CredentialKind, Denied, Principal, Service};

use crate::error::Error;

/// Recognises people by their browser's session.
#[derive(Clone, Copy, Debug, Default)]
pub struct People;

impl Authenticator for People {
    fn authenticate<'a>(
        &'a self,
        service: &'a Service,
        bearer: &'a str,
    ) -> LocalBoxFuture<'a, Result<Principal, Denied>> {
        async move {
            let digest = sessions::browser_digest(bearer).ok_or(Error::CredentialUnknown)?;
            let found = service.db.tenant_of(sessions::by_browser_session(&digest)).await?;
            let tenant = found.ok_or(Error::CredentialUnknown)?;
            let person = service.db.read(tenant, async |view: &View| person(view, &digest).await).await;
            person.map_err(|error| Denied::from(error).at(tenant, None))
        }
        .boxed_local()
    }
}

async fn person(view: &View, digest: &[u8]) -> Result<Principal, Error> {
    let session = sessions::find_browser(view, digest).await?.ok_or(Error::CredentialUnknown)?;
    let tenant = tenancy::active(view).await?;
    let user = directory::user(view, OrganizationId(session.organization_id), session.user_id).await?;
    let user = user.filter(|user| user.may_come()).ok_or(Error::CredentialUnknown)?;
    if let Some(connection) = session.connection_id {
        connections::still_holds(view, session.organization_id, Some(connection)).await?;
    }
    let multiplier = tenancy::rate_multiplier_of(view, &tenant.plan).await?;
    Ok(Principal {
        kind: CredentialKind::User,
        id: user.id,
        role: user.role.0.role(),
        tenant: Some(tenant.id),
        organization: None,
        rate_multiplier: Some(multiplier),
        compat: false,
        addresses: Arc::default(),
        dry_run: None,
    })
}
