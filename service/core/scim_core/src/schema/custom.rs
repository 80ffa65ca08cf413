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
        && text.len() > 4
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
}
