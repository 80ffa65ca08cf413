//! `/api/v1/webhook-endpoints`

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use delivery::verifier;
use entity::webhooks::endpoint::{Column, Entity, Model};
use entity::webhooks::states::{Algorithm, Format};
use platform::{Target, Work as _};
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Accepted, Access, Body, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Tagged,
};

use crate::jobs::Replay;
use crate::ops::{self, EndpointFields, MadeEndpoint};

const READ: Access = Access::Key(Permission::WebhooksRead);
const WRITE: Access = Access::Key(Permission::WebhooksWrite);
const LIST: &str = "/api/v1/webhook-endpoints";
const ONE: &str = "/api/v1/webhook-endpoints/{endpoint_id}";
const ROTATE: &str = "/api/v1/webhook-endpoints/{endpoint_id}/rotate";
const REPLAY: &str = "/api/v1/webhook-endpoints/{endpoint_id}/replay";

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::POST,
            LIST,
            WRITE,
            "create_webhook_endpoint: Register a webhook endpoint.",
            create_webhook_endpoint,
        )
        .add(
            Method::GET,
            LIST,
            READ,
            "list_webhook_endpoints: List webhook endpoints.",
            list_webhook_endpoints,
        )
        .add(Method::GET, ONE, READ, "get_webhook_endpoint: Get a webhook endpoint.", get_webhook_endpoint)
        .add(
            Method::PATCH,
            ONE,
            WRITE,
            "update_webhook_endpoint: Update, disable or enable a webhook endpoint.",
            update_webhook_endpoint,
        )
        .add(
            Method::DELETE,
            ONE,
            WRITE,
            "delete_webhook_endpoint: Delete a webhook endpoint.",
            delete_webhook_endpoint,
        )
        .add(
            Method::POST,
            ROTATE,
            WRITE,
            "rotate_webhook_endpoint: Create a new signing secret; for 24 hours the old one also signs.",
            rotate_webhook_endpoint,
        )
        .add(
            Method::POST,
            REPLAY,
            WRITE,
            "replay_webhook_endpoint: Deliver past events again: those never delivered, or all.",
            replay_webhook_endpoint,
        )
}

/// A webhook endpoint to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EndpointInput {
    /// The URL to which events are sent with POST.
    url: String,
    #[schema(max_length = 200)]
    description: Option<String>,
    /// Event types to deliver, each a name or `noun.*`; empty: all.
    #[serde(default)]
    event_types: Vec<String>,
    /// `webhook` (Standard Webhooks) or `set`: security event tokens (RFC 9967) about users and groups.
    #[schema(value_type = Option<String>)]
    format: Option<Format>,
    /// The signature: `hmac-sha256`, or `ed25519`, with which the receiver needs no secret.
    #[schema(value_type = Option<String>)]
    algorithm: Option<Algorithm>,
}

fn check_types(errors: &mut FieldErrors, types: &[String]) {
    errors.require(types.len() <= 100, "/eventTypes", "at most 100");
    for (at, wanted) in types.iter().enumerate() {
        errors.event_type(&format!("/eventTypes/{at}"), wanted);
    }
}

impl Input for EndpointInput {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(description) = &self.description {
            errors.text("/description", description, 200);
        }
        check_types(errors, &self.event_types);
    }
}

/// Changes to a webhook endpoint.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct EndpointChange {
    url: Option<String>,
    #[schema(max_length = 200)]
    description: Option<String>,
    event_types: Option<Vec<String>>,
    /// False stops deliveries; true resumes them with those that are pending.
    enabled: Option<bool>,
}

impl Input for EndpointChange {
    fn check(&self, errors: &mut FieldErrors) {
        if let Some(description) = &self.description {
            errors.text("/description", description, 200);
        }
        check_types(errors, self.event_types.as_deref().unwrap_or_default());
    }
}

/// A webhook endpoint, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct WebhookEndpoint {
    id: Uuid,
    url: String,
    description: String,
    #[schema(value_type = Vec<String>)]
    event_types: Value,
    /// `webhook` or `set`.
    #[schema(value_type = String)]
    format: Format,
    /// `hmac-sha256` or `ed25519`.
    #[schema(value_type = String)]
    algorithm: Algorithm,
    /// When it was disabled; null: it is enabled.
    disabled_at: Option<DateTime<Utc>>,
    /// Why the service disabled it; null: the service did not.
    disabled_reason: Option<String>,
    /// Number of consecutive failed attempts, counted over different deliveries.
    failures: i64,
    /// When the consecutive failures began; null: the last attempt succeeded.
    failing_since: Option<DateTime<Utc>>,
    /// Until when no attempts are made, after repeated failures.
    paused_until: Option<DateTime<Utc>>,
    /// Until when the previous secret also signs.
    previous_secret_until: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A webhook endpoint with the secret or key that verifies its signatures. It is shown only once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct EndpointWithSecret {
    #[serde(flatten)]
    endpoint: WebhookEndpoint,
    /// The secret `whsec_…`, as in Standard Webhooks.
    #[serde(skip_serializing_if = "Option::is_none")]
    secret: Option<String>,
    /// With `ed25519`: the public key `whpk_…`.
    #[serde(skip_serializing_if = "Option::is_none")]
    public_key: Option<String>,
}

impl From<Model> for WebhookEndpoint {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            url: row.url,
            description: row.description,
            event_types: row.event_types,
            format: row.format,
            algorithm: row.algorithm,
            disabled_at: row.disabled_at,
            disabled_reason: row.disabled_reason,
            failures: row.failures,
            failing_since: row.failing_since,
            paused_until: row.paused_until,
            previous_secret_until: row.previous_until,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

impl From<MadeEndpoint> for EndpointWithSecret {
    fn from(made: MadeEndpoint) -> Self {
        let shown = verifier(&made.secret);
        let (secret, public_key) = match made.row.algorithm {
            Algorithm::HmacSha256 => (Some(shown), None),
            Algorithm::Ed25519 => (None, Some(shown)),
        };
        Self { endpoint: made.row.into(), secret, public_key }
    }
}

async fn create_webhook_endpoint(
    caller: PlatformCaller,
    Body(input): Body<EndpointInput>,
) -> Result<Created<EndpointWithSecret>, Problem> {
    let fields = EndpointFields {
        url: input.url,
        description: input.description.unwrap_or_default(),
        event_types: input.event_types,
        format: input.format.unwrap_or(Format::Webhook),
        algorithm: input.algorithm.unwrap_or(Algorithm::HmacSha256),
    };
    let made = ops::prepare_endpoint(caller.tools(), fields)?;
    let row = made.row.clone();
    caller.write(async |tx| ops::insert_endpoint(tx, row).await).await?;
    Ok(Created(format!("{LIST}/{}", made.row.id), made.into()))
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

async fn update_webhook_endpoint(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(change): Body<EndpointChange>,
) -> Result<Tagged<WebhookEndpoint>, Problem> {
    let id = ids.id("endpoint_id")?;
    if let Some(url) = &change.url {
        caller.tools().http.check_at("/url", url)?;
    }
    let now = caller.now();
    let apply = |row: &mut Model| {
        row.url = change.url.unwrap_or_else(|| row.url.clone());
        row.description = change.description.unwrap_or_else(|| row.description.clone());
        row.event_types = change.event_types.map_or_else(|| row.event_types.clone(), |types| json!(types));
        match change.enabled {
            Some(true) => row.disabled_at = None,
            Some(false) => row.disabled_at = row.disabled_at.or(Some(now)),
            None => {}
        }
    };
    let row = caller.write(async |tx| ops::update_endpoint(tx, id, &seen, apply).await).await?;
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

async fn rotate_webhook_endpoint(
    caller: PlatformCaller,
    ids: Ids,
) -> Result<Json<EndpointWithSecret>, Problem> {
    let id = ids.id("endpoint_id")?;
    let service = caller.tools();
    let made = caller.write(async |tx| ops::rotate_endpoint(tx, service, id).await).await?;
    Ok(Json(made.into()))
}

/// Which past events to deliver again.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ReplayInput {
    /// The time of the first event, inclusive; events are kept for 30 days.
    since: DateTime<Utc>,
    /// The time before which the events lie, exclusive; absent: now.
    until: Option<DateTime<Utc>>,
    /// `missing` (events never delivered, or given up) or `all`.
    deliver: Option<String>,
}

impl Input for ReplayInput {
    fn check(&self, errors: &mut FieldErrors) {
        let order = self.until.is_none_or(|until| self.since < until);
        errors.require(order, "/until", "must be after `since`");
        let known = self.deliver.as_deref().is_none_or(|which| matches!(which, "missing" | "all"));
        errors.require(known, "/deliver", "must be missing or all");
    }
}

/// A replay that was started. Its deliveries are listed like all others.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ReplayBegun {
    endpoint_id: Uuid,
    since: DateTime<Utc>,
    until: DateTime<Utc>,
    deliver: String,
}

async fn replay_webhook_endpoint(
    caller: PlatformCaller,
    ids: Ids,
    Body(input): Body<ReplayInput>,
) -> Result<Accepted<ReplayBegun>, Problem> {
    let id = ids.id("endpoint_id")?;
    let until = input.until.unwrap_or_else(|| caller.now());
    let deliver = input.deliver.unwrap_or_else(|| "missing".to_owned());
    let job = Replay { endpoint: id, since: input.since, until, all: deliver == "all", after: 0 };
    let said = json!({"since": input.since, "until": until, "deliver": deliver});
    caller
        .write(async |tx| {
            ops::find_endpoint(tx, id).await?;
            tx.enqueue(&job);
            tx.record("webhook_endpoint.replay", Target::new("webhook_endpoint", id).with(said));
            Ok::<_, Problem>(())
        })
        .await?;
    let begun = ReplayBegun { endpoint_id: id, since: input.since, until, deliver };
    Ok(Accepted(format!("/api/v1/deliveries?endpoint={id}"), begun))
}
