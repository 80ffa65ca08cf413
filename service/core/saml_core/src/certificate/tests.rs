//! Certificates are read in every wrapping, told by their keys, and refused at exact sizes.

use rcgen::{CertificateParams, DnType, SignatureAlgorithm};
use x509_cert::der::Any;
use x509_cert::der::asn1::{BitString, ObjectIdentifier};

use super::*;
use crate::tests::saml::shared_pair;
use crate::tests::why;

/// A certificate by a key of this kind.
fn made_by(algorithm: &'static SignatureAlgorithm, name: &str) -> Vec<u8> {
    let pair = rcgen::KeyPair::generate_for(algorithm).unwrap();
    let mut parameters = CertificateParams::default();
    parameters.distinguished_name.push(DnType::CommonName, name);
    parameters.not_before = rcgen::date_time_ymd(2026, 1, 2);
    parameters.not_after = rcgen::date_time_ymd(2027, 3, 4);
    parameters.self_signed(&pair).unwrap().der().to_vec()
}

/// The certificate with something in it changed: nobody looks at its own signature.
fn changed(change: impl FnOnce(&mut X509)) -> Vec<u8> {
    let der = STANDARD.decode(shared_pair("idp").certificate).unwrap();
    let mut x509 = X509::from_der(&der).unwrap();
    change(&mut x509);
    x509.to_der().unwrap()
}

fn tagged(tag: u8, body: &[u8]) -> Vec<u8> {
    let length = u16::try_from(body.len()).unwrap().to_be_bytes();
    let head: &[u8] = match body.len() {
        ..0x80 => &[tag, length[1]],
        0x80..0x100 => &[tag, 0x81, length[1]],
        _ => &[tag, 0x82, length[0], length[1]],
    };
    [head, body].concat()
}

/// A public RSA key whose modulus has so many bits.
fn rsa(bits: usize) -> Vec<u8> {
    let mut modulus = vec![0xff; bits.div_ceil(8)];
    if let Some(first) = modulus.first_mut().filter(|_| !bits.is_multiple_of(8)) {
        *first = (1 << (bits % 8)) - 1;
    } else {
        modulus.insert(0, 0);
    }
    tagged(0x30, &[tagged(2, &modulus), tagged(2, &[1, 0, 1])].concat())
}

/// The certificate with this as its public key.
fn with_key(key: &[u8]) -> Vec<u8> {
    changed(|x509| {
        x509.tbs_certificate.subject_public_key_info.subject_public_key = BitString::from_bytes(key).unwrap();
    })
}

/// The certificate with a key of another kind.
fn of_kind(oid: &str, parameters: Option<&str>) -> Vec<u8> {
    changed(|x509| {
        let algorithm = &mut x509.tbs_certificate.subject_public_key_info.algorithm;
        algorithm.oid = ObjectIdentifier::new(oid).unwrap();
        algorithm.parameters =
            parameters.map(|oid| Any::encode_from(&ObjectIdentifier::new(oid).unwrap()).unwrap());
    })
}

/// The certificate, grown by its signature to so many bytes.
fn long(bytes: usize) -> Vec<u8> {
    let grown = |signature: usize| {
        changed(|x509| x509.signature = BitString::from_bytes(&vec![1; signature]).unwrap())
    };
    let start = 10_000;
    let der = grown(start + bytes - grown(start).len());
    assert_eq!(der.len(), bytes);
    der
}

#[test]
fn keys_are_of_a_kind() {
    for (algorithm, expected) in [
        (&rcgen::PKCS_ECDSA_P256_SHA256, "EC-P256"),
        (&rcgen::PKCS_ECDSA_P384_SHA384, "EC-P384"),
        (&rcgen::PKCS_ECDSA_P521_SHA512, "EC-P521"),
    ] {
        let certificate = Certificate::from_der(made_by(algorithm, "idp")).unwrap();
        assert_eq!(certificate.key, expected);
        assert!(certificate.verifying_key().is_ok(), "{expected}");
    }
    let ed25519 = why(Certificate::from_der(made_by(&rcgen::PKCS_ED25519, "idp")));
    assert_eq!(ed25519, (Reason::CertificateUnusable, "a key of kind 1.3.101.112".to_owned()));
    for (what, parameters, expected) in [
        ("a curve by another name", Some("1.3.132.0.10"), "an elliptic curve that is not taken"),
        ("no curve", None, "an elliptic curve that is not taken"),
    ] {
        let refused = why(Certificate::from_der(of_kind("1.2.840.10045.2.1", parameters)));
        assert_eq!(refused, (Reason::CertificateUnusable, expected.to_owned()), "{what}");
    }
}

#[test]
fn an_rsa_key_is_neither_too_weak_nor_too_dear() {
    for (bits, expected) in [
        (1024, Err("an RSA key of 1024 bits")),
        (2047, Err("an RSA key of 2047 bits")),
        (2048, Ok("RSA-2048")),
        (2049, Ok("RSA-2049")),
        (3072, Ok("RSA-3072")),
        (8192, Ok("RSA-8192")),
        (8193, Err("an RSA key of 8193 bits")),
    ] {
        let read = Certificate::from_der(with_key(&rsa(bits))).map(|one| one.key);
        let expected =
            expected.map(ToOwned::to_owned).map_err(|why| Refusal::new(Reason::CertificateUnusable).got(why));
        assert_eq!(read, expected, "{bits}");
    }
    for (what, key) in [("no key", vec![]), ("no exponent", tagged(0x30, &tagged(2, &[1; 256])))] {
        let refused = why(Certificate::from_der(with_key(&key)));
        assert_eq!(refused, (Reason::CertificateUnusable, "its key can't be read".to_owned()), "{what}");
    }
}

#[test]
fn a_certificate_says_who_and_when() {
    let der = made_by(&rcgen::PKCS_ECDSA_P256_SHA256, "Corp \u{1}IdP");
    let certificate = Certificate::from_der(der.clone()).unwrap();
    assert_eq!(certificate.not_before.to_rfc3339(), "2026-01-02T00:00:00+00:00");
    assert_eq!(certificate.not_after.to_rfc3339(), "2027-03-04T00:00:00+00:00");
    assert!(certificate.subject.contains("Corp") && certificate.subject.contains("IdP"));
    assert!(!certificate.subject.contains(char::is_control), "{:?}", certificate.subject);
    assert_eq!(certificate.der, der);
    assert_eq!(STANDARD.decode(certificate.base64()), Ok(der.clone()));
    let x509 = X509::from_der(&der).unwrap();
    assert_eq!(certificate.spki, x509.tbs_certificate.subject_public_key_info.to_der().unwrap());
    let long = Certificate::from_der(made_by(&rcgen::PKCS_ECDSA_P256_SHA256, &"ä".repeat(300))).unwrap();
    assert_eq!(long.subject.chars().count(), 200);
}

#[test]
fn a_certificate_is_read_in_every_wrapping() {
    let base64 = shared_pair("idp").certificate;
    let broken = base64.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap());
    let broken = broken.collect::<Vec<_>>().join("\r\n\t ");
    let expected = Certificate::parse(&base64).unwrap();
    for (what, text) in [
        ("PEM", shared_pair("idp").certificate_pem()),
        (
            "PEM that is indented",
            format!("  -----BEGIN CERTIFICATE-----\n {base64}\n  -----END CERTIFICATE-----"),
        ),
        ("broken into lines", broken),
        ("in white space", format!("\n {base64} \n")),
    ] {
        assert_eq!(Certificate::parse(&text).as_ref(), Ok(&expected), "{what}");
    }
    for (what, text, expected) in [
        ("nothing", "", "it is not an X.509 certificate"),
        ("another thing", "PHgvPg==", "it is not an X.509 certificate"),
        ("not base64", "a certificate!", "it is not base64"),
        ("not padded", "PHgvPg", "it is not base64"),
    ] {
        assert_eq!(
            why(Certificate::parse(text)),
            (Reason::CertificateUnusable, expected.to_owned()),
            "{what}"
        );
    }
}

#[test]
fn a_certificate_has_sixteen_kibibytes_and_its_text_twice_as_many() {
    let too_long = || (Reason::CertificateUnusable, "it is too long".to_owned());
    assert!(Certificate::from_der(long(16_384)).is_ok());
    assert_eq!(why(Certificate::from_der(long(16_385))), too_long());
    let text = |length: usize| format!("{:length$}", shared_pair("idp").certificate);
    assert!(Certificate::parse(&text(32_767)).is_ok());
    assert!(Certificate::parse(&text(32_768)).is_ok());
    assert_eq!(why(Certificate::parse(&text(32_769))), too_long());
}

#[test]
fn a_key_that_looks_right_but_is_none_verifies_nothing() {
    let certificate = Certificate::from_der(of_kind("1.2.840.10045.2.1", Some("1.3.132.0.34"))).unwrap();
    assert_eq!(
        why(certificate.verifying_key()),
        (Reason::CertificateUnusable, "its key can't be read".to_owned())
    );
}
