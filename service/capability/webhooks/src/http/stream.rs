//! `/api/v1/events/stream`: events as they are told, one server-sent event each. Who comes back with `Last-Event-ID` goes on there.

use std::collections::VecDeque;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use platform::PlatformView;
use policy_core::Permission;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use web::{Access, Caller, PlatformCaller, Problem, Query, Routes, Source, StreamOf, Tools, live};

use super::events::{EventFilter, sequence_of};
use crate::envelope::envelope;

/// Events read at a time.
const BATCH: u64 = 100;
/// A word in between keeps proxies from closing the connection.
const SILENCE_MAX: Duration = Duration::from_secs(5);

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/v1/events/stream",
        Access::Key(Permission::WebhooksRead),
        "stream_events: Stream events as they happen (server-sent events; resume with Last-Event-ID).",
        stream_events,
    )
}

async fn stream_events(
    caller: PlatformCaller,
    request: HttpRequest,
    Query(filter): Query<EventFilter>,
) -> Result<HttpResponse, Problem> {
    let place = caller.tools().streams.take(&[StreamOf::Credential(caller.principal()?.id)])?;
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = match header.filter(|text| !text.is_empty()) {
        Some(text) => {
            let id = Uuid::try_parse(text).map_err(|_| Problem::invalid("Last-Event-ID", "must be an id"))?;
            Some(id)
        }
        None => filter.after,
    };
    let dispatched = caller.platform().db.on_dispatched();
    let after = match seen {
        Some(id) => caller.read(async |view: &PlatformView| sequence_of(view, id).await).await?,
        None => caller.read(async |view: &PlatformView| latest(view).await).await?,
    };
    let follower = Follower {
        caller: (*caller).clone(),
        filter,
        after,
        dispatched,
        waiting: VecDeque::new(),
        silent_until: Instant::now() + SILENCE_MAX,
    };
    // The first word opens the stream at once.
    Ok(live(caller.tools(), place, Bytes::from_static(b": tenantry\n\n"), follower))
}

async fn latest(view: &PlatformView) -> Result<i64, platform::DbError> {
    let state = view.one(view.platform::<entity::platform::outbox_state::Entity>()).await?;
    Ok(state.map_or(0, |state| state.last_sequence))
}

struct Follower {
    caller: Caller,
    filter: EventFilter,
    after: i64,
    dispatched: watch::Receiver<Option<i64>>,
    waiting: VecDeque<Bytes>,
    silent_until: Instant,
}

impl Source for Follower {
    async fn is_still_good(&self) -> bool {
        self.caller.is_still_good().await
    }

    /// Nothing is lost if it is asked again before it answered: what is read is taken over at once.
    async fn next(&mut self) -> Option<Bytes> {
        let next = self.wait().await;
        self.silent_until = Instant::now() + SILENCE_MAX;
        next
    }
}

impl Follower {
    async fn wait(&mut self) -> Option<Bytes> {
        loop {
            if let Some(bytes) = self.waiting.pop_front() {
                return Some(bytes);
            }
            if self.dispatched.borrow_and_update().is_none_or(|dispatched| dispatched > self.after) {
                self.read().await?;
                if !self.waiting.is_empty() {
                    continue;
                }
            }
            match timeout_at(self.silent_until, self.dispatched.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }

    async fn read(&mut self) -> Option<()> {
        let dispatched = *self.dispatched.borrow();
        let (filter, after) = (&self.filter, self.after);
        let types = &self.caller.tools().event_types;
        let read = async |view: &PlatformView| filter.read(view, types, after, BATCH).await;
        let rows = match self.caller.platform().db.read(read).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(error = %platform::chain(&error), "a stream ends");
                return None;
            }
        };
        // What the filter leaves out need not be read again.
        let all = (rows.len() as u64) < BATCH;
        let last = rows.last().and_then(|row| row.sequence);
        self.after = if all { dispatched.max(last).unwrap_or(self.after).max(self.after) } else { last? };
        self.waiting.extend(rows.iter().map(|row| frame(self.caller.tools(), row)));
        Some(())
    }
}

/// One event; JSON has no line breaks of its own.
fn frame(tools: &Tools, row: &entity::platform::outbox_event::Model) -> Bytes {
    let data = Value::Object(envelope(tools, row));
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", row.id, row.r#type))
}
