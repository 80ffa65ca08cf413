//! Schemas that a tenant declares: an extension of users or groups in the JSON of RFC 7643, section 7.

use std::collections::HashSet;

use super::{Attribute, ENTERPRISE_URN, GROUP_URN, Kind, Schema, USER_URN, Uniqueness};

/// Attributes of one declared schema, sub-attributes counted.
pub const ATTRIBUTES_MAX: usize = 200;
/// Characters of a name.
const NAME_MAX: usize = 64;
/// Characters of a URN.
const URN_MAX: usize = 200;

/// What is wrong with a declared schema: JSON pointers with a sentence each; empty if nothing is.
pub fn check_custom(schema: &Schema) -> Vec<(String, String)> {
    let mut errors = Vec::new();
    let mut wrong = |pointer: String, detail: &str| errors.push((pointer, detail.to_owned()));
    if !is_urn(&schema.urn) {
        wrong("/id".to_owned(), "must be a URN of letters, digits, colons, dots, hyphens and underscores");
    }
    if [USER_URN, ENTERPRISE_URN, GROUP_URN].iter().any(|urn| urn.eq_ignore_ascii_case(&schema.urn)) {
        wrong("/id".to_owned(), "is a schema of the standard");
    }
    let count = schema.attributes.len() + schema.attributes.iter().map(|one| one.sub.len()).sum::<usize>();
    if count == 0 || count > ATTRIBUTES_MAX {
        wrong("/attributes".to_owned(), "must have from 1 to 200 attributes");
        return errors;
    }
    each(&schema.attributes, "/attributes", true, &mut wrong);
    errors
}

fn each(list: &[Attribute], pointer: &str, top: bool, wrong: &mut impl FnMut(String, &str)) {
    let mut seen = HashSet::new();
    for (at, attribute) in list.iter().enumerate() {
        let here = |part: &str| format!("{pointer}/{at}/{part}");
        if !is_name(&attribute.name, top) {
            wrong(here("name"), "must be a letter and then letters, digits, hyphens or underscores");
        }
        if !seen.insert(attribute.name.to_ascii_lowercase()) {
            wrong(here("name"), "occurs twice");
        }
        if (attribute.kind == Kind::Complex) == attribute.sub.is_empty() {
            wrong(here("subAttributes"), "are required for type complex, and not allowed otherwise");
        }
        if !top && (attribute.kind == Kind::Complex || attribute.multi) {
            wrong(here("type"), "must be simple and single-valued in a sub-attribute");
        }
        if attribute.required {
            wrong(here("required"), "must be false: resources without the attribute exist");
        }
        if attribute.uniqueness == Uniqueness::Server {
            wrong(here("uniqueness"), "must be none");
        }
        each(&attribute.sub, &here("subAttributes"), false, wrong);
    }
}

/// `urn:` and what stands behind it; the last part must not begin with a digit followed by a name, or paths could not
/// tell it from an attribute.
fn is_urn(text: &str) -> bool {
    text.len() <= URN_MAX
        && text.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("urn:"))
        && !text.ends_with(':')
        && text.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, ':' | '.' | '-' | '_'))
}

fn is_name(text: &str, top: bool) -> bool {
    let start = |c: char| c.is_ascii_alphabetic() || (!top && c == '$');
    text.len() <= NAME_MAX
        && text.starts_with(start)
        && text.chars().skip(1).all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_'))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn errors(value: serde_json::Value) -> Vec<String> {
        let schema: Schema = serde_json::from_value(value).unwrap();
        check_custom(&schema).into_iter().map(|(pointer, _)| pointer).collect()
    }

    #[test]
    fn a_declared_schema_is_checked_to_the_field() {
        let good = json!({"id": "urn:acme:params:badge:2.0:User", "name": "Badge", "attributes": [
            {"name": "number", "type": "integer"},
            {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [{"name": "value"}, {"name": "$ref", "type": "reference"}]}]});
        assert!(errors(good).is_empty());
        let bad = json!({"id": "badge 1", "name": "Badge", "attributes": [
            {"name": "1st"}, {"name": "a"}, {"name": "A"}, {"name": "b", "type": "complex"}, {"name": "c", "required": true}]});
        assert_eq!(
            errors(bad),
            [
                "/id",
                "/attributes/0/name",
                "/attributes/2/name",
                "/attributes/3/subAttributes",
                "/attributes/4/required"
            ]
        );
        assert_eq!(errors(json!({"id": USER_URN, "name": "x", "attributes": [{"name": "a"}]})), ["/id"]);
    }

    fn one(attribute: &serde_json::Value) -> Vec<String> {
        errors(json!({"id": "urn:acme:badge", "name": "Badge", "attributes": [attribute]}))
    }

    #[test]
    fn a_urn_is_one_and_not_one_of_the_norm() {
        let longest = format!("urn:{}", "a".repeat(196));
        for (urn, fine) in [
            ("urn:acme:badge-1_a.2", true),
            ("URN:acme", true),
            (longest.as_str(), true),
            (&format!("{longest}a"), false),
            ("urn:", false),
            ("urn", false),
            ("ur", false),
            ("urx:acme", false),
            ("urn:acme:", false),
            ("urn:a b", false),
            ("urn:ä", false),
            (ENTERPRISE_URN, false),
            (&GROUP_URN.to_uppercase(), false),
        ] {
            let found = errors(json!({"id": urn, "name": "Badge", "attributes": [{"name": "a"}]}));
            assert_eq!(found.is_empty(), fine, "{urn}: {found:?}");
        }
    }

    /// RFC 7643, sections 2.1 (names) and 2.3.8 (sub-attributes are simple).
    #[test]
    fn an_attribute_has_a_name_and_a_type_that_fit_where_it_stands() {
        let long = |count: usize| "a".repeat(count);
        let sub = |sub: serde_json::Value| json!({"name": "a", "type": "complex", "subAttributes": [sub]});
        for (attribute, expected) in [
            (json!({"name": "a-B_1"}), None),
            (json!({"name": long(64)}), None),
            (json!({"name": "a", "type": "boolean", "multiValued": true}), None),
            (sub(json!({"name": "$ref"})), None),
            (json!({"name": long(65)}), Some("name")),
            (json!({"name": ""}), Some("name")),
            (json!({"name": "$ref"}), Some("name")),
            (json!({"name": "a b"}), Some("name")),
            (json!({"name": "ä"}), Some("name")),
            (json!({"name": "a", "subAttributes": [{"name": "b"}]}), Some("subAttributes")),
            (json!({"name": "a", "uniqueness": "server"}), Some("uniqueness")),
            (sub(json!({"name": "$"})), None),
            (sub(json!({"name": "1"})), Some("subAttributes/0/name")),
            (sub(json!({"name": "b", "multiValued": true})), Some("subAttributes/0/type")),
            (
                sub(json!({"name": "b", "type": "complex", "subAttributes": [{"name": "c"}]})),
                Some("subAttributes/0/type"),
            ),
            (sub(json!({"name": "b", "required": true})), Some("subAttributes/0/required")),
        ] {
            let expected: Vec<String> = expected.iter().map(|at| format!("/attributes/0/{at}")).collect();
            assert_eq!(one(&attribute), expected, "{attribute}");
        }
    }

    #[test]
    fn a_schema_has_from_1_to_200_attributes_with_their_sub_attributes() {
        let list = |count: usize| {
            (0..count).map(|n| json!({"name": format!("a{n}")})).collect::<serde_json::Value>()
        };
        let schema = |list| errors(json!({"id": "urn:acme:badge", "name": "Badge", "attributes": list}));
        let complex = |count: usize| json!([{"name": "a", "type": "complex", "subAttributes": list(count)}]);
        for (attributes, fine) in [
            (list(0), false),
            (list(200), true),
            (list(201), false),
            (complex(199), true),
            (complex(200), false),
        ] {
            let expected: &[&str] = if fine { &[] } else { &["/attributes"] };
            assert_eq!(schema(attributes), expected);
        }
    }
}
