//! The way out: SMTP relays, one after the other, and the signature of the domain (DKIM, RFC 6376).

use std::num::NonZeroU32;
use std::sync::Arc;

use governor::{DefaultKeyedRateLimiter, Quota, RateLimiter};
use lettre::address::Envelope;
use lettre::message::Mailbox;
use lettre::transport::smtp;
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Tokio1Executor};
use mail_auth::common::crypto::{Ed25519Key, RsaKey, Sha256};
use mail_auth::common::headers::HeaderWriter as _;
use mail_auth::dkim::DkimSigner;
use rustls_pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject as _};
use secrecy::ExposeSecret as _;

use crate::settings::Settings;

type Relay = AsyncSmtpTransport<Tokio1Executor>;

/// What the signature covers.
const SIGNED: [&str; 8] =
    ["From", "To", "Subject", "Date", "Message-ID", "MIME-Version", "Content-Type", "Reply-To"];

enum Key {
    Rsa(Vec<u8>),
    Ed25519(Vec<u8>),
}

struct Dkim {
    key: Key,
    domain: String,
    selector: String,
}

/// The way out: SMTP relays, or none.
#[derive(Clone)]
pub struct Transport {
    relays: Arc<[Relay]>,
    pub(crate) from: Mailbox,
    dkim: Option<Arc<Dkim>>,
    pace: Option<Arc<DefaultKeyedRateLimiter<String>>>,
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport").field("relays", &self.relays.len()).finish_non_exhaustive()
    }
}

impl Transport {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with it; never a URL or a key itself.
    pub fn new(config: &Settings) -> Result<Self, String> {
        let from = config.from.parse().map_err(|_| "smtp.from is not an address".to_owned())?;
        let urls = std::iter::once(&config.url).chain(&config.fallback_urls);
        let urls = urls.map(|url| url.expose_secret()).filter(|url| !url.is_empty());
        let relay = |url: &str| {
            let builder = Relay::from_url(url);
            let builder = builder.map_err(|_| "smtp.url must be smtp://… or smtps://…".to_owned())?;
            Ok::<_, String>(builder.timeout(Some(config.timeout)).build())
        };
        let relays = urls.map(relay).collect::<Result<Vec<_>, _>>()?.into();
        let pace = NonZeroU32::new(config.per_domain_per_minute)
            .map(|most| Arc::new(RateLimiter::keyed(Quota::per_minute(most))));
        Ok(Self { relays, from, dkim: dkim(config)?, pace })
    }

    /// Whether mail leaves at all.
    pub fn is_connected(&self) -> bool {
        !self.relays.is_empty()
    }

    /// Asks every relay for a sign of life.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ping(&self) -> Result<(), String> {
        for (place, relay) in self.relays.iter().enumerate() {
            let answer = match relay.test_connection().await {
                Ok(true) => Ok(()),
                Ok(false) => Err("the relay refused".to_owned()),
                Err(error) => Err(error.to_string()),
            };
            answer.map_err(|error| if place == 0 { error } else { format!("fallback {place}: {error}") })?;
        }
        Ok(())
    }

    /// How long mail to this domain has to wait; `None`: it may go.
    pub(crate) fn pause(&self, domain: &str) -> Option<std::time::Duration> {
        use governor::clock::Clock as _;
        let refused = self.pace.as_ref()?.check_key(&domain.to_lowercase()).err()?;
        Some(refused.wait_time_from(governor::clock::DefaultClock::default().now()))
    }

    /// The message, signed if a key is configured.
    ///
    /// # Errors
    /// That it could not be signed.
    pub(crate) fn sign(&self, message: Vec<u8>) -> Result<Vec<u8>, String> {
        let Some(dkim) = &self.dkim else { return Ok(message) };
        let failed = |error: mail_auth::Error| format!("DKIM: {error}");
        let header = match &dkim.key {
            Key::Rsa(der) => {
                let key = rsa(der).map_err(failed)?;
                let signer = DkimSigner::from_key(key).domain(&dkim.domain).selector(&dkim.selector);
                signer.headers(SIGNED).sign(&message).map_err(failed)?.to_header()
            }
            Key::Ed25519(der) => {
                let key = Ed25519Key::from_pkcs8_maybe_unchecked_der(der).map_err(failed)?;
                let signer = DkimSigner::from_key(key).domain(&dkim.domain).selector(&dkim.selector);
                signer.headers(SIGNED).sign(&message).map_err(failed)?.to_header()
            }
        };
        Ok([header.into_bytes(), message].concat())
    }

    /// Hands a message to the first relay that takes it. A refusal for good is one: the next relay would be refused too.
    ///
    /// # Errors
    /// The last relay's.
    pub(crate) async fn send(&self, envelope: &Envelope, message: &[u8]) -> Result<(), smtp::Error> {
        let mut last = None;
        for (place, relay) in self.relays.iter().enumerate() {
            match relay.send_raw(envelope, message).await {
                Ok(_) => return Ok(()),
                Err(error) if error.is_permanent() => return Err(error),
                Err(error) => {
                    tracing::warn!(place, %error, "a mail relay failed");
                    metrics::counter!("tenantry_mail_relay_failures_total", "relay" => place.to_string())
                        .increment(1);
                    last = Some(error);
                }
            }
        }
        last.map_or(Ok(()), Err)
    }
}

fn dkim(config: &Settings) -> Result<Option<Arc<Dkim>>, String> {
    let pem = config.dkim_key.expose_secret();
    if config.dkim_domain.is_empty() || pem.is_empty() {
        return Ok(None);
    }
    if config.dkim_selector.is_empty() {
        return Err("smtp.dkim_selector is missing".to_owned());
    }
    let wrong = || "smtp.dkim_key must be an RSA or Ed25519 key, PKCS #8 in PEM".to_owned();
    let der = PrivatePkcs8KeyDer::from_pem_slice(pem.as_bytes()).map_err(|_| wrong())?;
    let der = der.secret_pkcs8_der().to_vec();
    let key = match (rsa(&der), Ed25519Key::from_pkcs8_maybe_unchecked_der(&der)) {
        (Ok(_), _) => Key::Rsa(der),
        (_, Ok(_)) => Key::Ed25519(der),
        _ => return Err(wrong()),
    };
    let (domain, selector) = (config.dkim_domain.clone(), config.dkim_selector.clone());
    Ok(Some(Arc::new(Dkim { key, domain, selector })))
}

fn rsa(der: &[u8]) -> mail_auth::Result<RsaKey<Sha256>> {
    RsaKey::from_key_der(PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(der)))
}
