//! Endpoints and their secrets.

use chrono::TimeDelta;
use delivery::generate;
use entity::webhooks::endpoint;
use entity::webhooks::states::{Algorithm, Format};
use platform::rules::{Rule, check_limit};
use platform::{DbError, PlatformTx, PlatformView, Target, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;
use web::{IfMatch, Tools};

use crate::error::Error;
use crate::jobs::deliver_events::Deliver;
use crate::store;

/// So many endpoints there may be.
pub(crate) const ENDPOINTS_MAX: u64 = 1000;

/// What an endpoint is made of.
pub(crate) struct EndpointFields {
    pub(crate) url: String,
    pub(crate) description: String,
    pub(crate) event_types: Vec<String>,
    pub(crate) format: Format,
    pub(crate) algorithm: Algorithm,
}

/// What the endpoint's secrets are sealed for.
const SEALED_FOR: &str = "webhook_endpoint";
/// How long the secret before signs beside the new one.
const ROTATION: TimeDelta = TimeDelta::hours(24);

/// An endpoint with its secret.
pub(crate) struct MadeEndpoint {
    pub(crate) row: endpoint::Model,
    pub(crate) secret: String,
}

pub(crate) fn prepare_endpoint(tools: &Tools, fields: EndpointFields) -> Result<MadeEndpoint, Error> {
    tools.http.check_at("/url", &fields.url)?;
    let id = ids::new();
    let secret = generate(fields.algorithm);
    let now = tools.clock.now();
    let row = endpoint::Model {
        id,
        url: fields.url,
        event_types: json!(fields.event_types),
        format: fields.format,
        secret: tools.envelope.seal(SEALED_FOR, id.as_bytes(), secret.as_bytes())?,
        disabled_at: None,
        description: fields.description,
        algorithm: fields.algorithm,
        previous_secret: None,
        previous_until: None,
        disabled_reason: None,
        failures: 0,
        failing_since: None,
        paused_until: None,
        version: 1,
        created_at: now,
        updated_at: now,
    };
    Ok(MadeEndpoint { row, secret })
}

pub(crate) async fn insert_endpoint(tx: &mut PlatformTx, row: endpoint::Model) -> Result<(), Error> {
    check_limit(tx, Rule::WebhookEndpoints, "", tx.platform::<endpoint::Entity>(), ENDPOINTS_MAX).await?;
    tx.record("webhook_endpoint.create", Target::new("webhook_endpoint", row.id));
    Ok(tx.insert(row).await?)
}

fn open_secret(tools: &Tools, id: Uuid, sealed: &[u8]) -> Result<String, Error> {
    let plain = tools.envelope.open(SEALED_FOR, id.as_bytes(), sealed)?;
    String::from_utf8(plain.to_vec()).map_err(|error| Error::Internal(error.to_string()))
}

/// What signs now: the secret, and for a day after its rotation the one before.
pub(crate) fn secrets(tools: &Tools, row: &endpoint::Model) -> Result<Vec<String>, Error> {
    let mut all = vec![open_secret(tools, row.id, &row.secret)?];
    let now = tools.clock.now();
    if let (Some(sealed), Some(until)) = (&row.previous_secret, row.previous_until)
        && until > now
    {
        all.push(open_secret(tools, row.id, sealed)?);
    }
    Ok(all)
}

/// A new secret; both sign for a day.
pub(crate) async fn rotate_endpoint(
    tx: &mut PlatformTx,
    tools: &Tools,
    id: Uuid,
) -> Result<MadeEndpoint, Error> {
    let row = find_endpoint_locked(tx, id).await?;
    let secret = generate(row.algorithm);
    let row = endpoint::Model {
        previous_secret: Some(row.secret),
        previous_until: Some(tx.now() + ROTATION),
        secret: tools.envelope.seal(SEALED_FOR, id.as_bytes(), secret.as_bytes())?,
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("webhook_endpoint.rotate", Target::new("webhook_endpoint", id));
    Ok(MadeEndpoint { row, secret })
}

pub(crate) async fn update_endpoint(
    tx: &mut PlatformTx,
    id: Uuid,
    seen: &IfMatch,
    change: impl FnOnce(&mut endpoint::Model),
) -> Result<endpoint::Model, Error> {
    let mut row = find_endpoint_locked(tx, id).await?;
    seen.require(row.version)?;
    let before = row.clone();
    let was_disabled = row.disabled_at.is_some();
    change(&mut row);
    if was_disabled && row.disabled_at.is_none() {
        row = endpoint::Model {
            disabled_reason: None,
            failures: 0,
            failing_since: None,
            paused_until: None,
            ..row
        };
        tx.enqueue(&Deliver { endpoint: id, at: None });
    }
    row.version += 1;
    row.updated_at = tx.now();
    tx.update(row.clone()).await?;
    tx.wake_workers();
    tx.record("webhook_endpoint.update", Target::new("webhook_endpoint", id).changed(&before, &row));
    Ok(row)
}

pub(crate) async fn find_endpoint_locked(tx: &PlatformTx, id: Uuid) -> Result<endpoint::Model, Error> {
    let found = tx.lock(tx.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}

/// Ends some of the deliveries that waited at a disabled endpoint for longer than their event is kept.
pub async fn end_without_event(tx: &mut PlatformTx) -> Result<u64, DbError> {
    store::give_up_without_event(tx).await
}

/// Whether an endpoint takes security event tokens.
pub async fn takes_security_events(view: &PlatformView) -> Result<bool, DbError> {
    let select = view.platform::<endpoint::Entity>().filter(endpoint::Column::Format.eq(Format::Set));
    Ok(view.one(select.filter(endpoint::Column::DisabledAt.is_null())).await?.is_some())
}

pub(crate) async fn find_endpoint(view: &PlatformView, id: Uuid) -> Result<endpoint::Model, Error> {
    let found = view.one(view.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}
