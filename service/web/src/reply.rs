//! Answers: the status and headers that go with each kind of result.

use actix_web::body::BoxBody;
use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse, Responder};
use serde::Serialize;

use crate::extract::names_version;

/// 201 with `Location`.
#[derive(Debug)]
pub struct Created<T>(pub String, pub T);

/// 202 with `Location`: accepted, still to be done.
#[derive(Debug)]
pub struct Accepted<T>(pub String, pub T);

/// 204.
#[derive(Debug)]
pub struct NoContent;

/// 200 with the resource's version as `ETag`.
#[derive(Debug)]
pub struct Tagged<T>(pub i64, pub T);

fn json<T: Serialize>(status: StatusCode, body: &T) -> HttpResponse {
    match serde_json::to_vec(body) {
        Ok(bytes) => HttpResponse::build(status).content_type("application/json").body(bytes),
        Err(error) => crate::Problem::internal(error).into_response(),
    }
}

impl crate::Problem {
    fn into_response(self) -> HttpResponse {
        HttpResponse::from_error(self)
    }
}

impl<T: Serialize> Responder for Created<T> {
    type Body = BoxBody;
    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = json(StatusCode::CREATED, &self.1);
        location(&mut response, &self.0);
        response
    }
}

impl<T: Serialize> Responder for Accepted<T> {
    type Body = BoxBody;
    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        let mut response = json(StatusCode::ACCEPTED, &self.1);
        location(&mut response, &self.0);
        response
    }
}

impl<T: Serialize> Responder for Tagged<T> {
    type Body = BoxBody;
    fn respond_to(self, request: &HttpRequest) -> HttpResponse {
        use actix_web::http::header::{ETAG, HeaderValue, IF_NONE_MATCH};
        let tag = format!("\"{}\"", self.0);
        let known =
            request.headers().get(IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let mut response = if names_version(known, self.0) && request.method() == actix_web::http::Method::GET
        {
            HttpResponse::new(StatusCode::NOT_MODIFIED)
        } else {
            json(StatusCode::OK, &self.1)
        };
        if let Ok(value) = HeaderValue::from_str(&tag) {
            response.headers_mut().insert(ETAG, value);
        }
        response
    }
}

impl Responder for NoContent {
    type Body = BoxBody;
    fn respond_to(self, _: &HttpRequest) -> HttpResponse {
        HttpResponse::new(StatusCode::NO_CONTENT)
    }
}

fn location(response: &mut HttpResponse, to: &str) {
    use actix_web::http::header::{HeaderValue, LOCATION};
    if let Ok(value) = HeaderValue::from_str(to) {
        response.headers_mut().insert(LOCATION, value);
    }
}
