//! Signatures and encryption behind a small trait: what a cryptographic library must answer, and nothing about SAML.
//!
//! The library verifies what it is shown; which algorithms, which shapes and which places are taken is decided here, before
//! it is asked (decision 0010).

use bergshamra::keys::loader::load_pem_auto;
use bergshamra::{DsigContext, EncContext, KeysManager, VerifyResult};
use uppsala::{Document, NodeId};

use crate::certificate::Certificate;
use crate::refusal::{Reason, Refusal};
use crate::xml::{DSIG, XENC, Xml};

/// What is asked of a cryptographic library.
pub(crate) trait XmlSecurity {
    /// The signatures that verify: the `Signature` element, and the one element that it covers.
    fn verified(&self, xml: &Xml<'_>) -> Result<Vec<(NodeId, NodeId)>, Refusal>;
}

/// Keys that a connection trusts for signatures, ready for use. One per connection, never one for all: a key of one tenant's
/// provider must not verify for another's.
pub struct Trust {
    context: DsigContext,
    spki: Vec<(String, Vec<u8>)>,
}

impl std::fmt::Debug for Trust {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Trust").field("keys", &self.spki.len()).finish_non_exhaustive()
    }
}

impl Trust {
    /// Trusts the keys of these certificates.
    ///
    /// # Errors
    /// [`Reason::CertificateMissing`] without any: nothing could be verified, so nothing may be taken.
    pub fn new(certificates: &[Certificate]) -> Result<Self, Refusal> {
        let mut keys = KeysManager::new();
        for certificate in certificates {
            keys.add_key(certificate.verifying_key()?);
        }
        if keys.is_empty() {
            return Err(Refusal::new(Reason::CertificateMissing));
        }
        let spki = certificates.iter().map(|one| (one.key.clone(), one.spki.clone())).collect();
        Ok(Self { context: DsigContext::new(keys), spki })
    }

    /// Whether one of the keys made this signature over `message` (SAML bindings, section 3.4.4.1).
    pub(crate) fn verifies_detached(&self, algorithm: &str, message: &[u8], signature: &[u8]) -> bool {
        use aws_lc_rs::signature as s;
        self.spki.iter().any(|(kind, spki)| {
            let scheme: &'static dyn s::VerificationAlgorithm = match (algorithm, kind.as_str()) {
                ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha256", rsa) if rsa.starts_with("RSA") => {
                    &s::RSA_PKCS1_2048_8192_SHA256
                }
                ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha384", rsa) if rsa.starts_with("RSA") => {
                    &s::RSA_PKCS1_2048_8192_SHA384
                }
                ("http://www.w3.org/2001/04/xmldsig-more#rsa-sha512", rsa) if rsa.starts_with("RSA") => {
                    &s::RSA_PKCS1_2048_8192_SHA512
                }
                ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256", "EC-P256") => {
                    &s::ECDSA_P256_SHA256_FIXED
                }
                ("http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384", "EC-P384") => {
                    &s::ECDSA_P384_SHA384_FIXED
                }
                _ => return false,
            };
            s::UnparsedPublicKey::new(scheme, spki).verify(message, signature).is_ok()
        })
    }
}

impl XmlSecurity for Trust {
    fn verified(&self, xml: &Xml<'_>) -> Result<Vec<(NodeId, NodeId)>, Refusal> {
        let results = bergshamra::dsig::verify::verify_all_document_with_source(
            &self.context,
            &xml.document,
            Some(xml.text),
        );
        let results = results.map_err(|_| Refusal::new(Reason::SignatureInvalid))?;
        Ok(results.into_iter().filter_map(covered).collect())
    }
}

/// The signature and the element that it covers, if it covers exactly one element of this document.
fn covered(result: VerifyResult) -> Option<(NodeId, NodeId)> {
    match result {
        VerifyResult::Valid { signature_node, references, .. } => match references.as_slice() {
            [one] if one.digest_verified => Some((signature_node, one.resolved_node?)),
            _ => None,
        },
        VerifyResult::Invalid { .. } => None,
    }
}

/// Algorithms that are taken. SHA-1 and what has a smaller digest are not; HMAC never: its key would be the certificate.
const SIGNATURES: [&str; 8] = [
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#rsa-sha512",
    "http://www.w3.org/2007/05/xmldsig-more#sha256-rsa-MGF1",
    "http://www.w3.org/2007/05/xmldsig-more#sha512-rsa-MGF1",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha256",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384",
    "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha512",
];
const DIGESTS: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#sha256",
    "http://www.w3.org/2001/04/xmldsig-more#sha384",
    "http://www.w3.org/2001/04/xmlenc#sha512",
];
const CANONICALIZATIONS: [&str; 3] = [
    "http://www.w3.org/2001/10/xml-exc-c14n#",
    "http://www.w3.org/TR/2001/REC-xml-c14n-20010315",
    "http://www.w3.org/2006/12/xml-c14n11",
];
const ENVELOPED: &str = "http://www.w3.org/2000/09/xmldsig#enveloped-signature";

fn from_list(list: &[&str], algorithm: &str) -> Result<(), Refusal> {
    if list.contains(&algorithm) {
        return Ok(());
    }
    Err(Refusal::new(Reason::AlgorithmRefused)
        .expected(list.first().copied().unwrap_or_default())
        .got(algorithm))
}

/// Whether a signature has the one shape that SAML allows (core, section 5.4): one reference, to the ID of the element in
/// which it stands; enveloped and one canonicalization as transforms; nothing inside that could hold content.
pub(crate) fn check_shape(xml: &Xml<'_>, signature: NodeId) -> Result<(), Refusal> {
    let shape = |what: &str| Refusal::new(Reason::SignatureShape).got(what);
    let parent = xml.document.parent(signature).ok_or_else(|| shape("no parent"))?;
    // Comments are outside of what is signed: within a digest they would make one text for the verifier and another for the
    // reader (CVE-2025-29775).
    let all = xml.document.descendants(signature);
    if all.into_iter().any(|node| matches!(xml.document.node_kind(node), Some(uppsala::NodeKind::Comment(_))))
    {
        return Err(shape("a comment"));
    }
    for child in xml.document.children_iter(signature) {
        let known = ["SignedInfo", "SignatureValue", "KeyInfo"].iter().any(|name| xml.is(child, DSIG, name));
        if xml.element(child).is_some() && !known {
            return Err(shape("something else than SignedInfo, SignatureValue, KeyInfo"));
        }
    }
    let info = xml.required(signature, DSIG, "SignedInfo")?;
    xml.required(signature, DSIG, "SignatureValue")?;
    xml.child(signature, DSIG, "KeyInfo")?;
    let method = xml.required(info, DSIG, "CanonicalizationMethod")?;
    from_list(&CANONICALIZATIONS, xml.required_attribute(method, "Algorithm")?)?;
    let method = xml.required(info, DSIG, "SignatureMethod")?;
    from_list(&SIGNATURES, xml.required_attribute(method, "Algorithm")?)?;
    if xml.has_elements(method) {
        return Err(shape("a signature method with parameters"));
    }
    let reference = xml.required(info, DSIG, "Reference")?;
    let id = xml.attribute(parent, "ID").ok_or_else(|| shape("the signed element has no ID"))?;
    let uri = xml.required_attribute(reference, "URI")?;
    if uri.strip_prefix('#') != Some(id) || id.is_empty() {
        return Err(shape("it refers to another element").expected(format!("#{id}")).got(uri));
    }
    let digest = xml.required(reference, DSIG, "DigestMethod")?;
    from_list(&DIGESTS, xml.required_attribute(digest, "Algorithm")?)?;
    let transforms = xml.required(reference, DSIG, "Transforms")?;
    let transforms: Vec<NodeId> =
        xml.document.children_iter(transforms).filter(|child| xml.element(*child).is_some()).collect();
    let [enveloped, canonical] = transforms.as_slice() else { return Err(shape("other transforms")) };
    if !xml.is(*enveloped, DSIG, "Transform") || xml.attribute(*enveloped, "Algorithm") != Some(ENVELOPED) {
        return Err(shape("it is not enveloped"));
    }
    if !xml.is(*canonical, DSIG, "Transform") || xml.has_elements(*enveloped) {
        return Err(shape("other transforms"));
    }
    from_list(&CANONICALIZATIONS, xml.required_attribute(*canonical, "Algorithm")?)
}

/// Private keys of the service provider, newest first: what was encrypted for the one before the last change still opens.
pub struct Decryptor {
    /// One a key: the library takes the first that fits by kind, and all of these are RSA's.
    contexts: Vec<EncContext>,
}

impl std::fmt::Debug for Decryptor {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Decryptor")
    }
}

const DATA_GCM: [&str; 3] = [
    "http://www.w3.org/2009/xmlenc11#aes256-gcm",
    "http://www.w3.org/2009/xmlenc11#aes128-gcm",
    "http://www.w3.org/2009/xmlenc11#aes192-gcm",
];
const DATA_CBC: [&str; 3] = [
    "http://www.w3.org/2001/04/xmlenc#aes256-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes128-cbc",
    "http://www.w3.org/2001/04/xmlenc#aes192-cbc",
];
const KEY_TRANSPORT: [&str; 2] =
    ["http://www.w3.org/2001/04/xmlenc#rsa-oaep-mgf1p", "http://www.w3.org/2009/xmlenc11#rsa-oaep"];

impl Decryptor {
    /// Takes private keys in PKCS#8 PEM.
    ///
    /// # Errors
    /// [`Reason::DecryptionFailed`] if one can't be read.
    pub fn new(keys: &[&str]) -> Result<Self, Refusal> {
        let context = |pem: &&str| {
            let key =
                load_pem_auto(pem.as_bytes(), None).map_err(|_| Refusal::new(Reason::DecryptionFailed))?;
            let mut manager = KeysManager::new();
            manager.add_key(key);
            Ok(EncContext::new(manager).with_disable_cipher_reference(true))
        };
        Ok(Self { contexts: keys.iter().map(context).collect::<Result<_, _>>()? })
    }

    /// The document with its one encrypted assertion opened in its place. Every failure to decrypt is answered alike: a
    /// difference would be an oracle.
    pub(crate) fn open(&self, xml: &Xml<'_>, encrypted: NodeId, signed: bool) -> Result<String, Refusal> {
        check_encryption(xml, encrypted, signed)?;
        let open = |context| bergshamra::enc::decrypt::decrypt(context, xml.text).ok();
        self.contexts.iter().find_map(open).ok_or_else(|| Refusal::new(Reason::DecryptionFailed))
    }
}

/// One `EncryptedData` of type Element in the assertion's place, one key, algorithms from the list. Without a signature around
/// it, only authenticated encryption: CBC would be malleable, and its padding an oracle.
fn check_encryption(xml: &Xml<'_>, encrypted: NodeId, signed: bool) -> Result<(), Refusal> {
    let shape = |what: &str| Refusal::new(Reason::EncryptionShape).got(what);
    if xml.everywhere(XENC, "EncryptedData").len() != 1 || xml.everywhere(XENC, "EncryptedKey").len() != 1 {
        return Err(shape("not exactly one EncryptedData and one EncryptedKey"));
    }
    let data = xml.required(encrypted, XENC, "EncryptedData")?;
    if xml.attribute(data, "Type") != Some("http://www.w3.org/2001/04/xmlenc#Element") {
        return Err(shape("not of type Element"));
    }
    if !xml.everywhere(XENC, "CipherReference").is_empty() {
        return Err(shape("a reference instead of a value"));
    }
    let method = xml.required(data, XENC, "EncryptionMethod")?;
    let algorithm = xml.required_attribute(method, "Algorithm")?;
    if DATA_CBC.contains(&algorithm) {
        if !signed {
            return Err(Refusal::new(Reason::EncryptionUnsigned).expected(DATA_GCM[0]).got(algorithm));
        }
    } else {
        from_list(&DATA_GCM, algorithm)?;
    }
    for key in xml.everywhere(XENC, "EncryptedKey") {
        let method = xml.required(key, XENC, "EncryptionMethod")?;
        from_list(&KEY_TRANSPORT, xml.required_attribute(method, "Algorithm")?)?;
        one_digest(xml, method)?;
    }
    Ok(())
}

/// AWS-LC knows OAEP with one digest for label and mask only. XML Encryption's default for both is SHA-1, which is no weakness
/// there; a mix is refused with a word that says so, not with one that says nothing.
fn one_digest(xml: &Xml<'_>, method: NodeId) -> Result<(), Refusal> {
    const SHA1: &str = "http://www.w3.org/2000/09/xmldsig#sha1";
    let own = |name: &str, namespace: &str| {
        xml.child(method, namespace, name).map(|node| node.and_then(|node| xml.attribute(node, "Algorithm")))
    };
    let label = own("DigestMethod", DSIG)?.unwrap_or(SHA1);
    let mask = match xml.attribute(method, "Algorithm") {
        Some(mgf1p) if mgf1p == KEY_TRANSPORT[0] => "sha1",
        _ => {
            let mask = own("MGF", "http://www.w3.org/2009/xmlenc11#")?;
            mask.and_then(|mask| mask.rsplit_once("#mgf1")).map_or("sha1", |(_, digest)| digest)
        }
    };
    if label.ends_with(&format!("#{mask}")) {
        return Ok(());
    }
    Err(Refusal::new(Reason::AlgorithmRefused)
        .expected("RSA-OAEP with one digest for both: xmlenc11#rsa-oaep with SHA-256 and MGF1 with SHA-256")
        .got(format!("{label} with MGF1 by {mask}")))
}

/// A key that signs what the service provider sends.
pub struct Signer {
    context: DsigContext,
    pair: aws_lc_rs::signature::RsaKeyPair,
    certificate: String,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Signer")
    }
}

impl Signer {
    /// Takes an RSA key in PKCS#8 PEM and its certificate.
    ///
    /// # Errors
    /// [`Reason::CertificateUnusable`] if the key can't be read.
    pub fn new(key: &str, certificate: &Certificate) -> Result<Self, Refusal> {
        use base64::Engine as _;
        let unusable = || Refusal::new(Reason::CertificateUnusable);
        let mut keys = KeysManager::new();
        keys.add_key(load_pem_auto(key.as_bytes(), None).map_err(|_| unusable())?);
        let body: String = key.lines().filter(|line| !line.starts_with("-----")).collect();
        let der = base64::engine::general_purpose::STANDARD.decode(body.trim()).map_err(|_| unusable())?;
        let pair = aws_lc_rs::signature::RsaKeyPair::from_pkcs8(&der).map_err(|_| unusable())?;
        Ok(Self { context: DsigContext::new(keys), pair, certificate: certificate.base64() })
    }

    /// Signs the document's root, which has this ID: an enveloped signature after the `Issuer`, where the schema wants it.
    pub(crate) fn envelop(&self, xml: &str, id: &str) -> Result<String, Refusal> {
        let failed = || Refusal::new(Reason::SignatureInvalid);
        let signature = format!(
            "<ds:Signature xmlns:ds=\"{DSIG}\"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm=\"{c14n}\"/>\
             <ds:SignatureMethod Algorithm=\"{method}\"/><ds:Reference URI=\"#{id}\"><ds:Transforms>\
             <ds:Transform Algorithm=\"{ENVELOPED}\"/><ds:Transform Algorithm=\"{c14n}\"/></ds:Transforms>\
             <ds:DigestMethod Algorithm=\"{digest}\"/><ds:DigestValue></ds:DigestValue></ds:Reference></ds:SignedInfo>\
             <ds:SignatureValue></ds:SignatureValue><ds:KeyInfo><ds:X509Data><ds:X509Certificate>{certificate}\
             </ds:X509Certificate></ds:X509Data></ds:KeyInfo></ds:Signature>",
            c14n = CANONICALIZATIONS[0],
            method = SIGNATURES[0],
            digest = DIGESTS[0],
            certificate = self.certificate,
        );
        let (before, after) = match xml.split_once("</saml:Issuer>") {
            Some((before, after)) => (format!("{before}</saml:Issuer>"), after),
            // Metadata has no issuer: the signature is the root's first child.
            None => {
                let at = xml
                    .find("<md:EntityDescriptor")
                    .and_then(|from| Some(from + xml.get(from..)?.find('>')? + 1));
                let (before, after) = xml.split_at_checked(at.ok_or_else(failed)?).ok_or_else(failed)?;
                (before.to_owned(), after)
            }
        };
        let template = format!("{before}{signature}{after}");
        let mut document: Document<'_> = uppsala::parse(&template).map_err(|_| failed())?;
        bergshamra::dsig::sign::sign_document(&self.context, &mut document).map_err(|_| failed())?;
        Ok(document.to_xml())
    }

    /// Signs bytes by RSA-SHA256: the query of the redirect binding.
    pub(crate) fn detached(&self, message: &[u8]) -> Result<Vec<u8>, Refusal> {
        let failed = |_| Refusal::new(Reason::SignatureInvalid);
        let mut signature = vec![0; self.pair.public_modulus_len()];
        let random = aws_lc_rs::rand::SystemRandom::new();
        self.pair
            .sign(&aws_lc_rs::signature::RSA_PKCS1_SHA256, &random, message, &mut signature)
            .map_err(failed)?;
        Ok(signature)
    }

    /// The algorithm of [`Signer::detached`].
    pub(crate) const DETACHED: &'static str = SIGNATURES[0];
}

#[cfg(test)]
mod tests;
