//! Forged SAML responses, made here: every one is refused, with its reason. Honest ones of every layout are taken.

mod conditions;
mod documents;
mod encryption;
mod second_opinion;
mod signatures;
mod wrapped;

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
