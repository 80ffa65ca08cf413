//! Requests of a run to the outside, noted: what a timeline shows, and what a vendor's support asks for.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{Client, HttpError};
use crate::Timestamp;
use crate::clock::Clock;

/// Answers' headers that name a request at the other side, the most telling first.
const REQUEST_IDS: [&str; 3] = ["x-ms-correlation-request-id", "x-ms-request-id", "x-request-id"];
/// Characters of a path that are kept.
const PATH_MAX: usize = 300;

/// One request to the outside. Neither query nor body: they may hold secrets.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Call {
    /// When it was sent.
    pub at: Timestamp,
    /// Its method.
    pub method: String,
    /// The other side.
    pub host: String,
    /// Its path there.
    pub path: String,
    /// The answer's status; `None`: no answer came.
    pub status: Option<u16>,
    /// Its id at the other side, else ours.
    pub request_id: Option<String>,
    /// How long it took.
    pub milliseconds: u64,
}

/// A way to the outside that notes what is asked.
#[derive(Clone, Debug)]
pub struct Outside {
    client: Client,
    clock: Clock,
    calls: Rc<RefCell<Vec<Call>>>,
}

impl Outside {
    /// A way through `client`, without notes so far.
    pub fn new(client: Client, clock: Clock) -> Self {
        Self { client, clock, calls: Rc::default() }
    }

    /// Now, by the service's clock.
    pub fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// What was asked so far.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.borrow().clone()
    }

    /// Sends one request and answers with whatever status.
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`].
    pub async fn send(&self, request: http::Request<Vec<u8>>) -> Result<http::Response<Vec<u8>>, HttpError> {
        let ours = request.headers().get("x-ms-client-request-id").and_then(|id| id.to_str().ok());
        let mut call = Call {
            at: self.clock.now(),
            method: request.method().to_string(),
            host: request.uri().authority().map(ToString::to_string).unwrap_or_default(),
            path: request.uri().path().chars().take(PATH_MAX).collect(),
            status: None,
            request_id: ours.map(ToOwned::to_owned),
            milliseconds: 0,
        };
        let started = Instant::now();
        let answer = self.client.exchange(request).await;
        call.milliseconds = u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX);
        if let Ok(answer) = &answer {
            call.status = Some(answer.status().as_u16());
            let theirs = REQUEST_IDS.iter().find_map(|name| answer.headers().get(*name)?.to_str().ok());
            call.request_id = theirs.map(ToOwned::to_owned).or(call.request_id);
        }
        let outcome = call.status.map_or("none", |status| if status < 400 { "ok" } else { "refused" });
        let host = call.host.clone();
        metrics::counter!("tenantry_outside_requests_total", "host" => host, "outcome" => outcome)
            .increment(1);
        self.calls.borrow_mut().push(call);
        answer
    }

    /// Sends JSON, or nothing, and reads the answer as JSON (`null` where there is none).
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`].
    pub async fn json(
        &self,
        builder: http::request::Builder,
        body: Option<&Value>,
    ) -> Result<http::Response<Value>, HttpError> {
        let mut builder = builder.header("accept", "application/json");
        if body.is_some() {
            builder = builder.header("content-type", "application/json");
        }
        let bytes = body.map(|body| body.to_string().into_bytes()).unwrap_or_default();
        let request = builder.body(bytes).map_err(|_| HttpError::Impossible("it is no request"))?;
        let (parts, body) = self.send(request).await?.into_parts();
        let value = serde_json::from_slice(&body).unwrap_or(Value::Null);
        Ok(http::Response::from_parts(parts, value))
    }
}

/// How long the other side asks to be left alone: `Retry-After` in seconds, or Azure's in milliseconds.
pub fn retry_after(headers: &http::HeaderMap) -> Option<Duration> {
    let number = |name: &str| headers.get(name)?.to_str().ok()?.trim().parse::<u64>().ok();
    let milliseconds = number("retry-after-ms").or_else(|| number("x-ms-retry-after-ms"));
    milliseconds.map(Duration::from_millis).or_else(|| number("retry-after").map(Duration::from_secs))
}
