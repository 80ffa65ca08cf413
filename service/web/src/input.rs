//! Input: bodies, queries, headers and ids from the path, each refused with a code and a pointer to the place.

use std::sync::Arc;

use actix_web::dev::Payload;
use actix_web::http::header::{self, HeaderMap};
use actix_web::{FromRequest, HttpMessage as _, HttpRequest, web};
use futures_util::future::{Ready, ready};
use json_core::{Census, Excess, VALUES_MAX};
use platform::event::Catalogue;
use platform::refusal::{FieldError, Invalid};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::bodies::MemoryReservation;
use crate::{Caller, Code, Problem};

/// Input that can say what is wrong with it beyond its types.
pub trait Input {
    /// Adds what is wrong.
    fn check(&self, _: &mut FieldErrors) {}
}

impl Input for Value {}

/// What is wrong with an input, so far.
#[derive(Debug, Default)]
pub struct FieldErrors {
    found: Vec<FieldError>,
    event_types: Catalogue,
}

impl FieldErrors {
    /// Of a request: its service knows which types of events there are.
    fn of(request: &HttpRequest) -> Self {
        let event_types =
            request.extensions().get::<Caller>().map(|caller| caller.service.event_types.clone());
        Self { found: Vec::new(), event_types: event_types.unwrap_or_default() }
    }

    /// Adds one.
    pub fn add(&mut self, pointer: impl Into<String>, detail: impl Into<String>) {
        self.found.push(FieldError { pointer: pointer.into(), detail: detail.into() });
    }

    /// Adds one unless `fits`.
    pub fn require(&mut self, fits: bool, pointer: &str, detail: &str) {
        if !fits {
            self.add(pointer, detail);
        }
    }

    /// A text of `1..=max` characters without control characters.
    pub fn text(&mut self, pointer: &str, value: &str, max: usize) {
        let fits =
            !value.trim().is_empty() && value.chars().count() <= max && !value.chars().any(char::is_control);
        self.require(fits, pointer, &format!("must be 1 to {max} characters without control characters"));
    }

    /// A type of event, or all of a noun.
    pub fn event_type(&mut self, pointer: &str, wanted: &str) {
        let is_known = self.event_types.matching(wanted).next().is_some();
        self.require(is_known, pointer, "must be an event type (see /api/v1/event-types), or noun.*");
    }

    /// The refusal, if anything is wrong.
    ///
    /// # Errors
    /// `validation.failed`.
    pub fn finish(self) -> Result<(), Problem> {
        if self.found.is_empty() { Ok(()) } else { Err(Invalid(self.found).into()) }
    }
}

/// The body as the gate read it, with the room that it takes until the handler is done.
#[derive(Clone, Debug)]
pub(crate) struct ReadBody {
    pub(crate) bytes: web::Bytes,
    pub(crate) _reservation: Option<Arc<MemoryReservation>>,
}

fn bytes(request: &HttpRequest) -> web::Bytes {
    request.extensions().get::<ReadBody>().map(|body| body.bytes.clone()).unwrap_or_default()
}

/// The media type, as everybody reads it; without one it is empty.
pub(crate) fn media_type(headers: &HeaderMap) -> String {
    let value = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase()
}

/// Whether a body of this media type is JSON.
pub(crate) fn is_json(media: &str) -> bool {
    media == "application/json" || (media.starts_with("application/") && media.ends_with("+json"))
}

/// Parses JSON; the refusal points to the place.
fn parse<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, Problem> {
    refuse_oversized(bytes)?;
    refuse_repeated(bytes)?;
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    let value = serde_path_to_error::deserialize(&mut reader).map_err(|error| {
        let pointer = pointer(error.path());
        let inner = error.inner();
        if inner.is_data() {
            // serde's message names types and fields, never values of ours.
            let message = inner.to_string();
            let message = message.rsplit_once(" at line").map_or(message.as_str(), |(text, _)| text);
            Problem::invalid(pointer, message.chars().take(200).collect::<String>())
        } else {
            Problem::detailed(
                Code::BODY_MALFORMED,
                format!("The body is not JSON: line {}, column {}.", inner.line(), inner.column()),
            )
        }
    })?;
    reader.end().map_err(|_| {
        Problem::detailed(Code::BODY_MALFORMED, "The body contains data after the JSON value.")
    })?;
    Ok(value)
}

fn pointer(path: &serde_path_to_error::Path) -> String {
    use serde_path_to_error::Segment;
    path.iter()
        .map(|segment| match segment {
            Segment::Seq { index } => format!("/{index}"),
            Segment::Map { key } => format!("/{}", key.replace('~', "~0").replace('/', "~1")),
            Segment::Enum { variant } => format!("/{variant}"),
            Segment::Unknown => String::new(),
        })
        .collect()
}

/// Two readers of an object in which a name stands twice read two texts: what one of them checked, the other one never saw.
fn refuse_repeated(bytes: &[u8]) -> Result<(), Problem> {
    match json_core::repeated_name(bytes, json_core::Names::Exact) {
        Some(pointer) => Err(Problem::invalid(pointer, "occurs more than once in its object")),
        None => Ok(()),
    }
}

/// Looks at a body before anything is built of it.
fn refuse_oversized(bytes: &[u8]) -> Result<(), Problem> {
    let census = Census::of(bytes);
    census.check(census.weight).map_err(|excess| match excess {
        Excess::Values => {
            Problem::detailed(Code::BODY_TOO_LARGE, format!("{excess}.")).fact("valuesMax", VALUES_MAX)
        }
        Excess::Depth | Excess::Nul => Problem::detailed(Code::VALIDATION_FAILED, format!("{excess}.")),
    })
}

/// A JSON body.
#[derive(Debug)]
pub struct Body<T>(pub T);

impl<T: DeserializeOwned + Input> Body<T> {
    fn read(request: &HttpRequest) -> Result<Self, Problem> {
        if !is_json(&media_type(request.headers())) {
            return Err(Problem::detailed(Code::MEDIA_TYPE, "The body must be application/json."));
        }
        let value: T = parse(&bytes(request))?;
        let mut errors = FieldErrors::of(request);
        value.check(&mut errors);
        errors.finish()?;
        Ok(Self(value))
    }
}

impl<T: DeserializeOwned + Input> FromRequest for Body<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(Self::read(request))
    }
}

/// A form body (OAuth, pages).
#[derive(Debug)]
pub struct Form<T>(pub T);

impl<T: DeserializeOwned> FromRequest for Form<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready((|| {
            if media_type(request.headers()) != "application/x-www-form-urlencoded" {
                return Err(Problem::detailed(
                    Code::MEDIA_TYPE,
                    "The body must be application/x-www-form-urlencoded.",
                ));
            }
            let bytes = bytes(request);
            let text = std::str::from_utf8(&bytes).map_err(|_| Problem::new(Code::BODY_MALFORMED))?;
            urlencoded(text).map(Self)
        })())
    }
}

/// A form as it was sent: for protocols in which a parameter that comes twice matters, or the bytes are signed.
#[derive(Debug)]
pub struct FormText(pub String);

impl FromRequest for FormText {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready((|| {
            if media_type(request.headers()) != "application/x-www-form-urlencoded" {
                return Err(Problem::detailed(
                    Code::MEDIA_TYPE,
                    "The body must be application/x-www-form-urlencoded.",
                ));
            }
            let text = String::from_utf8(bytes(request).to_vec());
            text.map(Self).map_err(|_| Problem::new(Code::BODY_MALFORMED))
        })())
    }
}

fn urlencoded<T: DeserializeOwned>(text: &str) -> Result<T, Problem> {
    if text.to_ascii_lowercase().contains("%00") {
        return Err(Problem::detailed(Code::VALIDATION_FAILED, "Parameters must not contain NUL."));
    }
    let parsed = web::Query::<T>::from_query(text).map(web::Query::into_inner);
    parsed.map_err(|error| {
        let message = error.to_string();
        let message = message.split_once(": ").map_or(message.as_str(), |(_, text)| text);
        Problem::detailed(
            Code::VALIDATION_FAILED,
            format!("The parameters are not valid: {}.", message.chars().take(200).collect::<String>()),
        )
    })
}

/// A JSON body of any media type, as bytes: SCIM reads its own.
#[derive(Debug)]
pub struct RawBody(pub web::Bytes);

impl RawBody {
    /// The body as JSON.
    ///
    /// # Errors
    /// `validation.malformed`.
    pub fn json(&self) -> Result<Value, Problem> {
        parse(&self.0)
    }

    /// The body, of which no text holds a NUL and whose tree isn't too large.
    ///
    /// # Errors
    /// `validation.failed`, `validation.too_large`.
    pub fn bytes(&self) -> Result<&web::Bytes, Problem> {
        refuse_oversized(&self.0).map(|()| &self.0)
    }
}

impl FromRequest for RawBody {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let media = media_type(request.headers());
        let fits = matches!(media.as_str(), "" | "application/json" | "application/scim+json");
        ready(if fits { Ok(Self(bytes(request))) } else { Err(Problem::new(Code::MEDIA_TYPE)) })
    }
}

/// A body of many things: JSON, or a file of a spreadsheet (RFC 4180).
#[derive(Debug)]
pub enum JsonOrCsv {
    /// `application/json`
    Json(Value),
    /// `text/csv`
    Csv(web::Bytes),
}

impl FromRequest for JsonOrCsv {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(match media_type(request.headers()).as_str() {
            "" | "application/json" => parse(&bytes(request)).map(Self::Json),
            "text/csv" => Ok(Self::Csv(bytes(request))),
            _ => Err(Problem::new(Code::MEDIA_TYPE)),
        })
    }
}

/// The query.
#[derive(Debug)]
pub struct Query<T>(pub T);

impl<T: DeserializeOwned + Input> FromRequest for Query<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;
    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(urlencoded::<T>(request.query_string()).and_then(|value| {
            let mut errors = FieldErrors::of(request);
            value.check(&mut errors);
            errors.finish().map(|()| Self(value))
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_points_to_the_place() {
        #[derive(Debug, serde::Deserialize)]
        #[serde(deny_unknown_fields)]
        struct Inner {
            #[allow(dead_code, reason = "only its type matters")]
            count: u8,
        }
        #[derive(Debug, serde::Deserialize)]
        struct Outer {
            #[allow(dead_code, reason = "only its type matters")]
            inner: Vec<Inner>,
        }
        let problem = parse::<Outer>(br#"{"inner":[{"count":1},{"count":"x"}]}"#).unwrap_err();
        assert_eq!(problem.errors[0].pointer, "/inner/1/count");
        let problem = parse::<Outer>(br#"{"inner":[{"count":1,"other":2}]}"#).unwrap_err();
        assert!(problem.errors[0].pointer.starts_with("/inner/0"), "{problem:?}");
        assert_eq!(parse::<Outer>(b"{").unwrap_err().code, Code::BODY_MALFORMED);
        assert_eq!(parse::<Value>(b"{} {}").unwrap_err().code, Code::BODY_MALFORMED);
        assert_eq!(parse::<Value>(br#"{"a":"\u0000"}"#).unwrap_err().code, Code::VALIDATION_FAILED);
        assert!(parse::<Value>(br#"{"a":"\\u0000"}"#).is_ok());
        let lists = |count: usize| format!("[{}]", vec!["[1]"; count].join(","));
        assert!(parse::<Value>(lists(60_000).as_bytes()).is_ok());
        assert_eq!(parse::<Value>(lists(70_000).as_bytes()).unwrap_err().code, Code::BODY_TOO_LARGE);
        let deep = [b"{\"x\":".as_slice(), "[".repeat(200).as_bytes()].concat();
        assert_eq!(parse::<Value>(&deep).unwrap_err().code, Code::VALIDATION_FAILED);
        let problem = parse::<Value>(br#"{"a":[{"b":1,"b":1}]}"#).unwrap_err();
        assert_eq!((problem.code, problem.errors[0].pointer.as_str()), (Code::VALIDATION_FAILED, "/a/0/b"));
    }
}
