//! What the service provider says: sign-in requests, logout messages, its own metadata.

use chrono::{DateTime, SecondsFormat, Utc};

use crate::binding::attribute;
use crate::certificate::Certificate;
use crate::refusal::Refusal;
use crate::security::Signer;
use crate::xml::{ASSERTION, DSIG, METADATA, PROTOCOL, escape};

fn instant(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

/// A sign-in request (core, section 3.4.1).
#[derive(Clone, Debug)]
pub struct AuthnRequest<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// Where it goes.
    pub destination: &'a str,
    /// Where the answer is to come.
    pub acs: &'a str,
    /// When it is made.
    pub now: DateTime<Utc>,
    /// Whether the person must prove who they are again.
    pub force_authn: bool,
    /// Which kind of sign-in is asked for, if any.
    pub authn_context: Option<&'a str>,
    /// Who is expected.
    pub login_hint: Option<&'a str>,
    /// The format of the wanted `NameID`.
    pub name_id_format: Option<&'a str>,
}

impl AuthnRequest<'_> {
    /// The XML, unsigned: the redirect binding signs the query.
    pub fn xml(&self) -> String {
        let mut attributes = String::new();
        for (name, value) in [
            ("ID", self.id),
            ("Version", "2.0"),
            ("IssueInstant", instant(self.now).as_str()),
            ("Destination", self.destination),
            ("AssertionConsumerServiceURL", self.acs),
            ("ProtocolBinding", "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST"),
        ] {
            attributes.push_str(&attribute(name, value));
        }
        if self.force_authn {
            attributes.push_str(" ForceAuthn=\"true\"");
        }
        let subject = self.login_hint.map_or(String::new(), |hint| {
            format!("<saml:Subject><saml:NameID>{}</saml:NameID></saml:Subject>", escape(hint))
        });
        let policy = match self.name_id_format {
            Some(format) => {
                format!("<samlp:NameIDPolicy{} AllowCreate=\"true\"/>", attribute("Format", format))
            }
            None => String::new(),
        };
        let context = self.authn_context.map_or(String::new(), |class| {
            format!(
                "<samlp:RequestedAuthnContext Comparison=\"minimum\"><saml:AuthnContextClassRef>{}</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>",
                escape(class)
            )
        });
        format!(
            "<samlp:AuthnRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\"{attributes}><saml:Issuer>{}</saml:Issuer>{subject}{policy}{context}</samlp:AuthnRequest>",
            escape(self.issuer)
        )
    }

    /// The XML with an enveloped signature, for the POST binding.
    ///
    /// # Errors
    /// [`crate::Reason::SignatureInvalid`] if the key can't sign.
    pub fn signed(&self, signer: &Signer) -> Result<String, Refusal> {
        signer.envelop(&self.xml(), self.id)
    }
}

/// A logout message (core, section 3.7).
#[derive(Clone, Debug)]
pub struct Logout<'a> {
    /// Its ID.
    pub id: &'a str,
    /// Our entity id.
    pub issuer: &'a str,
    /// Where it goes.
    pub destination: &'a str,
    /// When it is made.
    pub now: DateTime<Utc>,
}

impl Logout<'_> {
    fn head(&self) -> String {
        [
            attribute("ID", self.id),
            attribute("Version", "2.0"),
            attribute("IssueInstant", &instant(self.now)),
            attribute("Destination", self.destination),
        ]
        .concat()
    }

    /// Asks the identity provider to end a session.
    pub fn request(&self, name_id: &str, format: Option<&str>, session_index: Option<&str>) -> String {
        let format = format.map_or(String::new(), |format| attribute("Format", format));
        let index = session_index.map_or(String::new(), |index| {
            format!("<samlp:SessionIndex>{}</samlp:SessionIndex>", escape(index))
        });
        format!(
            "<samlp:LogoutRequest xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\"{}><saml:Issuer>{}</saml:Issuer><saml:NameID{format}>{}</saml:NameID>{index}</samlp:LogoutRequest>",
            self.head(),
            escape(self.issuer),
            escape(name_id),
        )
    }

    /// Answers the identity provider's request.
    pub fn response(&self, in_response_to: &str) -> String {
        format!(
            "<samlp:LogoutResponse xmlns:samlp=\"{PROTOCOL}\" xmlns:saml=\"{ASSERTION}\"{}{}><saml:Issuer>{}</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status></samlp:LogoutResponse>",
            self.head(),
            attribute("InResponseTo", in_response_to),
            escape(self.issuer),
        )
    }
}

/// The service provider, as its metadata says (metadata, section 2.4.4).
#[derive(Debug)]
pub struct ServiceProvider<'a> {
    /// The entity id.
    pub entity_id: &'a str,
    /// Where responses are taken.
    pub acs: &'a str,
    /// Where logout messages are taken.
    pub slo: &'a str,
    /// Certificates for both uses, newest first.
    pub certificates: &'a [Certificate],
    /// Until when this may be kept.
    pub valid_until: DateTime<Utc>,
    /// The document's ID.
    pub id: &'a str,
}

impl ServiceProvider<'_> {
    /// The XML; signed if `signer` is there.
    ///
    /// # Errors
    /// [`crate::Reason::SignatureInvalid`] if the key can't sign.
    pub fn metadata(&self, signer: Option<&Signer>) -> Result<String, Refusal> {
        let mut keys = String::new();
        // The newest signs; every one still opens what was encrypted for it.
        for (at, certificate) in self.certificates.iter().enumerate() {
            let base64 = certificate.base64();
            let key = |used: &str| {
                format!(
                    "<md:KeyDescriptor use=\"{used}\"><ds:KeyInfo xmlns:ds=\"{DSIG}\"><ds:X509Data><ds:X509Certificate>{base64}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>"
                )
            };
            keys.push_str(&key("signing"));
            if at == 0 {
                keys.push_str(&key("encryption"));
            }
        }
        let post = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST";
        let redirect = "urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect";
        let slo = escape(self.slo);
        let xml = format!(
            "<md:EntityDescriptor xmlns:md=\"{METADATA}\"{}{}{}><md:SPSSODescriptor AuthnRequestsSigned=\"true\" WantAssertionsSigned=\"true\" protocolSupportEnumeration=\"{PROTOCOL}\">{keys}<md:SingleLogoutService Binding=\"{redirect}\" Location=\"{slo}\"/><md:SingleLogoutService Binding=\"{post}\" Location=\"{slo}\"/><md:NameIDFormat>urn:oasis:names:tc:SAML:2.0:nameid-format:persistent</md:NameIDFormat><md:NameIDFormat>urn:oasis:names:tc:SAML:1.1:nameid-format:emailAddress</md:NameIDFormat><md:AssertionConsumerService Binding=\"{post}\" Location=\"{}\" index=\"0\" isDefault=\"true\"/></md:SPSSODescriptor></md:EntityDescriptor>",
            attribute("ID", self.id),
            attribute("entityID", self.entity_id),
            attribute("validUntil", &instant(self.valid_until)),
            escape(self.acs),
        );
        match signer {
            Some(signer) => signer.envelop(&xml, self.id),
            None => Ok(xml),
        }
    }
}

#[cfg(test)]
mod tests;
