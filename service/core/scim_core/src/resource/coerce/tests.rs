//! Values that clients send in another type.

use serde_json::json;

use super::*;
use crate::ErrorType;
use crate::ErrorType::{InvalidSyntax, InvalidValue};

type Answer = Result<Option<Value>, ErrorType>;

fn run(attribute: &Value, value: &Value, profile: Profile) -> Answer {
    let mut attribute = attribute.clone();
    attribute["name"] = json!("x");
    let attribute: Attribute = serde_json::from_value(attribute).unwrap();
    coerce(&attribute, value, profile).map_err(|error| error.kind)
}

/// Rows of a value, what tolerance makes of it, and what the norm does.
fn check(attribute: Value, rows: Vec<(Value, Answer, Answer)>) {
    for (value, compat, rfc) in rows {
        assert_eq!(run(&attribute, &value, Profile::Compat), compat, "compat: {attribute} {value}");
        assert_eq!(run(&attribute, &value, Profile::Rfc), rfc, "rfc: {attribute} {value}");
    }
}

fn same(value: Value) -> (Value, Answer, Answer) {
    (value.clone(), Ok(Some(value.clone())), Ok(Some(value)))
}

fn wrong(value: Value) -> (Value, Answer, Answer) {
    (value, Err(InvalidValue), Err(InvalidValue))
}

/// Null is unassigned for every attribute (RFC 7643, section 2.5).
fn none() -> (Value, Answer, Answer) {
    (Value::Null, Ok(None), Ok(None))
}

/// RFC 7643, sections 2.3.1 and 2.3.7.
#[test]
fn texts_and_references_are_json_strings() {
    for kind in ["string", "reference"] {
        check(
            json!({"type": kind}),
            vec![
                none(),
                same(json!("x")),
                same(json!("True")),
                same(json!("ä".repeat(4096))),
                wrong(json!("a".repeat(4097))),
                wrong(json!("a\0b")),
                wrong(json!(1)),
                wrong(json!(true)),
                wrong(json!({"value": "x"})),
                // Section 2.5 names null and the empty array; the empty string is Entra's.
                (json!(""), Ok(None), Ok(Some(json!("")))),
                // A list of one, as in Entra's documentation.
                (json!(["x"]), Ok(Some(json!("x"))), Err(InvalidValue)),
                (json!([]), Ok(None), Err(InvalidValue)),
                wrong(json!(["x", "y"])),
            ],
        );
    }
    let nested = run(&json!({"type": "string"}), &json!([["x"]]), Profile::Compat);
    assert!(!matches!(nested, Ok(Some(_))), "a list in a list is no value: {nested:?}");
}

/// RFC 7643, sections 2.3.2 to 2.3.6.
#[test]
fn simple_values_have_their_attributes_type() {
    let truth = |text: &str, value: bool| (json!(text), Ok(Some(json!(value))), Err(InvalidValue));
    let cleared = || (json!(""), Ok(None), Err(InvalidValue));
    let booleans = vec![
        none(),
        same(json!(true)),
        same(json!(false)),
        truth("True", true),
        truth("FALSE", false),
        cleared(),
        wrong(json!("yes")),
        wrong(json!(1)),
    ];
    check(json!({"type": "boolean"}), booleans);
    let integers = vec![
        none(),
        same(json!(0)),
        same(json!(-1)),
        same(json!(u64::MAX)),
        wrong(json!(1.5)),
        // Section 2.3.4: no fractional part.
        wrong(json!(1.0)),
        wrong(json!("1")),
        wrong(json!(true)),
        cleared(),
    ];
    check(json!({"type": "integer"}), integers);
    let decimals =
        vec![none(), same(json!(1.5)), same(json!(-1)), wrong(json!("1.5")), wrong(json!(true)), cleared()];
    check(json!({"type": "decimal"}), decimals);
    let moments = vec![
        none(),
        same(json!("2008-01-23T04:56:22Z")),
        same(json!("2008-01-23T04:56:22.5+02:00")),
        // Section 2.3.5: a date and a time.
        wrong(json!("2008-01-23")),
        wrong(json!("04:56:22Z")),
        wrong(json!(1_201_064_182)),
    ];
    check(json!({"type": "dateTime"}), moments);
    let binaries = vec![
        none(),
        same(json!("TWFu")),
        same(json!("TWE=")),
        // Section 2.3.6: RFC 4648, section 4, so with padding and not in the alphabet of URLs.
        wrong(json!("TWE")),
        wrong(json!("-_-_")),
        wrong(json!(1)),
    ];
    check(json!({"type": "binary"}), binaries);
}

/// RFC 7643, section 2.3.8; what is read-only is ignored (RFC 7644, section 3.3).
#[test]
fn a_complex_value_is_an_object_of_its_sub_attributes() {
    let with_value = json!({"type": "complex", "subAttributes": [
        {"name": "value"}, {"name": "display", "mutability": "readOnly"}, {"name": "primary", "type": "boolean"}]});
    check(
        with_value,
        vec![
            none(),
            same(json!({"value": "a"})),
            (json!({"VALUE": "a"}), Ok(Some(json!({"value": "a"}))), Ok(Some(json!({"value": "a"})))),
            (
                json!({"value": "a", "display": "A"}),
                Ok(Some(json!({"value": "a"}))),
                Ok(Some(json!({"value": "a"}))),
            ),
            (json!({"value": "a", "colour": 1}), Ok(Some(json!({"value": "a"}))), Err(InvalidSyntax)),
            (json!({"value": null}), Ok(None), Ok(None)),
            (json!({}), Ok(None), Ok(None)),
            wrong(json!({"primary": "often"})),
            wrong(json!(1)),
            (json!("a"), Ok(Some(json!({"value": "a"}))), Err(InvalidValue)),
            (json!([{"value": "a"}]), Ok(Some(json!({"value": "a"}))), Err(InvalidValue)),
        ],
    );
    check(json!({"type": "complex", "subAttributes": [{"name": "givenName"}]}), vec![wrong(json!("a"))]);
}

/// RFC 7643, sections 2.4 and 2.5.
#[test]
fn a_multi_valued_attribute_is_an_array_without_repetition() {
    let wrapped = |value: Value| (value.clone(), Ok(Some(json!([value]))), Err(InvalidValue));
    let numbers = |count: usize| (0..count).map(|n| json!(n.to_string())).collect::<Value>();
    let unassigned = |value: Value| (value, Ok(None), Ok(None));
    check(
        json!({"multiValued": true}),
        vec![
            none(),
            unassigned(json!([])),
            unassigned(json!([null])),
            same(json!(["a", "b"])),
            (json!(["a", "b", "a"]), Ok(Some(json!(["a", "b"]))), Ok(Some(json!(["a", "b"])))),
            wrapped(json!("a")),
            (json!(""), Ok(None), Err(InvalidValue)),
            wrong(json!(["a", 1])),
            same(numbers(1000)),
            wrong(numbers(1001)),
        ],
    );
    let sub = json!([{"name": "value"}, {"name": "primary", "type": "boolean"}]);
    check(
        json!({"type": "complex", "multiValued": true, "subAttributes": sub}),
        vec![
            wrapped(json!({"value": "a"})),
            same(json!([{"value": "a", "primary": true}, {"value": "b"}])),
            same(json!([{"value": "a", "primary": false}, {"value": "b", "primary": false}])),
            // Section 2.4: true at most once.
            wrong(json!([{"value": "a", "primary": true}, {"value": "b", "primary": true}])),
        ],
    );
}
