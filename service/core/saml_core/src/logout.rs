//! Logout messages of the identity provider (SAML profiles, section 4.4): believed only when signed.

use chrono::{DateTime, TimeDelta, Utc};

use crate::refusal::{Reason, Refusal};
use crate::response::{issued_by, moment, signatures, version};
use crate::security::Trust;
use crate::xml::{ASSERTION, MESSAGE, PROTOCOL, Xml};

/// A logout message is fresh for this long.
const FRESH: TimeDelta = TimeDelta::minutes(5);

/// How a logout message is verified.
#[derive(Debug)]
pub struct ExpectedLogout<'a> {
    /// The identity provider's entity id.
    pub issuer: &'a str,
    /// Where the message was sent.
    pub slo: &'a str,
    /// Now.
    pub now: DateTime<Utc>,
    /// Difference between clocks that is tolerated.
    pub skew: TimeDelta,
    /// Keys that are trusted.
    pub trust: &'a Trust,
    /// Whether the query's own signature was verified: then the document needs none.
    pub query_verified: bool,
}

/// What a logout message says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum LogoutMessage {
    /// End these sessions.
    Request {
        /// Its ID.
        id: String,
        /// Whose.
        name_id: String,
        /// Which; none: all.
        session_indexes: Vec<String>,
    },
    /// The answer to our request.
    Response {
        /// The request that it answers.
        in_response_to: Option<String>,
        /// Whether it was done.
        success: bool,
    },
}

/// Verifies a logout message and reads it.
///
/// # Errors
/// [`Refusal`] with the first thing that is wrong.
pub fn accept_logout(text: &str, expected: &ExpectedLogout<'_>) -> Result<LogoutMessage, Refusal> {
    let xml = Xml::parse(text, MESSAGE)?;
    let root = xml.root()?;
    let is_request = xml.is(root, PROTOCOL, "LogoutRequest");
    if !is_request && !xml.is(root, PROTOCOL, "LogoutResponse") {
        return Err(Refusal::new(Reason::NotALogout));
    }
    version(&xml, root)?;
    let signed = signatures(&xml, root, expected.trust)?;
    if !expected.query_verified && !signed.contains(&root) {
        return Err(Refusal::new(Reason::SignatureMissing));
    }
    issued_by(&xml, xml.required(root, ASSERTION, "Issuer")?, expected.issuer)?;
    match xml.attribute(root, "Destination") {
        Some(destination) if destination == expected.slo => {}
        other => {
            let got = other.unwrap_or_default();
            return Err(Refusal::new(Reason::DestinationWrong).expected(expected.slo).got(got));
        }
    }
    let made = moment(xml.required_attribute(root, "IssueInstant")?)?;
    let until = xml.attribute(root, "NotOnOrAfter").map(moment).transpose()?;
    if made > expected.now + expected.skew {
        return Err(Refusal::new(Reason::NotYetValid).got(made.to_rfc3339()));
    }
    if made + FRESH + expected.skew <= expected.now
        || until.is_some_and(|until| until + expected.skew <= expected.now)
    {
        return Err(Refusal::new(Reason::Expired).got(made.to_rfc3339()));
    }
    if is_request {
        let name_id = xml.exact_text(xml.required(root, ASSERTION, "NameID")?)?;
        if !identity_core::is_subject(&name_id) {
            return Err(Refusal::new(Reason::SubjectUnusable).got(name_id));
        }
        let indexes = xml.children(root, PROTOCOL, "SessionIndex");
        return Ok(LogoutMessage::Request {
            id: xml.required_attribute(root, "ID")?.to_owned(),
            name_id,
            session_indexes: indexes.into_iter().map(|node| xml.text(node)).collect::<Result<_, _>>()?,
        });
    }
    let status = xml.required(root, PROTOCOL, "Status")?;
    let code = xml.required(status, PROTOCOL, "StatusCode")?;
    Ok(LogoutMessage::Response {
        in_response_to: xml.attribute(root, "InResponseTo").map(ToOwned::to_owned),
        success: xml.attribute(code, "Value").is_some_and(|value| value.ends_with(":Success")),
    })
}

#[cfg(test)]
mod tests;
