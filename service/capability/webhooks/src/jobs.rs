//! Events become deliveries; deliveries leave.

use std::rc::Rc;
use std::time::Duration;

use chrono::TimeDelta;
use entity::platform::outbox_event;
use entity::tenancy::tenant;
use entity::webhooks::{delivery, endpoint};
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::http::HttpError;
use platform::jobs::{Backoff, Handler, Job, JobError, JobRun};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, Work as _, crash_point, ids};
use sea_orm::{ColumnTrait, QueryFilter, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use web::Service;

use crate::ops::RECEIVERS_MAX;
use crate::signature::sign;

/// No delay between attempts is longer.
const DELAY_MAX: Duration = Duration::from_secs(10 * 3600);

/// How often it is looked whether a tenant whose deliveries are held was let in again.
const HELD: TimeDelta = TimeDelta::seconds(10);

/// Turns the outbox' events into deliveries.
#[derive(Clone, Copy, Debug)]
pub struct Fanout;

impl Subscriber for Fanout {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        events: &'a [outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        fan_out(tx, events).boxed_local()
    }
}

async fn fan_out(tx: &mut PlatformTx, events: &[outbox_event::Model]) -> Result<(), DbError> {
    let enabled =
        tx.platform::<endpoint::Entity>().filter(endpoint::Column::DisabledAt.is_null()).limit(RECEIVERS_MAX);
    let endpoints = tx.all(enabled).await?;
    for event in events {
        let Some(tenant) = event.tenant_id else { continue };
        for endpoint in endpoints.iter().filter(|endpoint| wants(endpoint, &event.r#type)) {
            let id = ids::new();
            let row = delivery::Model {
                tenant_id: tenant,
                id,
                endpoint_id: endpoint.id,
                event_id: event.id,
                status: "pending".to_owned(),
                attempts: 0,
                response_status: None,
                last_error: None,
                created_at: tx.now(),
                delivered_at: None,
            };
            tx.insert(row).await?;
            tx.enqueue(&Deliver { tenant, delivery: id, endpoint: endpoint.id });
        }
    }
    Ok(())
}

fn wants(endpoint: &endpoint::Model, kind: &str) -> bool {
    // A security event token says what happened to a resource of SCIM or to a session, and nothing else.
    let security = ["user.", "group.", "session.ended"].iter().any(|prefix| kind.starts_with(prefix));
    if endpoint.format == "set" && !security {
        return false;
    }
    let Value::Array(types) = &endpoint.event_types else { return false };
    types.is_empty() || types.iter().any(|one| one.as_str() == Some(kind))
}

/// Delivers one event to one endpoint.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Deliver {
    pub(crate) tenant: Uuid,
    pub(crate) delivery: Uuid,
    pub(crate) endpoint: Uuid,
}

impl Job for Deliver {
    const KIND: &'static str = "webhook.deliver";
    const ATTEMPTS_MAX: u32 = 12;

    fn lane(&self) -> Option<String> {
        Some(format!("endpoint:{}", self.endpoint))
    }

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Writes events as security event tokens (RFC 8417): whoever knows what they mean signs them.
pub trait SecurityEvents {
    /// The token for `audience`; `None` for an event that is none.
    fn token<'a>(
        &'a self,
        service: &'a Service,
        event: &'a outbox_event::Model,
        audience: &'a str,
    ) -> LocalBoxFuture<'a, Result<Option<String>, web::Problem>>;
}

/// Runs deliveries.
pub fn handler(service: &Service, tokens: Rc<dyn SecurityEvents>) -> Handler {
    let service = service.clone();
    let backoff =
        Backoff { base: Duration::from_millis(service.config.webhooks.retry_base_ms), max: DELAY_MAX };
    Handler::new(backoff, move |job: Deliver, run| deliver(service.clone(), tokens.clone(), job, run))
}

async fn deliver(
    service: Service,
    tokens: Rc<dyn SecurityEvents>,
    job: Deliver,
    run: JobRun,
) -> Result<(), JobError> {
    let read = async |view: &platform::PlatformView| {
        let row = view.across::<delivery::Entity>().filter(delivery::Column::TenantId.eq(job.tenant));
        let Some(row) = view.one(row.filter(delivery::Column::Id.eq(job.delivery))).await? else {
            return Ok(None);
        };
        let event = view.across::<outbox_event::Entity>().filter(outbox_event::Column::Id.eq(row.event_id));
        let endpoint = view.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(row.endpoint_id));
        let (event, endpoint) = (view.one(event).await?, view.one(endpoint).await?);
        let tenant = view.across::<tenant::Entity>().filter(tenant::Column::Id.eq(job.tenant));
        let suspended = view.one(tenant).await?.is_some_and(|tenant| tenant.status == "suspended");
        Ok::<_, DbError>(event.zip(endpoint).map(|(event, endpoint)| (row, event, endpoint, suspended)))
    };
    let Some((row, event, endpoint, suspended)) = service.db.read_platform(read).await? else {
        return Ok(());
    };
    if row.status == "delivered" || endpoint.disabled_at.is_some() {
        return Ok(());
    }
    if suspended && is_held(&event.r#type) {
        return Ok(hold(&service, &job).await?);
    }
    let secret = service.envelope.open("webhook_endpoint", endpoint.id.as_bytes(), &endpoint.secret)?;
    let secret =
        String::from_utf8(secret.to_vec()).map_err(|_| JobError::Fail("unreadable secret".to_owned()))?;
    let url = Url::parse(&endpoint.url).map_err(|_| JobError::Fail("unreadable URL".to_owned()))?;
    let (media_type, body) = if endpoint.format == "set" {
        let token = tokens.token(&service, &event, &endpoint.id.to_string()).await?;
        let Some(token) = token else { return Ok(()) };
        ("application/secevent+jwt", token)
    } else {
        let body = json!({
            "id": event.id, "type": event.r#type, "timestamp": event.occurred_at, "tenantId": event.tenant_id,
            "data": event.data,
        });
        ("application/json", body.to_string())
    };
    crash_point!("webhook.before_send");
    let id = event.id.to_string();
    let answer = post_as(&service, &url, &secret, &id, media_type, body.into_bytes()).await;
    crash_point!("webhook.after_send");
    let (status, result) = match answer {
        Ok(status) => (Some(status), Ok(())),
        Err((status, error)) => (status, Err(error)),
    };
    note(&service, row, run, status, result.as_ref().err()).await?;
    result
}

/// While a tenant is suspended only what tells of that goes out; the rest goes when it is let in again.
fn is_held(kind: &str) -> bool {
    !["tenant.", "billing.", "session."].iter().any(|prefix| kind.starts_with(prefix))
}

/// Looks again later; that is no attempt.
async fn hold(service: &Service, job: &Deliver) -> Result<(), DbError> {
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        let at = tx.now() + HELD;
        tx.enqueue_at(job, Some(at));
        Ok(())
    };
    service.db.write_platform(&Ctx::system("webhooks"), work).await
}

async fn note(
    service: &Service,
    row: delivery::Model,
    run: JobRun,
    status: Option<u16>,
    error: Option<&JobError>,
) -> Result<(), DbError> {
    let dead = run.last || matches!(error, Some(JobError::Fail(_)));
    let tenant = row.tenant_id;
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        let delivered_at = error.is_none().then(|| tx.now());
        let state = match error {
            None => "delivered",
            Some(_) if dead => "dead",
            Some(_) => "pending",
        };
        let last_error = error.map(|error| match error {
            JobError::Retry { reason, .. } | JobError::Fail(reason) => reason.clone(),
        });
        let row = delivery::Model {
            status: state.to_owned(),
            attempts: row.attempts + 1,
            response_status: status.map(i64::from),
            last_error,
            delivered_at,
            ..row
        };
        tx.update(row).await
    };
    service.db.write(&Ctx::system("webhooks"), tenant, write).await
}

/// Posts a signed body. Any 2xx is success; what else is answered tells whether and when to try again.
///
/// # Errors
/// The status, if there was one, and what the job should do.
pub async fn post(
    service: &Service,
    url: &Url,
    secret: &str,
    id: &str,
    body: Vec<u8>,
) -> Result<u16, (Option<u16>, JobError)> {
    post_as(service, url, secret, id, "application/json", body).await
}

async fn post_as(
    service: &Service,
    url: &Url,
    secret: &str,
    id: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<u16, (Option<u16>, JobError)> {
    let timestamp = service.db.clock().now().timestamp();
    let Some(signature) = sign(secret, id, timestamp, &body) else {
        return Err((None, JobError::Fail("unreadable secret".to_owned())));
    };
    let headers = [
        ("content-type", media_type.to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signature),
    ];
    service.http.post(url, &headers, body).await.map_err(|error| match &error {
        HttpError::Status { status, retry_after, .. } => {
            (Some(*status), JobError::Retry { reason: error.to_string(), after: *retry_after })
        }
        HttpError::Refused(_) => (None, JobError::Fail(error.to_string())),
        _ => (None, JobError::retry(&error)),
    })
}
