//! A SAML identity provider that mints what a test asks for: honest responses, and templates for forged ones.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bergshamra::keys::loader::{load_pem_auto, load_x509_cert_der};
use bergshamra::{DsigContext, EncContext, KeysManager};
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};

pub const RSA_SHA256: &str = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256";
pub const SHA256: &str = "http://www.w3.org/2001/04/xmlenc#sha256";
pub const EXCLUSIVE: &str = "http://www.w3.org/2001/10/xml-exc-c14n#";
pub const OAEP: &str = "http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p";
pub const AES_GCM: &str = "http://www.w3.org/2009/xmlenc11#aes256-gcm";

/// A key pair with a certificate of its own.
#[derive(Clone)]
pub struct Pair {
    pub pem: String,
    /// Base64 of DER.
    pub certificate: String,
}

impl Pair {
    pub fn new(name: &str, bits: usize) -> Self {
        use aws_lc_rs::encoding::AsDer;
        use aws_lc_rs::rsa::{KeyPair, KeySize};
        let size = if bits == 4096 { KeySize::Rsa4096 } else { KeySize::Rsa2048 };
        let key = KeyPair::generate(size).expect("a key");
        let der: aws_lc_rs::encoding::Pkcs8V1Der<'_> = key.as_der().expect("DER");
        let body = STANDARD.encode(der.as_ref());
        let lines: Vec<&str> =
            body.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("text")).collect();
        let pem = format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"));
        let pair = rcgen::KeyPair::from_pem_and_sign_algo(&pem, &rcgen::PKCS_RSA_SHA256).expect("a key");
        let mut parameters = rcgen::CertificateParams::default();
        parameters.distinguished_name.push(rcgen::DnType::CommonName, name);
        parameters.not_after = rcgen::date_time_ymd(2040, 1, 1);
        let certificate = parameters.self_signed(&pair).expect("a certificate");
        Self { pem, certificate: STANDARD.encode(certificate.der()) }
    }

    /// The certificate in PEM.
    pub fn certificate_pem(&self) -> String {
        format!("-----BEGIN CERTIFICATE-----\n{}\n-----END CERTIFICATE-----\n", self.certificate)
    }

    fn der(&self) -> Vec<u8> {
        STANDARD.decode(&self.certificate).expect("base64")
    }

    /// Signs the signature templates of a document: the innermost first, or what stands around it would be wrong at once.
    pub fn sign(&self, template: &str) -> String {
        let mut keys = KeysManager::new();
        keys.add_key(load_pem_auto(self.pem.as_bytes(), None).expect("a key"));
        let mut context = DsigContext::new(keys);
        context.trusted_keys_only = true;
        let mut document = uppsala::parse(template).expect("XML");
        let depth = |document: &uppsala::Document<'_>, node| document.ancestors(node).len();
        let mut all = document.get_elements_by_tag_name("Signature");
        all.sort_by_key(|node| std::cmp::Reverse(depth(&document, *node)));
        for node in all {
            bergshamra::dsig::sign::sign_document_node(&context, &mut document, node).expect("signed");
        }
        document.to_xml()
    }
}

/// What a response says; as it stands by default, it is right.
#[derive(Clone)]
pub struct Mint {
    pub now: DateTime<Utc>,
    pub issuer: String,
    pub audience: String,
    pub acs: String,
    pub in_response_to: Option<String>,
    pub name_id: String,
    pub attributes: Vec<(String, Vec<String>)>,
    pub sign_assertion: bool,
    pub sign_response: bool,
    pub signature_method: String,
    pub digest_method: String,
    pub canonicalization: String,
    pub key_info: bool,
    /// The certificate for which the assertion is encrypted, and how.
    pub encrypt: Option<(String, String, String)>,
    /// Texts that are replaced before anything is signed.
    pub replace: Vec<(String, String)>,
    pub assertion_id: String,
    pub response_id: String,
}

fn instant(moment: DateTime<Utc>) -> String {
    moment.to_rfc3339_opts(SecondsFormat::Secs, true)
}

impl Mint {
    pub fn new(
        issuer: &str,
        audience: &str,
        acs: &str,
        in_response_to: Option<&str>,
        now: DateTime<Utc>,
    ) -> Self {
        Self {
            now,
            issuer: issuer.to_owned(),
            audience: audience.to_owned(),
            acs: acs.to_owned(),
            in_response_to: in_response_to.map(ToOwned::to_owned),
            name_id: "alice@corp.example".to_owned(),
            attributes: vec![("displayName".to_owned(), vec!["Alice".to_owned()])],
            sign_assertion: true,
            sign_response: false,
            signature_method: RSA_SHA256.to_owned(),
            digest_method: SHA256.to_owned(),
            canonicalization: EXCLUSIVE.to_owned(),
            key_info: true,
            encrypt: None,
            replace: Vec::new(),
            assertion_id: format!("_a{}", uuid::Uuid::now_v7().simple()),
            response_id: format!("_r{}", uuid::Uuid::now_v7().simple()),
        }
    }

    /// Replaces a text before anything is signed.
    #[must_use]
    pub fn with(mut self, from: &str, to: &str) -> Self {
        self.replace.push((from.to_owned(), to.to_owned()));
        self
    }

    pub fn signature(&self, id: &str, pair: &Pair) -> String {
        let key_info = if self.key_info {
            format!(
                "<ds:KeyInfo><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo>",
                pair.certificate
            )
        } else {
            String::new()
        };
        format!(
            "<ds:Signature xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{c}\"/><ds:SignatureMethod Algorithm=\"{s}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms><ds:Transform Algorithm=\"http://www.w3.org/2000/09/xmldsig#enveloped-signature\"/><ds:Transform Algorithm=\"{c}\"/></ds:Transforms><ds:DigestMethod Algorithm=\"{d}\"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue></ds:SignatureValue>{key_info}</ds:Signature>",
            c = self.canonicalization,
            s = self.signature_method,
            d = self.digest_method,
        )
    }

    fn assertion(&self, signature: &str) -> String {
        let (issuer, audience, acs) = (&self.issuer, &self.audience, &self.acs);
        let in_response_to =
            self.in_response_to.as_ref().map_or(String::new(), |id| format!(" InResponseTo=\"{id}\""));
        let attributes: String = self
            .attributes
            .iter()
            .map(|(name, values)| {
                let values: String = values
                    .iter()
                    .map(|value| format!("<saml:AttributeValue>{value}</saml:AttributeValue>"))
                    .collect();
                format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>")
            })
            .collect();
        let (now, until) = (instant(self.now), instant(self.now + TimeDelta::minutes(5)));
        let from = instant(self.now - TimeDelta::minutes(1));
        format!(
            "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{id}\" Version=\"2.0\" IssueInstant=\"{now}\"><saml:Issuer>{issuer}</saml:Issuer>{signature}<saml:Subject><saml:NameID Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\">{name}</saml:NameID><saml:SubjectConfirmation Method=\"urn:oasis:names:tc:SAML:2.0:cm:bearer\"><saml:SubjectConfirmationData Recipient=\"{acs}\" NotOnOrAfter=\"{until}\"{in_response_to}/></saml:SubjectConfirmation></saml:Subject><saml:Conditions NotBefore=\"{from}\" NotOnOrAfter=\"{until}\"><saml:AudienceRestriction><saml:Audience>{audience}</saml:Audience></saml:AudienceRestriction></saml:Conditions><saml:AuthnStatement AuthnInstant=\"{now}\" SessionIndex=\"_s1\"><saml:AuthnContext><saml:AuthnContextClassRef>urn:oasis:names:tc:SAML:2.0:ac:classes:Password</saml:AuthnContextClassRef></saml:AuthnContext></saml:AuthnStatement><saml:AttributeStatement>{attributes}</saml:AttributeStatement></saml:Assertion>",
            id = self.assertion_id,
            name = self.name_id,
        )
    }

    /// The response's text around what it holds.
    pub fn envelope(&self, signature: &str, inside: &str) -> String {
        let in_response_to =
            self.in_response_to.as_ref().map_or(String::new(), |id| format!(" InResponseTo=\"{id}\""));
        format!(
            "<samlp:Response xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"{}\" Version=\"2.0\" IssueInstant=\"{}\" Destination=\"{}\"{in_response_to}><saml:Issuer>{}</saml:Issuer>{signature}<samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status>{inside}</samlp:Response>",
            self.response_id,
            instant(self.now),
            self.acs,
            self.issuer,
        )
    }

    fn replaced(&self, text: String) -> String {
        self.replace.iter().fold(text, |text, (from, to)| {
            // What isn't there to be replaced would make a test that proves nothing.
            assert!(text.contains(from) || from.starts_with("?"), "nothing to replace: {from}");
            text.replace(from.trim_start_matches('?'), to)
        })
    }

    /// The response.
    pub fn xml(&self, pair: &Pair) -> String {
        let inner =
            if self.sign_assertion { self.signature(&self.assertion_id, pair) } else { String::new() };
        let outer = if self.sign_response { self.signature(&self.response_id, pair) } else { String::new() };
        let Some((certificate, data, transport)) = &self.encrypt else {
            return pair.sign(&self.replaced(self.envelope(&outer, &self.assertion(&inner))));
        };
        let mut assertion = self.replaced(self.assertion(&inner));
        if self.sign_assertion {
            assertion = pair.sign(&assertion);
        }
        let plain =
            assertion.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").trim().to_owned();
        let sealed = encrypted(certificate, data, transport, &plain);
        let inside = format!("<saml:EncryptedAssertion>{sealed}</saml:EncryptedAssertion>");
        let response = self.envelope(&outer, &inside);
        if self.sign_response { pair.sign(&response) } else { response }
    }
}

/// An `EncryptedData` that holds `plain`.
pub fn encrypted(certificate: &str, data: &str, transport: &str, plain: &str) -> String {
    let mut keys = KeysManager::new();
    let der = STANDARD.decode(certificate).expect("base64");
    keys.add_key(load_x509_cert_der(&der).expect("a certificate"));
    let template = format!(
        "<xenc:EncryptedData xmlns:xenc=\"http://www.w3.org/2001/04/xmlenc#\" Type=\"http://www.w3.org/2001/04/xmlenc#Element\"><xenc:EncryptionMethod Algorithm=\"{data}\"/><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><xenc:EncryptedKey><xenc:EncryptionMethod Algorithm=\"{transport}\"/><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey></ds:KeyInfo><xenc:CipherData><xenc:CipherValue></xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>"
    );
    bergshamra::enc::encrypt::encrypt(&EncContext::new(keys), &template, plain.as_bytes()).expect("encrypted")
}

/// Metadata of an identity provider.
pub fn idp_metadata(entity_id: &str, sso: &str, pairs: &[&Pair]) -> String {
    let keys: String = pairs
        .iter()
        .map(|pair| {
            format!(
                "<md:KeyDescriptor use=\"signing\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
                pair.certificate
            )
        })
        .collect();
    format!(
        "<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" entityID=\"{entity_id}\"><md:IDPSSODescriptor protocolSupportEnumeration=\"urn:oasis:names:tc:SAML:2.0:protocol\">{keys}<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{sso}/slo\"/><md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"{sso}\"/></md:IDPSSODescriptor></md:EntityDescriptor>"
    )
}

/// One pair for many tests: making one takes a while.
pub fn shared_pair(name: &'static str) -> Pair {
    use std::collections::BTreeMap;
    use std::sync::{Mutex, OnceLock};
    static PAIRS: OnceLock<Mutex<BTreeMap<&'static str, Pair>>> = OnceLock::new();
    let mut pairs = PAIRS.get_or_init(Mutex::default).lock().expect("a lock");
    pairs.entry(name).or_insert_with(|| Pair::new(name, 2048)).clone()
}

/// The certificate of a pair, as the service takes it.
pub fn certificate(pair: &Pair) -> saml_core::Certificate {
    saml_core::Certificate::from_der(pair.der()).expect("a certificate")
}
