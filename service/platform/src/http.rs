//! The only HTTP client. URLs that somebody chose are met with suspicion.
//!
//! A name is resolved once, every address is checked, and the connection goes to a checked one: there is no second
//! resolution to rebind. No redirects, no proxy from the environment, bounded time and bounded bodies. Plain `http` and
//! private addresses only where the configuration allows them.

mod calls;
mod failure;
pub mod tokens;

use std::net::{IpAddr, Ipv6Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use serde::de::DeserializeOwned;
use url::{Host, Url};

use crate::config::Outbound;
use crate::jobs::outside;

pub use calls::{Call, Outside, retry_after};
pub use failure::Failure;

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
    Refused(&'static str),
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

/// The guarded client. Cheap to clone.
#[derive(Clone, Debug)]
pub struct Client {
    inner: reqwest::Client,
    reach: Reach,
}

/// Where a client goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reach {
    /// Public addresses by https.
    Public,
    /// Private ones and plain http too: development.
    Private,
    /// Wherever the configuration says, a cloud's metadata service included: only an operator writes it.
    Configured,
}

impl Client {
    /// Builds the client.
    ///
    /// # Errors
    /// [`HttpError::Refused`] if TLS can't be set up.
    pub fn new(config: &Outbound) -> Result<Self, HttpError> {
        Self::reaching(config, if config.allow_private { Reach::Private } else { Reach::Public })
    }

    /// Builds the client for URLs of the configuration: identity backends, the Azure Resource Manager.
    ///
    /// # Errors
    /// [`HttpError::Refused`] if TLS can't be set up.
    pub fn for_configured(config: &Outbound) -> Result<Self, HttpError> {
        Self::reaching(config, Reach::Configured)
    }

    #[allow(clippy::disallowed_methods, clippy::disallowed_types, reason = "this is the door")]
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
            .map_err(|_| HttpError::Refused("TLS can't be set up"))?;
        Ok(Self { inner, reach })
    }

    /// Whether `url` may be asked at all: scheme, user information, literal addresses. Names are checked when resolved.
    ///
    /// # Errors
    /// [`HttpError::Refused`] with the reason.
    pub fn check(&self, url: &Url) -> Result<(), HttpError> {
        check_url(url, self.reach).map_err(HttpError::Refused)
    }

    /// Gets a JSON document.
    ///
    /// # Errors
    /// [`HttpError`].
    pub async fn get_json<T: DeserializeOwned>(&self, url: &Url) -> Result<T, HttpError> {
        self.check(url)?;
        let body = read(url, self.inner.get(url.clone()).header("accept", "application/json")).await?;
        serde_json::from_slice(&body).map_err(|_| HttpError::Body { host: host(url) })
    }

    /// Gets a text, whatever its type: metadata of identity providers.
    ///
    /// # Errors
    /// [`HttpError`].
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
        let url = Url::parse(&request.uri().to_string()).map_err(|_| HttpError::Refused("it is no URL"))?;
        self.check(&url)?;
        let request =
            reqwest::Request::try_from(request).map_err(|_| HttpError::Refused("it is no request"))?;
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

struct Guard {
    reach: Reach,
}

impl Resolve for Guard {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.reach;
        Box::pin(async move {
            let found: Vec<SocketAddr> = tokio::net::lookup_host((name.as_str(), 0)).await?.collect();
            if found.is_empty() || found.iter().any(|address| !may_be_asked(address.ip(), reach)) {
                return Err("the name leads to an address that is refused".into());
            }
            Ok(Box::new(found.into_iter()) as Addrs)
        })
    }
}

fn check_url(url: &Url, reach: Reach) -> Result<(), &'static str> {
    if !url.username().is_empty() || url.password().is_some() {
        return Err("it carries user information");
    }
    match url.scheme() {
        "https" => {}
        "http" if reach != Reach::Public => {}
        _ => return Err("only https is allowed"),
    }
    let address = match url.host() {
        None => return Err("it names no host"),
        Some(Host::Domain(_)) => return Ok(()),
        Some(Host::Ipv4(address)) => IpAddr::V4(address),
        Some(Host::Ipv6(address)) => IpAddr::V6(address),
    };
    if may_be_asked(address, reach) { Ok(()) } else { Err("it points to a private address") }
}

/// Link-local addresses are nobody's private network but the clouds' metadata services: never for a URL that somebody chose,
/// whatever the setting.
fn may_be_asked(address: IpAddr, reach: Reach) -> bool {
    let is_link_local = match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_link_local(),
        IpAddr::V6(v6) => v6.is_unicast_link_local(),
    };
    match reach {
        Reach::Public => is_public(address),
        Reach::Private => is_public(address) || !is_link_local,
        Reach::Configured => true,
    }
}

/// Whether the address is one that the public internet routes. Addresses that carry an IPv4 address inside (mapped,
/// 6to4, NAT64) are judged by that one.
fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(v4) => {
            let [a, b, c, _] = v4.octets();
            !(v4.is_private()
                || v4.is_loopback()
                || v4.is_link_local()
                || v4.is_broadcast()
                || v4.is_documentation()
                || v4.is_multicast()
                || a == 0
                || a >= 240
                || (a == 100 && (64..128).contains(&b))
                || (a == 192 && b == 0 && c == 0)
                || (a == 198 && (b == 18 || b == 19)))
        }
        IpAddr::V6(v6) => embedded_v4(v6).map_or_else(|| is_public_v6(v6), |v4| is_public(IpAddr::V4(v4))),
    }
}

fn embedded_v4(v6: Ipv6Addr) -> Option<std::net::Ipv4Addr> {
    let [s0, s1, s2, s3, s4, s5, s6, s7] = v6.segments();
    let join = |high: u16, low: u16| {
        let ([a, b], [c, d]) = (high.to_be_bytes(), low.to_be_bytes());
        std::net::Ipv4Addr::new(a, b, c, d)
    };
    match (s0, s1) {
        (0x2002, _) => Some(join(s1, s2)),
        (0x0064, 0xff9b) if (s2, s3, s4, s5) == (0, 0, 0, 0) => Some(join(s6, s7)),
        _ => None,
    }
}

fn is_public_v6(v6: Ipv6Addr) -> bool {
    let [first, second, ..] = v6.segments();
    // Only 2000::/3 is routed; of that, not documentation, Teredo and ORCHID.
    (first & 0xe000) == 0x2000
        && !(first == 0x2001 && (second == 0x0db8 || second < 0x0200))
        && !(first == 0x3fff && second < 0x1000)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_https_to_public_addresses_is_allowed() {
        for refused in [
            "http://example.com/",
            "ftp://example.com/",
            "https://user@example.com/",
            "https://127.0.0.1/",
            "https://2130706433/",
            "https://0x7f.1/",
            "https://10.1.2.3/",
            "https://169.254.169.254/latest/meta-data",
            "https://100.64.0.1/",
            "https://0.0.0.0/",
            "https://[::1]/",
            "https://[::ffff:10.0.0.1]/",
            "https://[fd00::1]/",
            "https://[fe80::1]/",
            "https://[64:ff9b::a00:1]/",
            "https://[2002:7f00:1::]/",
            "https://[2001:db8::1]/",
        ] {
            assert!(check_url(&Url::parse(refused).unwrap(), Reach::Public).is_err(), "{refused}");
        }
        for allowed in ["https://example.com/", "https://93.184.216.34/", "https://[2606:4700::1111]/"] {
            assert!(check_url(&Url::parse(allowed).unwrap(), Reach::Public).is_ok(), "{allowed}");
        }
        assert!(check_url(&Url::parse("http://127.0.0.1:1/").unwrap(), Reach::Private).is_ok());
        for metadata in ["http://169.254.169.254/", "http://[fe80::1]/", "http://[::ffff:169.254.169.254]/"] {
            assert!(check_url(&Url::parse(metadata).unwrap(), Reach::Private).is_err(), "{metadata}");
            assert!(check_url(&Url::parse(metadata).unwrap(), Reach::Configured).is_ok(), "{metadata}");
        }
    }

    #[tokio::test]
    async fn a_name_that_leads_inside_is_refused_when_resolved() {
        let guard = Guard { reach: Reach::Public };
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_err());
        let guard = Guard { reach: Reach::Private };
        assert!(guard.resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
