//! What an installation sets for mail.

use std::time::Duration;

use platform::config::Section;
use secrecy::SecretString;
use serde::Deserialize;

/// `[smtp]`
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// The relay; may hold a password.
    pub url: SecretString,
    /// Relays that are asked when it fails, in this order.
    pub fallback_urls: Vec<SecretString>,
    /// The sender.
    pub from: String,
    /// The language of mail, where nothing else is said.
    pub locale: String,
    /// Mails a minute to one domain; 0: without a limit.
    pub per_domain_per_minute: u32,
    /// The domain that signs (DKIM); empty: nothing is signed.
    pub dkim_domain: String,
    /// Under which name the public key is in its DNS.
    pub dkim_selector: String,
    /// The private key, PKCS #8 in PEM: RSA or Ed25519.
    pub dkim_key: SecretString,
    /// Time for the relay to answer.
    #[serde(with = "humantime_serde")]
    pub timeout: Duration,
}

impl Section for Settings {
    const NAME: &'static str = "smtp";
    const SHORT_NAMES: &'static [(&'static str, &'static str)] = &[("TENANTRY_SMTP_URL", "smtp.url")];
}

/// Of `[limits]`: mail.
#[derive(Clone, Debug, Deserialize)]
pub struct Limits {
    /// Mails of a tenant within 24 hours, times its plan's multiplier.
    pub mails_per_day: u64,
    /// Of these, those that callers without a credential cause, times its plan's multiplier.
    pub stranger_mails_per_day: u64,
    /// Of these, those to one address.
    pub stranger_mails_to_address_per_day: u64,
}

impl Section for Limits {
    const NAME: &'static str = "limits";
}
