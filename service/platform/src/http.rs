//! The only HTTP client. URLs that somebody chose are met with suspicion.
//!
//! A name is resolved once, every address is checked, and the connection goes to a checked one: there is no second
//! resolution to rebind. No redirects, no proxy from the environment, bounded time and bounded bodies. Plain `http` and
//! private addresses only where the configuration allows them.

mod calls;
mod failure;
mod reach;
pub mod tokens;

use std::sync::Arc;
use std::time::Duration;

use serde::de::DeserializeOwned;
use url::Url;

use crate::config::Outbound;
use crate::jobs::outside;
use reach::{Guard, Reach};

pub use calls::{Call, Outside, retry_after};
pub use failure::Failure;
pub use reach::{UrlRefused, UrlRefusedAt};

/// Bytes of an answer that are read.
const BODY_BYTES_MAX: usize = 1 << 20;
/// Bytes of a receiver's answer that are kept.
const BEGINNING_BYTES_MAX: usize = 1 << 10;

/// Why a request could not be made or its answer not be used. Never tells what the other side said: a caller must not
/// be able to read an internal service through us.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// The URL points where we don't go.
    #[error("the URL is refused: {0}")]
    Refused(UrlRefused),
    /// What would be sent is no request, or TLS can't be set up.
    #[error("no request can be made: {0}")]
    Impossible(&'static str),
    /// No answer: name, connection, TLS, time.
    #[error("no answer from {host}: {reason}")]
    Unreachable {
        /// The host.
        host: String,
        /// In our words.
        reason: &'static str,
    },
    /// An answer with this status.
    #[error("{host} answered {status}")]
    Status {
        /// The host.
        host: String,
        /// The status.
        status: u16,
        /// `Retry-After`, if it came in seconds.
        retry_after: Option<Duration>,
    },
    /// An answer that is too large or isn't what was asked for.
    #[error("{host} answered something unusable")]
    Body {
        /// The host.
        host: String,
    },
}

impl From<UrlRefused> for HttpError {
    fn from(refused: UrlRefused) -> Self {
        Self::Refused(refused)
    }
}

/// The guarded client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    reach: Reach,
}

impl Client {
    /// Builds the client.
    ///
    /// # Errors
    /// [`HttpError::Impossible`] if TLS can't be set up.
    pub fn new(config: &Outbound) -> Result<Self, HttpError> {
        Self::reaching(config, if config.allow_private { Reach::Private } else { Reach::Public })
    }

    /// Builds the client for URLs of the configuration: identity backends, the Azure Resource Manager.
    ///
    /// # Errors
    /// [`HttpError::Impossible`] if TLS can't be set up.
    pub fn for_configured(config: &Outbound) -> Result<Self, HttpError> {
        Self::reaching(config, Reach::Configured)
    }

    #[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "the one place for it")]
    fn reaching(config: &Outbound, reach: Reach) -> Result<Self, HttpError> {
        let inner = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_max_idle_per_host(8)
            .user_agent(concat!("tenantry/", env!("CARGO_PKG_VERSION")))
            .dns_resolver(Arc::new(Guard { reach }))
            .build()
            .map_err(|_| HttpError::Impossible("TLS can't be set up"))?;
        Ok(Self { inner, reach })
    }

    /// Whether `url` may be asked at all: scheme, user information, literal addresses. Names are checked when resolved.
    ///
    /// # Errors
    /// Why it may not.
    pub fn check(&self, url: &Url) -> Result<(), UrlRefused> {
        self.reach.check(url)
    }

    /// The URL at this place of the input, if it may be asked at all.
    ///
    /// # Errors
    /// Why it may not, at `pointer`.
    pub fn check_at(&self, pointer: &str, text: &str) -> Result<Url, UrlRefusedAt> {
        let refused = |why| UrlRefusedAt { pointer: pointer.to_owned(), why };
        let url = Url::parse(text).map_err(|_| refused(UrlRefused::NoUrl))?;
        self.check(&url).map_err(refused)?;
        Ok(url)
    }

    /// Gets a JSON document.
    pub async fn get_json<T: DeserializeOwned>(&self, url: &Url) -> Result<T, HttpError> {
        self.check(url)?;
        let body = read(url, self.inner.get(url.clone()).header("accept", "application/json")).await?;
        serde_json::from_slice(&body).map_err(|_| HttpError::Body { host: host(url) })
    }

    /// Gets a text, whatever its type: metadata of identity providers.
    pub async fn get_text(&self, url: &Url) -> Result<String, HttpError> {
        self.check(url)?;
        let body = read(url, self.inner.get(url.clone())).await?;
        String::from_utf8(body).map_err(|_| HttpError::Body { host: host(url) })
    }

    /// One request as a protocol library made it, and the answer with whatever status.
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`].
    pub async fn exchange(
        &self,
        request: http::Request<Vec<u8>>,
    ) -> Result<http::Response<Vec<u8>>, HttpError> {
        let url = Url::parse(&request.uri().to_string()).map_err(|_| UrlRefused::NoUrl)?;
        self.check(&url)?;
        let request =
            reqwest::Request::try_from(request).map_err(|_| HttpError::Impossible("it is no request"))?;
        let response =
            outside(self.inner.execute(request)).await.map_err(|error| unreachable(&url, &error))?;
        let mut answer = http::Response::new(Vec::new());
        *answer.status_mut() = response.status();
        *answer.headers_mut() = response.headers().clone();
        *answer.body_mut() = body(&url, response).await?;
        Ok(answer)
    }

    /// Posts a body with headers, and answers with whatever status came.
    ///
    /// # Errors
    /// [`HttpError`]; never [`HttpError::Status`] or [`HttpError::Body`].
    pub async fn post(
        &self,
        url: &Url,
        headers: &[(&str, String)],
        body: Vec<u8>,
    ) -> Result<Answer, HttpError> {
        self.check(url)?;
        let mut request = self.inner.post(url.clone()).body(body);
        if !headers.iter().any(|(name, _)| *name == "content-type") {
            request = request.header("content-type", "application/json");
        }
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let mut response = outside(request.send()).await.map_err(|error| unreachable(url, &error))?;
        let status = response.status().as_u16();
        let retry_after = retry_after_of(response.headers());
        // What doesn't come any more takes nothing from the answer.
        let mut beginning = Vec::new();
        while beginning.len() < BEGINNING_BYTES_MAX
            && let Ok(Some(chunk)) = outside(response.chunk()).await
        {
            beginning.extend_from_slice(&chunk);
        }
        beginning.truncate(BEGINNING_BYTES_MAX);
        Ok(Answer { status, retry_after, beginning: String::from_utf8_lossy(&beginning).into_owned() })
    }
}

/// What a receiver answered.
#[derive(Clone, Debug)]
pub struct Answer {
    /// The status.
    pub status: u16,
    /// How long it asks to be left alone.
    pub retry_after: Option<Duration>,
    /// The beginning of what it said.
    pub beginning: String,
}

/// `Retry-After` in seconds or as a date (RFC 9110, section 10.2.3).
fn retry_after_of(headers: &http::HeaderMap) -> Option<Duration> {
    let text = headers.get("retry-after")?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let moment = chrono::DateTime::parse_from_rfc2822(text).ok()?.timestamp();
    let date = headers.get("date").and_then(|date| date.to_str().ok());
    // Against the other side's clock: ours may differ.
    let now = chrono::DateTime::parse_from_rfc2822(date?).ok()?.timestamp();
    Some(Duration::from_secs(u64::try_from(moment - now).unwrap_or(0)))
}

fn host(url: &Url) -> String {
    url.host_str().unwrap_or_default().to_owned()
}

fn unreachable(url: &Url, error: &reqwest::Error) -> HttpError {
    let reason = if error.is_timeout() {
        "it took too long"
    } else if error.is_connect() {
        "no connection"
    } else {
        "the exchange broke off"
    };
    HttpError::Unreachable { host: host(url), reason }
}

async fn send(url: &Url, request: reqwest::RequestBuilder) -> Result<reqwest::Response, HttpError> {
    let response = outside(request.send()).await.map_err(|error| unreachable(url, &error))?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = retry_after_of(response.headers());
    Err(HttpError::Status { host: host(url), status: status.as_u16(), retry_after })
}

async fn read(url: &Url, request: reqwest::RequestBuilder) -> Result<Vec<u8>, HttpError> {
    body(url, send(url, request).await?).await
}

async fn body(url: &Url, mut response: reqwest::Response) -> Result<Vec<u8>, HttpError> {
    let unusable = || HttpError::Body { host: host(url) };
    let mut body = Vec::new();
    while let Some(chunk) = outside(response.chunk()).await.map_err(|_| unusable())? {
        if body.len() + chunk.len() > BODY_BYTES_MAX {
            return Err(unusable());
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body)
}
