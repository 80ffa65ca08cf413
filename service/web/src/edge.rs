//! The outermost layer: request id, log line, metrics, security headers, and the one place where refusals are
//! written and their causes logged.

use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header::{self, HeaderMap, HeaderName, HeaderValue};
use actix_web::http::{ConnectionType, Method, StatusCode};
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use platform::ids;
use tracing::Instrument as _;

use crate::bodies::Bodies;
use crate::connections::{Connection, Tracked};
use crate::credential::Authenticator;
use crate::gate::{Gatekeeper, Passed, RequestId};
use crate::journal::Journal;
use crate::limits::Limits;
use crate::problem::Dialect;
use crate::{Code, Problem, Routes, Service};

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
/// Characters of a request id that is taken over.
const REQUEST_ID_MAX: usize = 128;

impl Routes {
    /// Serves the routes: what each thread's application is configured with.
    pub fn serve(
        &self,
        service: Service,
        keys: Arc<dyn Authenticator>,
        scim: Arc<dyn Authenticator>,
        limits: Arc<Limits>,
        journal: Arc<dyn Journal>,
    ) -> impl Fn(&mut web::ServiceConfig) + Clone + Send + use<> {
        let bodies = Bodies::new(service.config.server.bodies_in_memory);
        let keeper = web::Data::new(Gatekeeper { service, keys, scim, limits, bodies, journal });
        let routes = self.clone();
        move |config| {
            config.app_data(keeper.clone());
            routes.configure(config);
            config.default_service(web::to(nowhere));
        }
    }
}

/// There is no such route. Who speaks SCIM is answered in SCIM.
async fn nowhere(request: HttpRequest) -> HttpResponse {
    let scim = request.uri().path().starts_with("/scim/");
    let dialect = if scim { Dialect::Scim } else { Dialect::default() };
    request.extensions_mut().insert(Passed { dialect, ..Passed::default() });
    HttpResponse::from_error(Problem::new(Code::NOT_FOUND))
}

/// Wraps the whole application.
///
/// # Errors
/// None: every error becomes an answer here.
pub async fn edge<B: MessageBody + 'static>(
    request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<Tracked>, actix_web::Error> {
    let started = Instant::now();
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    if let Some(connection) = &connection {
        connection.handles();
    }
    let id = request_id(request.headers());
    request.extensions_mut().insert(RequestId(id.clone()));
    let method = known(request.method());
    let span = tracing::error_span!(
        "request",
        request_id = %id,
        trace_id = trace_id(request.headers()),
        method,
        route = tracing::field::Empty,
        tenant_id = tracing::field::Empty,
        credential_id = tracing::field::Empty,
    );
    let mut response = next.call(request).instrument(span.clone()).await?.map_into_boxed_body();
    let route = response.request().match_pattern().unwrap_or_else(|| "unmatched".to_owned());
    let passed = response.request().extensions().get::<Passed>().cloned().unwrap_or_default();
    let _entered = span.enter();
    span.record("route", &route);
    let line = line(response.request(), &passed);
    passed.tenant.map(|tenant| span.record("tenant_id", tracing::field::display(tenant)));
    passed.principal.map(|principal| span.record("credential_id", tracing::field::display(principal.id)));
    if response.response().error().is_some() {
        response = written(response, passed.dialect, &id, line);
    }
    finish(response.headers_mut(), &id);
    let status = response.status();
    if status == StatusCode::REQUEST_TIMEOUT {
        response.response_mut().head_mut().set_connection_type(ConnectionType::Close);
        connection.iter().for_each(|connection| connection.ends());
    }
    let elapsed = started.elapsed();
    // From closed sets: a label's values stay in memory for as long as the process lives.
    let labels = [("method", method.to_owned()), ("route", route), ("status", status.as_u16().to_string())];
    metrics::counter!("tenantry_http_requests_total", &labels).increment(1);
    metrics::histogram!("tenantry_http_request_seconds", &labels).record(elapsed.as_secs_f64());
    if let Line::Logged { unlogged } = line {
        let duration_ms = elapsed.as_secs_f64() * 1000.0;
        let unlogged = (unlogged > 0).then_some(unlogged);
        tracing::info!(status = status.as_u16(), duration_ms, unlogged, "answered");
    }
    Ok(response.map_body(|_, body| Tracked::new(body, connection)))
}

/// Whether a request is logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// It is; and how many before it were not.
    Logged {
        unlogged: u64,
    },
    Dropped,
}

/// Whoever showed no credential writes no more lines than all strangers may, whatever they are answered.
fn line(request: &HttpRequest, passed: &Passed) -> Line {
    let keeper = request.app_data::<web::Data<Gatekeeper>>().filter(|_| passed.principal.is_none());
    let unlogged = keeper.map_or(Some(0), |keeper| keeper.service.strangers.may_log());
    unlogged.map_or(Line::Dropped, |unlogged| Line::Logged { unlogged })
}

/// The methods of HTTP by their names; anybody can invent others.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::PATCH => "PATCH",
        Method::DELETE => "DELETE",
        Method::OPTIONS => "OPTIONS",
        Method::CONNECT => "CONNECT",
        Method::TRACE => "TRACE",
        _ => "other",
    }
}

/// Takes over a sane id, or makes one.
fn request_id(headers: &HeaderMap) -> String {
    let sane = |text: &&str| {
        (1..=REQUEST_ID_MAX).contains(&text.len())
            && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'))
    };
    let given = headers.get(REQUEST_ID).and_then(|value| value.to_str().ok()).filter(sane);
    given.map_or_else(|| ids::new().to_string(), ToOwned::to_owned)
}

/// The trace id of W3C's `traceparent`.
fn trace_id(headers: &HeaderMap) -> Option<&str> {
    let id = headers.get("traceparent")?.to_str().ok()?.split('-').nth(1)?;
    (id.len() == 32 && id.bytes().all(|byte| byte.is_ascii_hexdigit())).then_some(id)
}

/// Writes a refusal in the route's dialect and logs its cause, once.
fn written(
    response: ServiceResponse<BoxBody>,
    dialect: Dialect,
    request_id: &str,
    line: Line,
) -> ServiceResponse<BoxBody> {
    let (request, response) = response.into_parts();
    let retained: Vec<(HeaderName, HeaderValue)> = response
        .headers()
        .iter()
        .filter(|(name, _)| *name != header::CONTENT_TYPE && *name != header::CONTENT_LENGTH)
        .map(|(name, value)| (name.clone(), value.clone()))
        .collect();
    let fallback;
    let problem = match response.error().and_then(|error| error.as_error::<Problem>()) {
        Some(problem) => problem,
        None => {
            fallback = foreign(response.status(), response.error());
            &fallback
        }
    };
    if let (Some(cause), Line::Logged { .. }) = (&problem.cause, line) {
        if !problem.is_refusal() {
            tracing::error!(code = problem.code.name(), %cause, "request failed");
        } else {
            tracing::debug!(code = problem.code.name(), %cause, "request refused");
        }
    }
    let now = now(&request);
    let mut written = problem.respond(dialect, request_id, now);
    for (name, value) in retained {
        if !written.headers().contains_key(&name) {
            written.headers_mut().insert(name, value);
        }
    }
    ServiceResponse::new(request, written)
}

fn now(request: &HttpRequest) -> platform::Timestamp {
    match request.app_data::<web::Data<Gatekeeper>>() {
        Some(keeper) => keeper.service.clock.now(),
        None => platform::clock::Clock::default().now(),
    }
}

/// A refusal that the framework made.
fn foreign(status: StatusCode, error: Option<&actix_web::Error>) -> Problem {
    let code = match status.as_u16() {
        404 => Code::NOT_FOUND,
        405 => Code::METHOD_NOT_ALLOWED,
        408 => Code::BODY_TIMEOUT,
        413 => Code::BODY_TOO_LARGE,
        415 => Code::MEDIA_TYPE,
        400..=499 => Code::BODY_MALFORMED,
        503 => Code::UNAVAILABLE,
        _ => Code::INTERNAL,
    };
    Problem { cause: error.map(ToString::to_string), ..Problem::new(code) }
}

/// Headers of every answer.
fn finish(headers: &mut HeaderMap, request_id: &str) {
    if let Ok(value) = HeaderValue::from_str(request_id) {
        headers.insert(REQUEST_ID, value);
    }
    let defaults = [
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::CACHE_CONTROL, "no-store"),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'"),
    ];
    for (name, value) in defaults {
        if !headers.contains_key(&name) {
            headers.insert(name, HeaderValue::from_static(value));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_invented_method_is_one_of_the_others() {
        for (method, name) in [("GET", "GET"), ("PATCH", "PATCH"), ("get", "other"), ("X-9999", "other")] {
            assert_eq!(known(&Method::from_bytes(method.as_bytes()).unwrap()), name);
        }
    }
}
