//! What is sent: every attribute, escaped, and signed where the schema wants it.

use super::*;
use crate::refusal::Reason;
use crate::response::signatures;
use crate::tests::saml::{certificate, shared_pair};
use crate::tests::{at, cut, now, outcome, put, signer, trust};
use crate::xml::{MESSAGE, Xml};

fn request() -> AuthnRequest<'static> {
    AuthnRequest {
        id: "_1",
        issuer: "https://sp.example/?a=1&b",
        destination: "https://idp.example/sso?a=\"1\"",
        acs: "https://sp.example/acs?<",
        now: now(),
        force_authn: false,
        authn_context: None,
        login_hint: None,
        name_id_format: None,
    }
}

fn logout() -> Logout<'static> {
    Logout { id: "_2", issuer: "a&b", destination: "c\"d", now: now() }
}

/// Whether the root alone is signed, by the key that is trusted.
fn signed(text: &str) -> bool {
    let xml = Xml::parse(text, MESSAGE).unwrap();
    let root = xml.root().unwrap();
    signatures(&xml, root, &trust(&["sp"])) == Ok(vec![root])
}

#[test]
fn a_request_says_what_it_must() {
    assert_eq!(
        request().xml(),
        "<samlp:AuthnRequest xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" \
         xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_1\" Version=\"2.0\" \
         IssueInstant=\"2026-03-04T05:06:07Z\" Destination=\"https://idp.example/sso?a=&quot;1&quot;\" \
         AssertionConsumerServiceURL=\"https://sp.example/acs?&lt;\" \
         ProtocolBinding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\">\
         <saml:Issuer>https://sp.example/?a=1&amp;b</saml:Issuer></samlp:AuthnRequest>"
    );
}

#[test]
fn a_request_says_what_is_wished() {
    let subject = "<saml:Subject><saml:NameID>a&lt;b</saml:NameID></saml:Subject>";
    let policy = "<samlp:NameIDPolicy Format=\"urn:&amp;\" AllowCreate=\"true\"/>";
    let context = "<samlp:RequestedAuthnContext Comparison=\"minimum\"><saml:AuthnContextClassRef>c&gt;d</saml:AuthnContextClassRef></samlp:RequestedAuthnContext>";
    let (hint, format, class) = (Some("a<b"), Some("urn:&"), Some("c>d"));
    let honest = request();
    for (what, request, expected) in [
        ("who", AuthnRequest { login_hint: hint, ..honest.clone() }, subject.to_owned()),
        ("by which name", AuthnRequest { name_id_format: format, ..honest.clone() }, policy.to_owned()),
        ("how", AuthnRequest { authn_context: class, ..honest.clone() }, context.to_owned()),
        (
            "all, in the order of the schema",
            AuthnRequest { login_hint: hint, name_id_format: format, authn_context: class, ..honest.clone() },
            [subject, policy, context].concat(),
        ),
    ] {
        let expected = put(&honest.xml(), "</saml:Issuer>", &format!("</saml:Issuer>{expected}"));
        assert_eq!(request.xml(), expected, "{what}");
    }
    let again = AuthnRequest { force_authn: true, ..honest.clone() }.xml();
    assert_eq!(again, put(&honest.xml(), "HTTP-POST\"", "HTTP-POST\" ForceAuthn=\"true\""));
}

#[test]
fn a_signed_request_has_its_signature_behind_the_issuer() {
    let text = request().signed(&signer("sp")).unwrap();
    assert!(signed(&text) && text.contains("</saml:Issuer><ds:Signature "), "{text}");
    assert!(text.contains(&shared_pair("sp").certificate));
    assert!(!signed(&put(&text, "Version=", "Consent=\"x\" Version=")));
    let hint = AuthnRequest { login_hint: Some("x"), ..request() };
    assert!(signed(&hint.signed(&signer("sp")).unwrap()));
    assert_eq!(outcome(signer("sp").envelop("<x/>", "_1")), Reason::SignatureInvalid.name());
    assert_eq!(outcome(signer("sp").envelop("<md:EntityDescriptor", "_1")), Reason::SignatureInvalid.name());
}

#[test]
fn logout_is_asked_for_and_answered() {
    let head = "xmlns:samlp=\"urn:oasis:names:tc:SAML:2.0:protocol\" xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" \
                ID=\"_2\" Version=\"2.0\" IssueInstant=\"2026-03-04T05:06:07Z\" Destination=\"c&quot;d\"";
    for (format, index, name, end) in [
        (None, None, "<saml:NameID>", ""),
        (
            Some("e&f"),
            Some("<g>"),
            "<saml:NameID Format=\"e&amp;f\">",
            "<samlp:SessionIndex>&lt;g&gt;</samlp:SessionIndex>",
        ),
    ] {
        assert_eq!(
            logout().request("h<i", format, index),
            format!(
                "<samlp:LogoutRequest {head}><saml:Issuer>a&amp;b</saml:Issuer>{name}h&lt;i</saml:NameID>{end}</samlp:LogoutRequest>"
            )
        );
    }
    assert_eq!(
        logout().response("_\"3"),
        format!(
            "<samlp:LogoutResponse {head} InResponseTo=\"_&quot;3\"><saml:Issuer>a&amp;b</saml:Issuer><samlp:Status><samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/></samlp:Status></samlp:LogoutResponse>"
        )
    );
}

#[test]
fn our_metadata_names_every_key_and_place() {
    let pairs = ["sp", "old sp"].map(shared_pair);
    let certificates = [certificate(&pairs[0]), certificate(&pairs[1])];
    let provider = ServiceProvider {
        entity_id: "urn:a&b",
        acs: "https://sp.example/acs?a&b",
        slo: "https://sp.example/slo?a&b",
        certificates: &certificates,
        valid_until: now(),
        id: "_m",
    };
    let text = provider.metadata(None).unwrap();
    let key = |used: &str, at: usize| {
        format!(
            "<md:KeyDescriptor use=\"{used}\"><ds:KeyInfo xmlns:ds=\"http://www.w3.org/2000/09/xmldsig#\"><ds:X509Data><ds:X509Certificate>{}</ds:X509Certificate></ds:X509Data></ds:KeyInfo></md:KeyDescriptor>",
            pairs[at].certificate
        )
    };
    let keys = [key("signing", 0), key("encryption", 0), key("signing", 1)].concat();
    assert_eq!(cut(&text, "<md:KeyDescriptor", "<md:SingleLogout"), format!("{keys}<md:SingleLogout"));
    for part in [
        format!("<md:EntityDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\" ID=\"_m\" entityID=\"urn:a&amp;b\" validUntil=\"{}\">", at(0)).as_str(),
        "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-Redirect\" Location=\"https://sp.example/slo?a&amp;b\"/>",
        "<md:SingleLogoutService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://sp.example/slo?a&amp;b\"/>",
        "<md:AssertionConsumerService Binding=\"urn:oasis:names:tc:SAML:2.0:bindings:HTTP-POST\" Location=\"https://sp.example/acs?a&amp;b\" index=\"0\" isDefault=\"true\"/>",
    ] {
        assert!(text.contains(part), "{part}");
    }
    assert!(!signed(&text));
    let text = provider.metadata(Some(&signer("sp"))).unwrap();
    assert!(signed(&text) && text.contains("Z\"><ds:Signature "), "{text}");
}
