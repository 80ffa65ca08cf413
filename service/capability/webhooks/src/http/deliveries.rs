//! `/api/v1/deliveries`: what went to endpoints, attempt by attempt.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::platform::outbox_event;
use entity::webhooks::states::DeliveryStatus;
use entity::webhooks::{attempt, delivery};
use platform::{Target, Work as _};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Code, FieldErrors, Ids, Input, ListQuery, Page, PlatformCaller, Position, Problem, Query, Routes,
};

use crate::envelope::envelope;
use crate::jobs::deliver_events::Deliver;

const READ: Access = Access::Key(Permission::WebhooksRead);
const WRITE: Access = Access::Key(Permission::WebhooksWrite);
/// Attempts shown of one delivery: the schedule has ten, and a few retries by hand.
const ATTEMPTS_SHOWN_MAX: u64 = 100;

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::GET,
            "/api/v1/deliveries",
            READ,
            "list_deliveries: List webhook deliveries, newest first.",
            list_deliveries,
        )
        .add(
            Method::GET,
            "/api/v1/deliveries/{delivery_id}",
            READ,
            "get_delivery: Get a webhook delivery with its body and every attempt.",
            get_delivery,
        )
        .add(
            Method::POST,
            "/api/v1/deliveries/{delivery_id}/retry",
            WRITE,
            "retry_delivery: Retry a webhook delivery now.",
            retry_delivery,
        )
}

/// Which deliveries.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct DeliveryFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    status: Option<String>,
    endpoint: Option<Uuid>,
    event: Option<Uuid>,
}

impl Input for DeliveryFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        let known = self.status.as_deref().is_none_or(|status| DeliveryStatus::parse(status).is_some());
        errors.require(known, "?status", "must be pending, delivered or dead");
    }
}

/// The delivery of one event to one webhook endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: Uuid,
    /// The tenant of the event; null: an event of the platform.
    tenant_id: Option<Uuid>,
    endpoint_id: Uuid,
    event_id: Uuid,
    event_type: String,
    /// `pending`, `delivered` or `dead` (given up).
    #[schema(value_type = String)]
    status: DeliveryStatus,
    /// Number of attempts so far.
    attempts: i64,
    /// When the next attempt is made, while it is pending. Later events of the same tenant wait for it.
    next_attempt_at: Option<DateTime<Utc>>,
    /// The HTTP status of the last response; null: there was none.
    response_status: Option<i64>,
    /// The error of the last attempt.
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    /// When the event was delivered; null until then.
    delivered_at: Option<DateTime<Utc>>,
}

impl From<delivery::Model> for Delivery {
    fn from(row: delivery::Model) -> Self {
        let next_attempt_at = (row.status == DeliveryStatus::Pending).then_some(row.next_attempt_at);
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            endpoint_id: row.endpoint_id,
            event_id: row.event_id,
            event_type: row.r#type,
            status: row.status,
            attempts: row.attempts,
            next_attempt_at,
            response_status: row.response_status,
            last_error: row.last_error,
            created_at: row.created_at,
            delivered_at: row.delivered_at,
        }
    }
}

/// One attempt of a delivery.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryAttempt {
    at: DateTime<Utc>,
    /// How long the attempt took, in milliseconds.
    milliseconds: i64,
    /// The HTTP status of the response; null: there was none.
    response_status: Option<i64>,
    /// The beginning of the response body.
    response_body: Option<String>,
    /// Why the attempt failed; null: it did not.
    error: Option<String>,
}

/// A delivery with the body that was sent and every attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DeliveryLog {
    #[serde(flatten)]
    delivery: Delivery,
    /// The body that was sent; null once the event is deleted.
    #[schema(value_type = Object)]
    request_body: Value,
    log: Vec<DeliveryAttempt>,
}

async fn list_deliveries(
    caller: PlatformCaller,
    Query(filter): Query<DeliveryFilter>,
) -> Result<Page<Delivery>, Problem> {
    use delivery::Column;
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let binding = format!("deliveries {:?} {:?} {:?}", filter.status, filter.endpoint, filter.event);
    let position = Position::of(&query, &binding)?;
    let after = position.after_id()?.unwrap_or(Uuid::max());
    let rows = caller
        .read(async |view| {
            let mut select = view.platform::<delivery::Entity>().filter(Column::Id.lt(after));
            if let Some(status) = filter.status.as_deref().and_then(DeliveryStatus::parse) {
                select = select.filter(Column::Status.eq(status));
            }
            if let Some(endpoint) = filter.endpoint {
                select = select.filter(Column::EndpointId.eq(endpoint));
            }
            if let Some(event) = filter.event {
                select = select.filter(Column::EventId.eq(event));
            }
            view.all(select.order_by_desc(Column::Id).limit(position.limit + 1)).await
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), Delivery::from))
}

async fn get_delivery(caller: PlatformCaller, ids: Ids) -> Result<Json<DeliveryLog>, Problem> {
    let id = ids.id("delivery_id")?;
    let read = async |view: &platform::PlatformView| {
        let found = view.platform::<delivery::Entity>().filter(delivery::Column::Id.eq(id));
        let row = view.one(found).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
        let event = view.across::<outbox_event::Entity>().filter(outbox_event::Column::Id.eq(row.event_id));
        let log = view.platform::<attempt::Entity>().filter(attempt::Column::DeliveryId.eq(id));
        let log = log.order_by_asc(attempt::Column::Id).limit(ATTEMPTS_SHOWN_MAX);
        Ok::<_, Problem>((row, view.one(event).await?, view.all(log).await?))
    };
    let (row, event, log) = caller.read(read).await?;
    let request_body = event.map_or(Value::Null, |event| Value::Object(envelope(caller.tools(), &event)));
    let shown = |row: attempt::Model| DeliveryAttempt {
        at: row.at,
        milliseconds: row.milliseconds,
        response_status: row.response_status,
        response_body: row.response_body,
        error: row.error,
    };
    let log = log.into_iter().map(shown).collect();
    Ok(Json(DeliveryLog { delivery: row.into(), request_body, log }))
}

async fn retry_delivery(caller: PlatformCaller, ids: Ids) -> Result<Json<Delivery>, Problem> {
    let id = ids.id("delivery_id")?;
    let row = caller
        .write(async |tx| {
            let found = tx.platform::<delivery::Entity>().filter(delivery::Column::Id.eq(id));
            let mut row = tx.lock(found).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            row.status = DeliveryStatus::Pending;
            row.attempts = 0;
            row.next_attempt_at = tx.now();
            row.delivered_at = None;
            tx.update(row.clone()).await?;
            tx.enqueue(&Deliver { endpoint: row.endpoint_id, at: None });
            let target = Target::new("delivery", id);
            match row.tenant_id {
                Some(tenant) => tx.record_for(tenant, "delivery.retry", target),
                None => tx.record("delivery.retry", target),
            }
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Json(row.into()))
}
