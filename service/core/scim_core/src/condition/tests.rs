//! Filters bound to a resource type, and what they hold for (RFC 7644, section 3.4.2.2).

use serde_json::json;

use super::*;
use crate::schema::{ENTERPRISE_URN, GROUPS, Registry, USERS};

fn place(attribute: &str, sub: Option<&str>, multi: bool, kind: Kind, case_exact: bool) -> Place {
    let sub = sub.map(ToOwned::to_owned);
    Place { extension: None, attribute: attribute.to_owned(), sub, multi, kind, case_exact }
}

fn text(attribute: &str) -> Place {
    place(attribute, None, false, Kind::Text, false)
}

fn email(sub: &str) -> Place {
    place("emails", Some(sub), true, Kind::Text, false)
}

fn bind(kind: &ResourceType, text: &str, profile: Profile) -> Result<Condition, ErrorType> {
    let filter = Filter::parse(text, profile).map_err(|error| error.kind)?;
    Condition::bind(kind, &filter, profile).map_err(|error| error.kind)
}

fn equal(place: Place, value: Value) -> Condition {
    Condition::Compare(place, Operator::Eq, value)
}

fn not(inner: Condition) -> Condition {
    Condition::Not(Box::new(inner))
}

/// RFC 7644, section 3.4.2.2; whether case counts: RFC 7643, sections 3.1, 4.1.1 and 2.3.6.
#[test]
fn a_filter_means_a_condition_on_what_the_schema_says() {
    let enterprise = Some(ENTERPRISE_URN.to_owned());
    let whole = Place { extension: enterprise.clone(), ..place("", None, false, Kind::Complex, true) };
    let department = Place { extension: enterprise, ..text("department") };
    let created = place("meta", Some("created"), false, Kind::DateTime, false);
    let element = place("emails", None, true, Kind::Complex, false);
    let in_element = place("", Some("type"), false, Kind::Text, false);
    let certificate = place("x509Certificates", Some("value"), true, Kind::Binary, true);
    for (filter, expected) in [
        (r#"userName eq " Ann""#.to_owned(), equal(text("userName"), json!("ann"))),
        (r#"id eq "Ann""#.to_owned(), equal(place("id", None, false, Kind::Text, true), json!("Ann"))),
        (r#"emails co " X""#.to_owned(), Condition::Compare(email("value"), Operator::Co, json!(" x"))),
        (r#"emails.type ne "Work""#.to_owned(), not(equal(email("type"), json!("work")))),
        ("title eq null".to_owned(), not(Condition::Present(text("title")))),
        ("title ne null".to_owned(), Condition::Present(text("title"))),
        ("active eq true".to_owned(), equal(place("active", None, false, Kind::Boolean, false), json!(true))),
        (
            r#"meta.created gt "2026-01-01T12:00:00+02:00""#.to_owned(),
            Condition::Compare(created, Operator::Gt, json!("2026-01-01T10:00:00.000000Z")),
        ),
        (r#"x509Certificates.value eq "TWFu""#.to_owned(), equal(certificate, json!("TWFu"))),
        (format!("{ENTERPRISE_URN} pr"), Condition::Present(whole)),
        (
            format!(r#"{ENTERPRISE_URN}:DEPARTMENT sw "D""#),
            Condition::Compare(department, Operator::Sw, json!("d")),
        ),
        (
            r#"emails[type eq "Work"]"#.to_owned(),
            Condition::Element(element, Box::new(equal(in_element, json!("work")))),
        ),
    ] {
        for profile in [Profile::Compat, Profile::Rfc] {
            assert_eq!(bind(&USERS, &filter, profile), Ok(expected.clone()), "{filter}");
        }
    }
    // RFC 7643, section 4.2: a group's members are ids.
    let member = place("members", Some("value"), true, Kind::Text, true);
    assert_eq!(bind(&GROUPS, r#"members eq "G""#, Profile::Rfc), Ok(equal(member, json!("G"))));
}

#[test]
fn literals_of_another_type_are_taken_for_tolerance_only() {
    let active = || place("active", None, false, Kind::Boolean, false);
    for (filter, expected) in [
        (r#"active eq "True""#, equal(active(), json!(true))),
        (r#"active eq "FALSE""#, equal(active(), json!(false))),
        ("userName eq 7", equal(text("userName"), json!("7"))),
        ("userName eq true", equal(text("userName"), json!("true"))),
    ] {
        assert_eq!(bind(&USERS, filter, Profile::Compat), Ok(expected), "{filter}");
        assert_eq!(bind(&USERS, filter, Profile::Rfc), Err(ErrorType::InvalidFilter), "{filter}");
    }
}

/// A type with an attribute of each kind.
fn badges() -> ResourceType {
    let schema = json!({"id": "urn:acme:badge", "name": "Badge", "attributes": [
        {"name": "number", "type": "integer"}, {"name": "ratio", "type": "decimal"}, {"name": "since", "type": "dateTime"},
        {"name": "blob", "type": "binary"}, {"name": "link", "type": "reference"}, {"name": "lost", "type": "boolean"},
        {"name": "pin", "type": "complex", "subAttributes": [{"name": "code", "returned": "never"}, {"name": "hint"}]}]});
    Registry::with([("User".to_owned(), serde_json::from_value(schema).unwrap())]).users
}

/// RFC 7644, section 3.4.2.2, table 3: booleans and binaries have no order; parts are looked for in texts.
#[test]
fn operators_fit_the_attributes_type() {
    let kind = badges();
    let order = ["gt", "ge", "lt", "le"].as_slice();
    let parts = ["co", "sw", "ew"].as_slice();
    for (attribute, literal, ordered, in_parts) in [
        ("number", "3", true, false),
        ("ratio", "0.5", true, false),
        ("since", r#""2026-01-01T00:00:00Z""#, true, false),
        ("link", r#""https://a""#, true, true),
        ("blob", r#""TWFu""#, false, false),
        ("pin.hint", r#""a""#, true, true),
        ("lost", "true", false, false),
    ] {
        for (operators, fits) in [(["eq", "ne"].as_slice(), true), (order, ordered), (parts, in_parts)] {
            for operator in operators {
                let filter = format!("urn:acme:badge:{attribute} {operator} {literal}");
                assert_eq!(bind(&kind, &filter, Profile::Rfc).is_ok(), fits, "{filter}");
            }
        }
    }
}

#[test]
fn what_the_schema_does_not_have_or_never_shows_is_no_filter() {
    let kind = badges();
    for filter in [
        "urn:acme:badge:number eq \"3\"",
        "urn:acme:badge:ratio eq true",
        "urn:acme:badge:since eq 3",
        "urn:acme:badge:since eq \"soon\"",
        "urn:acme:badge:lost eq \"often\"",
        "urn:acme:badge:pin eq \"1\"",
        "urn:acme:badge:pin.code eq \"1\"",
        "urn:acme:other:number eq 3",
        "urn:acme:badge eq 3",
        "password pr",
        "name[familyName pr]",
        "schemas[value pr]",
        "emails[value.display eq \"1\"]",
        "emails[urn:acme:badge:value eq \"1\"]",
        "emails[urn:acme:badge:value.display eq \"1\"]",
    ] {
        for profile in [Profile::Compat, Profile::Rfc] {
            assert_eq!(bind(&kind, filter, profile), Err(ErrorType::InvalidFilter), "{filter}");
        }
    }
}

#[test]
fn conjunctions_and_disjunctions_are_flat() {
    let pr = |name: &str| Condition::Present(text(name));
    let three = || vec![pr("title"), pr("locale"), pr("timezone")];
    let both = || Condition::And(vec![pr("title"), pr("locale")]);
    // The filter, its condition, its comparisons, its terms.
    for (filter, condition, comparisons, terms) in [
        ("title pr and (locale pr and timezone pr)", Condition::And(three()), 3, 3),
        ("title pr or (locale pr or timezone pr)", Condition::Or(three()), 3, 1),
        ("title pr and locale pr or timezone pr", Condition::Or(vec![both(), pr("timezone")]), 3, 1),
        ("not (title pr and locale pr)", not(both()), 2, 1),
        ("title pr", pr("title"), 1, 1),
    ] {
        let bound = bind(&USERS, filter, Profile::Rfc).unwrap();
        assert_eq!(bound, condition, "{filter}");
        assert_eq!((bound.comparisons(), bound.terms().len()), (comparisons, terms), "{filter}");
    }
    let element = bind(&USERS, r#"emails[type pr and value pr]"#, Profile::Rfc).unwrap();
    assert_eq!((element.comparisons(), element.terms()), (2, std::slice::from_ref(&element)));
}

#[test]
fn a_place_has_a_name_and_is_folded_if_it_is_a_text_without_case() {
    for (place, name, folded) in [
        (text("title"), "title", true),
        (email("value"), "emails.value", true),
        (place("profileUrl", None, false, Kind::Reference, false), "profileUrl", true),
        (place("id", None, false, Kind::Text, true), "id", false),
        (place("active", None, false, Kind::Boolean, false), "active", false),
    ] {
        assert_eq!((place.name().as_str(), place.is_folded()), (name, folded));
    }
}
