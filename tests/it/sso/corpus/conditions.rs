//! Every condition of an assertion, wrong by itself.

use super::*;

/// What is replaced in an honest response, by what, and why that is refused.
type Case = (&'static str, (String, String), Reason);

fn at(minutes: i64) -> String {
    (now() + TimeDelta::minutes(minutes)).to_rfc3339_opts(chrono::SecondsFormat::Secs, true)
}

fn until() -> String {
    format!("NotOnOrAfter=\"{}\"", at(5))
}

fn answered() -> String {
    format!(" InResponseTo=\"{REQUEST}\"")
}

fn s(text: &str) -> String {
    text.to_owned()
}

/// Who made it, for whom, and under which conditions.
fn issuer_and_audience(honest: &str) -> Vec<Case> {
    vec![
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
            (cut(honest, "<saml:Conditions", "</saml:Conditions>").to_owned(), s("")),
            Reason::Missing,
        ),
        (
            "a condition nobody knows",
            (s("</saml:AudienceRestriction>"), s("</saml:AudienceRestriction><saml:Condition/>")),
            Reason::ConditionUnknown,
        ),
    ]
}

/// Where it goes, for how long, and to which request.
fn place_and_time() -> Vec<Case> {
    let (until, answered, from) = (until(), answered(), format!("NotBefore=\"{}\"", at(-1)));
    let conditions = |to: &str| (format!("{from} {until}>"), format!("{to}>"));
    let data = |to: &str| (format!(" {until}{answered}/></saml:SubjectC"), format!("{to}/></saml:SubjectC"));
    vec![
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
    ]
}

/// Who it is about, and how that is confirmed.
fn subject(honest: &str) -> Vec<Case> {
    vec![
        ("holder of key", (s("cm:bearer"), s("cm:holder-of-key")), Reason::ConfirmationMissing),
        (
            "no confirmation",
            (cut(honest, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>").to_owned(), s("")),
            Reason::ConfirmationMissing,
        ),
        (
            "no confirmation data",
            (cut(honest, "<saml:SubjectConfirmationData", "/>").to_owned(), s("")),
            Reason::Missing,
        ),
        ("no subject", (cut(honest, "<saml:Subject>", "</saml:Subject>").to_owned(), s("")), Reason::Missing),
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
    ]
}

/// The sign-in at the provider, and the response around it.
fn sign_in_and_response(honest: &str) -> Vec<Case> {
    vec![
        (
            "no sign-in",
            (cut(honest, "<saml:AuthnStatement", "</saml:AuthnStatement>").to_owned(), s("")),
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
        ("no status", (cut(honest, "<samlp:Status>", "</samlp:Status>").to_owned(), s("")), Reason::Missing),
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
    ]
}

#[test]
pub(super) fn every_condition_alone_decides() {
    let stage = Stage::set();
    let honest = stage.mint().xml(&stage.idp);
    let cases =
        [issuer_and_audience(&honest), place_and_time(), subject(&honest), sign_in_and_response(&honest)]
            .concat();
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
