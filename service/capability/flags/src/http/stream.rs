//! `GET /ofrep/v1/events`: tells an OpenFeature provider to evaluate again (OFREP 0.3, server-sent events). A browser's EventSource sends no
//! header, so the URL in the bulk answer carries a ticket: it tells its holder that something changed, and nothing else.

use std::convert::Infallible;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use futures_util::{Stream, stream};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Duration, Instant, sleep, timeout};
use uuid::Uuid;
use web::{Access, Caller, Code, Input, Problem, Query, Routes, Service, Shared};

use crate::cache::Evaluator;

const PATH: &str = "/ofrep/v1/events";
/// What tickets are sealed for.
const PURPOSE: &str = "ofrep_events";
/// How long a ticket opens a stream; each bulk answer brings a new one.
const TICKET_LIFETIME: TimeDelta = TimeDelta::hours(24);
/// A provider evaluates by itself after so much silence; a word comes more often.
const INACTIVITY_SECONDS: u64 = 120;
const SILENCE_MAX: Duration = Duration::from_secs(15);
/// Changes that come together are told together.
const TOGETHER: Duration = Duration::from_millis(50);
/// A stream ends after this time: the provider comes back.
const STREAM_MAX: Duration = Duration::from_secs(3600);

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        PATH,
        Access::Public("the ticket of a bulk answer is the credential; it tells only that something changed"),
        "ofrep_events: Hear when to evaluate again (OFREP, server-sent events).",
        ofrep_events,
    )
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    tenant: Uuid,
    until: i64,
}

/// The stream's entry in a bulk answer.
pub(super) fn announced(service: &Service, tenant: Uuid) -> Result<Value, Problem> {
    let until = (service.db.clock().now() + TICKET_LIFETIME).timestamp();
    let plain = serde_json::to_vec(&Ticket { tenant, until }).map_err(Problem::internal)?;
    let ticket = URL_SAFE_NO_PAD.encode(service.envelope.seal(PURPOSE, b"", &plain)?);
    let url = format!("{}{PATH}?ticket={ticket}", service.config.public_url());
    Ok(json!({"type": "sse", "url": url, "inactivityDelaySec": INACTIVITY_SECONDS}))
}

/// Which stream.
#[derive(Debug, Deserialize)]
pub(crate) struct WithTicket {
    ticket: String,
}

impl Input for WithTicket {}

async fn ofrep_events(
    caller: Caller,
    evaluator: Shared<Evaluator>,
    Query(query): Query<WithTicket>,
) -> Result<HttpResponse, Problem> {
    let refused = || Problem::new(Code::AuthInvalid);
    let sealed = URL_SAFE_NO_PAD.decode(&query.ticket).map_err(|_| refused())?;
    let plain = caller.service.envelope.open(PURPOSE, b"", &sealed).map_err(|_| refused())?;
    let ticket: Ticket = serde_json::from_slice(&plain).map_err(|_| refused())?;
    if ticket.until < caller.service.db.clock().now().timestamp() {
        return Err(refused());
    }
    let listener = Listener {
        service: caller.service.clone(),
        changes: evaluator.listen(),
        tenant: ticket.tenant,
        until: Instant::now() + STREAM_MAX,
        told: 0,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(listener.stream()))
}

struct Listener {
    service: Service,
    changes: broadcast::Receiver<Option<Uuid>>,
    tenant: Uuid,
    until: Instant,
    told: u64,
}

impl Listener {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold((self, true), |(mut listener, first)| async move {
            // Who comes back may have missed something: its first word is to evaluate again.
            let next = if first { listener.change() } else { listener.next().await? };
            Some((Ok(next), (listener, false)))
        })
    }

    fn change(&mut self) -> Bytes {
        self.told += 1;
        let data = json!({"type": "refetchEvaluation", "lastModified": self.service.db.clock().now()});
        Bytes::from(format!("id: {}\nevent: message\ndata: {data}\n\n", self.told))
    }

    async fn next(&mut self) -> Option<Bytes> {
        let wait = async |changes: &mut broadcast::Receiver<Option<Uuid>>, tenant: Uuid| loop {
            match changes.recv().await {
                Ok(of) if of.is_none_or(|of| of == tenant) => return true,
                Ok(_) => {}
                // Too many to name is a change too.
                Err(RecvError::Lagged(_)) => return true,
                Err(RecvError::Closed) => return false,
            }
        };
        if self.service.is_draining() || Instant::now() > self.until {
            return None;
        }
        match timeout(SILENCE_MAX, wait(&mut self.changes, self.tenant)).await {
            Ok(true) => {
                sleep(TOGETHER).await;
                self.changes = self.changes.resubscribe();
                Some(self.change())
            }
            Ok(false) => None,
            Err(_) => Some(Bytes::from_static(b": still here\n\n")),
        }
    }
}
