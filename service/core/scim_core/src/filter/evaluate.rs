//! Whether a filter holds for a value that is at hand: elements of a multi-valued attribute under PATCH.

use serde_json::{Map, Value};

use super::{Filter, Operator};
use crate::path::AttributePath;
use crate::schema::Attribute;

impl Filter {
    /// Whether the filter holds for one element of `attribute`. Names are those of its sub-attributes; an element that
    /// isn't an object is its own `value`.
    pub fn holds_for_element(&self, attribute: &Attribute, element: &Value) -> bool {
        match self {
            Filter::And(left, right) => {
                left.holds_for_element(attribute, element) && right.holds_for_element(attribute, element)
            }
            Filter::Or(left, right) => {
                left.holds_for_element(attribute, element) || right.holds_for_element(attribute, element)
            }
            Filter::Not(inner) => !inner.holds_for_element(attribute, element),
            Filter::Present(path) => find(element, path).is_some_and(is_present),
            Filter::Compare(path, operator, wanted) => {
                let exact = attribute.find_sub(&path.name).is_some_and(|sub| sub.case_exact);
                compare(find(element, path), *operator, wanted, exact)
            }
            Filter::Element(..) => false,
        }
    }
}

fn find<'a>(element: &'a Value, path: &AttributePath) -> Option<&'a Value> {
    match element {
        Value::Object(members) => member(members, &path.name),
        simple if path.name.eq_ignore_ascii_case("value") => Some(simple),
        _ => None,
    }
}

fn member<'a>(members: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    members.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
}

fn is_present(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::String(text) => !text.is_empty(),
        Value::Array(items) => !items.is_empty(),
        Value::Object(members) => !members.is_empty(),
        _ => true,
    }
}

fn compare(found: Option<&Value>, operator: Operator, wanted: &Value, exact: bool) -> bool {
    let found = found.filter(|value| is_present(value));
    match (found, wanted) {
        (None, wanted) => match operator {
            Operator::Eq => wanted.is_null(),
            Operator::Ne => !wanted.is_null(),
            _ => false,
        },
        (Some(Value::String(found)), Value::String(wanted)) => {
            if exact {
                text(found, operator, wanted)
            } else {
                text(&found.to_lowercase(), operator, &wanted.to_lowercase())
            }
        }
        // Entra compares `primary` with "True".
        (Some(Value::Bool(found)), Value::String(wanted)) => {
            let equal = wanted.eq_ignore_ascii_case(if *found { "true" } else { "false" });
            matches!((operator, equal), (Operator::Eq, true) | (Operator::Ne, false))
        }
        (Some(Value::Number(found)), Value::Number(wanted)) => {
            match found.as_f64().partial_cmp(&wanted.as_f64()) {
                Some(order) => ordered(operator, order),
                None => false,
            }
        }
        (Some(found), wanted) => match operator {
            Operator::Eq => found == wanted,
            Operator::Ne => found != wanted,
            _ => false,
        },
    }
}

fn text(found: &str, operator: Operator, wanted: &str) -> bool {
    match operator {
        Operator::Co => found.contains(wanted),
        Operator::Sw => found.starts_with(wanted),
        Operator::Ew => found.ends_with(wanted),
        _ => ordered(operator, found.cmp(wanted)),
    }
}

fn ordered(operator: Operator, order: std::cmp::Ordering) -> bool {
    match operator {
        Operator::Eq => order.is_eq(),
        Operator::Ne => order.is_ne(),
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}
