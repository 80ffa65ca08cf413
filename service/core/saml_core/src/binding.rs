//! How messages travel: the POST and Redirect bindings (SAML bindings, sections 3.4 and 3.5).

use std::io::{Read as _, Write as _};

use base64::Engine as _;
use base64::alphabet;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use flate2::Compression;
use flate2::read::DeflateDecoder;
use flate2::write::DeflateEncoder;
use url::form_urlencoded;

use crate::refusal::{Reason, Refusal};
use crate::security::{Signer, Trust};
use crate::xml::{MESSAGE, escape};

/// Providers pad or don't.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Whether a message asks or answers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Direction {
    /// `SAMLRequest`
    Request,
    /// `SAMLResponse`
    Response,
}

impl Direction {
    /// The parameter's name.
    pub fn parameter(self) -> &'static str {
        match self {
            Direction::Request => "SAMLRequest",
            Direction::Response => "SAMLResponse",
        }
    }
}

fn wrong(why: &str) -> Refusal {
    Refusal::new(Reason::EncodingWrong).got(why)
}

fn decoded(text: &str) -> Result<Vec<u8>, Refusal> {
    // Base64 grows by a third, and may be broken into lines.
    if text.len() > MESSAGE.bytes * 3 / 2 {
        return Err(wrong("it is too long"));
    }
    let compact: String = text.chars().filter(|c| !c.is_ascii_whitespace()).collect();
    BASE64.decode(compact).map_err(|_| wrong("it is not base64"))
}

/// A message as a form sent it.
///
/// # Errors
/// [`Reason::EncodingWrong`].
pub fn from_post(value: &str) -> Result<String, Refusal> {
    String::from_utf8(decoded(value)?).map_err(|_| wrong("it is not UTF-8"))
}

/// A message as a query sent it: deflated. Inflation stops at the size that is taken (CVE-2025-25293).
///
/// # Errors
/// [`Reason::EncodingWrong`].
pub fn from_redirect(value: &str) -> Result<String, Refusal> {
    let compressed = decoded(value)?;
    let mut text = String::new();
    let limit = u64::try_from(MESSAGE.bytes).unwrap_or(u64::MAX);
    let read = DeflateDecoder::new(compressed.as_slice()).take(limit + 1).read_to_string(&mut text);
    match read {
        Ok(length) if length <= MESSAGE.bytes => Ok(text),
        Ok(_) => Err(wrong("it inflates to too much")),
        Err(_) => Err(wrong("it can't be inflated")),
    }
}

/// A message for a form.
pub fn to_post(xml: &str) -> String {
    base64::engine::general_purpose::STANDARD.encode(xml)
}

/// The page's form fields, ready to be shown: name and value.
pub fn post_fields(
    direction: Direction,
    xml: &str,
    relay_state: Option<&str>,
) -> Vec<(&'static str, String)> {
    let mut fields = vec![(direction.parameter(), to_post(xml))];
    fields.extend(relay_state.map(|state| ("RelayState", state.to_owned())));
    fields
}

/// The URL that carries a message, signed (bindings, section 3.4.4.1).
///
/// # Errors
/// [`Reason::SignatureInvalid`] if the key can't sign.
pub fn to_redirect(
    destination: &str,
    direction: Direction,
    xml: &str,
    relay_state: Option<&str>,
    signer: Option<&Signer>,
) -> Result<String, Refusal> {
    let mut deflated = DeflateEncoder::new(Vec::new(), Compression::default());
    let compressed = deflated.write_all(xml.as_bytes()).and_then(|()| deflated.finish());
    let compressed = compressed.map_err(|_| wrong("it can't be deflated"))?;
    let encode = |text: &str| form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
    let mut query = format!("{}={}", direction.parameter(), encode(&to_post_bytes(&compressed)));
    if let Some(state) = relay_state {
        query.push_str(&format!("&RelayState={}", encode(state)));
    }
    if let Some(signer) = signer {
        query.push_str(&format!("&SigAlg={}", encode(Signer::DETACHED)));
        let signature = signer.detached(query.as_bytes())?;
        query.push_str(&format!("&Signature={}", encode(&to_post_bytes(&signature))));
    }
    let separator = if destination.contains('?') { '&' } else { '?' };
    Ok(format!("{destination}{separator}{query}"))
}

fn to_post_bytes(bytes: &[u8]) -> String {
    base64::engine::general_purpose::STANDARD.encode(bytes)
}

/// Whether a query's own signature is one of the trusted keys'. The signed octets are the parameters as they came, still
/// encoded, in the order of the standard.
///
/// # Errors
/// [`Reason::SignatureMissing`], [`Reason::SignatureInvalid`], and [`Reason::EncodingWrong`] for a parameter that came twice.
pub fn verify_redirect(raw_query: &str, direction: Direction, trust: &Trust) -> Result<(), Refusal> {
    let raw = |name: &str| -> Result<Option<&str>, Refusal> {
        let mut found = raw_query.split('&').filter_map(|pair| pair.strip_prefix(name)?.strip_prefix('='));
        match (found.next(), found.next()) {
            (one, None) => Ok(one),
            _ => Err(wrong("a parameter was sent twice")),
        }
    };
    let missing = || Refusal::new(Reason::SignatureMissing);
    let message = raw(direction.parameter())?.ok_or_else(missing)?;
    let algorithm = raw("SigAlg")?.ok_or_else(missing)?;
    let signature = raw("Signature")?.ok_or_else(missing)?;
    let mut signed = format!("{}={message}", direction.parameter());
    if let Some(state) = raw("RelayState")? {
        signed.push_str(&format!("&RelayState={state}"));
    }
    signed.push_str(&format!("&SigAlg={algorithm}"));
    let plain = |text: &str| {
        form_urlencoded::parse(format!("v={text}").as_bytes())
            .next()
            .map(|(_, value)| value.into_owned())
            .unwrap_or_default()
    };
    let signature = decoded(&plain(signature))?;
    if trust.verifies_detached(&plain(algorithm), signed.as_bytes(), &signature) {
        Ok(())
    } else {
        Err(Refusal::new(Reason::SignatureInvalid))
    }
}

/// The attribute text of a message's own fields.
pub(crate) fn attribute(name: &str, value: &str) -> String {
    format!(" {name}=\"{}\"", escape(value))
}

#[cfg(test)]
mod tests;
