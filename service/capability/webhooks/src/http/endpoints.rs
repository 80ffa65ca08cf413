//! `/api/v1/webhook-endpoints`

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::webhooks::endpoint::{Column, Entity, Model};
use platform::{Target, Work as _};
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, PlatformCaller, Problem,
    Query, Routes, Tagged,
};

use crate::ops;

const READ: Access = Access::Key(Permission::WebhooksRead);
const WRITE: Access = Access::Key(Permission::WebhooksWrite);
const LIST: &str = "/api/v1/webhook-endpoints";
const ONE: &str = "/api/v1/webhook-endpoints/{endpoint_id}";

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::POST,
            LIST,
            WRITE,
            "create_webhook_endpoint: Register a receiver of events.",
            create_webhook_endpoint,
        )
        .add(
            Method::GET,
            LIST,
            READ,
            "list_webhook_endpoints: List receivers of events.",
            list_webhook_endpoints,
        )
        .add(Method::GET, ONE, READ, "get_webhook_endpoint: Get a receiver of events.", get_webhook_endpoint)
        .add(
            Method::DELETE,
            ONE,
            WRITE,
            "delete_webhook_endpoint: Remove a receiver of events.",
            delete_webhook_endpoint,
        )
}

/// A receiver to be registered.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EndpointInput {
    url: String,
    /// Which events; none: all.
    #[serde(default)]
    event_types: Vec<String>,
    /// `webhook` (Standard Webhooks), or `set`: security event tokens (RFC 9967) for changes of users and groups
    format: Option<String>,
}

impl Input for EndpointInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(self.event_types.len() <= 100, "/eventTypes", "at most 100");
        let format = self.format.as_deref().is_none_or(|format| matches!(format, "webhook" | "set"));
        errors.require(format, "/format", "must be webhook or set");
        for (at, kind) in self.event_types.iter().enumerate() {
            let fits = !kind.is_empty()
                && kind.len() <= 100
                && kind.bytes().all(|b| b.is_ascii_alphanumeric() || b"._".contains(&b));
            errors.require(fits, &format!("/eventTypes/{at}"), "must be a dotted name");
        }
    }
}

/// A receiver of events, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookEndpoint {
    id: Uuid,
    url: String,
    #[schema(value_type = Vec<String>)]
    event_types: Value,
    /// `webhook` or `set`
    format: String,
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

/// A receiver of events with its secret, which is never shown again.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// Signs deliveries, after Standard Webhooks.
    secret: String,
}

impl From<Model> for WebhookEndpoint {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            url: row.url,
            event_types: row.event_types,
            format: row.format,
            disabled_at: row.disabled_at,
            created_at: row.created_at,
        }
    }
}

async fn create_webhook_endpoint(
    caller: PlatformCaller,
    Body(input): Body<EndpointInput>,
) -> Result<Created<EndpointWithSecret>, Problem> {
    let made = ops::prepare_endpoint(
        &caller.service,
        input.url,
        input.event_types,
        input.format.unwrap_or_else(|| "webhook".to_owned()),
    )?;
    let row = made.row.clone();
    caller
        .write(async |tx| {
            tx.record("webhook_endpoint.create", Target::new("webhook_endpoint", row.id));
            tx.insert(row).await
        })
        .await?;
    let location = format!("{LIST}/{}", made.row.id);
    Ok(Created(location, EndpointWithSecret { endpoint: made.row.into(), secret: made.secret }))
}

async fn list_webhook_endpoints(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<WebhookEndpoint>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, WebhookEndpoint::from).await
}

async fn get_webhook_endpoint(caller: PlatformCaller, ids: Ids) -> Result<Tagged<WebhookEndpoint>, Problem> {
    let id = ids.id("endpoint_id")?;
    let row = caller.read(async |view| ops::find_endpoint(view, id).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_webhook_endpoint(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("endpoint_id")?;
    caller
        .write(async |tx| {
            let row = ops::find_endpoint(tx, id).await?;
            tx.delete(row).await?;
            tx.record("webhook_endpoint.delete", Target::new("webhook_endpoint", id));
            Ok::<_, Problem>(NoContent)
        })
        .await
}
