//! The request log: what identity providers sent and got, kept by organization for some days.
//!
//! Written behind: an answer never waits for it. A queue of bounded length and size takes exchanges, one task writes them
//! in batches. What doesn't fit is counted and left out; a killed process loses what it had not written yet, at most a
//! quarter of a second. What a request changed is recorded with the change itself and isn't lost.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use entity::scim::request;
use platform::{Ctx, DbError, PlatformTx, Timestamp, Work as _, chain, ids};
use serde_json::Value;
use tokio::sync::mpsc::{Receiver, Sender, channel, error::TrySendError};
use tokio::time::sleep;
use web::{Exchange, Journal, Service};

/// Exchanges that wait at once.
const WAITING_MAX: usize = 4_096;
/// Bytes of theirs: bodies, paths and refusals.
const WAITING_BYTES_MAX: usize = 16 << 20;
/// Characters of a path and query that are logged.
const TARGET_MAX: usize = 4_096;
/// Bytes written in one transaction: what is made of them while they are written is several times as much.
const BATCH_BYTES: usize = 2 << 20;
/// Bytes of a body that are logged; a longer one is cut and can't be replayed.
const BODY_MAX: usize = 32 << 10;
/// Bytes that are left of a longer one.
const BODY_CUT: usize = 2 << 10;
/// Exchanges written in one transaction.
const BATCH: usize = 500;
/// How often what waits is written.
const EVERY: Duration = Duration::from_millis(250);
/// Names whose values are never kept.
const SECRET: [&str; 5] = ["password", "secret", "token", "client_secret", "pin"];

struct Entry {
    exchange: Exchange,
    at: Timestamp,
    request_whole: bool,
    response_whole: bool,
    bytes: usize,
}

/// Takes exchanges.
#[derive(Debug)]
pub struct RequestLog {
    sender: Sender<Entry>,
    waiting: Arc<AtomicUsize>,
    clock: platform::clock::Clock,
}

/// Writes what the log took.
#[derive(Debug)]
pub struct Writer {
    receiver: Receiver<Entry>,
    waiting: Arc<AtomicUsize>,
    service: Service,
}

impl std::fmt::Debug for Entry {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Entry")
    }
}

/// A log and its writer.
pub fn request_log(service: &Service) -> (RequestLog, Writer) {
    let (sender, receiver) = channel(WAITING_MAX);
    let waiting = Arc::<AtomicUsize>::default();
    let log = RequestLog { sender, waiting: waiting.clone(), clock: service.clock.clone() };
    (log, Writer { receiver, waiting, service: service.clone() })
}

/// The body, or its beginning: copied, so that the whole isn't held.
fn cut(body: &actix_web::web::Bytes) -> (actix_web::web::Bytes, bool) {
    if body.len() <= BODY_MAX {
        return (body.clone(), true);
    }
    let start = body.get(..BODY_CUT).unwrap_or_default();
    (actix_web::web::Bytes::copy_from_slice(start), false)
}

impl Journal for RequestLog {
    fn log(&self, mut exchange: Exchange) {
        let (request, request_whole) = cut(&exchange.request_body);
        let (response, response_whole) = cut(&exchange.response_body);
        if let Some((end, _)) = exchange.target.char_indices().nth(TARGET_MAX) {
            exchange.target.truncate(end);
            exchange.target.shrink_to_fit();
        }
        let texts = exchange.target.len() + exchange.detail.as_ref().map_or(0, String::len);
        let bytes = request.len() + response.len() + texts;
        if self.waiting.load(Ordering::Relaxed) + bytes > WAITING_BYTES_MAX {
            metrics::counter!("tenantry_scim_requests_unlogged_total").increment(1);
            return;
        }
        exchange.request_body = request;
        exchange.response_body = response;
        let entry = Entry { exchange, at: self.clock.now(), request_whole, response_whole, bytes };
        self.waiting.fetch_add(bytes, Ordering::Relaxed);
        if let Err(TrySendError::Full(entry) | TrySendError::Closed(entry)) = self.sender.try_send(entry) {
            self.waiting.fetch_sub(entry.bytes, Ordering::Relaxed);
            metrics::counter!("tenantry_scim_requests_unlogged_total").increment(1);
        }
    }
}

impl Writer {
    /// Writes until `stop` resolves, then what is left.
    pub async fn run(mut self, stop: impl Future<Output = ()>) {
        tokio::pin!(stop);
        let mut last = false;
        while !last {
            tokio::select! {
                () = &mut stop => last = true,
                () = sleep(EVERY) => {}
            }
            loop {
                let (mut batch, mut bytes) = (Vec::new(), 0);
                while batch.len() < BATCH
                    && bytes < BATCH_BYTES
                    && let Ok(entry) = self.receiver.try_recv()
                {
                    bytes += entry.bytes;
                    batch.push(entry);
                }
                if batch.is_empty() {
                    break;
                }
                self.write(batch).await;
                self.waiting.fetch_sub(bytes, Ordering::Relaxed);
            }
        }
    }

    async fn write(&self, batch: Vec<Entry>) {
        let rows: Vec<request::Model> = batch.into_iter().filter_map(row).collect();
        match self.insert(rows.clone()).await {
            // An organization was deleted since: its requests are nobody's, the others' are.
            Err(DbError::Conflict(_)) if rows.len() > 1 => {
                for row in rows {
                    let _ = self.insert(vec![row]).await;
                }
            }
            Err(error) => {
                metrics::counter!("tenantry_scim_requests_unlogged_total").increment(rows.len() as u64);
                tracing::warn!(error = %chain(&error), count = rows.len(), "requests could not be logged");
            }
            Ok(()) => {}
        }
    }

    async fn insert(&self, rows: Vec<request::Model>) -> Result<(), DbError> {
        let write = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            tx.insert_all(rows).await
        };
        self.service.db.write_platform(&Ctx::system("request log"), write).await
    }
}

fn row(entry: Entry) -> Option<request::Model> {
    let exchange = entry.exchange;
    let principal = exchange.principal;
    Some(request::Model {
        tenant_id: principal.tenant?,
        organization_id: principal.organization?,
        id: ids::new(),
        occurred_at: entry.at,
        token_id: principal.id,
        request_id: exchange.request_id,
        method: exchange.method,
        path: exchange.target,
        status: i64::from(exchange.status),
        scim_type: exchange.dialect_code.map(ToOwned::to_owned),
        detail: exchange.detail,
        duration_micros: i64::try_from(exchange.elapsed.as_micros()).unwrap_or(i64::MAX),
        request_body: text(&exchange.request_body, entry.request_whole),
        response_body: text(&exchange.response_body, entry.response_whole),
        whole: entry.request_whole,
        dry_run: principal.dry_run.is_some(),
    })
}

/// A body as it is kept: without secrets if it can be read, and not at all if it is cut where secrets could stand.
fn text(body: &[u8], whole: bool) -> Option<String> {
    if body.is_empty() {
        return None;
    }
    match serde_json::from_slice::<Value>(body) {
        Ok(mut value) => {
            redact(&mut value);
            Some(value.to_string())
        }
        Err(_) => {
            let text = String::from_utf8_lossy(body).replace('\0', "");
            let lower = text.to_lowercase();
            let hidden = SECRET.iter().any(|name| lower.contains(name));
            let end = if whole { "" } else { "…" };
            Some(if hidden {
                "(not stored: it may contain a secret)".to_owned()
            } else {
                format!("{text}{end}")
            })
        }
    }
}

fn redact(value: &mut Value) {
    match value {
        Value::Array(items) => items.iter_mut().for_each(redact),
        Value::Object(members) => {
            // `{"op": "replace", "path": "password", "value": "…"}`
            let secret_path = members.iter().any(|(name, value)| {
                name.eq_ignore_ascii_case("path")
                    && value
                        .as_str()
                        .is_some_and(|path| SECRET.iter().any(|one| path.to_lowercase().ends_with(one)))
            });
            for (name, value) in members.iter_mut() {
                let named = SECRET.iter().any(|one| name.to_lowercase().ends_with(one));
                if named || (secret_path && name.eq_ignore_ascii_case("value")) {
                    *value = Value::String("***".to_owned());
                } else {
                    redact(value);
                }
            }
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_secret_is_kept() {
        for body in [
            r#"{"userName": "a", "Password": "hush"}"#,
            r#"{"Operations": [{"op": "replace", "path": "password", "value": "hush"}]}"#,
            r#"{"Operations": [{"op": "replace", "value": {"urn:ietf:params:scim:schemas:core:2.0:User:password": "hush"}}]}"#,
            r#"{"userName": "a", "password": "hush"#,
        ] {
            let kept = text(body.as_bytes(), true).unwrap();
            assert!(!kept.contains("hush"), "{kept}");
        }
        assert_eq!(text(br#"{"userName": "a"}"#, true).unwrap(), r#"{"userName":"a"}"#);
    }
}
