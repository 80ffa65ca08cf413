//! A response of the web browser SSO profile (SAML profiles, section 4.1): what of it may be believed.
//!
//! Nothing is read but below the element that a verified signature covers, found by its place in the one tree that was
//! verified. Everything that the profile leaves open is closed here; each check refuses with a word of its own.

use std::collections::BTreeMap;

use chrono::{DateTime, TimeDelta, Utc};
use serde::Serialize;
use uppsala::NodeId;

use crate::refusal::{Reason, Refusal};
use crate::security::{Decryptor, Trust, XmlSecurity as _, check_shape};
use crate::xml::{ASSERTION, DSIG, MESSAGE, PROTOCOL, Xml};

/// An assertion older than this is refused whatever it says about itself: its ID must be remembered until it expires.
pub const AGE_MAX: TimeDelta = TimeDelta::hours(1);
const SUCCESS: &str = "urn:oasis:names:tc:SAML:2.0:status:Success";
const BEARER: &str = "urn:oasis:names:tc:SAML:2.0:cm:bearer";
const TRANSIENT: &str = "urn:oasis:names:tc:SAML:2.0:nameid-format:transient";
/// Values of one attribute that are kept.
const VALUES_MAX: usize = 1000;

/// What a response must fit.
#[derive(Debug)]
pub struct Expected<'a> {
    /// The identity provider's entity id.
    pub issuer: &'a str,
    /// Our entity id.
    pub audience: &'a str,
    /// Where the response was sent.
    pub acs: &'a str,
    /// The request that it answers; `None`: none, and it must not claim one.
    pub request_id: Option<&'a str>,
    /// Now.
    pub now: DateTime<Utc>,
    /// Difference between clocks that is tolerated.
    pub skew: TimeDelta,
    /// Keys that are trusted.
    pub trust: &'a Trust,
    /// Keys that open encrypted assertions.
    pub decryptor: Option<&'a Decryptor>,
}

/// What a verified response says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Accepted {
    /// The assertion's ID, taken once.
    pub assertion_id: String,
    /// Until when the ID must be remembered.
    pub replay_until: DateTime<Utc>,
    /// `NameID`.
    pub name_id: String,
    /// Its format, if it says one.
    pub name_id_format: Option<String>,
    /// The session at the identity provider.
    pub session_index: Option<String>,
    /// When that session ends.
    pub session_not_on_or_after: Option<DateTime<Utc>>,
    /// When the person signed in there.
    pub authn_instant: DateTime<Utc>,
    /// How.
    pub authn_context: Option<String>,
    /// Attributes with their values.
    pub attributes: BTreeMap<String, Vec<String>>,
    /// Whether the assertion came encrypted.
    pub encrypted: bool,
}

/// Which request a response claims to answer, read without any trust: only to find what to verify it with.
///
/// # Errors
/// As [`accept`], for what can't even be read.
pub fn claimed_request(xml: &str) -> Result<Option<String>, Refusal> {
    let xml = Xml::parse(xml, MESSAGE)?;
    let root = xml.root()?;
    Ok(xml.attribute(root, "InResponseTo").map(ToOwned::to_owned))
}

/// Verifies a response and reads it.
///
/// # Errors
/// [`Refusal`] with the first thing that is wrong.
pub fn accept(text: &str, expected: &Expected<'_>) -> Result<Accepted, Refusal> {
    let xml = Xml::parse(text, MESSAGE)?;
    let root = response(&xml)?;
    let signed = signatures(&xml, root, expected.trust)?;
    check_response(&xml, root, expected, signed.contains(&root))?;
    let plain = xml.children(root, ASSERTION, "Assertion");
    let encrypted = xml.children(root, ASSERTION, "EncryptedAssertion");
    match (plain.as_slice(), encrypted.as_slice()) {
        ([assertion], []) => {
            if xml.everywhere(ASSERTION, "Assertion").len() != 1 {
                return Err(Refusal::new(Reason::AssertionCount));
            }
            if !signed.contains(&root) && !signed.contains(assertion) {
                return Err(Refusal::new(Reason::SignatureMissing));
            }
            read(&xml, *assertion, expected, false)
        }
        ([], [encrypted]) => {
            let outer = signed.contains(&root);
            let decryptor = expected.decryptor.ok_or_else(|| Refusal::new(Reason::DecryptionFailed))?;
            let opened = decryptor.open(&xml, *encrypted, outer)?;
            opened_assertion(&opened, expected, outer)
        }
        _ => Err(Refusal::new(Reason::AssertionCount).got(format!("{}", plain.len() + encrypted.len()))),
    }
}

/// The assertion of a response whose encryption was taken off. What the outer signature covered it covers still: the
/// ciphertext was signed, and there was one.
fn opened_assertion(text: &str, expected: &Expected<'_>, outer: bool) -> Result<Accepted, Refusal> {
    let xml = Xml::parse(text, MESSAGE)?;
    let root = response(&xml)?;
    let encrypted = xml.required(root, ASSERTION, "EncryptedAssertion")?;
    let assertion = xml.required(encrypted, ASSERTION, "Assertion")?;
    if xml.everywhere(ASSERTION, "Assertion").len() != 1
        || !xml.everywhere(ASSERTION, "EncryptedID").is_empty()
    {
        return Err(Refusal::new(Reason::AssertionCount));
    }
    let inner = xml.children(assertion, DSIG, "Signature");
    let elsewhere = xml.everywhere(DSIG, "Signature").into_iter().filter(|one| !inner.contains(one));
    // In the opened text the outer signature doesn't verify any more; it did before.
    if elsewhere.filter(|one| xml.document.parent(*one) != Some(root)).count() > 0 {
        return Err(Refusal::new(Reason::SignatureMisplaced));
    }
    match inner.as_slice() {
        [] if outer => {}
        [] => return Err(Refusal::new(Reason::SignatureMissing)),
        [signature] => {
            check_shape(&xml, *signature)?;
            if !expected.trust.verified(&xml)?.contains(&(*signature, assertion)) {
                return Err(Refusal::new(Reason::SignatureInvalid));
            }
        }
        _ => return Err(Refusal::new(Reason::SignatureMisplaced)),
    }
    read(&xml, assertion, expected, true)
}

fn response(xml: &Xml<'_>) -> Result<NodeId, Refusal> {
    let root = xml.root()?;
    if !xml.is(root, PROTOCOL, "Response") {
        let got = xml.element(root).map(|element| element.name.local_name.to_string()).unwrap_or_default();
        return Err(Refusal::new(Reason::NotAResponse).got(got));
    }
    version(xml, root)?;
    Ok(root)
}

pub(crate) fn version(xml: &Xml<'_>, node: NodeId) -> Result<(), Refusal> {
    match xml.attribute(node, "Version") {
        Some("2.0") => Ok(()),
        other => Err(Refusal::new(Reason::VersionWrong).expected("2.0").got(other.unwrap_or_default())),
    }
}

/// The elements that signatures cover. Each signature must stand directly in the root or in its assertion, have the one
/// shape, and verify: one that doesn't makes the whole message worthless, whatever the others say.
pub(crate) fn signatures(xml: &Xml<'_>, root: NodeId, trust: &Trust) -> Result<Vec<NodeId>, Refusal> {
    let all = xml.everywhere(DSIG, "Signature");
    let mut parents = Vec::new();
    for signature in &all {
        let parent = xml.document.parent(*signature);
        let belongs = parent.filter(|parent| {
            *parent == root
                || (xml.is(*parent, ASSERTION, "Assertion") && xml.document.parent(*parent) == Some(root))
        });
        let parent = belongs.ok_or_else(|| Refusal::new(Reason::SignatureMisplaced))?;
        if parents.contains(&parent) {
            return Err(Refusal::new(Reason::SignatureMisplaced));
        }
        check_shape(xml, *signature)?;
        parents.push(parent);
    }
    if all.is_empty() {
        return Ok(Vec::new());
    }
    let verified = trust.verified(xml)?;
    let covers = |(signature, parent): (&NodeId, &NodeId)| verified.contains(&(*signature, *parent));
    if verified.len() != all.len() || !all.iter().zip(&parents).all(covers) {
        return Err(Refusal::new(Reason::SignatureInvalid));
    }
    Ok(parents)
}

fn check_response(xml: &Xml<'_>, root: NodeId, expected: &Expected<'_>, signed: bool) -> Result<(), Refusal> {
    let status = xml.required(root, PROTOCOL, "Status")?;
    let code = xml.required(status, PROTOCOL, "StatusCode")?;
    let value = xml.required_attribute(code, "Value")?;
    if value != SUCCESS {
        let second = xml.child(code, PROTOCOL, "StatusCode")?.and_then(|inner| xml.attribute(inner, "Value"));
        let message = xml.child_text(status, PROTOCOL, "StatusMessage")?.unwrap_or_default();
        let word = |uri: &str| uri.rsplit(':').next().unwrap_or_default().to_owned();
        let got = format!("{} {} {message}", word(value), second.map(word).unwrap_or_default());
        return Err(Refusal::new(Reason::StatusFailed).got(got));
    }
    // Bindings, section 3.5.5.2: what is signed must say where it goes.
    match xml.attribute(root, "Destination") {
        Some(destination) if destination == expected.acs => {}
        None if !signed => {}
        other => {
            return Err(Refusal::new(Reason::DestinationWrong)
                .expected(expected.acs)
                .got(other.unwrap_or_default()));
        }
    }
    if let Some(issuer) = xml.child(root, ASSERTION, "Issuer")? {
        issued_by(xml, issuer, expected.issuer)?;
    }
    in_response_to(xml.attribute(root, "InResponseTo"), expected.request_id, false)?;
    let made = moment(xml.required_attribute(root, "IssueInstant")?)?;
    if made > expected.now + expected.skew {
        return Err(Refusal::new(Reason::NotYetValid).got(made.to_rfc3339()));
    }
    Ok(())
}

pub(crate) fn issued_by(xml: &Xml<'_>, issuer: NodeId, expected: &str) -> Result<(), Refusal> {
    let got = xml.text(issuer)?;
    if got == expected {
        return Ok(());
    }
    Err(Refusal::new(Reason::IssuerWrong).expected(expected).got(got))
}

fn in_response_to(claimed: Option<&str>, request: Option<&str>, must: bool) -> Result<(), Refusal> {
    match (claimed, request) {
        (Some(claimed), Some(request)) if claimed == request => Ok(()),
        (None, None) => Ok(()),
        (None, Some(_)) if !must => Ok(()),
        (claimed, Some(request)) => {
            Err(Refusal::new(Reason::InResponseToWrong).expected(request).got(claimed.unwrap_or_default()))
        }
        (Some(claimed), None) => Err(Refusal::new(Reason::InResponseToWrong).got(claimed)),
    }
}

/// RFC 3339 is a profile of the `dateTime` that SAML demands in UTC (core, section 1.3.3).
pub(crate) fn moment(text: &str) -> Result<DateTime<Utc>, Refusal> {
    let parsed = DateTime::parse_from_rfc3339(text.trim()).map(|moment| moment.with_timezone(&Utc));
    parsed.map_err(|_| Refusal::new(Reason::TimeUnreadable).got(text))
}

fn window(xml: &Xml<'_>, node: NodeId, expected: &Expected<'_>, must_end: bool) -> Result<(), Refusal> {
    if let Some(from) = xml.attribute(node, "NotBefore") {
        let from = moment(from)?;
        if from > expected.now + expected.skew {
            return Err(Refusal::new(Reason::NotYetValid)
                .expected(expected.now.to_rfc3339())
                .got(from.to_rfc3339()));
        }
    }
    match xml.attribute(node, "NotOnOrAfter") {
        Some(until) => {
            let until = moment(until)?;
            if until + expected.skew <= expected.now {
                return Err(Refusal::new(Reason::Expired)
                    .expected(expected.now.to_rfc3339())
                    .got(until.to_rfc3339()));
            }
            Ok(())
        }
        None if must_end => Err(Refusal::new(Reason::Missing).expected("NotOnOrAfter")),
        None => Ok(()),
    }
}

fn read(
    xml: &Xml<'_>,
    assertion: NodeId,
    expected: &Expected<'_>,
    encrypted: bool,
) -> Result<Accepted, Refusal> {
    version(xml, assertion)?;
    let id = xml.required_attribute(assertion, "ID")?.to_owned();
    issued_by(xml, xml.required(assertion, ASSERTION, "Issuer")?, expected.issuer)?;
    let made = moment(xml.required_attribute(assertion, "IssueInstant")?)?;
    if made > expected.now + expected.skew {
        return Err(Refusal::new(Reason::NotYetValid).got(made.to_rfc3339()));
    }
    if made + AGE_MAX + expected.skew <= expected.now {
        return Err(Refusal::new(Reason::Expired).got(made.to_rfc3339()));
    }
    conditions(xml, assertion, expected)?;
    let (name_id, name_id_format) = subject(xml, assertion, expected)?;
    let statements = xml.children(assertion, ASSERTION, "AuthnStatement");
    let statement =
        *statements.first().ok_or_else(|| Refusal::new(Reason::Missing).expected("AuthnStatement"))?;
    let session_not_on_or_after = xml.attribute(statement, "SessionNotOnOrAfter").map(moment).transpose()?;
    if let Some(end) = session_not_on_or_after.filter(|end| *end + expected.skew <= expected.now) {
        return Err(Refusal::new(Reason::Expired).got(end.to_rfc3339()));
    }
    let authn_instant = moment(xml.required_attribute(statement, "AuthnInstant")?)?;
    let context = xml.child(statement, ASSERTION, "AuthnContext")?;
    let authn_context = match context {
        Some(context) => xml.child_text(context, ASSERTION, "AuthnContextClassRef")?,
        None => None,
    };
    Ok(Accepted {
        assertion_id: id,
        replay_until: made + AGE_MAX + expected.skew,
        name_id,
        name_id_format,
        session_index: xml.attribute(statement, "SessionIndex").map(ToOwned::to_owned),
        session_not_on_or_after,
        authn_instant,
        authn_context,
        attributes: attributes(xml, assertion)?,
        encrypted,
    })
}

fn conditions(xml: &Xml<'_>, assertion: NodeId, expected: &Expected<'_>) -> Result<(), Refusal> {
    let conditions = xml.required(assertion, ASSERTION, "Conditions")?;
    window(xml, conditions, expected, false)?;
    let mut restricted = false;
    for child in xml.document.children_iter(conditions) {
        let Some(element) = xml.element(child) else { continue };
        if xml.is(child, ASSERTION, "AudienceRestriction") {
            restricted = true;
            let audiences = xml.children(child, ASSERTION, "Audience");
            let named: Vec<String> =
                audiences.into_iter().map(|audience| xml.text(audience)).collect::<Result<_, _>>()?;
            // Core, section 2.5.1.4: each restriction must hold, by one of its audiences.
            if !named.iter().any(|audience| audience == expected.audience) {
                return Err(Refusal::new(Reason::AudienceWrong)
                    .expected(expected.audience)
                    .got(named.join(" ")));
            }
        } else if !xml.is(child, ASSERTION, "OneTimeUse") && !xml.is(child, ASSERTION, "ProxyRestriction") {
            return Err(Refusal::new(Reason::ConditionUnknown).got(element.name.local_name.to_string()));
        }
    }
    if restricted { Ok(()) } else { Err(Refusal::new(Reason::AudienceWrong).expected(expected.audience)) }
}

fn subject(
    xml: &Xml<'_>,
    assertion: NodeId,
    expected: &Expected<'_>,
) -> Result<(String, Option<String>), Refusal> {
    let subject = xml.required(assertion, ASSERTION, "Subject")?;
    let name_id = xml.required(subject, ASSERTION, "NameID")?;
    let value = xml.exact_text(name_id)?;
    let format = xml.attribute(name_id, "Format").map(ToOwned::to_owned);
    if !identity_core::is_subject(&value) {
        return Err(Refusal::new(Reason::SubjectUnusable).got(value));
    }
    let mut last = Refusal::new(Reason::ConfirmationMissing).expected(BEARER);
    for confirmation in xml.children(subject, ASSERTION, "SubjectConfirmation") {
        match confirmed(xml, confirmation, expected) {
            Ok(()) => return Ok((value, format)),
            Err(refusal) => last = refusal,
        }
    }
    Err(last)
}

/// Profiles, section 4.1.4.2: by bearer, for us, in time, for our request.
fn confirmed(xml: &Xml<'_>, confirmation: NodeId, expected: &Expected<'_>) -> Result<(), Refusal> {
    match xml.attribute(confirmation, "Method") {
        Some(BEARER) => {}
        other => {
            return Err(Refusal::new(Reason::ConfirmationMissing)
                .expected(BEARER)
                .got(other.unwrap_or_default()));
        }
    }
    let data = xml.required(confirmation, ASSERTION, "SubjectConfirmationData")?;
    match xml.attribute(data, "Recipient") {
        Some(recipient) if recipient == expected.acs => {}
        other => {
            return Err(Refusal::new(Reason::RecipientWrong)
                .expected(expected.acs)
                .got(other.unwrap_or_default()));
        }
    }
    window(xml, data, expected, true)?;
    in_response_to(xml.attribute(data, "InResponseTo"), expected.request_id, true)
}

fn attributes(xml: &Xml<'_>, assertion: NodeId) -> Result<BTreeMap<String, Vec<String>>, Refusal> {
    let mut all: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for statement in xml.children(assertion, ASSERTION, "AttributeStatement") {
        for attribute in xml.children(statement, ASSERTION, "Attribute") {
            let name = xml.required_attribute(attribute, "Name")?.to_owned();
            let values = all.entry(name).or_default();
            for value in xml.children(attribute, ASSERTION, "AttributeValue") {
                // A value may be any XML; what isn't text maps to nothing.
                if !xml.has_elements(value) && values.len() < VALUES_MAX {
                    let text = xml.exact_text(value)?;
                    if !values.contains(&text) {
                        values.push(text);
                    }
                }
            }
        }
    }
    Ok(all)
}

/// Whether a `NameID` of this format names somebody only for the length of one session.
pub fn is_transient(format: Option<&str>) -> bool {
    format == Some(TRANSIENT)
}

#[cfg(test)]
mod tests;
