//! `POST /api/webhooks/stripe`, `POST /api/webhooks/zitadel`

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::inbox::source::Source;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use web::{Access, Caller, Problem, RawBody, Routes};

use crate::ops;
use crate::settings::Settings;
use crate::signature::verify;
use crate::store::Incoming;

/// Bytes of an event.
const EVENT_BYTES_MAX: usize = 256 * 1024;
const SIGNED: Access = Access::Public("whoever signs with the secret that was agreed on");

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .add_with(
            Method::POST,
            "/api/webhooks/stripe",
            SIGNED,
            "receive_stripe: Receive a webhook event from Stripe.",
            receive_stripe,
            |route| route.body_bytes_max(EVENT_BYTES_MAX),
        )
        .add_with(
            Method::POST,
            "/api/webhooks/zitadel",
            SIGNED,
            "receive_zitadel: Receive a webhook event from Zitadel.",
            receive_zitadel,
            |route| route.body_bytes_max(EVENT_BYTES_MAX),
        )
}

/// The receipt for a webhook event.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Receipt {
    /// Always true.
    received: bool,
    /// Whether the event had been received before; it is then ignored.
    duplicate: bool,
}

fn header<'a>(request: &'a HttpRequest, name: &str) -> Option<&'a str> {
    let mut values = request.headers().get_all(name);
    match (values.next(), values.next()) {
        (Some(value), None) => value.to_str().ok(),
        _ => None,
    }
}

async fn store_incoming(caller: &Caller, event: Incoming) -> Result<Json<Receipt>, Problem> {
    let source = event.source.as_str();
    let fresh = ops::receive(caller.platform(), &caller.ctx, event).await?;
    let outcome = if fresh { "new" } else { "duplicate" };
    metrics::counter!("tenantry_inbox_events_total", "source" => source, "outcome" => outcome).increment(1);
    Ok(Json(Receipt { received: true, duplicate: !fresh }))
}

fn text<'a>(body: &'a Value, name: &str) -> Result<&'a str, Problem> {
    let found = body.get(name).and_then(Value::as_str).filter(|text| (1..=255).contains(&text.len()));
    found.ok_or_else(|| Problem::invalid(format!("/{name}"), "must be a string"))
}

async fn denied(caller: &Caller, source: Source, problem: Problem) -> Problem {
    let source = source.as_str();
    caller.record_denied(None, "inbox.receive", platform::Target::new("inbox", source)).await;
    metrics::counter!("tenantry_inbox_events_total", "source" => source, "outcome" => "refused").increment(1);
    problem
}

async fn receive_stripe(
    request: HttpRequest,
    caller: Caller,
    raw: RawBody,
) -> Result<Json<Receipt>, Problem> {
    let tools = caller.tools();
    let bytes = raw.bytes()?;
    let billing = tools.config.section::<Settings>();
    let now = tools.clock.now();
    let secrets = [&billing.stripe_secret, &billing.stripe_secret_next];
    if let Err(refused) = verify(header(&request, "stripe-signature"), &secrets, bytes, now.timestamp()) {
        return Err(denied(&caller, Source::Stripe, refused.into()).await);
    }
    let body = raw.json()?;
    let created = body.get("created").and_then(Value::as_i64);
    let created = created.and_then(|seconds| DateTime::<Utc>::from_timestamp(seconds, 0));
    let event = Incoming {
        source: Source::Stripe,
        id: text(&body, "id")?.to_owned(),
        kind: text(&body, "type")?.to_owned(),
        occurred_at: created.ok_or_else(|| Problem::invalid("/created", "must be a Unix time in seconds"))?,
        payload: body,
    };
    store_incoming(&caller, event).await
}

async fn receive_zitadel(
    request: HttpRequest,
    caller: Caller,
    raw: RawBody,
) -> Result<Json<Receipt>, Problem> {
    let tools = caller.tools();
    let bytes = raw.bytes()?;
    let zitadel = &tools.config.section::<backends::Settings>().zitadel;
    let now = tools.clock.now();
    let secrets = [&zitadel.webhook_secret, &zitadel.webhook_secret_next];
    if let Err(refused) = verify(header(&request, "zitadel-signature"), &secrets, bytes, now.timestamp()) {
        return Err(denied(&caller, Source::Zitadel, refused.into()).await);
    }
    let body = raw.json()?;
    let sequence = body.get("sequence").and_then(|one| one.as_u64().or_else(|| one.as_str()?.parse().ok()));
    let sequence = sequence.ok_or_else(|| Problem::invalid("/sequence", "must be a number"))?;
    let created = body.get("created_at").and_then(Value::as_str);
    let created = created.and_then(|text| DateTime::parse_from_rfc3339(text).ok());
    let event = Incoming {
        source: Source::Zitadel,
        id: format!("{}:{}:{sequence}", text(&body, "instanceID")?, text(&body, "aggregateID")?),
        kind: text(&body, "event_type")?.to_owned(),
        occurred_at: created.map_or(now, |at| at.with_timezone(&Utc)),
        payload: body,
    };
    store_incoming(&caller, event).await
}
