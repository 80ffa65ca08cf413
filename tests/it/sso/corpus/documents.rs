//! Documents that SAML has no use for.

use super::*;

#[test]
pub(super) fn documents_that_saml_has_no_use_for_are_refused() {
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
            "one element more than 4,000",
            body.replacen("<samlp:Status>", &format!("{}<samlp:Status>", "<a/>".repeat(4_001)), 1),
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
