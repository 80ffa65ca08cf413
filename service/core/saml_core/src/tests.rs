//! What the tests of every module share: a provider that signs, its times, and how one text becomes another.

#[allow(
    dead_code,
    missing_docs,
    unreachable_pub,
    clippy::disallowed_methods,
    reason = "stories use it too, and give it their own rules"
)]
#[path = "../../../../tests/src/saml.rs"]
pub(crate) mod saml;

use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

use crate::refusal::{Reason, Refusal};

pub(crate) const ISSUER: &str = "https://idp.example/entity";
pub(crate) const AUDIENCE: &str = "https://sp.example/metadata";
pub(crate) const ACS: &str = "https://sp.example/acs";
pub(crate) const REQUEST: &str = "_request";

pub(crate) fn now() -> DateTime<Utc> {
    "2026-03-04T05:06:07Z".parse().unwrap()
}

/// So many seconds after now, as a message writes it.
pub(crate) fn at(seconds: i64) -> String {
    (now() + TimeDelta::seconds(seconds)).to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// What stands between two texts, with both of them.
pub(crate) fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap();
    let length = text[start..].find(to).unwrap() + to.len();
    &text[start..start + length]
}

/// The text with its first `from` replaced, which has to be there.
pub(crate) fn put(text: &str, from: &str, to: &str) -> String {
    assert!(text.contains(from), "nothing to replace: {from}");
    text.replacen(from, to, 1)
}

/// The word for what became of something: `taken`, or why not.
pub(crate) fn outcome<T>(result: Result<T, Refusal>) -> &'static str {
    result.map_or_else(|refusal| refusal.reason.name(), |_| "taken")
}

/// Why something was refused, and what came.
pub(crate) fn why<T: std::fmt::Debug>(result: Result<T, Refusal>) -> (Reason, String) {
    let refusal = result.unwrap_err();
    (refusal.reason, refusal.got.unwrap_or_default())
}

/// An honest response of the provider to our request.
pub(crate) fn mint() -> saml::Mint {
    saml::Mint::new(ISSUER, AUDIENCE, ACS, Some(REQUEST), now())
}

/// Trust in the keys of these names.
pub(crate) fn trust(names: &[&'static str]) -> crate::Trust {
    let certificates: Vec<_> = names.iter().map(|name| saml::certificate(&saml::shared_pair(name))).collect();
    crate::Trust::new(&certificates).unwrap()
}

/// What signs by the key of this name.
pub(crate) fn signer(name: &'static str) -> crate::Signer {
    let pair = saml::shared_pair(name);
    crate::Signer::new(&pair.pem, &saml::certificate(&pair)).unwrap()
}
