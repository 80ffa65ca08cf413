//! Signature wrapping: what was signed is somewhere else than what is believed.

use super::*;

/// An honest response, and the pieces of which an attacker makes another.
struct Pieces {
    xml: String,
    honest: String,
    evil: String,
    signature: String,
}

impl Pieces {
    fn of(xml: String) -> Self {
        let (honest, evil) = (assertion(&xml).to_owned(), evil(&xml));
        let signature = signature(&honest).to_owned();
        Self { xml, honest, evil, signature }
    }

    /// The response with something else in place of the honest assertion.
    fn put(&self, to: &str) -> String {
        self.xml.replace(&self.honest, to)
    }

    /// The evil assertion with something behind its first `at`.
    fn within(&self, at: &str, what: &str) -> String {
        self.evil.replacen(at, &format!("{at}{what}"), 1)
    }

    /// The patterns that literature numbers XSW3 to XSW9, and the evil assertion without any help.
    fn numbered(&self) -> Vec<(&'static str, String)> {
        let Self { xml, honest, evil, signature } = self;
        let unsigned = honest.replace(signature.as_str(), "");
        let evil_open = evil.trim_end_matches("</saml:Assertion>").to_owned();
        vec![
            ("XSW3: evil before honest", self.put(&format!("{evil}{honest}"))),
            ("XSW3b: evil after honest", self.put(&format!("{honest}{evil}"))),
            ("XSW4: honest within evil", self.put(&format!("{evil_open}{honest}</saml:Assertion>"))),
            (
                "XSW5: the signature in evil, honest unsigned after it",
                self.put(&format!("{}{unsigned}", self.within("</saml:Issuer>", signature))),
            ),
            (
                "XSW6: honest within the signature in evil",
                self.put(&self.within(
                    "</saml:Issuer>",
                    &signature.replace("</ds:Signature>", &format!("{unsigned}</ds:Signature>")),
                )),
            ),
            (
                "XSW7: evil within Extensions",
                xml.replacen(
                    "<samlp:Status>",
                    &format!("<samlp:Extensions>{evil}</samlp:Extensions><samlp:Status>"),
                    1,
                ),
            ),
            (
                "XSW7b: honest within Extensions",
                self.put(evil).replacen(
                    "<samlp:Status>",
                    &format!("<samlp:Extensions>{honest}</samlp:Extensions><samlp:Status>"),
                    1,
                ),
            ),
            (
                "XSW8: honest within an Object",
                self.put(&self.within(
                    "</saml:Issuer>",
                    &signature.replace(
                        "</ds:Signature>",
                        &format!("<ds:Object>{unsigned}</ds:Object></ds:Signature>"),
                    ),
                )),
            ),
            (
                "XSW9: evil alone, honest in the status",
                self.put(evil).replacen(
                    "</samlp:Status>",
                    &format!("<samlp:StatusDetail>{honest}</samlp:StatusDetail></samlp:Status>"),
                    1,
                ),
            ),
            ("evil alone", self.put(evil)),
            (
                "evil with the honest id",
                self.put(
                    &evil.replace("_evil", cut(honest, " ID=\"", "\" ")[5..].trim_end_matches(['"', ' '])),
                ),
            ),
            (
                "both with the honest id",
                self.put(&format!(
                    "{}{honest}",
                    evil.replace("_evil", cut(honest, " ID=\"", "\" ")[5..].trim_end_matches(['"', ' ']))
                )),
            ),
        ]
    }

    /// The honest assertion as a part of the evil one.
    fn nested(&self) -> Vec<(&'static str, String)> {
        let Self { honest, evil, .. } = self;
        vec![
            (
                "honest within the subject's confirmation",
                self.put(&evil.replacen(
                    "<saml:SubjectConfirmation ",
                    &format!("{honest}<saml:SubjectConfirmation "),
                    1,
                )),
            ),
            (
                "honest within an attribute",
                self.put(&evil.replacen(
                    "<saml:AttributeValue>",
                    &format!("<saml:AttributeValue>{honest}"),
                    1,
                )),
            ),
            (
                "honest within Advice",
                self.put(&evil.replacen(
                    "</saml:Conditions>",
                    &format!("</saml:Conditions><saml:Advice>{honest}</saml:Advice>"),
                    1,
                )),
            ),
        ]
    }

    /// Signatures and elements that are moved, doubled or taken away.
    fn moved(&self, stage: &Stage) -> Vec<(&'static str, String)> {
        let Self { xml, honest, evil, signature } = self;
        let signed_response =
            Mint { sign_assertion: false, sign_response: true, ..stage.mint() }.xml(&stage.idp);
        let both = Mint { sign_response: true, ..stage.mint() }.xml(&stage.idp);
        vec![
            (
                "two signatures in one assertion",
                xml.replacen(signature.as_str(), &format!("{signature}{signature}"), 1),
            ),
            (
                "the signature of the assertion in the response",
                xml.replacen(signature.as_str(), "", 1).replacen(
                    "</saml:Issuer>",
                    &format!("</saml:Issuer>{signature}"),
                    1,
                ),
            ),
            (
                "the signature at the end of the response",
                xml.replacen(signature.as_str(), "", 1)
                    .replace("</samlp:Response>", &format!("{signature}</samlp:Response>")),
            ),
            ("the signature taken off", xml.replacen(signature.as_str(), "", 1)),
            (
                "the response's signature taken off a response with none else",
                signed_response.replacen(super::signature(&signed_response), "", 1),
            ),
            (
                "the assertion's signature broken under a good one",
                both.replace(
                    super::signature(assertion(&both)),
                    &super::signature(assertion(&both)).replacen(
                        "<ds:SignatureValue>",
                        "<ds:SignatureValue>AAAA",
                        1,
                    ),
                ),
            ),
            (
                "two roots",
                format!("{xml}{}", xml.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")),
            ),
            (
                "a response within a response",
                xml.replacen(
                    "<samlp:Status>",
                    &format!(
                        "{}<samlp:Status>",
                        xml.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
                    ),
                    1,
                ),
            ),
            ("the assertion as root", honest.clone()),
            ("a foreign Response", xml.replace("urn:oasis:names:tc:SAML:2.0:protocol", "urn:x:protocol")),
            (
                "a foreign Assertion",
                self.put(&evil.replacen("urn:oasis:names:tc:SAML:2.0:assertion", "urn:x", 1)),
            ),
            (
                "evil in a foreign namespace with the same id",
                self.put(&format!(
                    "{honest}<x:Assertion xmlns:x=\"urn:x\" ID={}/>",
                    &cut(honest, " ID=\"", "\" ")[4..].trim()
                )),
            ),
        ]
    }
}

/// XSW1 and 2: the honest response within, or beside, the signature of the evil one.
fn responses_as_objects(stage: &Stage) -> [String; 2] {
    let signed_response = Mint { sign_assertion: false, sign_response: true, ..stage.mint() }.xml(&stage.idp);
    let outer = signed_response.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").to_owned();
    let own = signature(&outer).to_owned();
    let evil_outer = outer.replace("alice@corp.example", "admin@corp.example").replace(&own, "");
    let id = cut(&evil_outer, " ID=\"_r", "\" ").to_owned();
    let evil_outer = evil_outer.replace(&id, " ID=\"_evilr\" ");
    [
        evil_outer.replacen(
            "</saml:Issuer>",
            &format!(
                "</saml:Issuer>{}",
                own.replace(
                    "</ds:Signature>",
                    &format!("<ds:Object>{}</ds:Object></ds:Signature>", outer.replace(&own, ""))
                )
            ),
            1,
        ),
        evil_outer.replacen("</saml:Issuer>", &format!("</saml:Issuer>{own}{}", outer.replace(&own, "")), 1),
    ]
}

#[test]
pub(super) fn wrapped_signatures_are_refused() {
    let stage = Stage::set();
    for (at, forged) in responses_as_objects(&stage).iter().enumerate() {
        stage.refused(&format!("XSW{}", at + 1), forged, Reason::ALL);
    }
    let pieces = Pieces::of(stage.mint().xml(&stage.idp));
    let cases = [pieces.numbered(), pieces.nested(), pieces.moved(&stage)].concat();
    for (what, forged) in &cases {
        assert_ne!(*forged, pieces.xml, "{what}: nothing was forged");
        stage.refused(what, forged, Reason::ALL);
    }
}
