//! Callers, over HTTP.

use std::sync::Mutex;

use reqwest::{Method, RequestBuilder, StatusCode, Url};
use serde_json::Value;

/// Somebody who calls the service.
#[derive(Clone)]
pub struct Client {
    pub base: String,
    pub bearer: Option<String>,
    pub http: reqwest::Client,
}

/// An answer, read whole.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub text: String,
}

/// A write that was not refused, by whichever service of this process.
#[derive(Clone, Debug)]
pub(crate) struct Write {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) request_id: String,
}

/// All of them, so that the guard of audit records can ask what each of them left.
pub(crate) static WRITES: Mutex<Vec<Write>> = Mutex::new(Vec::new());

/// Remembers a write that was not refused; a browser is sent on after one.
pub(crate) fn remember_write(method: Method, url: Url, answer: &reqwest::Response) {
    let is_done = answer.status().is_success() || answer.status().is_redirection();
    if is_done && !method.is_safe() {
        let id = answer.headers().get("x-request-id").and_then(|id| id.to_str().ok());
        let request_id = id.unwrap_or_default().to_owned();
        WRITES.lock().expect("a list").push(Write { method, url, request_id });
    }
}

impl Reply {
    pub async fn read(request: RequestBuilder) -> Self {
        let (http, request) = request.build_split();
        let request = request.expect("a request");
        let (method, url) = (request.method().clone(), request.url().clone());
        let response = http.execute(request).await.expect("an answer");
        remember_write(method, url, &response);
        let (status, headers) = (response.status(), response.headers().clone());
        Self { status, headers, text: response.text().await.expect("a body") }
    }

    /// The body as JSON; null if it isn't.
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.text).unwrap_or(Value::Null)
    }

    #[track_caller]
    pub fn expect(self, status: u16) -> Value {
        assert_eq!(self.status.as_u16(), status, "{}", self.text);
        self.json()
    }

    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}

impl Client {
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}{path}", self.base) };
        let request = self.http.request(method, url);
        match &self.bearer {
            Some(bearer) => request.bearer_auth(bearer),
            None => request,
        }
    }

    pub async fn get(&self, path: &str) -> Reply {
        Reply::read(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Reply {
        Reply::read(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: Value) -> Reply {
        Reply::read(self.request(Method::POST, path).json(&body)).await
    }

    pub async fn put(&self, path: &str, body: Value) -> Reply {
        Reply::read(self.request(Method::PUT, path).json(&body)).await
    }

    pub async fn patch(&self, path: &str, body: Value) -> Reply {
        Reply::read(self.request(Method::PATCH, path).json(&body)).await
    }

    pub async fn form(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        Reply::read(self.request(Method::POST, path).form(form)).await
    }

    pub fn with(&self, bearer: impl Into<String>) -> Self {
        Self { bearer: Some(bearer.into()), ..self.clone() }
    }

    pub fn anonymous(&self) -> Self {
        Self { bearer: None, ..self.clone() }
    }

    /// Asks SCIM for those whom a filter finds.
    pub async fn find(&self, path: &str, filter: &str) -> Reply {
        Reply::read(self.request(Method::GET, path).query(&[("filter", filter)])).await
    }
}

impl Client {
    /// The same as [`Client::post`], owning what it needs: many at once.
    pub fn post_owned(&self, path: &str, body: Value) -> impl Future<Output = Reply> + use<> {
        Reply::read(self.request(Method::POST, path).json(&body))
    }

    /// The same as [`Client::patch`], owning what it needs: many at once.
    pub fn patch_owned(&self, path: String, body: Value) -> impl Future<Output = Reply> + use<> {
        Reply::read(self.request(Method::PATCH, &path).json(&body))
    }
}
