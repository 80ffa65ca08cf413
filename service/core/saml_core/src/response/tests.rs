//! Every condition of a response by itself, at the exact second, name and number that decides. Signatures have a file of
//! their own: here nothing is signed, and the functions below the signature's are asked.

mod signed;

use super::*;
use crate::tests::saml::{Mint, shared_pair};
use crate::tests::{ACS, AUDIENCE, ISSUER, REQUEST, at, cut, mint, now, outcome, put, trust, why};

fn expected(trust: &Trust) -> Expected<'_> {
    Expected {
        issuer: ISSUER,
        audience: AUDIENCE,
        acs: ACS,
        request_id: Some(REQUEST),
        now: now(),
        skew: TimeDelta::seconds(60),
        trust,
        decryptor: None,
    }
}

fn plain() -> String {
    Mint { sign_assertion: false, ..mint() }.xml(&shared_pair("idp"))
}

/// Reads a response as one whose assertion was signed.
fn read_from(text: &str) -> Result<Accepted, Refusal> {
    let trust = trust(&["idp"]);
    let expected = expected(&trust);
    let xml = Xml::parse(text, MESSAGE)?;
    let root = response(&xml)?;
    check_response(&xml, root, &expected, false)?;
    read(&xml, xml.required(root, ASSERTION, "Assertion")?, &expected, false)
}

/// What becomes of the honest response with one text replaced: in its assertion, or before it.
fn with(place: &str, from: &str, to: &str) -> &'static str {
    let text = plain();
    let (before, assertion) = text.split_at(text.find("<saml:Assertion").unwrap());
    let text = match place {
        "assertion" => format!("{before}{}", put(assertion, from, to)),
        _ => format!("{}{assertion}", put(before, from, to)),
    };
    outcome(read_from(&text))
}

#[test]
fn an_honest_response_says_everything() {
    let text = put(
        &plain(),
        "SessionIndex=\"_s1\"",
        &format!("SessionIndex=\"_s1\" SessionNotOnOrAfter=\"{}\"", at(100)),
    );
    let text = put(&text, "2026-03-04T05:06:07Z\" SessionIndex", "2026-03-04T01:02:03+01:00\" SessionIndex");
    let accepted = read_from(&text).unwrap();
    assert!(
        text.contains(&format!("ID=\"{}\"", accepted.assertion_id))
            && accepted.assertion_id.starts_with("_a")
    );
    let expected = Accepted {
        assertion_id: accepted.assertion_id.clone(),
        replay_until: now() + TimeDelta::seconds(3_660),
        name_id: "alice@corp.example".to_owned(),
        name_id_format: Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent".to_owned()),
        session_index: Some("_s1".to_owned()),
        session_not_on_or_after: Some(now() + TimeDelta::seconds(100)),
        authn_instant: "2026-03-04T00:02:03Z".parse().unwrap(),
        authn_context: Some("urn:oasis:names:tc:SAML:2.0:ac:classes:Password".to_owned()),
        attributes: BTreeMap::from([("displayName".to_owned(), vec!["Alice".to_owned()])]),
        encrypted: false,
    };
    assert_eq!(accepted, expected);
}

#[test]
fn what_may_be_left_out_is_left_out() {
    let mut text = plain();
    for part in [
        cut(&plain(), "<saml:AuthnContext>", "</saml:AuthnContext>"),
        cut(&plain(), "<saml:AttributeStatement>", "</saml:AttributeStatement>"),
        " Format=\"urn:oasis:names:tc:SAML:2.0:nameid-format:persistent\"",
        " SessionIndex=\"_s1\"",
        &format!(" Destination=\"{ACS}\""),
        &format!(" InResponseTo=\"{REQUEST}\""),
        &format!("<saml:Issuer>{ISSUER}</saml:Issuer>"),
    ] {
        text = put(&text, part, "");
    }
    let accepted = read_from(&text).unwrap();
    let (format, context) = (accepted.name_id_format, accepted.authn_context);
    assert_eq!((format, context, accepted.session_index), (None, None, None));
    assert!(accepted.attributes.is_empty() && accepted.session_not_on_or_after.is_none());
}

#[test]
fn times_decide_at_the_second_with_a_minutes_difference_between_clocks() {
    let (made, until) = (format!("IssueInstant=\"{}\"", at(0)), format!("NotOnOrAfter=\"{}\"", at(300)));
    let from = format!("<saml:Conditions NotBefore=\"{}\" {until}>", at(-60));
    let bearer = format!("Recipient=\"{ACS}\" {until}");
    let session = "SessionIndex=\"_s1\"";
    let made_at = |seconds: i64| format!("IssueInstant=\"{}\"", at(seconds));
    let begins = |seconds: i64| format!("<saml:Conditions NotBefore=\"{}\" {until}>", at(seconds));
    let ends = |seconds: i64| format!("<saml:Conditions NotOnOrAfter=\"{}\">", at(seconds));
    let confirmed = |seconds: i64| format!("Recipient=\"{ACS}\" NotOnOrAfter=\"{}\"", at(seconds));
    let confirms = |seconds: i64| format!("{bearer} NotBefore=\"{}\"", at(seconds));
    let signed_out = |seconds: i64| format!("SessionNotOnOrAfter=\"{}\"", at(seconds));
    for (what, place, from, to, expected) in [
        ("a response of the near future", "response", &made, made_at(60), "taken"),
        ("a response of the future", "response", &made, made_at(61), "not_yet_valid"),
        ("a response may be old", "response", &made, made_at(-86_400), "taken"),
        ("an assertion of the near future", "assertion", &made, made_at(60), "taken"),
        ("an assertion of the future", "assertion", &made, made_at(61), "not_yet_valid"),
        ("an assertion of an hour", "assertion", &made, made_at(-3_659), "taken"),
        ("an assertion of more", "assertion", &made, made_at(-3_660), "expired"),
        ("conditions that just began", "assertion", &from, begins(60), "taken"),
        ("conditions that begin soon", "assertion", &from, begins(61), "not_yet_valid"),
        ("conditions that end soon", "assertion", &from, ends(-59), "taken"),
        ("conditions that just ended", "assertion", &from, ends(-60), "expired"),
        ("conditions without end", "assertion", &from, "<saml:Conditions>".to_owned(), "taken"),
        ("a confirmation that ends soon", "assertion", &bearer, confirmed(-59), "taken"),
        ("a confirmation that just ended", "assertion", &bearer, confirmed(-60), "expired"),
        ("a confirmation that just began", "assertion", &bearer, confirms(60), "taken"),
        ("a confirmation that begins soon", "assertion", &bearer, confirms(61), "not_yet_valid"),
        ("a confirmation without end", "assertion", &bearer, format!("Recipient=\"{ACS}\""), "missing"),
        ("a session that ends soon", "assertion", &session.to_owned(), signed_out(-59), "taken"),
        ("a session that just ended", "assertion", &session.to_owned(), signed_out(-60), "expired"),
        (
            "a session's end that is none",
            "assertion",
            &session.to_owned(),
            "SessionNotOnOrAfter=\"\"".to_owned(),
            "time_unreadable",
        ),
    ] {
        assert_eq!(with(place, from, &to), expected, "{what}");
    }
}

#[test]
fn a_time_is_of_rfc_3339() {
    for (text, expected) in [
        ("2026-03-04T05:06:07Z", Some(0)),
        (" 2026-03-04T05:06:07Z\n", Some(0)),
        ("2026-03-04T05:06:07.250Z", Some(250)),
        ("2026-03-04T06:06:07+01:00", Some(0)),
        ("2026-03-04T05:06:07", None),
        ("2026-03-04", None),
        ("2026-02-30T05:06:07Z", None),
        ("", None),
    ] {
        let expected = expected
            .map(|milliseconds| now() + TimeDelta::milliseconds(milliseconds))
            .ok_or_else(|| Refusal::new(Reason::TimeUnreadable).got(text));
        assert_eq!(moment(text), expected, "{text}");
    }
}

#[test]
fn a_response_is_for_us_from_whom_we_asked() {
    let text = plain();
    let destination = format!("Destination=\"{ACS}\"");
    let issuer = format!("<saml:Issuer>{ISSUER}<");
    let status = cut(&text, "<samlp:Status>", "</samlp:Status>");
    let foreign = "urn:x:Success";
    for (what, from, to, expected) in [
        ("SAML 1.1", "Version=\"2.0\"", "Version=\"1.1\"", "version_wrong"),
        ("no version", "Version=\"2.0\" ", "", "version_wrong"),
        ("another place", &destination, "Destination=\"https://sp.example/acs/\"", "destination_wrong"),
        ("an empty place", &destination, "Destination=\"\"", "destination_wrong"),
        ("another issuer", &issuer, "<saml:Issuer>urn:x<", "issuer_wrong"),
        ("two issuers", "<saml:Issuer>", "<saml:Issuer/><saml:Issuer>", "xml_refused"),
        ("no status", status, "", "missing"),
        ("no success", "status:Success", "status:success", "status_failed"),
        ("success of somebody", "urn:oasis:names:tc:SAML:2.0:status:Success", foreign, "status_failed"),
        ("another request", "\"_request\"", "\"_other\"", "in_response_to_wrong"),
        ("no time", " IssueInstant=", " Other=", "missing"),
    ] {
        assert_eq!(with("response", from, to), expected, "{what}");
    }
}

#[test]
fn an_assertion_is_for_us_under_conditions_that_we_know() {
    let text = plain();
    let issuer = format!("<saml:Issuer>{ISSUER}<");
    let audience = format!("<saml:Audience>{AUDIENCE}</saml:Audience>");
    let restriction = cut(&text, "<saml:AudienceRestriction>", "</saml:AudienceRestriction>");
    let statement = cut(&text, "<saml:AuthnStatement", "</saml:AuthnStatement>");
    let unknown = format!("{restriction}<saml:Condition/>");
    let known = format!("<saml:OneTimeUse/>{restriction} <saml:ProxyRestriction/><!-- -->");
    let other_first = format!("<saml:Audience>urn:x</saml:Audience>{audience}");
    let excluded = format!("{restriction}{}", restriction.replace(AUDIENCE, "urn:x"));
    for (what, from, to, expected) in [
        ("SAML 1.1", "Version=\"2.0\"", "Version=\"1.1\"", "version_wrong"),
        ("no id", " ID=", " Other=", "missing"),
        ("no time", " IssueInstant=", " Other=", "missing"),
        ("another issuer", &issuer, "<saml:Issuer>urn:x<", "issuer_wrong"),
        ("an issuer in white space", &issuer, "<saml:Issuer> https://idp.example/entity\n<", "taken"),
        ("no issuer", &format!("{issuer}/saml:Issuer>"), "", "missing"),
        ("another audience", AUDIENCE, "urn:x", "audience_wrong"),
        ("one of two audiences", &audience, &other_first, "taken"),
        ("a restriction to nobody", &audience, "", "audience_wrong"),
        ("a second restriction that excludes us", restriction, &excluded, "audience_wrong"),
        ("no restriction", restriction, "", "audience_wrong"),
        ("a condition nobody knows", restriction, &unknown, "condition_unknown"),
        ("conditions that say nothing", restriction, &known, "taken"),
        ("no sign-in", statement, "", "missing"),
        ("no time of the sign-in", " AuthnInstant=", " Other=", "missing"),
    ] {
        assert_eq!(with("assertion", from, to), expected, "{what}");
    }
}

#[test]
fn a_subject_is_confirmed_to_us_by_bearer() {
    let text = plain();
    let (name, recipient) = ("alice@corp.example", format!("Recipient=\"{ACS}\""));
    let confirmation = cut(&text, "<saml:SubjectConfirmation ", "</saml:SubjectConfirmation>");
    let data = cut(&text, "<saml:SubjectConfirmationData", "/>");
    let subject = cut(&text, "<saml:Subject>", "</saml:Subject>");
    let holder = confirmation.replace("cm:bearer", "cm:holder-of-key");
    let longest = "x".repeat(255);
    for (what, from, to, expected) in [
        ("nobody", subject, "", "missing"),
        ("no name", cut(&text, "<saml:NameID", "</saml:NameID>"), "", "missing"),
        ("another recipient", &recipient, "Recipient=\"https://sp.example/ACS\"", "recipient_wrong"),
        ("no recipient", &recipient, "", "recipient_wrong"),
        ("holder of key", confirmation, &holder, "confirmation_missing"),
        ("no method", " Method=", " Other=", "confirmation_missing"),
        ("no confirmation", confirmation, "", "confirmation_missing"),
        ("no data", data, "", "missing"),
        ("the second of two", confirmation, &format!("{holder}{confirmation}"), "taken"),
        ("the first of two", confirmation, &format!("{confirmation}{holder}"), "taken"),
        ("another request", "\"_request\"", "\"_other\"", "in_response_to_wrong"),
        ("no request", " InResponseTo=\"_request\"", "", "in_response_to_wrong"),
        ("a blank name", name, " ", "subject_unusable"),
        ("a name and a blank", name, "alice@corp.example ", "subject_unusable"),
        ("a name with a comment", name, "alice@corp.example<!-- -->.evil", "xml_refused"),
        ("the longest name", name, &longest, "taken"),
        ("one more", name, &format!("{longest}x"), "subject_unusable"),
    ] {
        assert_eq!(with("assertion", from, to), expected, "{what}");
    }
}

#[test]
fn a_signed_response_says_where_it_goes() {
    let trust = trust(&["idp"]);
    let expected = expected(&trust);
    let text = put(&plain(), &format!(" Destination=\"{ACS}\""), "");
    let xml = Xml::parse(&text, MESSAGE).unwrap();
    let root = xml.root().unwrap();
    assert_eq!(outcome(check_response(&xml, root, &expected, false)), "taken");
    assert_eq!(outcome(check_response(&xml, root, &expected, true)), "destination_wrong");
}

#[test]
fn a_failure_says_what_the_provider_said() {
    let success = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Success\"/>";
    let code = "<samlp:StatusCode Value=\"urn:oasis:names:tc:SAML:2.0:status:Responder\"";
    for (what, status, expected) in [
        ("a word", format!("{code}/>"), "Responder  "),
        (
            "a second word and a message",
            format!(
                "{code}><samlp:StatusCode Value=\"urn:x:AuthnFailed\"/></samlp:StatusCode><samlp:StatusMessage> No. </samlp:StatusMessage>"
            ),
            "Responder AuthnFailed No.",
        ),
        (
            "a second word without a value",
            format!("{code}><samlp:StatusCode/></samlp:StatusCode>"),
            "Responder  ",
        ),
    ] {
        let refused = why(read_from(&put(&plain(), success, &status)));
        assert_eq!(refused, (Reason::StatusFailed, expected.to_owned()), "{what}");
    }
}

#[test]
fn what_was_asked_is_answered_and_nothing_else() {
    for (claimed, request, must, expected) in [
        (Some("_a"), Some("_a"), true, "taken"),
        (Some("_a"), Some("_a"), false, "taken"),
        (Some("_b"), Some("_a"), false, "in_response_to_wrong"),
        (Some("_b"), Some("_a"), true, "in_response_to_wrong"),
        (Some("_b"), None, false, "in_response_to_wrong"),
        (None, Some("_a"), true, "in_response_to_wrong"),
        (None, Some("_a"), false, "taken"),
        (None, None, true, "taken"),
        (None, None, false, "taken"),
    ] {
        let outcome = outcome(in_response_to(claimed, request, must));
        assert_eq!(outcome, expected, "{claimed:?} to {request:?}, {must}");
    }
    assert_eq!(claimed_request(&plain()), Ok(Some(REQUEST.to_owned())));
    let unsolicited = Mint { in_response_to: None, sign_assertion: false, ..mint() };
    assert_eq!(claimed_request(&unsolicited.xml(&shared_pair("idp"))), Ok(None));
    assert_eq!(outcome(claimed_request("x")), "xml_refused");
}

#[test]
fn attributes_are_texts_each_once_and_at_most_a_thousand() {
    let honest = "<saml:Attribute Name=\"displayName\"><saml:AttributeValue>Alice</saml:AttributeValue></saml:Attribute>";
    let values = |from: usize, to: usize| {
        (from..to).map(|at| format!("<saml:AttributeValue>{at}</saml:AttributeValue>")).collect::<String>()
    };
    let named =
        |name: &str, values: &str| format!("<saml:Attribute Name=\"{name}\">{values}</saml:Attribute>");
    for (what, attributes, expected) in [
        ("none", String::new(), vec![]),
        ("one without values", named("a", ""), vec![("a", vec![])]),
        ("one of several values", named("a", &values(0, 2)), vec![("a", vec!["0", "1"])]),
        ("a value twice", named("a", &values(0, 1).repeat(2)), vec![("a", vec!["0"])]),
        (
            "a value as it stands",
            named("a", "<saml:AttributeValue> b </saml:AttributeValue>"),
            vec![("a", vec![" b "])],
        ),
        (
            "an attribute twice",
            format!("{}{}", named("a", &values(0, 1)), named("a", &values(1, 2))),
            vec![("a", vec!["0", "1"])],
        ),
        (
            "two attributes",
            format!("{}{}", named("b", ""), named("a", "")),
            vec![("a", vec![]), ("b", vec![])],
        ),
        ("elements", named("a", "<saml:AttributeValue><b>c</b></saml:AttributeValue>"), vec![("a", vec![])]),
    ] {
        let read = read_from(&put(&plain(), honest, &attributes)).unwrap().attributes;
        let expected = expected
            .into_iter()
            .map(|(name, values)| (name.to_owned(), values.into_iter().map(ToOwned::to_owned).collect()));
        assert_eq!(read, expected.collect::<BTreeMap<String, Vec<String>>>(), "{what}");
    }
    for (count, expected) in [(999, 999), (1_000, 1_000), (1_001, 1_000), (1_500, 1_000)] {
        let read = read_from(&put(&plain(), honest, &named("a", &values(0, count)))).unwrap().attributes;
        assert_eq!(read["a"].len(), expected, "{count}");
    }
    assert_eq!(with("assertion", "Name=\"displayName\"", "FriendlyName=\"displayName\""), "missing");
    assert_eq!(with("assertion", ">Alice<", ">Al<!-- -->ice<"), "xml_refused");
}

#[test]
fn a_name_for_one_session_is_known_by_its_format() {
    for (format, expected) in [
        (Some("urn:oasis:names:tc:SAML:2.0:nameid-format:transient"), true),
        (Some("urn:oasis:names:tc:SAML:2.0:nameid-format:persistent"), false),
        (None, false),
    ] {
        assert_eq!(is_transient(format), expected, "{format:?}");
    }
}
