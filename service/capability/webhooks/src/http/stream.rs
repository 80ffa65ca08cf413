//! `/api/v1/events/stream`: events as they are told, one server-sent event each. Who comes back with `Last-Event-ID` goes on there.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use futures_util::{Stream, stream};
use platform::PlatformView;
use serde_json::Value;
use tokio::sync::watch;
use tokio::time::{Instant, timeout_at};
use uuid::Uuid;
use web::{Caller, Code, PlatformCaller, Problem, Query, Service};

use super::events::{EventFilter, sequence_of};
use crate::envelope::envelope;

/// Streams at once in one process: each is a connection that stays.
const STREAMS_MAX: usize = 500;
/// Events read at a time.
const BATCH: u64 = 100;
/// A word in between keeps proxies from closing the connection, and is when the credential is looked at again.
const SILENCE_MAX: Duration = Duration::from_secs(5);

/// A place among the streams, given back when it is dropped.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn take() -> Result<Self, Problem> {
        static OPEN: std::sync::OnceLock<Arc<AtomicUsize>> = std::sync::OnceLock::new();
        let open = OPEN.get_or_init(Arc::default).clone();
        if open.fetch_add(1, Ordering::Relaxed) >= STREAMS_MAX {
            open.fetch_sub(1, Ordering::Relaxed);
            return Err(Problem::new(Code::Unavailable));
        }
        Ok(Self(open))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

pub(super) async fn stream_events(
    caller: PlatformCaller,
    request: HttpRequest,
    Query(filter): Query<EventFilter>,
) -> Result<HttpResponse, Problem> {
    let place = Place::take()?;
    let header = request.headers().get("last-event-id").and_then(|value| value.to_str().ok());
    let seen = match header.filter(|text| !text.is_empty()) {
        Some(text) => {
            let id = Uuid::try_parse(text).map_err(|_| Problem::invalid("Last-Event-ID", "must be an id"))?;
            Some(id)
        }
        None => filter.after,
    };
    let told = caller.service.db.on_told();
    let after = match seen {
        Some(id) => caller.read(async |view: &PlatformView| sequence_of(view, id).await).await?,
        None => caller.read(async |view: &PlatformView| latest(view).await).await?,
    };
    let follower = Follower {
        caller: (*caller).clone(),
        filter,
        after,
        told,
        waiting: VecDeque::new(),
        checked: Instant::now(),
        _place: place,
    };
    Ok(HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(follower.stream()))
}

async fn latest(view: &PlatformView) -> Result<i64, platform::DbError> {
    let state = view.one(view.platform::<entity::platform::outbox_state::Entity>()).await?;
    Ok(state.map_or(0, |state| state.last_sequence))
}

struct Follower {
    caller: Caller,
    filter: EventFilter,
    after: i64,
    told: watch::Receiver<Option<i64>>,
    waiting: VecDeque<Bytes>,
    checked: Instant,
    _place: Place,
}

impl Follower {
    fn stream(self) -> impl Stream<Item = Result<Bytes, Infallible>> {
        stream::unfold((self, true), |(mut follower, first)| async move {
            // The first word opens the stream at once.
            if first {
                return Some((Ok(Bytes::from_static(b": tenantry\n\n")), (follower, false)));
            }
            let next = follower.next().await?;
            Some((Ok(next), (follower, false)))
        })
    }

    /// The next bytes; `None` ends the stream: the reader comes back and goes on.
    async fn next(&mut self) -> Option<Bytes> {
        let silent_until = Instant::now() + SILENCE_MAX;
        loop {
            if self.checked.elapsed() >= SILENCE_MAX {
                if self.caller.service.is_draining() || !self.caller.is_still_good().await {
                    return None;
                }
                self.checked = Instant::now();
            }
            if let Some(bytes) = self.waiting.pop_front() {
                return Some(bytes);
            }
            if self.told.borrow_and_update().is_none_or(|told| told > self.after) {
                self.read().await?;
                if !self.waiting.is_empty() {
                    continue;
                }
            }
            match timeout_at(silent_until, self.told.changed()).await {
                Ok(Ok(())) => {}
                Ok(Err(_)) => return None,
                Err(_) => return Some(Bytes::from_static(b": still here\n\n")),
            }
        }
    }

    async fn read(&mut self) -> Option<()> {
        let told = *self.told.borrow();
        let (filter, after) = (&self.filter, self.after);
        let read = async |view: &PlatformView| filter.read(view, after, BATCH).await;
        let rows = match self.caller.service.db.read_platform(read).await {
            Ok(rows) => rows,
            Err(error) => {
                tracing::warn!(error = %platform::chain(&error), "a stream ends");
                return None;
            }
        };
        // What the filter leaves out need not be read again.
        let all = (rows.len() as u64) < BATCH;
        let last = rows.last().and_then(|row| row.sequence);
        self.after = if all { told.max(last).unwrap_or(self.after).max(self.after) } else { last? };
        self.waiting.extend(rows.iter().map(|row| frame(&self.caller.service, row)));
        Some(())
    }
}

/// One event; JSON has no line breaks of its own.
fn frame(service: &Service, row: &entity::platform::outbox_event::Model) -> Bytes {
    let data = Value::Object(envelope(service, row));
    Bytes::from(format!("id: {}\nevent: {}\ndata: {data}\n\n", row.id, row.r#type))
}
