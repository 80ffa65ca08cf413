//! An identity provider's metadata (SAML metadata, section 2.4.3): who it is, where it answers, what it signs with.

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::certificate::Certificate;
use crate::refusal::{Reason, Refusal};
use crate::response::moment;
use crate::xml::{DSIG, METADATA, METADATA_DOCUMENT, PROTOCOL, Xml};

/// Certificates of one provider that are looked at.
pub const CERTIFICATES_MAX: usize = 10;
const REDIRECT: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
const POST: &str = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";

/// Where the provider takes messages of one kind.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// By the redirect binding.
    pub redirect: Option<String>,
    /// By the POST binding.
    pub post: Option<String>,
}

/// An identity provider.
#[derive(Clone, Debug)]
pub struct IdentityProvider {
    /// Its entity id.
    pub entity_id: String,
    /// Where it signs people in.
    pub sso: Endpoints,
    /// Where it signs people out.
    pub slo: Endpoints,
    /// What it signs with.
    pub certificates: Vec<Certificate>,
    /// Until when this may be kept.
    pub valid_until: Option<DateTime<Utc>>,
    /// Whether it wants sign-in requests signed.
    pub wants_signed_requests: bool,
}

fn unusable(why: impl Into<String>) -> Refusal {
    Refusal::new(Reason::MetadataUnusable).got(why)
}

impl IdentityProvider {
    /// Reads metadata of one entity. A certificate that can't be used is left out; without any that can, the whole is refused:
    /// nothing that this provider says could ever be verified.
    ///
    /// # Errors
    /// [`Reason::MetadataUnusable`], [`Reason::CertificateMissing`].
    pub fn parse(text: &str, now: DateTime<Utc>) -> Result<Self, Refusal> {
        let xml = Xml::parse(text.trim_start_matches('\u{feff}'), METADATA_DOCUMENT)?;
        let mut root = xml.root()?;
        if xml.is(root, METADATA, "EntitiesDescriptor") {
            // Federations publish thousands in one; who is meant must be clear.
            root = xml
                .child(root, METADATA, "EntityDescriptor")
                .map_err(|_| unusable("it describes several entities"))?
                .ok_or_else(|| unusable("it describes no entity"))?;
        }
        if !xml.is(root, METADATA, "EntityDescriptor") {
            return Err(unusable("it is not an EntityDescriptor"));
        }
        let entity_id = xml.required_attribute(root, "entityID")?.to_owned();
        if entity_id.is_empty() || entity_id.len() > 1024 {
            return Err(unusable("its entity id is empty or too long"));
        }
        let roles: Vec<_> = xml
            .children(root, METADATA, "IDPSSODescriptor")
            .into_iter()
            .filter(|role| {
                let protocols = xml.attribute(*role, "protocolSupportEnumeration").unwrap_or_default();
                protocols.split_ascii_whitespace().any(|one| one == PROTOCOL)
            })
            .collect();
        let [role] = roles.as_slice() else {
            return Err(unusable("it doesn't describe one SAML 2.0 identity provider"));
        };
        let mut valid_until: Option<DateTime<Utc>> = None;
        for node in [root, *role] {
            if let Some(until) = xml.attribute(node, "validUntil") {
                let until = moment(until)?;
                valid_until = Some(valid_until.map_or(until, |other| other.min(until)));
            }
        }
        if valid_until.is_some_and(|until| until <= now) {
            return Err(unusable("it is not valid any more"));
        }
        let provider = Self {
            entity_id,
            sso: endpoints(&xml, *role, "SingleSignOnService"),
            slo: endpoints(&xml, *role, "SingleLogoutService"),
            certificates: certificates(&xml, *role)?,
            valid_until,
            wants_signed_requests: matches!(
                xml.attribute(*role, "WantAuthnRequestsSigned"),
                Some("true" | "1")
            ),
        };
        if provider.sso == Endpoints::default() {
            return Err(unusable("it says no place to sign in by redirect or POST"));
        }
        Ok(provider)
    }
}

fn endpoints(xml: &Xml<'_>, role: uppsala::NodeId, name: &str) -> Endpoints {
    let mut found = Endpoints::default();
    for service in xml.children(role, METADATA, name) {
        let location = xml.attribute(service, "Location").filter(|text| text.len() <= 2048);
        let place = match xml.attribute(service, "Binding") {
            Some(REDIRECT) => &mut found.redirect,
            Some(POST) => &mut found.post,
            _ => continue,
        };
        if place.is_none() {
            *place = location.map(ToOwned::to_owned);
        }
    }
    found
}

fn certificates(xml: &Xml<'_>, role: uppsala::NodeId) -> Result<Vec<Certificate>, Refusal> {
    let mut found: Vec<Certificate> = Vec::new();
    let mut last = None;
    for descriptor in xml.children(role, METADATA, "KeyDescriptor") {
        // Without a use it is for both; a key for encryption alone signs nothing.
        if !matches!(xml.attribute(descriptor, "use"), None | Some("signing")) {
            continue;
        }
        for info in xml.children(descriptor, DSIG, "KeyInfo") {
            for data in xml.children(info, DSIG, "X509Data") {
                for certificate in xml.children(data, DSIG, "X509Certificate") {
                    match Certificate::parse(&xml.text(certificate)?) {
                        Ok(one) if found.iter().any(|other| other.spki == one.spki) => {}
                        Ok(one) => found.push(one),
                        Err(refusal) => last = Some(refusal),
                    }
                    if found.len() > CERTIFICATES_MAX {
                        return Err(unusable(format!(
                            "it has more than {CERTIFICATES_MAX} signing certificates"
                        )));
                    }
                }
            }
        }
    }
    if found.is_empty() {
        return Err(last.unwrap_or_else(|| Refusal::new(Reason::CertificateMissing)));
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
