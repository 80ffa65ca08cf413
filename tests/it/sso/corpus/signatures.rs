//! Signatures that are not the provider's, or are made or shaped in another way.

use super::*;

#[test]
pub(super) fn what_is_signed_by_others_or_otherwise_is_refused() {
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
    other_algorithms(&stage, &honest);
    other_references(&stage, &honest, &mint);
    other_shapes(&stage, &honest, &mint);
}

/// Algorithms that nobody may choose.
fn other_algorithms(stage: &Stage, honest: &str) {
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
}

/// References to something else than the assertion.
fn other_references(stage: &Stage, honest: &str, mint: &Mint) {
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
}

/// Signatures of another shape.
fn other_shapes(stage: &Stage, honest: &str, mint: &Mint) {
    let reference = cut(honest, "<ds:Reference", "</ds:Reference>").to_owned();
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
            cut(honest, "<ds:SignedInfo>", "</ds:SignedInfo>").to_owned(),
            cut(honest, "<ds:SignedInfo>", "</ds:SignedInfo>").repeat(2),
        ),
        (
            "two values",
            cut(honest, "<ds:SignatureValue>", "</ds:SignatureValue>").to_owned(),
            cut(honest, "<ds:SignatureValue>", "</ds:SignatureValue>").repeat(2),
        ),
        (
            "a third transform",
            "</ds:Transforms>".to_owned(),
            format!("<ds:Transform Algorithm=\"{}\"/></ds:Transforms>", tests::saml::EXCLUSIVE),
        ),
        (
            "an empty digest",
            cut(honest, "<ds:DigestValue>", "</ds:DigestValue>").to_owned(),
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
