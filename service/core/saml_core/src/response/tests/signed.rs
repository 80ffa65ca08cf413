//! What signatures must cover, openly and encrypted, for a response to be believed.

use super::*;
use crate::tests::saml::{AES_GCM, OAEP, Pair, encrypted};

const DECLARATION: &str = "<?xml version=\"1.0\" encoding=\"UTF-8\"?>";

fn idp() -> Pair {
    shared_pair("idp")
}

fn accepted(text: &str) -> Result<Accepted, Refusal> {
    let trust = trust(&["next", "idp"]);
    let decryptor = Decryptor::new(&[&shared_pair("sp").pem, &shared_pair("old sp").pem]).unwrap();
    accept(text, &Expected { decryptor: Some(&decryptor), ..expected(&trust) })
}

fn signed(assertion: bool, response: bool) -> Mint {
    Mint { sign_assertion: assertion, sign_response: response, ..mint() }
}

fn sealed(mint: Mint) -> Mint {
    let certificate = shared_pair("sp").certificate;
    Mint { encrypt: Some((certificate, AES_GCM.to_owned(), OAEP.to_owned())), ..mint }
}

/// A response that holds this, encrypted, and isn't signed itself.
fn holding(inside: &str) -> String {
    let data = encrypted(&shared_pair("sp").certificate, AES_GCM, OAEP, inside);
    mint().envelope("", &format!("<saml:EncryptedAssertion>{data}</saml:EncryptedAssertion>"))
}

fn assertion(text: &str) -> &str {
    cut(text, "<saml:Assertion", "</saml:Assertion>")
}

fn signature(text: &str) -> &str {
    cut(text, "<ds:Signature", "</ds:Signature>")
}

#[test]
fn the_response_or_its_assertion_is_signed() {
    let idp = idp();
    for (what, text, expected) in [
        ("the assertion", signed(true, false).xml(&idp), "taken"),
        ("the response", signed(false, true).xml(&idp), "taken"),
        ("both", signed(true, true).xml(&idp), "taken"),
        ("neither", signed(false, false).xml(&idp), "signature_missing"),
        ("by the next key", signed(true, false).xml(&shared_pair("next")), "taken"),
        ("by a stranger", signed(true, false).xml(&shared_pair("stranger")), "signature_invalid"),
        ("changed later", put(&signed(true, false).xml(&idp), "alice@", "admin@"), "signature_invalid"),
        (
            "the response changed later",
            put(&signed(false, true).xml(&idp), "alice@", "admin@"),
            "signature_invalid",
        ),
    ] {
        assert_eq!(outcome(accepted(&text)), expected, "{what}");
    }
    let accepted = accepted(&signed(true, false).xml(&idp)).unwrap();
    assert_eq!((accepted.name_id.as_str(), accepted.encrypted), ("alice@corp.example", false));
}

#[test]
fn a_message_is_a_response_of_version_two() {
    for (what, text, expected) in [
        (
            "another element",
            plain().replace("samlp:Response", "samlp:LogoutResponse"),
            (Reason::NotAResponse, "LogoutResponse"),
        ),
        (
            "another namespace",
            plain().replace("SAML:2.0:protocol", "SAML:1.0:protocol"),
            (Reason::NotAResponse, "Response"),
        ),
        ("no version", put(&plain(), " Version=\"2.0\"", ""), (Reason::VersionWrong, "")),
        (
            "another version",
            put(&plain(), "Version=\"2.0\"", "Version=\"2.1\""),
            (Reason::VersionWrong, "2.1"),
        ),
    ] {
        assert_eq!(why(accepted(&text)), (expected.0, expected.1.to_owned()), "{what}");
    }
}

#[test]
fn a_signature_stands_where_it_belongs_or_all_is_worthless() {
    let honest = signed(true, false).xml(&idp());
    let own = signature(&honest);
    let both = signed(true, true).xml(&idp());
    let inner = signature(assertion(&both));
    let nested = format!("<saml:Advice><saml:Assertion>{own}</saml:Assertion></saml:Advice>");
    for (what, text, expected) in [
        ("twice", put(&honest, own, &own.repeat(2)), "signature_misplaced"),
        (
            "in the status",
            put(&honest, "<samlp:Status>", &format!("<samlp:Status>{own}")),
            "signature_misplaced",
        ),
        (
            "in the subject",
            put(&put(&honest, own, ""), "<saml:Subject>", &format!("<saml:Subject>{own}")),
            "signature_misplaced",
        ),
        (
            "in an assertion within",
            put(&put(&honest, own, ""), "<saml:Subject>", &format!("{nested}<saml:Subject>")),
            "signature_misplaced",
        ),
        (
            "the assertion's in the response",
            put(&put(&honest, own, ""), "<samlp:Status>", &format!("{own}<samlp:Status>")),
            "signature_shape",
        ),
        (
            "one of two broken",
            put(&both, inner, &put(inner, "SignatureValue>", "SignatureValue>AAAA")),
            "signature_invalid",
        ),
        (
            "one of two changed",
            put(&both, inner, &put(inner, "DigestValue>", "DigestValue>AAAA")),
            "signature_invalid",
        ),
    ] {
        assert_eq!(outcome(accepted(&text)), expected, "{what}");
    }
}

#[test]
fn a_response_has_one_assertion() {
    let honest = signed(false, true);
    let unsigned = plain();
    let one = assertion(&unsigned);
    let other = "<saml:Assertion ID=\"_other\"/>";
    let hidden = format!("</saml:Conditions><saml:Advice>{other}</saml:Advice>");
    let outside = format!("<samlp:Extensions>{other}</samlp:Extensions><samlp:Status>");
    let closed = "<saml:EncryptedAssertion/></samlp:Response>";
    for (what, text, expected) in [
        ("none", put(&unsigned, one, ""), "0"),
        ("two", put(&unsigned, one, &format!("{one}{other}")), "2"),
        ("one open and one encrypted", put(&unsigned, "</samlp:Response>", closed), "2"),
        ("two encrypted", put(&unsigned, one, "<saml:EncryptedAssertion/><saml:EncryptedAssertion/>"), "2"),
        ("another within", honest.clone().with("</saml:Conditions>", &hidden).xml(&idp()), ""),
        ("another beside", honest.with("<samlp:Status>", &outside).xml(&idp()), ""),
    ] {
        assert_eq!(why(accepted(&text)), (Reason::AssertionCount, expected.to_owned()), "{what}");
    }
}

#[test]
fn an_encrypted_assertion_is_signed_inside_or_around() {
    let idp = idp();
    for (what, text, expected) in [
        ("inside", sealed(signed(true, false)).xml(&idp), "taken"),
        ("around", sealed(signed(false, true)).xml(&idp), "taken"),
        ("both", sealed(signed(true, true)).xml(&idp), "taken"),
        ("neither", sealed(signed(false, false)).xml(&idp), "signature_missing"),
        ("by a stranger", sealed(signed(true, false)).xml(&shared_pair("stranger")), "signature_invalid"),
        (
            "for another audience",
            sealed(Mint { audience: "urn:x".to_owned(), ..mint() }).xml(&idp),
            "audience_wrong",
        ),
        (
            "for the old key",
            {
                let certificate = shared_pair("old sp").certificate;
                Mint { encrypt: Some((certificate, AES_GCM.to_owned(), OAEP.to_owned())), ..mint() }.xml(&idp)
            },
            "taken",
        ),
        (
            "for a stranger",
            {
                let certificate = shared_pair("stranger").certificate;
                Mint { encrypt: Some((certificate, AES_GCM.to_owned(), OAEP.to_owned())), ..mint() }.xml(&idp)
            },
            "decryption_failed",
        ),
    ] {
        let read = accepted(&text);
        assert!(read.as_ref().map_or(true, |read| read.encrypted), "{what}");
        assert_eq!(outcome(read), expected, "{what}");
    }
    let trust = trust(&["idp"]);
    let without_keys = accept(&sealed(mint()).xml(&idp), &expected(&trust));
    assert_eq!(outcome(without_keys), "decryption_failed");
}

#[test]
fn what_was_encrypted_is_one_assertion_with_one_signature() {
    let text = signed(true, false).xml(&idp());
    let text = text.trim_start_matches(DECLARATION).trim();
    let honest = assertion(text);
    let own = signature(honest);
    let hidden = |what: &str| {
        put(honest, "<saml:Subject>", &format!("<saml:Advice>{what}</saml:Advice><saml:Subject>"))
    };
    for (what, inside, expected) in [
        ("as it is", honest.to_owned(), "taken"),
        ("changed", put(honest, "alice@", "admin@"), "signature_invalid"),
        ("another assertion within", hidden("<saml:Assertion/>"), "assertion_count"),
        ("an encrypted name within", hidden("<saml:EncryptedID/>"), "assertion_count"),
        ("another signature within", hidden(own), "signature_misplaced"),
        ("two signatures", put(honest, own, &own.repeat(2)), "signature_misplaced"),
        (
            "a signature of another shape",
            put(honest, "</ds:KeyInfo>", "</ds:KeyInfo><ds:Object/>"),
            "signature_shape",
        ),
        ("no signature", put(honest, own, ""), "signature_missing"),
        (
            "no assertion",
            "<saml:Other xmlns:saml=\"urn:oasis:names:tc:SAML:2.0:assertion\"/>".to_owned(),
            "missing",
        ),
    ] {
        assert_eq!(outcome(accepted(&holding(&inside))), expected, "{what}");
    }
}
