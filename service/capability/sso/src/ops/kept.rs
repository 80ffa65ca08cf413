//! Authorization requests that are kept: pushed ones (RFC 9126), and those that wait while a person reads the sign-in page.

use chrono::TimeDelta;
use entity::sso::authorization_request;
use platform::{Ctx, PlatformTx, PlatformView, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;
use web::{Problem, Service};

use super::parameters::{self, Parameters};

/// A pushed request is used soon (RFC 9126, section 2.2).
pub(crate) const PUSHED_LIFETIME: TimeDelta = TimeDelta::seconds(90);
/// A request that waits on the sign-in page.
const WAITING_LIFETIME: TimeDelta = TimeDelta::minutes(30);

/// Keeps a request: pushed, or waiting on the sign-in page.
pub(crate) async fn keep(
    service: &Service,
    client_id: &str,
    parameters: &Parameters,
    pushed: bool,
) -> Result<Uuid, Problem> {
    let id = ids::new();
    let parameters = serde_json::to_value(parameters::known(parameters)).map_err(Problem::internal)?;
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
    service.db.write_platform(&Ctx::system("authorization"), work).await?;
    Ok(id)
}

/// A kept request; a pushed one is used up.
pub(crate) async fn kept(
    service: &Service,
    id: Uuid,
    pushed: bool,
) -> Result<Option<(String, Parameters)>, Problem> {
    let select = move |view: &PlatformView| {
        view.platform::<authorization_request::Entity>().filter(authorization_request::Column::Id.eq(id))
    };
    let fits = |row: &authorization_request::Model, now| row.pushed == pushed && row.expires_at > now;
    let read = |row: authorization_request::Model| -> Result<_, Problem> {
        let parameters = serde_json::from_value(row.parameters).map_err(Problem::internal)?;
        Ok((row.client_id, parameters))
    };
    if !pushed {
        let find = async |view: &PlatformView| view.one(select(view)).await.map(|row| (row, view.now()));
        let (row, now) = service.db.read_platform(find).await?;
        return row.filter(|row| fits(row, now)).map(read).transpose();
    }
    let take = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let row = tx.lock(select(tx)).await?;
        if let Some(row) = &row {
            tx.delete(row.clone()).await?;
        }
        Ok::<_, platform::DbError>((row, tx.now()))
    };
    let (row, now) = service.db.write_platform(&Ctx::system("authorization"), take).await?;
    row.filter(|row| fits(row, now)).map(read).transpose()
}
