//! Logout messages both ways: what is read of them, when, and under which signature.

use super::*;
use crate::request::Logout;
use crate::tests::{ISSUER, REQUEST, at, now, outcome, put, signer, trust, why};

const SLO: &str = "https://sp.example/slo";

/// What the provider sends.
fn message() -> Logout<'static> {
    Logout { id: "_l1", issuer: ISSUER, destination: SLO, now: now() }
}

fn request() -> String {
    message().request("alice@corp.example", Some("urn:x"), Some("_s1"))
}

fn response() -> String {
    message().response(REQUEST)
}

fn read(text: &str, query_verified: bool) -> Result<LogoutMessage, Refusal> {
    let trust = trust(&["idp"]);
    let skew = TimeDelta::seconds(60);
    accept_logout(
        text,
        &ExpectedLogout { issuer: ISSUER, slo: SLO, now: now(), skew, trust: &trust, query_verified },
    )
}

fn asked(session_indexes: &[&str]) -> LogoutMessage {
    LogoutMessage::Request {
        id: "_l1".to_owned(),
        name_id: "alice@corp.example".to_owned(),
        session_indexes: session_indexes.iter().map(|&index| index.to_owned()).collect(),
    }
}

#[test]
fn what_we_would_send_is_what_is_read() {
    let two = put(
        &request(),
        "</samlp:SessionIndex>",
        "</samlp:SessionIndex><samlp:SessionIndex> _s2 </samlp:SessionIndex>",
    );
    let failed = put(&response(), "status:Success", "status:Responder");
    let unasked = put(&response(), " InResponseTo=\"_request\"", "");
    let answered = |to: Option<&str>, success: bool| LogoutMessage::Response {
        in_response_to: to.map(ToOwned::to_owned),
        success,
    };
    for (what, text, expected) in [
        ("a request", request(), asked(&["_s1"])),
        ("a request for all sessions", message().request("alice@corp.example", None, None), asked(&[])),
        ("a request for two sessions", two, asked(&["_s1", "_s2"])),
        ("an answer", response(), answered(Some(REQUEST), true)),
        ("an answer that it failed", failed, answered(Some(REQUEST), false)),
        ("an answer to nothing", unasked, answered(None, true)),
        ("an answer without a code", put(&response(), " Value=", " Other="), answered(Some(REQUEST), false)),
    ] {
        assert_eq!(read(&text, true), Ok(expected), "{what}");
    }
}

#[test]
fn a_message_is_signed_itself_or_by_its_query() {
    for (what, text) in [("a request", request()), ("an answer", response())] {
        let signed = signer("idp").envelop(&text, "_l1").unwrap();
        let strange = signer("stranger").envelop(&text, "_l1").unwrap();
        let changed = put(&signed, "Version=", "Consent=\"urn:x\" Version=");
        for (how, text, by_query, expected) in [
            ("by its query", &text, true, "taken"),
            ("not at all", &text, false, "signature_missing"),
            ("itself", &signed, false, "taken"),
            ("both", &signed, true, "taken"),
            ("by a stranger", &strange, false, "signature_invalid"),
            ("by a stranger and its query", &strange, true, "signature_invalid"),
            ("changed later", &changed, false, "signature_invalid"),
        ] {
            assert_eq!(outcome(read(text, by_query)), expected, "{what} {how}");
        }
    }
}

#[test]
fn an_assertion_signed_within_is_no_signature_of_the_message() {
    let assertion = "<saml:Assertion xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\" ID=\"_a\"><saml:Issuer>x</saml:Issuer></saml:Assertion>";
    let signed = signer("idp").envelop(assertion, "_a").unwrap();
    let signed = signed.trim_start_matches("<?xml version=\"1.0\" encoding=\"UTF-8\"?>").trim();
    let text = put(&request(), "</samlp:LogoutRequest>", &format!("{signed}</samlp:LogoutRequest>"));
    assert_eq!(outcome(read(&text, false)), "signature_missing");
}

#[test]
fn everything_that_a_message_says_about_itself_decides() {
    let made = format!("IssueInstant=\"{}\"", at(0));
    let made_at = |seconds: i64| format!("IssueInstant=\"{}\"", at(seconds));
    let until = |seconds: i64| format!("{made} NotOnOrAfter=\"{}\"", at(seconds));
    for (what, from, to, expected) in [
        ("of the near future", made.as_str(), made_at(60), "taken"),
        ("of the future", &made, made_at(61), "not_yet_valid"),
        ("of five minutes", &made, made_at(-359), "taken"),
        ("of more", &made, made_at(-360), "expired"),
        ("that ends soon", &made, until(-59), "taken"),
        ("that just ended", &made, until(-60), "expired"),
        ("without a time", &made, String::new(), "missing"),
        ("with a time that is none", &made, "IssueInstant=\"now\"".to_owned(), "time_unreadable"),
        ("with an end that is none", &made, format!("{made} NotOnOrAfter=\"\""), "time_unreadable"),
        ("for another place", SLO, "https://sp.example/slo/".to_owned(), "destination_wrong"),
        ("for no place", " Destination=\"https://sp.example/slo\"", String::new(), "destination_wrong"),
        ("by another", ISSUER, "urn:x".to_owned(), "issuer_wrong"),
        ("by nobody", "<saml:Issuer>https://idp.example/entity</saml:Issuer>", String::new(), "missing"),
        ("of another version", "Version=\"2.0\"", "Version=\"1.1\"".to_owned(), "version_wrong"),
        ("with a document type", "<samlp:Logout", "<!DOCTYPE x><samlp:Logout".to_owned(), "xml_refused"),
    ] {
        for text in [request(), response()] {
            assert_eq!(outcome(read(&put(&text, from, &to), true)), expected, "{what}");
        }
    }
}

#[test]
fn each_kind_has_what_it_needs() {
    for (what, text, expected) in [
        ("another message", request().replace("LogoutRequest", "AuthnRequest"), "not_a_logout"),
        ("a foreign request", request().replace("SAML:2.0:protocol", "SAML:1.0:protocol"), "not_a_logout"),
        ("a foreign answer", response().replace("SAML:2.0:protocol", "SAML:1.0:protocol"), "not_a_logout"),
        ("a request without an id", put(&request(), " ID=\"_l1\"", ""), "missing"),
        ("an answer without an id", put(&response(), " ID=\"_l1\"", ""), "taken"),
        ("a request for nobody", request().replace("saml:NameID", "saml:Other"), "missing"),
        ("a request for a blank", put(&request(), "alice@", " alice@"), "subject_unusable"),
        ("a request with a comment", put(&request(), "@corp", "<!-- -->@corp"), "xml_refused"),
        ("an index with a comment", put(&request(), "_s1", "_s<!-- -->1"), "xml_refused"),
        ("an answer without a status", response().replace("samlp:Status>", "samlp:State>"), "missing"),
        ("an answer with an empty status", response().replace("samlp:StatusCode", "samlp:State"), "missing"),
    ] {
        assert_eq!(outcome(read(&text, true)), expected, "{what}");
    }
    let (reason, got) = why(read(&put(&request(), SLO, "urn:x"), true));
    assert_eq!((reason, got.as_str()), (Reason::DestinationWrong, "urn:x"));
}
