//! What is read of a provider's metadata, in which order, and what makes it unusable.

use std::sync::OnceLock;

use super::*;
use crate::tests::saml::{idp_metadata, shared_pair};
use crate::tests::{ISSUER, at, now, outcome, put, why};

const SSO: &str = "https://idp.example/sso";
const SERVICE: &str = "<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://idp.example/sso\"/>";

fn honest() -> String {
    idp_metadata(ISSUER, SSO, &[&shared_pair("idp")])
}

fn read(text: &str) -> Result<IdentityProvider, Refusal> {
    IdentityProvider::parse(text, now())
}

fn unusable(why: &str) -> (Reason, String) {
    (Reason::MetadataUnusable, why.to_owned())
}

/// Certificates with keys of their own, in base64.
fn many() -> &'static [String] {
    static MANY: OnceLock<Vec<String>> = OnceLock::new();
    MANY.get_or_init(|| {
        let one = |_| {
            let pair = rcgen::KeyPair::generate().unwrap();
            let der = rcgen::CertificateParams::default().self_signed(&pair).unwrap().der().to_vec();
            Certificate::from_der(der).unwrap().base64()
        };
        (0..CERTIFICATES_MAX + 2).map(one).collect()
    })
}

fn descriptor(used: &str, certificates: &[&str]) -> String {
    let certificates: String = certificates
        .iter()
        .map(|one| format!("<ds:X509Data><ds:X509Certificate>{one}</ds:X509Certificate></ds:X509Data>"))
        .collect();
    format!(
        "<md:KeyDescriptor{used}><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\">{certificates}</ds:KeyInfo></md:KeyDescriptor>"
    )
}

/// The certificates that are read of these descriptors.
fn certificates_of(descriptors: &[String]) -> Result<Vec<String>, Refusal> {
    let text = put(
        &idp_metadata(ISSUER, SSO, &[]),
        "<md:SingleLogout",
        &format!("{}<md:SingleLogout", descriptors.concat()),
    );
    Ok(read(&text)?.certificates.iter().map(Certificate::base64).collect())
}

fn sso_of(services: &str) -> Result<Endpoints, Refusal> {
    read(&put(&honest(), SERVICE, services)).map(|provider| provider.sso)
}

fn service(binding: &str, location: &str) -> String {
    format!("<md:SingleSignOnService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:{binding}\"{location}/>")
}

#[test]
fn a_provider_says_who_it_is_and_where() {
    let pairs = [&shared_pair("idp"), &shared_pair("next")];
    let provider = read(&format!("\u{feff}{}", idp_metadata(ISSUER, SSO, &pairs))).unwrap();
    let place = |url: &str| Endpoints { redirect: Some(url.to_owned()), post: None };
    assert_eq!(provider.entity_id, ISSUER);
    assert_eq!((provider.sso, provider.slo), (place(SSO), place("https://idp.example/sso/slo")));
    assert_eq!(
        provider.certificates.iter().map(Certificate::base64).collect::<Vec<_>>(),
        pairs.map(|pair| pair.certificate.clone())
    );
    assert_eq!((provider.valid_until, provider.wants_signed_requests), (None, false));
}

#[test]
fn one_entity_is_described() {
    let one = honest();
    let federation = |inside: &str| {
        format!(
            "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{inside}</md:EntitiesDescriptor>"
        )
    };
    let role = crate::tests::cut(&one, "<md:IDPSSODescriptor", "</md:IDPSSODescriptor>");
    let old = role.replace("SAML:2.0:protocol", "SAML:1.1:protocol");
    assert_eq!(read(&federation(&one)).unwrap().entity_id, ISSUER);
    assert_eq!(outcome(read(&put(&one, role, &format!("{old}{role}")))), "taken");
    assert_eq!(
        outcome(read(&put(
            &one,
            "=\"urn:oasis:names:tc:SAML:2.0:protocol",
            "=\"urn:x\n urn:oasis:names:tc:SAML:2.0:protocol"
        ))),
        "taken"
    );
    for (what, text, expected) in [
        ("two of a federation", federation(&one.repeat(2)), "it describes several entities"),
        ("none of a federation", federation(""), "it describes no entity"),
        ("a federation within", federation(&federation(&one)), "it describes no entity"),
        ("another element", one.replace("md:EntityDescriptor", "md:Entity"), "it is not an EntityDescriptor"),
        ("another namespace", put(&one, "2.0:metadata", "1.0:metadata"), "it is not an EntityDescriptor"),
        ("no provider", put(&one, role, ""), "it doesn't describe one SAML 2.0 identity provider"),
        (
            "two providers",
            put(&one, role, &role.repeat(2)),
            "it doesn't describe one SAML 2.0 identity provider",
        ),
        ("an old provider", put(&one, role, &old), "it doesn't describe one SAML 2.0 identity provider"),
        (
            "a longer protocol",
            put(&one, "2.0:protocol\"", "2.0:protocol2\""),
            "it doesn't describe one SAML 2.0 identity provider",
        ),
    ] {
        assert_eq!(why(read(&text)), unusable(expected), "{what}");
    }
}

#[test]
fn an_entity_id_has_so_many_bytes() {
    for (length, expected) in [(0, None), (1, Some(1)), (1_024, Some(1_024)), (1_025, None)] {
        let read = read(&idp_metadata(&"x".repeat(length), SSO, &[&shared_pair("idp")]));
        match expected {
            Some(length) => assert_eq!(read.unwrap().entity_id.len(), length),
            None => assert_eq!(why(read), unusable("its entity id is empty or too long"), "{length}"),
        }
    }
    assert_eq!(outcome(read(&put(&honest(), "entityID=", "other="))), "missing");
}

#[test]
fn metadata_ends_when_the_first_of_its_parts_ends() {
    for (what, entity, role, expected) in [
        ("never", None, None, Ok(None)),
        ("the entity", Some(10), None, Ok(Some(10))),
        ("the role", None, Some(10), Ok(Some(10))),
        ("the entity first", Some(10), Some(20), Ok(Some(10))),
        ("the role first", Some(20), Some(10), Ok(Some(10))),
        ("in a second", Some(1), None, Ok(Some(1))),
        ("now", Some(0), None, Err("it is not valid any more")),
        ("the role a second ago", Some(10), Some(-1), Err("it is not valid any more")),
    ] {
        let until = |seconds: Option<i64>| {
            seconds.map_or(String::new(), |seconds| format!("validUntil=\"{}\" ", at(seconds)))
        };
        let text = put(&honest(), "entityID=", &format!("{}entityID=", until(entity)));
        let text = put(&text, "protocolSupport", &format!("{}protocolSupport", until(role)));
        match expected {
            Ok(expected) => {
                let expected = expected.map(|seconds| now() + chrono::TimeDelta::seconds(seconds));
                assert_eq!(read(&text).unwrap().valid_until, expected, "{what}");
            }
            Err(expected) => assert_eq!(why(read(&text)), unusable(expected), "{what}"),
        }
    }
    assert_eq!(outcome(read(&put(&honest(), "entityID=", "validUntil=\"\" entityID="))), "time_unreadable");
}

#[test]
fn requests_are_wanted_signed_in_two_spellings() {
    for (text, expected) in
        [("true", true), ("1", true), ("false", false), ("0", false), ("TRUE", false), ("", false)]
    {
        let text =
            put(&honest(), "protocolSupport", &format!("WantAuthnRequestsSigned=\"{text}\" protocolSupport"));
        assert_eq!(read(&text).unwrap().wants_signed_requests, expected, "{text}");
    }
}

#[test]
fn the_first_place_of_each_binding_counts() {
    let at = |length: usize| format!(" Location=\"{}\"", "x".repeat(length));
    let place = |redirect: Option<usize>, post: Option<usize>| {
        let of = |length: Option<usize>| length.map(|length| "x".repeat(length));
        Ok(Endpoints { redirect: of(redirect), post: of(post) })
    };
    let nowhere =
        || Err(Refusal::new(Reason::MetadataUnusable).got("it says no place to sign in by redirect or POST"));
    let (redirect, post) =
        (|l: usize| service("HTTP-Redirect", &at(l)), |l: usize| service("HTTP-POST", &at(l)));
    for (what, services, expected) in [
        ("redirect", redirect(1), place(Some(1), None)),
        ("POST", post(1), place(None, Some(1))),
        ("both", format!("{}{}", post(1), redirect(2)), place(Some(2), Some(1))),
        ("two of each", [redirect(1), post(2), redirect(3), post(4)].concat(), place(Some(1), Some(2))),
        ("the longest", redirect(2_048), place(Some(2_048), None)),
        ("too long", redirect(2_049), nowhere()),
        ("one behind that is too long", redirect(2_049) + &redirect(3), place(Some(3), None)),
        ("one behind without a place", service("HTTP-POST", "") + &post(3), place(None, Some(3))),
        ("SOAP", service("SOAP", &at(1)), nowhere()),
        ("none", String::new(), nowhere()),
    ] {
        assert_eq!(sso_of(&services), expected, "{what}");
    }
}

#[test]
fn certificates_that_sign_stay_in_order() {
    let [a, b, c] = [0, 1, 2].map(|at| many()[at].as_str());
    let (signing, both, encryption) = (" use=\"signing\"", "", " use=\"encryption\"");
    for (what, descriptors, expected) in [
        ("for signing", vec![descriptor(signing, &[a])], vec![a]),
        ("for both", vec![descriptor(both, &[a])], vec![a]),
        ("one for encryption", vec![descriptor(encryption, &[a]), descriptor(signing, &[b])], vec![b]),
        ("several of one key", vec![descriptor(signing, &[c, a])], vec![c, a]),
        ("several keys", vec![descriptor(signing, &[b]), descriptor(both, &[a])], vec![b, a]),
        ("one twice", vec![descriptor(signing, &[b, a]), descriptor(signing, &[b])], vec![b, a]),
        ("one that is none", vec![descriptor(signing, &["AAAA", b])], vec![b]),
    ] {
        let expected = expected.into_iter().map(ToOwned::to_owned).collect();
        assert_eq!(certificates_of(&descriptors), Ok(expected), "{what}");
    }
    for (what, descriptors, expected) in [
        ("none", vec![], "certificate_missing"),
        ("for encryption alone", vec![descriptor(encryption, &[a])], "certificate_missing"),
        ("a use nobody knows", vec![descriptor(" use=\"Signing\"", &[a])], "certificate_missing"),
        ("none that can be used", vec![descriptor(signing, &["AAAA"])], "certificate_unusable"),
        ("with a comment", vec![descriptor(signing, &["AA<!-- -->AA"])], "xml_refused"),
    ] {
        assert_eq!(outcome(certificates_of(&descriptors)), expected, "{what}");
    }
}

#[test]
fn ten_certificates_are_looked_at_and_not_one_more() {
    let of = |count: usize| descriptor("", &many()[..count].iter().map(String::as_str).collect::<Vec<_>>());
    assert_eq!(certificates_of(&[of(9)]).unwrap().len(), 9);
    assert_eq!(certificates_of(&[of(10)]).unwrap().len(), 10);
    assert_eq!(certificates_of(&[of(10), of(10)]).unwrap().len(), 10);
    for count in [11, 12] {
        assert_eq!(why(certificates_of(&[of(count)])), unusable("it has more than 10 signing certificates"));
    }
}
