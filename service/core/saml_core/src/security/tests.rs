//! Signatures and encryption have one shape, algorithms from a list, and keys of the kind that the algorithm wants.

use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature as s;

use super::*;
use crate::tests::saml::{AES_GCM, OAEP, RSA_SHA256, certificate, shared_pair};
use crate::tests::{cut, mint, outcome, put, signer, trust, why};
use crate::xml::MESSAGE;

const MORE: &str = "http://www.w3.org/2001/04/xmldsig-more#";

/// A signature in the element that it signs, with white space and text where that is allowed.
fn honest() -> String {
    let signature = mint().signature("_a", &shared_pair("idp")).replace("><ds:", ">\n <ds:");
    format!("<a ID=\"_a\">{signature}</a>")
}

fn shape(text: &str) -> Result<(), Refusal> {
    let xml = Xml::parse(text, MESSAGE).unwrap();
    check_shape(&xml, xml.required(xml.root().unwrap(), DSIG, "Signature").unwrap())
}

#[test]
fn a_signature_has_one_shape() {
    let text = honest();
    let value = cut(&text, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned();
    let enveloped = format!("<ds:Transform Algorithm=\"{ENVELOPED}\"/>");
    let exclusive = "<ds:Transform Algorithm=\"http://www.w3.org/2001/10/xml-exc-c14n#\"";
    let canonical = format!("{exclusive}/>");
    let prefixes =
        "<InclusiveNamespaces xmlns=\"http://www.w3.org/2001/10/xml-exc-c14n#\" PrefixList=\"x\"/>";
    let foreign = |transform: &str| transform.replace("ds:Transform", "x:Transform xmlns:x=\"urn:x\"");
    let method = format!("<ds:SignatureMethod Algorithm=\"{RSA_SHA256}\"/>");
    let open = |what: &str, inside: &str, name: &str| {
        format!("{}>{inside}</ds:{name}>", what.trim_end_matches("/>"))
    };
    let (xpath, length) = (
        open(&enveloped, "<ds:XPath/>", "Transform"),
        open(&method, "<ds:HMACOutputLength/>", "SignatureMethod"),
    );
    for (what, from, to, expected) in [
        ("as it is", "ID", "ID".to_owned(), "taken"),
        ("prefixes", &canonical, open(&canonical, prefixes, "Transform"), "taken"),
        ("a comment", "<ds:SignedInfo>", "<ds:SignedInfo><!-- -->".to_owned(), "signature_shape"),
        (
            "a comment in the digest",
            "<ds:DigestValue>",
            "<ds:DigestValue><!-- -->".to_owned(),
            "signature_shape",
        ),
        ("an object", &value, format!("{value}<ds:Object/>"), "signature_shape"),
        ("a foreign element", &value, format!("{value}<x/>"), "signature_shape"),
        ("two values", &value, value.repeat(2), "xml_refused"),
        ("no value", &value, String::new(), "missing"),
        ("two keys", &value, format!("{value}<ds:KeyInfo/>"), "xml_refused"),
        ("a method with parameters", &method, length, "signature_shape"),
        ("the signed element without ID", " ID=", " Id=".to_owned(), "signature_shape"),
        ("another element", "URI=\"#_a\"", "URI=\"#_b\"".to_owned(), "signature_shape"),
        ("the whole document", "URI=\"#_a\"", "URI=\"\"".to_owned(), "signature_shape"),
        ("an address", "URI=\"#_a\"", "URI=\"_a\"".to_owned(), "signature_shape"),
        ("a pointer", "URI=\"#_a\"", "URI=\"#xpointer(id('_a'))\"".to_owned(), "signature_shape"),
        ("no reference's address", " URI=\"#_a\"", String::new(), "missing"),
        ("no enveloped transform", &enveloped, String::new(), "signature_shape"),
        ("no canonicalization", &canonical, String::new(), "signature_shape"),
        ("a third transform", &canonical, canonical.repeat(2), "signature_shape"),
        ("the other way round", &enveloped, canonical.clone(), "signature_shape"),
        ("a foreign enveloped", &enveloped, foreign(&enveloped), "signature_shape"),
        ("a foreign canonicalization", &canonical, foreign(&canonical), "signature_shape"),
        ("enveloped with a path", &enveloped, xpath, "signature_shape"),
        ("enveloped twice", &canonical, enveloped.clone(), "algorithm_refused"),
    ] {
        assert_eq!(outcome(shape(&put(&text, from, &to))), expected, "{what}");
    }
    assert_eq!(outcome(shape(&text.replace("_a\"", "\""))), "signature_shape", "an empty ID");
}

#[test]
fn algorithms_are_from_a_list() {
    let honest = mint();
    let all: Vec<(&str, &str, &str)> = [SIGNATURES.as_slice(), &DIGESTS, &CANONICALIZATIONS]
        .into_iter()
        .zip(["SignatureMethod", "DigestMethod", "CanonicalizationMethod"])
        .flat_map(|(list, element)| list.iter().map(move |algorithm| (element, *algorithm, "taken")))
        .chain([
            ("SignatureMethod", "http://www.w3.org/2000/09/xmldsig#rsa-sha1", "algorithm_refused"),
            ("SignatureMethod", "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256", "algorithm_refused"),
            ("DigestMethod", "http://www.w3.org/2000/09/xmldsig#sha1", "algorithm_refused"),
            (
                "CanonicalizationMethod",
                "http://www.w3.org/2001/10/xml-exc-c14n#WithComments",
                "algorithm_refused",
            ),
            ("Transform", "http://www.w3.org/TR/1999/REC-xslt-19991116", "signature_shape"),
        ])
        .collect();
    let text = format!("<a ID=\"_a\">{}</a>", honest.signature("_a", &shared_pair("idp")));
    for (element, algorithm, expected) in all {
        let from = cut(&text, &format!("<ds:{element} "), "/>");
        let to = format!("<ds:{element} Algorithm=\"{algorithm}\"/>");
        assert_eq!(outcome(shape(&put(&text, from, &to))), expected, "{algorithm}");
    }
    let refused = from_list(&DIGESTS, "urn:x").unwrap_err();
    assert_eq!(refused, Refusal::new(Reason::AlgorithmRefused).expected(DIGESTS[0]).got("urn:x"));
}

/// A trusted elliptic key, and a signature by it over `message`.
fn elliptic(
    algorithm: &'static rcgen::SignatureAlgorithm,
    signing: &'static s::EcdsaSigningAlgorithm,
    message: &[u8],
) -> (Trust, Vec<u8>) {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let der = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
    let key = s::EcdsaKeyPair::from_pkcs8(signing, &pair.serialize_der()).unwrap();
    let signature = key.sign(&SystemRandom::new(), message).unwrap().as_ref().to_vec();
    (Trust::new(&[Certificate::from_der(der).unwrap()]).unwrap(), signature)
}

#[test]
fn a_detached_signature_verifies_by_its_algorithm_and_key_alone() {
    let message = b"SAMLRequest=x";
    let sign = |padding: &'static dyn s::RsaEncoding| {
        let signer = signer("idp");
        let mut signature = vec![0; signer.pair.public_modulus_len()];
        signer.pair.sign(padding, &SystemRandom::new(), message, &mut signature).unwrap();
        (trust(&["next", "idp"]), signature)
    };
    let names = [
        "rsa-sha256",
        "rsa-sha384",
        "rsa-sha512",
        "ecdsa-sha256",
        "ecdsa-sha384",
        "rsa-sha1",
        "ecdsa-sha512",
    ];
    for (name, (trust, signature)) in [
        ("rsa-sha256", sign(&s::RSA_PKCS1_SHA256)),
        ("rsa-sha384", sign(&s::RSA_PKCS1_SHA384)),
        ("rsa-sha512", sign(&s::RSA_PKCS1_SHA512)),
        (
            "ecdsa-sha256",
            elliptic(&rcgen::PKCS_ECDSA_P256_SHA256, &s::ECDSA_P256_SHA256_FIXED_SIGNING, message),
        ),
        (
            "ecdsa-sha384",
            elliptic(&rcgen::PKCS_ECDSA_P384_SHA384, &s::ECDSA_P384_SHA384_FIXED_SIGNING, message),
        ),
    ] {
        for other in names {
            let verifies = trust.verifies_detached(&format!("{MORE}{other}"), message, &signature);
            assert_eq!(verifies, name == other, "{name} as {other}");
        }
        assert!(!trust.verifies_detached(&format!("{MORE}{name}"), b"SAMLRequest=y", &signature), "{name}");
    }
    let ours = signer("idp").detached(message).unwrap();
    assert!(trust(&["idp"]).verifies_detached(Signer::DETACHED, message, &ours));
}

/// An encrypted assertion with nothing in it that could be opened.
fn sealed(data: &str, transport: &str, method: &str) -> String {
    format!(
        "<s:EncryptedAssertion xmlns:s=\"urn:s\"><EncryptedData xmlns=\"{XENC}\" Type=\"{XENC}Element\">\
         <EncryptionMethod Algorithm=\"{data}\"/><d:KeyInfo xmlns:d=\"{DSIG}\"><EncryptedKey>\
         <EncryptionMethod Algorithm=\"{transport}\">{method}</EncryptionMethod><CipherData/></EncryptedKey>\
         </d:KeyInfo><CipherData/></EncryptedData></s:EncryptedAssertion>"
    )
}

fn encryption(text: &str, signed: bool) -> Result<(), Refusal> {
    let xml = Xml::parse(text, MESSAGE).unwrap();
    check_encryption(&xml, xml.root().unwrap(), signed)
}

#[test]
fn encryption_is_authenticated_or_within_a_signature() {
    for (data, unsigned, signed) in DATA_GCM
        .map(|data| (data, "taken", "taken"))
        .into_iter()
        .chain(DATA_CBC.map(|data| (data, "encryption_unsigned", "taken")))
        .chain([("http://www.w3.org/2001/04/xmlenc#tripledes-cbc", "algorithm_refused", "algorithm_refused")])
    {
        for (is_signed, expected) in [(false, unsigned), (true, signed)] {
            assert_eq!(
                outcome(encryption(&sealed(data, OAEP, ""), is_signed)),
                expected,
                "{data} {is_signed}"
            );
        }
    }
}

#[test]
fn an_encrypted_assertion_has_one_shape() {
    let text = sealed(AES_GCM, OAEP, "");
    let key = cut(&text, "<EncryptedKey>", "</EncryptedKey>");
    let data = cut(&text, "<EncryptedData", "</EncryptedData>");
    let element = format!(" Type=\"{XENC}Element\"");
    for (what, from, to, expected) in [
        ("as it is", "", String::new(), "taken"),
        ("no key", key, String::new(), "encryption_shape"),
        ("two keys", key, key.repeat(2), "encryption_shape"),
        ("no data", data, String::new(), "encryption_shape"),
        ("a key and no data", data, format!("<x xmlns=\"{XENC}\">{key}</x>"), "encryption_shape"),
        ("data within data", key, format!("{key}<EncryptedData/>"), "encryption_shape"),
        ("data at another place", data, format!("<x>{data}</x>"), "missing"),
        ("of type Content", &element, format!(" Type=\"{XENC}Content\""), "encryption_shape"),
        ("of no type", &element, String::new(), "encryption_shape"),
        (
            "a reference",
            "<CipherData/>",
            "<CipherData><CipherReference/></CipherData>".to_owned(),
            "encryption_shape",
        ),
        ("RSA 1.5", "rsa-oaep-mgf1p", "rsa-1_5".to_owned(), "algorithm_refused"),
    ] {
        assert_eq!(outcome(encryption(&put(&text, from, &to), false)), expected, "{what}");
    }
}

#[test]
fn oaep_has_one_digest_for_label_and_mask() {
    let new = KEY_TRANSPORT[1];
    let digest = |name: &str| format!("<d:DigestMethod xmlns:d=\"{DSIG}\" Algorithm=\"{name}\"/>");
    let mask = |name: &str| {
        format!(
            "<MGF xmlns=\"http://www.w3.org/2009/xmlenc11#\" Algorithm=\"http://www.w3.org/2009/xmlenc11#mgf1{name}\"/>"
        )
    };
    let (sha1, sha256) =
        (digest("http://www.w3.org/2000/09/xmldsig#sha1"), digest("http://www.w3.org/2001/04/xmlenc#sha256"));
    for (what, transport, method, expected) in [
        ("the old one", OAEP, String::new(), "taken"),
        ("the old one that says it", OAEP, sha1.clone(), "taken"),
        ("the old one with another digest", OAEP, sha256.clone(), "algorithm_refused"),
        (
            "the old one, whose mask is fixed",
            OAEP,
            format!("{sha256}{}", mask("sha256")),
            "algorithm_refused",
        ),
        ("the old one with a mask that means nothing", OAEP, format!("{sha1}{}", mask("sha256")), "taken"),
        ("the new one", new, String::new(), "taken"),
        ("the new one with SHA-256", new, format!("{sha256}{}", mask("sha256")), "taken"),
        ("the new one with SHA-1 for the mask", new, sha256.clone(), "algorithm_refused"),
        ("the new one with SHA-256 for the mask", new, mask("sha256"), "algorithm_refused"),
        ("two digests", new, sha1.repeat(2), "xml_refused"),
    ] {
        assert_eq!(outcome(encryption(&sealed(AES_GCM, transport, &method), false)), expected, "{what}");
    }
}

#[test]
fn keys_are_read_or_refused_and_never_shown() {
    let pair = shared_pair("idp");
    let trusted = certificate(&pair);
    assert_eq!(format!("{:?}", trust(&["idp", "next"])), "Trust { keys: 2, .. }");
    assert_eq!(format!("{:?}", signer("idp")), "Signer");
    assert_eq!(format!("{:?}", Decryptor::new(&[&pair.pem]).unwrap()), "Decryptor");
    assert_eq!(why(Trust::new(&[])), (Reason::CertificateMissing, String::new()));
    let elliptic = rcgen::KeyPair::generate().unwrap().serialize_pem();
    for (what, key) in
        [("no key", "x"), ("a certificate", &pair.certificate_pem()), ("an elliptic key", &elliptic)]
    {
        assert_eq!(why(Signer::new(key, &trusted)), (Reason::CertificateUnusable, String::new()), "{what}");
    }
    assert_eq!(why(Decryptor::new(&[&pair.pem, "x"])), (Reason::DecryptionFailed, String::new()));
}

#[test]
fn what_is_verified_is_the_signature_and_the_element_around_it() {
    let text = "<x ID=\"_a\"><saml:Issuer xmlns:saml=\"urn:x\">y</saml:Issuer></x>";
    let signed = signer("idp").envelop(text, "_a").unwrap();
    let verified = |text: &str, name: &'static str| {
        let xml = Xml::parse(text, MESSAGE).unwrap();
        let root = xml.root().unwrap();
        let signature = xml.required(root, DSIG, "Signature").unwrap();
        trust(&[name]).verified(&xml).map(|found| found == [(signature, root)])
    };
    assert_eq!(verified(&signed, "idp"), Ok(true));
    assert_ne!(verified(&signed, "stranger"), Ok(true));
    assert_ne!(verified(&put(&signed, ">y<", ">z<"), "idp"), Ok(true));
}

#[test]
fn a_signature_covers_one_element_whose_digest_was_verified() {
    let signed = signer("idp")
        .envelop("<x ID=\"_a\"><saml:Issuer xmlns:saml=\"urn:x\">y</saml:Issuer></x>", "_a")
        .unwrap();
    let xml = Xml::parse(&signed, MESSAGE).unwrap();
    let root = xml.root().unwrap();
    let signature = xml.required(root, DSIG, "Signature").unwrap();
    let trust = trust(&["idp"]);
    let verify = bergshamra::dsig::verify::verify_all_document_with_source;
    let results = verify(&trust.context, &xml.document, Some(&signed)).unwrap();
    let [VerifyResult::Valid { signature_node, references, key_info }] = results.as_slice() else {
        panic!("{results:?}")
    };
    let honest = references.first().unwrap();
    // The library calls a signature valid whose reference leads out of the document: its digest is the caller's to compute.
    let (mut unverified, mut outside) = (honest.clone(), honest.clone());
    unverified.digest_verified = false;
    outside.resolved_node = None;
    for (what, references, expected) in [
        ("one element", vec![honest.clone()], Some((signature, root))),
        ("a digest that nobody computed", vec![unverified], None),
        ("something outside of the document", vec![outside], None),
        ("two elements", vec![honest.clone(), honest.clone()], None),
        ("nothing", vec![], None),
    ] {
        let (signature_node, key_info) = (*signature_node, key_info.clone());
        let result = VerifyResult::Valid { signature_node, references, key_info };
        assert_eq!(covered(result), expected, "{what}");
    }
    assert_eq!(covered(VerifyResult::Invalid { reason: String::new() }), None);
}
