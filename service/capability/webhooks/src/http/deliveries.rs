//! `/api/v1/events`, `/api/v1/deliveries`

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::platform::outbox_event;
use entity::webhooks::delivery;
use platform::{Target, Work as _};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Code, Ids, ListQuery, Page, PlatformCaller, Position, Problem, Query, Routes};

use crate::jobs::Deliver;

const READ: Access = Access::Key(Permission::WebhooksRead);
const WRITE: Access = Access::Key(Permission::WebhooksWrite);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::GET, "/api/v1/events", READ, "list_events: List events, oldest first.", list_events)
        .add(
            Method::GET,
            "/api/v1/deliveries",
            READ,
            "list_deliveries: List deliveries, newest first.",
            list_deliveries,
        )
        .add(
            Method::POST,
            "/api/v1/deliveries/{delivery_id}/retry",
            WRITE,
            "retry_delivery: Deliver again.",
            retry_delivery,
        )
}

/// Something that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventItem {
    id: Uuid,
    r#type: String,
    timestamp: DateTime<Utc>,
    tenant_id: Option<Uuid>,
    #[schema(value_type = Object)]
    data: Value,
}

/// One event for one endpoint.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Delivery {
    id: Uuid,
    tenant_id: Uuid,
    endpoint_id: Uuid,
    event_id: Uuid,
    /// `pending`, `delivered` or `dead`
    status: String,
    attempts: i64,
    response_status: Option<i64>,
    last_error: Option<String>,
    created_at: DateTime<Utc>,
    delivered_at: Option<DateTime<Utc>>,
}

impl From<delivery::Model> for Delivery {
    fn from(row: delivery::Model) -> Self {
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            endpoint_id: row.endpoint_id,
            event_id: row.event_id,
            status: row.status,
            attempts: row.attempts,
            response_status: row.response_status,
            last_error: row.last_error,
            created_at: row.created_at,
            delivered_at: row.delivered_at,
        }
    }
}

async fn list_events(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<EventItem>, Problem> {
    let position = Position::of(&query, "events")?;
    let after = position.after_id()?.unwrap_or_default();
    let rows = caller
        .read(async |view| {
            let select = view.across::<outbox_event::Entity>().filter(outbox_event::Column::Id.gt(after));
            view.all(select.order_by_asc(outbox_event::Column::Id).limit(position.limit + 1)).await
        })
        .await?;
    let item = |row: outbox_event::Model| EventItem {
        id: row.id,
        r#type: row.r#type,
        timestamp: row.occurred_at,
        tenant_id: row.tenant_id,
        data: row.data,
    };
    Ok(position.page(rows, |row| row.id.to_string(), item))
}

async fn list_deliveries(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Delivery>, Problem> {
    let position = Position::of(&query, "deliveries")?;
    let after = position.after_id()?.unwrap_or(Uuid::max());
    let rows = caller
        .read(async |view| {
            let select = view.across::<delivery::Entity>().filter(delivery::Column::Id.lt(after));
            view.all(select.order_by_desc(delivery::Column::Id).limit(position.limit + 1)).await
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), Delivery::from))
}

async fn retry_delivery(caller: PlatformCaller, ids: Ids) -> Result<Json<Delivery>, Problem> {
    let id = ids.id("delivery_id")?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.across::<delivery::Entity>().filter(delivery::Column::Id.eq(id))).await?;
            let mut row = found.ok_or_else(|| Problem::new(Code::NotFound))?;
            row.status = "pending".to_owned();
            tx.update(row.clone()).await?;
            tx.enqueue(&Deliver { tenant: row.tenant_id, delivery: id, endpoint: row.endpoint_id });
            tx.record_for(row.tenant_id, "delivery.retry", Target::new("delivery", id));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Json(row.into()))
}
