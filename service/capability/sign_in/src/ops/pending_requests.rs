//! Authorization requests in the store: pushed ones (RFC 9126), and those that wait while a person reads the sign-in page.

use std::time::Duration;

use chrono::TimeDelta;
use entity::sign_in::authorization_request;
use platform::{Ctx, PlatformTx, PlatformView, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use tokio::time::timeout;
use uuid::Uuid;
use web::PlatformService;

use super::parameters::{self, Parameters};
use crate::error::Error;
use crate::store;

/// A pushed request is used soon (RFC 9126, section 2.2).
pub const PUSHED_LIFETIME: TimeDelta = TimeDelta::seconds(90);
/// A request that waits on the sign-in page.
const WAITING_LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// How long an answer waits until its request is used up.
const USED_TIMEOUT: Duration = Duration::from_secs(1);

/// Stores a request: pushed, or waiting on the sign-in page.
pub async fn store_request(
    service: &PlatformService,
    client_id: &str,
    parameters: &Parameters,
    pushed: bool,
) -> Result<Uuid, Error> {
    let id = ids::new();
    let parameters = serde_json::to_value(parameters::known(parameters)).map_err(Error::internal)?;
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let lifetime = if pushed { PUSHED_LIFETIME } else { WAITING_LIFETIME };
        let row = authorization_request::Model {
            id,
            client_id: client_id.to_owned(),
            pushed,
            parameters,
            created_at: tx.now(),
            expires_at: tx.now() + lifetime,
        };
        tx.insert(row).await
    };
    service.db.write(&Ctx::system("authorization"), work).await?;
    Ok(id)
}

/// A stored request that can still be used.
pub(crate) async fn find(
    service: &PlatformService,
    id: Uuid,
    pushed: bool,
) -> Result<Option<(String, Parameters)>, Error> {
    let find = async |view: &PlatformView| {
        let select = view.platform::<authorization_request::Entity>();
        let row = view.one(select.filter(authorization_request::Column::Id.eq(id))).await?;
        Ok::<_, platform::DbError>(row.filter(|row| row.pushed == pushed && row.expires_at > view.now()))
    };
    let Some(row) = service.db.read(find).await? else { return Ok(None) };
    let parameters = serde_json::from_value(row.parameters).map_err(Error::internal)?;
    Ok(Some((row.client_id, parameters)))
}

/// A pushed request was answered, and is not answered again. Only then, and only as far as that goes: a browser that heard of a failure, or
/// loads the page twice, may ask again (RFC 9126, section 4), and the request is soon over.
pub(crate) async fn used(service: &PlatformService, id: Uuid) {
    let ctx = Ctx::system("authorization");
    let remove = service.db.write(&ctx, async |tx: &mut PlatformTx| {
        tx.housekeeping();
        store::remove_request(tx, id).await
    });
    match timeout(USED_TIMEOUT, remove).await {
        Ok(Ok(_)) => {}
        Ok(Err(error)) => {
            tracing::warn!(error = %platform::chain(&error), "a pushed authorization request could not be marked as used");
        }
        Err(_) => {
            tracing::warn!("a pushed authorization request could not be marked as used: the store is busy")
        }
    }
}
