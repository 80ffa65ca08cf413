//! Conditions over values in memory.

use identity_core::fold;
use serde_json::{Map, Value};

use super::{Condition, Place};
use crate::filter::Operator;
use crate::instant;
use crate::schema::Kind;

impl Condition {
    /// Whether it holds for a resource in canonical form (with `id` and `meta`, if these are asked for).
    pub fn holds(&self, resource: &Map<String, Value>) -> bool {
        self.test(&|place: &Place| values(resource, place))
    }

    /// Whether it holds for one element. An element that isn't an object is its own `value`.
    pub fn holds_for_element(&self, element: &Value) -> bool {
        self.test(&|place: &Place| {
            let name = place.sub.as_deref().unwrap_or_default();
            match element {
                Value::Object(members) => members.get(name).into_iter().collect(),
                simple if name == "value" => vec![simple],
                _ => Vec::new(),
            }
        })
    }

    fn test<'a>(&self, values: &dyn Fn(&Place) -> Vec<&'a Value>) -> bool {
        match self {
            Condition::And(all) => all.iter().all(|one| one.test(values)),
            Condition::Or(all) => all.iter().any(|one| one.test(values)),
            Condition::Not(inner) => !inner.test(values),
            Condition::Present(place) => values(place).into_iter().any(is_present),
            Condition::Compare(place, operator, wanted) => {
                values(place).into_iter().any(|found| compare(place, found, *operator, wanted))
            }
            Condition::Element(place, inner) => {
                values(place).into_iter().any(|element| inner.holds_for_element(element))
            }
        }
    }
}

/// The values at a place: each element's, for an attribute that has several.
fn values<'a>(resource: &'a Map<String, Value>, place: &Place) -> Vec<&'a Value> {
    let top = match &place.extension {
        None => Some(resource),
        Some(urn) if place.attribute.is_empty() => return resource.get(urn).into_iter().collect(),
        Some(urn) => resource.get(urn).and_then(Value::as_object),
    };
    let Some(found) = top.and_then(|top| top.get(&place.attribute)) else { return Vec::new() };
    let elements: Vec<&Value> = match found {
        Value::Array(items) => items.iter().collect(),
        single => vec![single],
    };
    match &place.sub {
        None => elements,
        Some(sub) => elements.into_iter().filter_map(|element| element.as_object()?.get(sub)).collect(),
    }
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

fn compare(place: &Place, found: &Value, operator: Operator, wanted: &Value) -> bool {
    if !is_present(found) {
        return false;
    }
    match (found, wanted) {
        (Value::String(found), Value::String(wanted)) => {
            if place.kind == Kind::DateTime {
                return instant(found).is_some_and(|found| text(&found, operator, wanted));
            }
            if place.is_folded() {
                text(&fold(found), operator, wanted)
            } else {
                text(found, operator, wanted)
            }
        }
        (Value::Number(found), Value::Number(wanted)) => {
            let order = found.as_f64().partial_cmp(&wanted.as_f64());
            order.is_some_and(|order| ordered(operator, order))
        }
        (found, wanted) => operator == Operator::Eq && found == wanted,
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
        Operator::Gt => order.is_gt(),
        Operator::Ge => order.is_ge(),
        Operator::Lt => order.is_lt(),
        Operator::Le => order.is_le(),
        Operator::Ne | Operator::Co | Operator::Sw | Operator::Ew => false,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::filter::Filter;
    use crate::schema::USERS;
    use crate::{ErrorType, Profile};

    fn bind(text: &str) -> Result<Condition, ErrorType> {
        let filter = Filter::parse(text, Profile::Compat).map_err(|error| error.kind)?;
        Condition::bind(&USERS, &filter, Profile::Compat).map_err(|error| error.kind)
    }

    #[test]
    fn filters_hold_or_not_as_the_rfc_says() {
        let enterprise = crate::schema::ENTERPRISE_URN;
        let Value::Object(user) = json!({
            "id": "1", "userName": "Ann@X", "externalId": "E1", "title": "a%b_c", "active": true, "name": {"familyName": "ÄRZTIN"},
            "emails": [{"value": "w@x", "type": "work"}, {"value": "H@x", "type": "home"}],
            "meta": {"lastModified": "2026-01-01T10:00:00.500Z"}, (enterprise): {"department": "R", "manager": {"value": "M"}},
        }) else {
            unreachable!()
        };
        let department = format!("{enterprise}:department eq \"r\"");
        let manager = format!("{enterprise}:manager.value eq \"M\"");
        for yes in [
            r#"userName eq "ann@x""#,
            r#"USERNAME EQ "ann@x" AND Active Eq True"#,
            r#"name.familyName eq "ärztin""#,
            r#"emails.value eq "h@x""#,
            r#"emails co "@X""#,
            r#"emails[type eq "work" and value sw "w"]"#,
            r#"emails[type eq "work"].value eq "W@x""#,
            r#"not (emails[type eq "work" and value sw "h"])"#,
            r#"title eq "a%b_c" and not (title eq "aXb_c")"#,
            r#"title co "%b_""#,
            "nickName eq null",
            "title ne null and title pr",
            r#"nickName ne "x""#,
            "not (nickName pr)",
            r#"meta.lastModified gt "2026-01-01T10:00:00Z""#,
            r#"meta.lastModified lt "2026-01-01T11:00:01+00:00""#,
            r#"meta.lastModified eq "2026-01-01T12:00:00.5+02:00""#,
            r#"userName gt "anm" and userName le "ann@x""#,
            "active eq \"True\"",
            "userName eq Ann@X",
            &department,
            &manager,
            &format!("{enterprise} pr"),
            r#"urn:ietf:params:scim:schemas:core:2.0:User:userName eq "ann@x""#,
            r#"externalId eq "E1" or externalId eq "e1" and active eq false"#,
        ] {
            assert!(bind(yes).unwrap_or_else(|kind| panic!("{yes}: {kind:?}")).holds(&user), "{yes}");
        }
        for no in [
            r#"externalId eq "e1""#,
            r#"emails[type eq "home" and value eq "w@x"]"#,
            r#"emails.value ne "w@x""#,
            r#"title co "aXb""#,
            "active eq false",
            r#"nickName co "x""#,
        ] {
            assert!(!bind(no).unwrap_or_else(|kind| panic!("{no}: {kind:?}")).holds(&user), "{no}");
        }
        for refused in [
            r#"colour eq "x""#,
            r#"name.colour eq "x""#,
            r#"emails[colour eq "x"]"#,
            r#"name[familyName eq "x"]"#,
            "active gt true",
            r#"active co "t""#,
            r#"x509Certificates.value sw "a""#,
            r#"name eq "x""#,
            r#"password eq "x""#,
            r#"meta.created gt "soon""#,
            r#"urn:x:y:z eq "1""#,
        ] {
            assert_eq!(bind(refused).unwrap_err(), ErrorType::InvalidFilter, "{refused}");
        }
    }

    fn at(kind: Kind, case_exact: bool) -> Place {
        Place { extension: None, attribute: "x".to_owned(), sub: None, multi: false, kind, case_exact }
    }

    /// RFC 7644, section 3.4.2.2, table 3: texts by code points, numbers by size, moments by time; what is unassigned has no
    /// order (RFC 7643, section 2.5).
    #[test]
    fn operators_compare_by_the_attributes_type() {
        let moment = "2026-01-01T10:00:00.000000Z";
        for (kind, exact, found, wanted, holding) in [
            (Kind::Text, true, json!("b"), json!("a"), "gt ge"),
            (Kind::Text, true, json!("a"), json!("a"), "eq co sw ew ge le"),
            (Kind::Text, true, json!("a"), json!("b"), "lt le"),
            (Kind::Text, true, json!("A"), json!("a"), "lt le"),
            (Kind::Text, false, json!("A"), json!("a"), "eq co sw ew ge le"),
            (Kind::Text, false, json!("abc"), json!("b"), "co lt le"),
            (Kind::Text, false, json!("abc"), json!("a"), "co sw gt ge"),
            (Kind::Text, false, json!("abc"), json!("c"), "co ew lt le"),
            (Kind::Reference, true, json!("A"), json!("a"), "lt le"),
            (Kind::Integer, false, json!(10), json!(9), "gt ge"),
            (Kind::Integer, false, json!(9), json!(9), "eq ge le"),
            (Kind::Decimal, false, json!(0.5), json!(1), "lt le"),
            (Kind::DateTime, false, json!("2026-01-01T12:00:00.5+02:00"), json!(moment), "gt ge"),
            (Kind::DateTime, false, json!("2026-01-01T11:59:59+02:00"), json!(moment), "lt le"),
            (Kind::Boolean, false, json!(true), json!(true), "eq"),
            (Kind::Boolean, false, json!(true), json!(false), ""),
            (Kind::Boolean, false, json!("true"), json!(true), ""),
            (Kind::Text, false, json!(""), json!(""), ""),
            (Kind::Text, false, json!(null), json!("a"), ""),
        ] {
            let resource = json!({"x": found});
            // `ne` is bound as the opposite of `eq`.
            for (operator, name) in Operator::ALL.into_iter().filter(|(one, _)| *one != Operator::Ne) {
                let condition = Condition::Compare(at(kind, exact), operator, wanted.clone());
                let expected = holding.split(' ').any(|one| one == name);
                assert_eq!(
                    condition.holds(resource.as_object().unwrap()),
                    expected,
                    "{found} {name} {wanted}"
                );
            }
        }
    }

    /// RFC 7644, section 3.4.2.2: `pr` is a value that isn't empty.
    #[test]
    fn a_value_is_present_if_it_is_not_empty() {
        let sub = Place { sub: Some("value".to_owned()), ..at(Kind::Text, false) };
        let other = Place { sub: Some("type".to_owned()), ..at(Kind::Text, false) };
        for (value, present) in [
            (json!("a"), true),
            (json!(false), true),
            (json!(0), true),
            (json!([0]), true),
            (json!({"a": 0}), true),
            (json!(""), false),
            (json!([]), false),
            (json!({}), false),
            (json!(null), false),
        ] {
            let whole = json!({"x": value});
            assert_eq!(
                Condition::Present(at(Kind::Text, false)).holds(whole.as_object().unwrap()),
                present,
                "{value}"
            );
            let element = json!({"value": value});
            assert_eq!(Condition::Present(sub.clone()).holds_for_element(&element), present, "{value}");
            assert!(!Condition::Present(other.clone()).holds_for_element(&element));
        }
        // Simple values of a list are their own `value` (RFC 7643, section 2.4).
        assert!(Condition::Present(sub).holds_for_element(&json!("a")));
        assert!(!Condition::Present(other).holds_for_element(&json!("a")));
    }
}
