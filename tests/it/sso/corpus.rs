//! Forged SAML responses, made here: every one is refused, with its reason. Honest ones of every layout are taken.

use std::sync::{Mutex, OnceLock};

use chrono::{DateTime, SubsecRound as _, TimeDelta, Utc};
use saml_core::{Accepted, Decryptor, Expected, Reason, Refusal, Trust, accept};
use serde_json::json;
use tests::Part;
use tests::saml::{AES_GCM, Mint, OAEP, Pair, certificate, encrypted, idp_metadata, shared_pair};

const IDP: &str = "https://idp.example/entity";
const SP: &str = "https://sp.example/sso/saml/1/metadata";
const ACS: &str = "https://sp.example/sso/saml/1/acs";
const REQUEST: &str = "_req1";

/// One moment for all, a present one: the second opinion has a clock of its own.
fn now() -> DateTime<Utc> {
    static NOW: OnceLock<DateTime<Utc>> = OnceLock::new();
    *NOW.get_or_init(|| platform::clock::Clock::default().now().trunc_subsecs(0))
}

/// Everything that was judged here, and how: what the second opinion is asked about.
static JUDGED: Mutex<Vec<(String, String, bool)>> = Mutex::new(Vec::new());

fn note(what: &str, xml: &str, taken: bool) {
    JUDGED.lock().unwrap().push((what.to_owned(), xml.to_owned(), taken));
}

struct Stage {
    idp: Pair,
    sp: Pair,
    trust: Trust,
    decryptor: Decryptor,
}

impl Stage {
    fn set() -> Self {
        let (idp, next, sp) = (shared_pair("idp"), shared_pair("next"), shared_pair("sp"));
        let trust = Trust::new(&[certificate(&idp), certificate(&next)]).unwrap();
        let decryptor = Decryptor::new(&[&sp.pem, &shared_pair("old sp").pem]).unwrap();
        Self { idp, sp, trust, decryptor }
    }

    fn mint(&self) -> Mint {
        Mint::new(IDP, SP, ACS, Some(REQUEST), now())
    }

    fn read_at(&self, xml: &str, at: DateTime<Utc>, request_id: Option<&str>) -> Result<Accepted, Refusal> {
        accept(
            xml,
            &Expected {
                issuer: IDP,
                audience: SP,
                acs: ACS,
                request_id,
                now: at,
                skew: TimeDelta::seconds(30),
                trust: &self.trust,
                decryptor: Some(&self.decryptor),
            },
        )
    }

    fn read(&self, xml: &str) -> Result<Accepted, Refusal> {
        self.read_at(xml, now(), Some(REQUEST))
    }

    #[track_caller]
    fn refused(&self, what: &str, xml: &str, reasons: &[Reason]) {
        note(what, xml, false);
        match self.read(xml) {
            Ok(accepted) => panic!("{what} was taken, as {}", accepted.name_id),
            Err(refusal) => assert!(reasons.contains(&refusal.reason), "{what}: {refusal:?}"),
        }
    }

    #[track_caller]
    fn taken(&self, what: &str, xml: &str) {
        note(what, xml, true);
        match self.read(xml) {
            Ok(accepted) => assert_eq!(accepted.name_id, "alice@corp.example", "{what}"),
            Err(refusal) => panic!("{what}: {refusal:?}"),
        }
    }
}

/// What stands between two texts, both included.
fn cut<'a>(text: &'a str, from: &str, to: &str) -> &'a str {
    let start = text.find(from).unwrap_or_else(|| panic!("no {from}"));
    let end = start + text[start..].find(to).unwrap_or_else(|| panic!("no {to}")) + to.len();
    &text[start..end]
}

fn assertion(xml: &str) -> &str {
    cut(xml, "<saml:Assertion", "</saml:Assertion>")
}

fn signature(xml: &str) -> &str {
    cut(xml, "<ds:Signature", "</ds:Signature>")
}

/// The assertion with another name and id and without its signature: what an attacker wants to be believed.
fn evil(xml: &str) -> String {
    let plain = assertion(xml).replace(signature(assertion(xml)), "");
    let id = cut(&plain, " ID=\"", "\" ").to_owned();
    plain.replace(&id, " ID=\"_evil\" ").replace("alice@corp.example", "admin@corp.example")
}

#[test]
fn honest_responses_of_every_layout_are_taken() {
    let stage = Stage::set();
    let mint = stage.mint();
    let idp = &stage.idp;
    stage.taken("the assertion signed", &mint.xml(idp));
    stage.taken(
        "the response signed",
        &Mint { sign_assertion: false, sign_response: true, ..mint.clone() }.xml(idp),
    );
    stage.taken("both signed", &Mint { sign_response: true, ..mint.clone() }.xml(idp));
    stage.taken("by the next certificate", &mint.xml(&shared_pair("next")));
    stage.taken("without KeyInfo", &Mint { key_info: false, ..mint.clone() }.xml(idp));
    for method in ["rsa-sha384", "rsa-sha512"] {
        let signature_method = format!("http://www.w3.org/2001/04/xmldsig-more#{method}");
        stage.taken(method, &Mint { signature_method, ..mint.clone() }.xml(idp));
    }
    let digest_method = "http://www.w3.org/2001/04/xmlenc#sha512".to_owned();
    stage.taken("SHA-512", &Mint { digest_method, ..mint.clone() }.xml(idp));
    for c14n in ["http://www.w3.org/TR/2001/REC-xml-c14n-20010315", "http://www.w3.org/2006/12/xml-c14n11"] {
        let canonicalization = c14n.to_owned();
        stage.taken(c14n, &Mint { canonicalization, ..mint.clone() }.xml(idp));
    }
    let pretty = mint.clone().with("><saml:", ">\n    <saml:").with("><samlp:", ">\n  <samlp:");
    stage.taken("pretty-printed", &pretty.xml(idp));
    let declared = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{}",
        mint.xml(idp).trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")
    );
    stage.taken("with a declaration", &declared);
    let renamed = [("saml:", "a:"), ("?xmlns:saml=", "xmlns:a=")];
    let replace = renamed.map(|(from, to)| (from.to_owned(), to.to_owned())).to_vec();
    stage.taken("another prefix", &Mint { replace, ..mint.clone() }.xml(idp));
    for (what, seconds) in [("30 s early", -29), ("at once", 0), ("30 s late", 5 * 60 + 29)] {
        let at = now() + TimeDelta::seconds(seconds);
        assert!(stage.read_at(&mint.xml(idp), at, Some(REQUEST)).is_ok(), "{what}");
    }
    let several = Mint {
        attributes: vec![("groups".to_owned(), vec!["a".to_owned(), "b".to_owned()])],
        ..mint.clone()
    };
    assert_eq!(stage.read(&several.xml(idp)).unwrap().attributes["groups"], ["a", "b"]);
    let unsolicited = Mint { in_response_to: None, ..mint.clone() };
    assert!(stage.read_at(&unsolicited.xml(idp), now(), None).is_ok());
    for transport in [OAEP, "http://www.w3.org/2009/xmlenc11#rsa-oaep"] {
        for gcm in ["aes128-gcm", "aes256-gcm"] {
            let data = format!("http://www.w3.org/2009/xmlenc11#{gcm}");
            let encrypt = Some((stage.sp.certificate.clone(), data.clone(), transport.to_owned()));
            stage.taken(gcm, &Mint { encrypt: encrypt.clone(), ..mint.clone() }.xml(idp));
            let outer = Mint { encrypt, sign_assertion: false, sign_response: true, ..mint.clone() };
            stage.taken("only the response signed, encrypted", &outer.xml(idp));
        }
    }
    let old = Some((shared_pair("old sp").certificate, AES_GCM.to_owned(), OAEP.to_owned()));
    stage.taken("encrypted for the key before", &Mint { encrypt: old, ..mint.clone() }.xml(idp));
    for cbc in ["aes128-cbc", "aes256-cbc"] {
        let data = format!("http://www.w3.org/2001/04/xmlenc#{cbc}");
        let encrypt = Some((stage.sp.certificate.clone(), data, OAEP.to_owned()));
        stage.taken(cbc, &Mint { encrypt, sign_response: true, ..mint.clone() }.xml(idp));
    }
}

#[test]
fn wrapped_signatures_are_refused() {
    let stage = Stage::set();
    let signed_assertion = stage.mint().xml(&stage.idp);
    let signed_response = Mint { sign_assertion: false, sign_response: true, ..stage.mint() }.xml(&stage.idp);
    let both = Mint { sign_response: true, ..stage.mint() }.xml(&stage.idp);
    let xml = signed_assertion.as_str();
    let (honest, evil) = (assertion(xml).to_owned(), evil(xml));
    let unsigned = honest.replace(signature(&honest), "");
    let signature = signature(&honest).to_owned();
    let put = |to: &str| xml.replace(&honest, to);
    let evil_open = evil.trim_end_matches("</saml:Assertion>").to_owned();
    let within = |at: &str, what: &str| evil.replacen(at, &format!("{at}{what}"), 1);
    let response_as_object = {
        let outer =
            signed_response.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").to_owned();
        let own = self::signature(&outer).to_owned();
        let evil_outer = outer.replace("alice@corp.example", "admin@corp.example").replace(&own, "");
        let id = cut(&evil_outer, " ID=\"_r", "\" ").to_owned();
        let evil_outer = evil_outer.replace(&id, " ID=\"_evilr\" ");
        [
            // XSW1 and 2: the honest response within, or beside, the signature of the evil one.
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
            evil_outer.replacen(
                "</saml:Issuer>",
                &format!("</saml:Issuer>{own}{}", outer.replace(&own, "")),
                1,
            ),
        ]
    };
    let any = Reason::ALL;
    for (at, forged) in response_as_object.iter().enumerate() {
        stage.refused(&format!("XSW{}", at + 1), forged, any);
    }
    let cases: Vec<(&str, String)> = vec![
        ("XSW3: evil before honest", put(&format!("{evil}{honest}"))),
        ("XSW3b: evil after honest", put(&format!("{honest}{evil}"))),
        ("XSW4: honest within evil", put(&format!("{evil_open}{honest}</saml:Assertion>"))),
        (
            "XSW5: the signature in evil, honest unsigned after it",
            put(&format!("{}{unsigned}", within("</saml:Issuer>", &signature))),
        ),
        (
            "XSW6: honest within the signature in evil",
            put(&within(
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
            put(&evil).replacen(
                "<samlp:Status>",
                &format!("<samlp:Extensions>{honest}</samlp:Extensions><samlp:Status>"),
                1,
            ),
        ),
        (
            "XSW8: honest within an Object",
            put(&within(
                "</saml:Issuer>",
                &signature
                    .replace("</ds:Signature>", &format!("<ds:Object>{unsigned}</ds:Object></ds:Signature>")),
            )),
        ),
        (
            "XSW9: evil alone, honest in the status",
            put(&evil).replacen(
                "</samlp:Status>",
                &format!("<samlp:StatusDetail>{honest}</samlp:StatusDetail></samlp:Status>"),
                1,
            ),
        ),
        ("evil alone", put(&evil)),
        (
            "evil with the honest id",
            put(&evil.replace("_evil", cut(&honest, " ID=\"", "\" ")[5..].trim_end_matches(['"', ' ']))),
        ),
        (
            "both with the honest id",
            put(&format!(
                "{}{honest}",
                evil.replace("_evil", cut(&honest, " ID=\"", "\" ")[5..].trim_end_matches(['"', ' ']))
            )),
        ),
        (
            "honest within the subject's confirmation",
            put(&evil.replacen(
                "<saml:SubjectConfirmation ",
                &format!("{honest}<saml:SubjectConfirmation "),
                1,
            )),
        ),
        (
            "honest within an attribute",
            put(&evil.replacen("<saml:AttributeValue>", &format!("<saml:AttributeValue>{honest}"), 1)),
        ),
        (
            "honest within Advice",
            put(&evil.replacen(
                "</saml:Conditions>",
                &format!("</saml:Conditions><saml:Advice>{honest}</saml:Advice>"),
                1,
            )),
        ),
        ("two signatures in one assertion", xml.replacen(&signature, &format!("{signature}{signature}"), 1)),
        (
            "the signature of the assertion in the response",
            xml.replacen(&signature, "", 1).replacen(
                "</saml:Issuer>",
                &format!("</saml:Issuer>{signature}"),
                1,
            ),
        ),
        (
            "the signature at the end of the response",
            xml.replacen(&signature, "", 1)
                .replace("</samlp:Response>", &format!("{signature}</samlp:Response>")),
        ),
        ("the signature taken off", xml.replacen(&signature, "", 1)),
        (
            "the response's signature taken off a response with none else",
            signed_response.replacen(self::signature(&signed_response), "", 1),
        ),
        (
            "the assertion's signature broken under a good one",
            both.replace(
                self::signature(assertion(&both)),
                &self::signature(assertion(&both)).replacen(
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
        ("a foreign Assertion", put(&evil.replacen("urn:oasis:names:tc:SAML:2.0:assertion", "urn:x", 1))),
        (
            "evil in a foreign namespace with the same id",
            put(&format!(
                "{honest}<x:Assertion xmlns:x=\"urn:x\" ID={}/>",
                &cut(&honest, " ID=\"", "\" ")[4..].trim()
            )),
        ),
    ];
    for (what, forged) in &cases {
        assert_ne!(forged, xml, "{what}: nothing was forged");
        stage.refused(what, forged, any);
    }
}

#[test]
fn what_is_signed_by_others_or_otherwise_is_refused() {
    let stage = Stage::set();
    let (mint, idp) = (stage.mint(), &stage.idp);
    let stranger = shared_pair("stranger");
    stage.refused("a stranger's key in KeyInfo", &mint.xml(&stranger), &[Reason::SignatureInvalid]);
    stage.refused(
        "a stranger's without KeyInfo",
        &Mint { key_info: false, ..mint.clone() }.xml(&stranger),
        &[Reason::SignatureInvalid],
    );
    let honest = mint.xml(idp);
    stage.refused(
        "another name",
        &honest.replace("alice@corp.example", "admin@corp.example"),
        &[Reason::SignatureInvalid],
    );
    stage.refused("another attribute", &honest.replace(">Alice<", ">Boss<"), &[Reason::SignatureInvalid]);
    for (algorithm, with) in [
        (tests::saml::RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#rsa-sha1"),
        (tests::saml::RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#hmac-sha256"),
        (tests::saml::RSA_SHA256, "http://www.w3.org/2000/09/xmldsig#hmac-sha1"),
        (tests::saml::RSA_SHA256, "http://www.w3.org/2001/04/xmldsig-more#rsa-md5"),
        (tests::saml::RSA_SHA256, "urn:x"),
        (tests::saml::SHA256, "http://www.w3.org/2000/09/xmldsig#sha1"),
        (tests::saml::SHA256, "http://www.w3.org/2001/04/xmldsig-more#md5"),
        (tests::saml::EXCLUSIVE, "http://www.w3.org/2001/10/xml-exc-c14n#WithComments"),
        (tests::saml::EXCLUSIVE, "http://www.w3.org/TR/1999/REC-xslt-19991116"),
        (tests::saml::EXCLUSIVE, "http://www.w3.org/2000/09/xmldsig#base64"),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/2002/06/xmldsig-filter2",
        ),
        (
            "http://www.w3.org/2000/09/xmldsig#enveloped-signature",
            "http://www.w3.org/TR/1999/REC-xpath-19991116",
        ),
    ] {
        stage.refused(
            with,
            &honest.replace(algorithm, with),
            &[Reason::AlgorithmRefused, Reason::SignatureShape],
        );
    }
    let id = format!("#{}", mint.assertion_id);
    for (what, uri) in [
        ("the whole document", ""),
        ("an xpointer", &*format!("#xpointer(id('{}'))", mint.assertion_id)),
        ("the root by xpointer", "#xpointer(/)"),
        ("the response", &format!("#{}", mint.response_id)),
        ("a file", "file:///etc/passwd"),
        ("a URL", "https://evil.example/x"),
        ("an attachment", "cid:x"),
        ("nothing", "#"),
    ] {
        stage.refused(
            what,
            &honest.replace(&format!("URI=\"{id}\""), &format!("URI=\"{uri}\"")),
            &[Reason::SignatureShape],
        );
    }
    let reference = cut(&honest, "<ds:Reference", "</ds:Reference>").to_owned();
    for (what, from, to) in [
        ("two references", reference.clone(), format!("{reference}{reference}")),
        ("no reference", reference.clone(), String::new()),
        (
            "an HMAC length",
            format!("<ds:SignatureMethod Algorithm=\"{}\"/>", mint.signature_method),
            format!(
                "<ds:SignatureMethod Algorithm=\"{}\"><ds:HMACOutputLength>0</ds:HMACOutputLength></ds:SignatureMethod>",
                mint.signature_method
            ),
        ),
        (
            "an Object",
            "</ds:KeyInfo></ds:Signature>".to_owned(),
            "</ds:KeyInfo><ds:Object/></ds:Signature>".to_owned(),
        ),
        (
            "two SignedInfo",
            cut(&honest, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned(),
            cut(&honest, "<ds:SignedInfo>", "</ds:SignedInfo>").repeat(2),
        ),
        (
            "two values",
            cut(&honest, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned(),
            cut(&honest, "<ds:SignatureValue>", "</ds:SignatureValue>").repeat(2),
        ),
        (
            "a third transform",
            "</ds:Transforms>".to_owned(),
            format!("<ds:Transform Algorithm=\"{}\"/></ds:Transforms>", tests::saml::EXCLUSIVE),
        ),
        (
            "an empty digest",
            cut(&honest, "<ds:DigestValue>", "</ds:DigestValue>").to_owned(),
            "<ds:DigestValue></ds:DigestValue>".to_owned(),
        ),
        ("a digest with a comment", "<ds:DigestValue>".to_owned(), "<ds:DigestValue><!--x-->".to_owned()),
        (
            "a namespaced Algorithm",
            "<ds:SignatureMethod Algorithm".to_owned(),
            "<ds:SignatureMethod xmlns:x=\"urn:x\" x:Algorithm=\"urn:y\" Algorithm".to_owned(),
        ),
        (
            "a namespaced ID",
            "<saml:Subject>".to_owned(),
            format!("<saml:Subject xmlns:x=\"urn:x\" x:ID=\"{}\">", mint.assertion_id),
        ),
    ] {
        let forged = honest.replacen(&from, &to, 1);
        assert_ne!(forged, honest, "{what}");
        stage.refused(
            what,
            &forged,
            &[
                Reason::SignatureShape,
                Reason::SignatureInvalid,
                Reason::XmlRefused,
                Reason::Missing,
                Reason::DuplicateId,
                Reason::AlgorithmRefused,
            ],
        );
    }
}

#[test]
fn documents_that_saml_has_no_use_for_are_refused() {
    let stage = Stage::set();
    let honest = stage.mint().xml(&stage.idp);
    let body = honest.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>");
    let comment = stage.mint().with("alice@corp.example", "alice@corp.example<!-- -->.evil.example");
    let pi = stage.mint().with("alice@corp.example", "alice@corp.example<?x?>.evil.example");
    let deep = format!("{}{}", "<a>".repeat(200), "</a>".repeat(200));
    let wide: String = (0..5000).map(|n| format!(" a{n}=\"\"")).collect();
    let cases: Vec<(&str, String)> = vec![
        ("a document type", format!("<!DOCTYPE x>{body}")),
        (
            "an entity",
            format!("<!DOCTYPE x [<!ENTITY e \"admin\">]>{}", body.replace("alice@corp.example", "&e;")),
        ),
        (
            "an external entity",
            format!(
                "<!DOCTYPE x [<!ENTITY e SYSTEM \"file:///etc/passwd\">]>{}",
                body.replace("alice@corp.example", "&e;")
            ),
        ),
        ("a billion laughs", format!("<!DOCTYPE x [<!ENTITY a \"ha\"><!ENTITY b \"&a;&a;&a;\">]>{body}")),
        ("a processing instruction before the root", format!("<?x y?>{body}")),
        ("a stylesheet", format!("<?xml-stylesheet href=\"x\"?>{body}")),
        ("a comment in the name", comment.xml(&stage.idp)),
        ("an instruction in the name", pi.xml(&stage.idp)),
        (
            "a comment put into the name afterwards",
            body.replace("alice@corp.example", "alice<!--x-->@corp.example"),
        ),
        (
            "an element in the name",
            stage.mint().with("alice@corp.example", "alice<b/>@corp.example").xml(&stage.idp),
        ),
        ("depth", body.replacen("<samlp:Status>", &format!("{deep}<samlp:Status>"), 1)),
        ("width", body.replacen("<samlp:Status>", &format!("<samlp:Status{wide}>"), 1)),
        (
            "too much",
            body.replacen("<samlp:Status>", &format!("<!--{}--><samlp:Status>", "x".repeat(300_000)), 1),
        ),
        (
            "many elements",
            body.replacen("<samlp:Status>", &format!("{}<samlp:Status>", "<a/>".repeat(9000)), 1),
        ),
        ("broken off", body[..body.len() - 20].to_owned()),
        ("nothing", String::new()),
        ("no XML", "SAML".to_owned()),
        ("a NUL", body.replace("alice@corp.example", "alice\u{0}@corp.example")),
        ("an undeclared prefix", body.replacen("<saml:Subject>", "<q:Subject>", 1)),
        ("another root", body.replace("samlp:Response", "samlp:ArtifactResponse")),
        ("a logout response", body.replace("samlp:Response", "samlp:LogoutResponse")),
    ];
    for (what, forged) in &cases {
        stage.refused(
            what,
            forged,
            &[Reason::XmlRefused, Reason::NotAResponse, Reason::SignatureInvalid, Reason::Missing],
        );
    }
}

#[test]
fn every_condition_alone_decides() {
    let stage = Stage::set();
    let at = |minutes: i64| {
        (now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
    };
    let (until, from) = (format!("NotOnOrAfter=\"{}\"", at(5)), format!("NotBefore=\"{}\"", at(-1)));
    let conditions = |to: &str| (format!("{from} {until}>"), format!("{to}>"));
    let data = |to: &str| {
        (format!(" {until} InResponseTo=\"{REQUEST}\"/></saml:SubjectC"), format!("{to}/></saml:SubjectC"))
    };
    let answered = format!(" InResponseTo=\"{REQUEST}\"");
    let s = |text: &str| text.to_owned();
    let cases: Vec<(&str, (String, String), Reason)> = vec![
        (
            "another issuer",
            (s("<saml:Issuer>https://idp.example/entity"), s("<saml:Issuer>https://evil.example")),
            Reason::IssuerWrong,
        ),
        (
            "a slash more in the issuer",
            (s("entity</saml:Issuer>"), s("entity/</saml:Issuer>")),
            Reason::IssuerWrong,
        ),
        (
            "another audience",
            (s("<saml:Audience>https://sp"), s("<saml:Audience>https://other")),
            Reason::AudienceWrong,
        ),
        (
            "no audience",
            (
                s(
                    "<saml:AudienceRestriction><saml:Audience>https://sp.example/sso/saml/1/metadata</saml:Audience></saml:AudienceRestriction>",
                ),
                s(""),
            ),
            Reason::AudienceWrong,
        ),
        (
            "a second restriction that excludes us",
            (
                s("</saml:AudienceRestriction>"),
                s(
                    "</saml:AudienceRestriction><saml:AudienceRestriction><saml:Audience>x</saml:Audience></saml:AudienceRestriction>",
                ),
            ),
            Reason::AudienceWrong,
        ),
        (
            "no conditions",
            (cut(&stage.mint().xml(&stage.idp), "<saml:Conditions", "</saml:Conditions>").to_owned(), s("")),
            Reason::Missing,
        ),
        (
            "a condition nobody knows",
            (s("</saml:AudienceRestriction>"), s("</saml:AudienceRestriction><saml:Condition/>")),
            Reason::ConditionUnknown,
        ),
        (
            "another recipient",
            (s("Recipient=\"https://sp"), s("Recipient=\"https://other")),
            Reason::RecipientWrong,
        ),
        ("no recipient", (format!("Recipient=\"{ACS}\""), s("")), Reason::RecipientWrong),
        (
            "another destination",
            (s("Destination=\"https://sp"), s("Destination=\"https://other")),
            Reason::DestinationWrong,
        ),
        (
            "the assertion not yet valid",
            conditions(&format!("NotBefore=\"{}\" {until}", at(2))),
            Reason::NotYetValid,
        ),
        ("the assertion over", conditions(&format!("{from} NotOnOrAfter=\"{}\"", at(-1))), Reason::Expired),
        ("the confirmation over", data(&format!(" NotOnOrAfter=\"{}\"{answered}", at(-1))), Reason::Expired),
        ("the confirmation without end", data(&answered), Reason::Missing),
        (
            "the confirmation for another request",
            data(&format!(" {until} InResponseTo=\"_other\"")),
            Reason::InResponseToWrong,
        ),
        ("the confirmation for no request", data(&format!(" {until}")), Reason::InResponseToWrong),
        (
            "the response for another request",
            (
                format!("Destination=\"{ACS}\"{answered}"),
                format!("Destination=\"{ACS}\" InResponseTo=\"_other\""),
            ),
            Reason::InResponseToWrong,
        ),
        ("holder of key", (s("cm:bearer"), s("cm:holder-of-key")), Reason::ConfirmationMissing),
        (
            "no confirmation",
            (
                cut(
                    &stage.mint().xml(&stage.idp),
                    "<saml:SubjectConfirmation ",
                    "</saml:SubjectConfirmation>",
                )
                .to_owned(),
                s(""),
            ),
            Reason::ConfirmationMissing,
        ),
        (
            "no confirmation data",
            (cut(&stage.mint().xml(&stage.idp), "<saml:SubjectConfirmationData", "/>").to_owned(), s("")),
            Reason::Missing,
        ),
        (
            "no subject",
            (cut(&stage.mint().xml(&stage.idp), "<saml:Subject>", "</saml:Subject>").to_owned(), s("")),
            Reason::Missing,
        ),
        ("an empty name", (s("alice@corp.example"), s(" ")), Reason::SubjectUnusable),
        (
            "a name that ends the line",
            (s("alice@corp.example"), s("alice@corp.example&#xD;")),
            Reason::SubjectUnusable,
        ),
        ("a name and a blank", (s("alice@corp.example"), s("alice@corp.example ")), Reason::SubjectUnusable),
        (
            "a name and a no-break space",
            (s("alice@corp.example"), s("&#xA0;alice@corp.example")),
            Reason::SubjectUnusable,
        ),
        ("a name that is too long", (s("alice@corp.example"), "x".repeat(256)), Reason::SubjectUnusable),
        (
            "no sign-in",
            (
                cut(&stage.mint().xml(&stage.idp), "<saml:AuthnStatement", "</saml:AuthnStatement>")
                    .to_owned(),
                s(""),
            ),
            Reason::Missing,
        ),
        (
            "the session over",
            (s("SessionIndex=\"_s1\""), format!("SessionIndex=\"_s1\" SessionNotOnOrAfter=\"{}\"", at(-1))),
            Reason::Expired,
        ),
        ("SAML 1.1", (s("Version=\"2.0\""), s("Version=\"1.1\"")), Reason::VersionWrong),
        ("no version", (s("Version=\"2.0\" "), s("")), Reason::VersionWrong),
        ("refused by the provider", (s("status:Success"), s("status:Responder")), Reason::StatusFailed),
        (
            "no status",
            (cut(&stage.mint().xml(&stage.idp), "<samlp:Status>", "</samlp:Status>").to_owned(), s("")),
            Reason::Missing,
        ),
        (
            "made in the future",
            (format!("IssueInstant=\"{}\"", at(0)), format!("IssueInstant=\"{}\"", at(2))),
            Reason::NotYetValid,
        ),
        (
            "made long ago",
            (format!("IssueInstant=\"{}\"", at(0)), format!("IssueInstant=\"{}\"", at(-62))),
            Reason::Expired,
        ),
        (
            "a time that is none",
            (format!("IssueInstant=\"{}\"", at(0)), s("IssueInstant=\"yesterday\"")),
            Reason::TimeUnreadable,
        ),
    ];
    for layout in [true, false] {
        for (what, (from, to), reason) in &cases {
            let mint = Mint { sign_assertion: layout, sign_response: !layout, ..stage.mint() };
            // With a signature inside, what is cut out of a signed text has to be found in an unsigned one.
            let mut mint = mint;
            let from = if from.contains("<ds:Signature") {
                cut(from, "<saml:Subject>", "</saml:Subject>").to_owned()
            } else {
                from.clone()
            };
            mint.replace = vec![(from, to.clone())];
            stage.refused(what, &mint.xml(&stage.idp), &[*reason]);
        }
    }
    // What answers no request is no answer to this one, and the other way round.
    let unsolicited = Mint { in_response_to: None, ..stage.mint() }.xml(&stage.idp);
    stage.refused("unsolicited", &unsolicited, &[Reason::InResponseToWrong]);
    let solicited = stage.read_at(&stage.mint().xml(&stage.idp), now(), None);
    assert_eq!(solicited.unwrap_err().reason, Reason::InResponseToWrong);
}

#[test]
fn encryption_hides_nothing() {
    let stage = Stage::set();
    let (mint, idp, sp) = (stage.mint(), &stage.idp, &stage.sp.certificate);
    let encrypt = |data: &str, transport: &str| Some((sp.clone(), data.to_owned(), transport.to_owned()));
    let aes = |name: &str| format!("http://www.w3.org/2001/04/xmlenc#{name}");
    let none = Mint { sign_assertion: false, encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() };
    stage.refused("encrypted and unsigned", &none.xml(idp), &[Reason::SignatureMissing]);
    let cbc = Mint { encrypt: encrypt(&aes("aes256-cbc"), OAEP), ..mint.clone() };
    stage.refused("CBC without a signature around it", &cbc.xml(idp), &[Reason::EncryptionUnsigned]);
    let strange = Mint { encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() };
    stage.refused(
        "a stranger's, encrypted",
        &strange.xml(&shared_pair("stranger")),
        &[Reason::SignatureInvalid],
    );
    let other = Some((shared_pair("stranger").certificate, AES_GCM.to_owned(), OAEP.to_owned()));
    stage.refused(
        "for another",
        &Mint { encrypt: other, ..mint.clone() }.xml(idp),
        &[Reason::DecryptionFailed],
    );
    let honest = Mint { encrypt: encrypt(AES_GCM, OAEP), ..mint.clone() }.xml(idp);
    for (what, from, to) in [
        ("RSA 1.5", OAEP, "http://www.w3.org/2001/04/xmlenc#rsa-1_5"),
        ("Triple DES", AES_GCM, "http://www.w3.org/2001/04/xmlenc#tripledes-cbc"),
        ("content", "xmlenc#Element", "xmlenc#Content"),
    ] {
        stage.refused(what, &honest.replace(from, to), &[Reason::AlgorithmRefused, Reason::EncryptionShape]);
    }
    let data = cut(&honest, "<xenc:EncryptedData", "</xenc:EncryptedData>").to_owned();
    let sealed = cut(&honest, "<saml:EncryptedAssertion>", "</saml:EncryptedAssertion>").to_owned();
    let plain_evil = evil(&mint.xml(idp));
    let seal = |plain: &str| encrypted(sp, AES_GCM, OAEP, plain);
    let wrapped = |inside: &str| honest.replace(&data, &seal(inside));
    let signed = mint.xml(idp);
    for (what, forged) in [
        ("evil beside", honest.replace(&sealed, &format!("{plain_evil}{sealed}"))),
        ("two encrypted", honest.replace(&sealed, &format!("{sealed}{sealed}"))),
        ("evil encrypted", wrapped(&plain_evil)),
        ("evil and honest encrypted together", wrapped(&format!("{plain_evil}{}", assertion(&signed)))),
        (
            "honest within evil, encrypted",
            wrapped(
                &plain_evil.replace("</saml:Assertion>", &format!("{}</saml:Assertion>", assertion(&signed))),
            ),
        ),
        (
            "a whole response encrypted",
            wrapped(signed.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>")),
        ),
        ("a document type encrypted", wrapped(&format!("<!DOCTYPE x>{}", assertion(&signed)))),
        ("no XML encrypted", wrapped("x")),
        ("encrypted twice", wrapped(&sealed)),
        (
            "a bit changed",
            honest.replacen(
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
                "AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
                1,
            ),
        ),
        (
            "a reference instead of a value",
            honest.replacen(
                "<xenc:CipherValue>",
                "<xenc:CipherReference URI=\"file:///etc/passwd\"/><xenc:CipherValue>",
                1,
            ),
        ),
        (
            "a name encrypted",
            mint.clone()
                .with("<saml:NameID ", "<saml:EncryptedID/><saml:NameID2 ")
                .with("</saml:NameID>", "</saml:NameID2>")
                .xml(idp),
        ),
    ] {
        stage.refused(what, &forged, Reason::ALL);
    }
    // Whatever is wrong with the key or the padding, the answer is one.
    let reasons: Vec<Reason> = [
        honest
            .replacen(
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey>",
                "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedKey><!---->",
                1,
            )
            .replacen("<xenc:CipherValue>", "<xenc:CipherValue>AAAA", 1),
        honest.replacen(
            "</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
            "AAAA</xenc:CipherValue></xenc:CipherData></xenc:EncryptedData>",
            1,
        ),
    ]
    .iter()
    .map(|forged| stage.read(forged).unwrap_err().reason)
    .collect();
    assert_eq!(reasons, [Reason::DecryptionFailed, Reason::DecryptionFailed]);
}

#[test]
fn without_a_usable_certificate_nothing_is_believed() {
    assert_eq!(Trust::new(&[]).unwrap_err().reason, Reason::CertificateMissing);
    let idp = shared_pair("idp");
    let metadata = idp_metadata(IDP, "https://idp.example/sso", &[&idp]);
    let parse = |text: &str| saml_core::IdentityProvider::parse(text, now());
    assert_eq!(parse(&metadata).unwrap().certificates.len(), 1);
    let encryption_only = metadata.replace("use=\"signing\"", "use=\"encryption\"");
    assert_eq!(parse(&encryption_only).unwrap_err().reason, Reason::CertificateMissing);
    let none = idp_metadata(IDP, "https://idp.example/sso", &[]);
    assert_eq!(parse(&none).unwrap_err().reason, Reason::CertificateMissing);
    let broken = metadata.replace(&idp.certificate, "AAAA");
    assert_eq!(parse(&broken).unwrap_err().reason, Reason::CertificateUnusable);
    let pairs: Vec<Pair> = ["idp", "next", "sp", "old sp", "stranger"].map(shared_pair).to_vec();
    let all: Vec<&Pair> = pairs.iter().collect();
    assert_eq!(parse(&idp_metadata(IDP, "https://idp.example/sso", &all)).unwrap().certificates.len(), 5);
    let over = metadata.replacen(" entityID", " validUntil=\"2020-01-01T00:00:00Z\" entityID", 1);
    assert_eq!(parse(&over).unwrap_err().reason, Reason::MetadataUnusable);
    let several = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{metadata}{metadata}</md:EntitiesDescriptor>"
    );
    assert_eq!(parse(&several).unwrap_err().reason, Reason::MetadataUnusable);
    let one = format!(
        "<md:EntitiesDescriptor xmlns:md=\"urn:oasis:names:tc:SAML:2.0:metadata\">{metadata}</md:EntitiesDescriptor>"
    );
    assert!(parse(&one).is_ok());
    assert!(parse(&format!("<!DOCTYPE x>{metadata}")).is_err());
}

/// samael 0.0.22 reads the same corpus by other code (libxml2, xmlsec1). Neither of us may ever name somebody whom the provider
/// didn't; and what samael's own identity provider signs is taken here.
#[actix_web::test]
async fn a_second_opinion_names_nobody_else() {
    wrapped_signatures_are_refused();
    what_is_signed_by_others_or_otherwise_is_refused();
    documents_that_saml_has_no_use_for_are_refused();
    every_condition_alone_decides();
    encryption_hides_nothing();
    honest_responses_of_every_layout_are_taken();
    let program = concat!(env!("CARGO_MANIFEST_DIR"), "/samael/target/debug/samael-oracle");
    let mut samael = Part::run(program, &[], &[]).await;
    let metadata = idp_metadata(IDP, "https://idp.example/sso", &[&shared_pair("idp"), &shared_pair("next")]);
    let judged = JUDGED.lock().unwrap().clone();
    let (mut honest, mut both, mut laxer) = (0, 0, Vec::new());
    for (what, xml, taken) in &judged {
        let asked =
            json!({"metadata": metadata, "audience": SP, "acs": ACS, "requestId": REQUEST, "xml": xml});
        samael.tell(&json!({"judge": asked})).await;
        let verdict = samael.next().await;
        honest += usize::from(*taken);
        if verdict["taken"] == true {
            let name = verdict["nameId"].as_str().unwrap_or_default();
            assert!(!name.starts_with("admin@"), "{what}: samael is taken in");
            both += usize::from(*taken);
            if !taken {
                laxer.push(what.clone());
            }
        }
    }
    laxer.sort();
    laxer.dedup();
    println!(
        "{} judged, {honest} honest, samael takes {both} of these, and besides: {laxer:?}",
        judged.len()
    );
    assert!(both >= 8, "samael takes only {both} honest ones: is it asked rightly?");

    let asked = json!({"issuer": IDP, "audience": SP, "acs": ACS, "requestId": REQUEST, "nameId": "alice@corp.example"});
    samael.tell(&json!({"mint": asked})).await;
    let minted = samael.next().await;
    let trust =
        Trust::new(&[saml_core::Certificate::parse(minted["certificate"].as_str().unwrap()).unwrap()])
            .unwrap();
    let expected = Expected {
        issuer: IDP,
        audience: SP,
        acs: ACS,
        request_id: Some(REQUEST),
        now: platform::clock::Clock::default().now(),
        skew: TimeDelta::seconds(30),
        trust: &trust,
        decryptor: None,
    };
    let read = accept(minted["xml"].as_str().unwrap(), &expected);
    assert_eq!(read.map(|accepted| accepted.name_id).as_deref(), Ok("alice@corp.example"));
}
