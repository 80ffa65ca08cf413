//! `GET /ofrep/v1/events`: tells an OpenFeature provider to evaluate again (OFREP 0.3, server-sent events). A browser's EventSource sends no
//! header, so the URL in the bulk answer carries a ticket: it tells its holder that something changed, and nothing else.

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Bytes;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use platform::crypto::sha256;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync::broadcast::{self, error::RecvError};
use tokio::time::{Duration, Instant, sleep, timeout_at};
use uuid::Uuid;
use web::{
    Access, Caller, Code, CredentialKind, Input, PlatformCaller, Problem, Query, Routes, Shared, Source,
    StreamOf, live,
};

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
        Access::Public(
            "the ticket of a bulk evaluation is the credential; the stream says only that something changed",
        ),
        "ofrep_events: Stream notices that flags must be evaluated again (OFREP, server-sent events).",
        ofrep_events,
    )
}

#[derive(Serialize, Deserialize)]
struct Ticket {
    tenant: Uuid,
    until: i64,
    /// For whom it was made: with that credential the ticket ends.
    kind: CredentialKind,
    credential: Uuid,
}

/// The stream's entry in a bulk answer.
pub(super) fn announced(caller: &PlatformCaller, tenant: Uuid) -> Result<Value, Problem> {
    let tools = caller.tools();
    let principal = caller.principal()?;
    let until = (tools.clock.now() + TICKET_LIFETIME).timestamp();
    let ticket = Ticket { tenant, until, kind: principal.kind, credential: principal.id };
    let plain = serde_json::to_vec(&ticket).map_err(Problem::internal)?;
    let ticket = URL_SAFE_NO_PAD.encode(tools.envelope.seal(PURPOSE, b"", &plain)?);
    let url = format!("{}{PATH}?ticket={ticket}", tools.config.public_url());
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
    let refused = || Problem::new(Code::AUTH_INVALID);
    let sealed = URL_SAFE_NO_PAD.decode(&query.ticket).map_err(|_| refused())?;
    let plain = caller.tools().envelope.open(PURPOSE, b"", &sealed).map_err(|_| refused())?;
    let ticket: Ticket = serde_json::from_slice(&plain).map_err(|_| refused())?;
    let whose = [StreamOf::Ticket(sha256(&sealed)), StreamOf::Tenant(ticket.tenant)];
    let place = caller.tools().streams.take(&whose)?;
    let mut listener = Listener {
        changes: evaluator.listen(),
        ticket,
        caller,
        until: Instant::now() + STREAM_MAX,
        silent_until: Instant::now() + SILENCE_MAX,
        changed: false,
        sent: 0,
    };
    if !listener.is_still_good().await {
        return Err(refused());
    }
    // Who comes back may have missed something: its first word is to evaluate again.
    let first = listener.change();
    Ok(live(&listener.caller.tools().clone(), place, first, listener))
}

struct Listener {
    caller: Caller,
    changes: broadcast::Receiver<Option<Uuid>>,
    ticket: Ticket,
    until: Instant,
    silent_until: Instant,
    changed: bool,
    sent: u64,
}

impl Source for Listener {
    async fn is_still_good(&self) -> bool {
        let now = self.caller.now().timestamp();
        self.ticket.until >= now && self.caller.is_live(self.ticket.kind, self.ticket.credential).await
    }

    /// Nothing is lost if it is asked again before it answered: a change is remembered until it is sent.
    async fn next(&mut self) -> Option<Bytes> {
        if Instant::now() > self.until {
            return None;
        }
        let next = self.wait().await;
        self.silent_until = Instant::now() + SILENCE_MAX;
        next
    }
}

impl Listener {
    fn change(&mut self) -> Bytes {
        self.sent += 1;
        let data = json!({"type": "refetchEvaluation", "lastModified": self.caller.now()});
        Bytes::from(format!("id: {}\nevent: message\ndata: {data}\n\n", self.sent))
    }

    async fn wait(&mut self) -> Option<Bytes> {
        while !self.changed {
            match timeout_at(self.silent_until, self.changes.recv()).await {
                Ok(Ok(of)) => self.changed = of.is_none_or(|of| of == self.ticket.tenant),
                // Too many to name is a change too.
                Ok(Err(RecvError::Lagged(_))) => self.changed = true,
                Ok(Err(RecvError::Closed)) => return None,
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
        sleep(TOGETHER).await;
        self.changes = self.changes.resubscribe();
        self.changed = false;
        Some(self.change())
    }
}
