//! `/api/v1/events`: the feed, for those who pull; `/api/v1/event-types`: what there is.
//!
//! The feed's order is that in which events were told (`sequence`): whoever goes on after the last event that was seen misses none.

use actix_web::http::Method;
use actix_web::web::Json;
use entity::platform::outbox_event::{Column, Entity, Model};
use platform::event::{Catalogue, EventType};
use platform::{DbError, PlatformView};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Caller, Code, FieldErrors, Ids, Input, ListQuery, Page, PlatformCaller, Position, Problem, Query,
    Routes, Tools,
};

use crate::envelope::envelope;

const READ: Access = Access::Key(Permission::WebhooksRead);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::GET, "/api/v1/events", READ, "list_events: List events, oldest first.", list_events)
        .add(
            Method::GET,
            "/api/v1/event-types",
            READ,
            "list_event_types: List event types with the JSON Schemas of their data.",
            list_event_types,
        )
        .add(
            Method::GET,
            "/api/v1/event-types/{event_type}",
            Access::Public("a schema is no secret, and `dataschema` leads here"),
            "get_event_type: Get the JSON Schema of an event type's data.",
            get_event_type,
        )
}

/// Which events.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct EventFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    /// After the event of this id: the last one that was seen.
    pub(crate) after: Option<Uuid>,
    /// A type, or `noun.*`.
    pub(crate) r#type: Option<String>,
    /// Of this tenant.
    pub(crate) tenant: Option<Uuid>,
}

impl Input for EventFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
        if let Some(kind) = &self.r#type {
            errors.event_type("?type", kind);
        }
        let one = self.cursor.is_none() || self.after.is_none();
        errors.require(one, "?after", "can't be combined with a cursor");
    }
}

impl EventFilter {
    /// Events that were told after this sequence.
    pub(crate) async fn read(
        &self,
        view: &PlatformView,
        types: &Catalogue,
        after: i64,
        limit: u64,
    ) -> Result<Vec<Model>, DbError> {
        let mut select = view.across::<Entity>().filter(Column::Sequence.gt(after));
        if let Some(tenant) = self.tenant {
            select = select.filter(Column::TenantId.eq(tenant));
        }
        if let Some(kind) = &self.r#type {
            let names = types.matching(kind).map(|one| one.name);
            select = select.filter(Column::Type.is_in(names));
        }
        view.all(select.order_by_asc(Column::Sequence).limit(limit)).await
    }
}

/// The sequence of an event; of one that is no longer kept, that of the last before it which is.
pub(crate) async fn sequence_of(view: &PlatformView, id: Uuid) -> Result<i64, DbError> {
    let before = view.across::<Entity>().filter(Column::Id.lte(id)).filter(Column::Sequence.is_not_null());
    let last = view.one(before.order_by_desc(Column::Id).limit(1)).await?;
    Ok(last.and_then(|event| event.sequence).unwrap_or(0))
}

/// An event as a CloudEvent, with its tenant's id also as `tenantId`.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EventItem {
    #[serde(flatten)]
    #[schema(value_type = Object)]
    event: Map<String, Value>,
    /// The tenant of the event; null: an event of the platform.
    tenant_id: Option<Uuid>,
}

impl EventItem {
    fn of(tools: &Tools, row: Model) -> Self {
        Self { event: envelope(tools, &row), tenant_id: row.tenant_id }
    }
}

async fn list_events(
    caller: PlatformCaller,
    Query(filter): Query<EventFilter>,
) -> Result<Page<EventItem>, Problem> {
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor.clone() };
    let position = Position::of(&query, &format!("events {:?} {:?}", filter.r#type, filter.tenant))?;
    let cursor = |text: &String| text.parse::<i64>().map_err(|_| Problem::new(Code::CURSOR_INVALID));
    let after = position.after.as_ref().map(cursor).transpose()?;
    let rows = caller
        .read(async |view| {
            let after = match (after, filter.after) {
                (Some(after), _) => after,
                (None, Some(id)) => sequence_of(view, id).await?,
                (None, None) => 0,
            };
            filter.read(view, &caller.tools().event_types, after, position.limit + 1).await
        })
        .await?;
    let key = |row: &Model| row.sequence.unwrap_or_default().to_string();
    Ok(position.page(rows, key, |row| EventItem::of(caller.tools(), row)))
}

/// An event type.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypeItem {
    /// The event type, as `noun.verb`.
    name: String,
    /// When the event happens.
    description: String,
    /// The JSON Schema (2020-12) of the events' `data`.
    #[schema(value_type = Object)]
    schema: Value,
}

/// All event types.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct EventTypes {
    items: Vec<EventTypeItem>,
}

async fn list_event_types(caller: PlatformCaller) -> Result<Json<EventTypes>, Problem> {
    let item = |one: &EventType| EventTypeItem {
        name: one.name.to_owned(),
        description: one.means().to_owned(),
        schema: one.schema(),
    };
    Ok(Json(EventTypes { items: caller.tools().event_types.iter().map(item).collect() }))
}

async fn get_event_type(caller: Caller, ids: Ids) -> Result<Json<Value>, Problem> {
    let name = ids.key("event_type")?;
    let found = caller.tools().event_types.iter().find(|one| one.name == name);
    let found = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Json(found.schema()))
}
