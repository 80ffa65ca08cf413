//! A JSON object read member by member. Values stay text until somebody needs them: a group's 100,000 members become a
//! list of ids without a tree of values in between.

use std::borrow::Cow;
use std::collections::HashSet;
use std::fmt;

use json_core::{Census, Excess, Names, VALUES_MAX, repeated_name};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use crate::ScimError;

/// Members that one body names.
pub const MEMBERS_MAX: usize = 250_000;

/// An object whose values are not read yet. Names keep their case; a body in which one stands twice is refused.
#[derive(Clone, Debug, Default)]
pub struct Document<'a> {
    members: Vec<(Cow<'a, str>, &'a RawValue)>,
}

impl<'a> Document<'a> {
    /// Reads a body, which is counted first.
    ///
    /// # Errors
    /// `invalidSyntax` for what is no object or names something twice, `invalidValue` for a text with a NUL, `tooLarge` for more than
    /// [`VALUES_MAX`] values or [`MEMBERS_MAX`] members.
    pub fn parse(bytes: &'a [u8]) -> Result<Self, ScimError> {
        check(&Census::of(bytes))?;
        if let Some(place) = repeated_name(bytes, Names::AnyCase) {
            return Err(ScimError::syntax(format!("`{place}` occurs more than once in its object.")));
        }
        Self::part(bytes)
    }

    /// Reads an object within a body.
    pub(crate) fn part(bytes: &'a [u8]) -> Result<Self, ScimError> {
        serde_json::from_slice(bytes).map_err(|error| {
            ScimError::syntax(format!(
                "The body must be a JSON object (line {}, column {}).",
                error.line(),
                error.column()
            ))
        })
    }

    /// The members, in the order of the text.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &'a RawValue)> {
        self.members.iter().map(|(name, value)| (name.as_ref(), *value))
    }

    /// The member of this name, whatever its case.
    pub fn get(&self, name: &str) -> Option<&'a RawValue> {
        self.members.iter().rev().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| *value)
    }

    /// The member of this name as a value; `None` if it is null or absent.
    ///
    /// # Errors
    /// `invalidSyntax` if it is nested too deep.
    pub fn value(&self, name: &str) -> Result<Option<Value>, ScimError> {
        Ok(self.get(name).map(read).transpose()?.filter(|value| !value.is_null()))
    }

    /// The member of this name as a text.
    ///
    /// # Errors
    /// `invalidSyntax` if it is something else.
    pub fn text(&self, name: &str) -> Result<Option<String>, ScimError> {
        match self.value(name)? {
            None => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(ScimError::syntax(format!("`{name}` must be a string."))),
        }
    }
}

/// What a reader takes apart entry by entry is no tree: members have a bound of their own.
fn check(census: &Census) -> Result<(), ScimError> {
    census.check(census.tree()).map_err(too_much)?;
    if census.entries > MEMBERS_MAX {
        return Err(ScimError::large(format!(
            "The body names more than {MEMBERS_MAX} members: send them in several requests."
        )));
    }
    Ok(())
}

fn too_much(excess: Excess) -> ScimError {
    match excess {
        Excess::Depth => ScimError::syntax(format!("{excess}.")),
        Excess::Values => ScimError::large(format!("{excess}: send it in parts.")),
        Excess::Nul => ScimError::value(format!("{excess}.")),
    }
}

/// A value out of its text.
///
/// # Errors
/// `invalidSyntax` if it is nested too deep, `tooLarge` if it has more than [`VALUES_MAX`] values.
pub fn read(raw: &RawValue) -> Result<Value, ScimError> {
    Budget::default().read(raw)
}

/// How many values may still be made of one body: lists that aren't members count here whole, and before a tree is made
/// of them.
pub(crate) struct Budget(usize);

impl Default for Budget {
    fn default() -> Self {
        Self(VALUES_MAX)
    }
}

impl Budget {
    pub(crate) fn read(&mut self, raw: &RawValue) -> Result<Value, ScimError> {
        let weight = Census::of(raw.get().as_bytes()).weight;
        self.0 = self.0.checked_sub(weight).ok_or_else(|| too_much(Excess::Values))?;
        serde_json::from_str(raw.get()).map_err(|_| too_much(Excess::Depth))
    }
}

impl<'de> Deserialize<'de> for Document<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Members;
        impl<'de> Visitor<'de> for Members {
            type Value = Document<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }
            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Document<'de>, A::Error> {
                let mut members = Vec::new();
                while let Some(name) = map.next_key::<Name<'de>>()? {
                    members.push((name.0, map.next_value()?));
                }
                Ok(Document { members })
            }
        }
        deserializer.deserialize_map(Members)
    }
}

/// A name, borrowed unless it is escaped.
struct Name<'a>(Cow<'a, str>);

impl<'de> Deserialize<'de> for Name<'de> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Text;
        impl<'de> Visitor<'de> for Text {
            type Value = Name<'de>;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }
            fn visit_borrowed_str<E>(self, text: &'de str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Borrowed(text)))
            }
            fn visit_str<E>(self, text: &str) -> Result<Name<'de>, E> {
                Ok(Name(Cow::Owned(text.to_owned())))
            }
        }
        deserializer.deserialize_str(Text)
    }
}

/// The ids of a `members` value, each once: a list of objects with a `value`, a single one, or null.
///
/// # Errors
/// `invalidValue` for anything else.
pub fn member_ids(raw: &RawValue) -> Result<Vec<String>, ScimError> {
    let Ids(ids) = serde_json::from_str(raw.get())
        .map_err(|_| ScimError::value("`members` must be a list of objects with a `value`."))?;
    let mut seen = HashSet::with_capacity(ids.len());
    let first: Vec<bool> = ids.iter().map(|id| seen.insert(id.as_str())).collect();
    drop(seen);
    Ok(ids.into_iter().zip(first).filter(|(_, first)| *first).map(|(id, _)| id).collect())
}

struct Ids(Vec<String>);

impl<'de> Deserialize<'de> for Ids {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct List;
        impl<'de> Visitor<'de> for List {
            type Value = Ids;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("members")
            }
            fn visit_unit<E>(self) -> Result<Ids, E> {
                Ok(Ids(Vec::new()))
            }
            fn visit_str<E>(self, text: &str) -> Result<Ids, E> {
                Ok(Ids(vec![text.to_owned()]))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Ids, A::Error> {
                let mut ids = Vec::new();
                while let Some(Id(id)) = list.next_element()? {
                    ids.push(id);
                }
                Ok(Ids(ids))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Ids, A::Error> {
                id(map).map(|id| Ids(vec![id]))
            }
        }
        deserializer.deserialize_any(List)
    }
}

struct Id(String);

fn id<'de, A: MapAccess<'de>>(mut map: A) -> Result<String, A::Error> {
    let mut found = None;
    while let Some(name) = map.next_key::<Name<'de>>()? {
        if name.0.eq_ignore_ascii_case("value") {
            found = Some(map.next_value()?);
        } else {
            map.next_value::<IgnoredAny>()?;
        }
    }
    found.ok_or_else(|| serde::de::Error::missing_field("value"))
}

impl<'de> Deserialize<'de> for Id {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct One;
        impl<'de> Visitor<'de> for One {
            type Value = Id;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a member")
            }
            fn visit_str<E>(self, text: &str) -> Result<Id, E> {
                Ok(Id(text.to_owned()))
            }
            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Id, A::Error> {
                id(map).map(Id)
            }
        }
        deserializer.deserialize_any(One)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ids(text: &str) -> Option<Vec<String>> {
        let raw: &RawValue = serde_json::from_str(text).unwrap();
        member_ids(raw).ok()
    }

    #[test]
    fn members_are_read_in_every_form() {
        assert_eq!(
            ids(
                r#"[{"$ref": null, "value": "a"}, {"VALUE": "b", "display": {"x": []}}, {"value": "a"}, "c"]"#
            )
            .unwrap(),
            ["a", "b", "c"]
        );
        assert_eq!(ids(r#"{"value": "a"}"#).unwrap(), ["a"]);
        assert_eq!(ids("null").unwrap(), Vec::<String>::new());
        for wrong in ["1", "[1]", "[{}]", r#"[{"value": 1}]"#, r#"[[{"value": "a"}]]"#] {
            assert!(ids(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn an_object_is_read_without_its_values() {
        let text = br#"{"A": 1, "\u0062": [{}]}"#;
        let document = Document::parse(text).unwrap();
        assert_eq!(document.value("a").unwrap(), Some(1.into()));
        assert_eq!(document.get("B").unwrap().get(), "[{}]");
        let deep = "[".repeat(100_000) + &"]".repeat(100_000);
        let text = format!("{{\"a\": {deep}}}");
        assert!(
            Document::parse(text.as_bytes()).is_err()
                || Document::parse(text.as_bytes()).unwrap().value("a").is_err()
        );
        for wrong in ["", "[]", "{", "{\"a\": 1} 2", "1", r#"{"a": 1, "A": 2}"#, r#"{"a": {"b": 1, "B": 1}}"#]
        {
            assert!(Document::parse(wrong.as_bytes()).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_body_is_refused_by_what_is_wrong_with_it() {
        use crate::ErrorType::{InvalidSyntax, InvalidValue, TooLarge};
        let deep = |depth: usize| format!("{{\"a\": {}{}}}", "[".repeat(depth), "]".repeat(depth));
        let numbers = |count: usize| format!("{{\"a\": [{}]}}", vec!["1"; count].join(","));
        let members = |count: usize| format!("{{\"members\": [{}]}}", vec!["\"a\""; count].join(","));
        for (text, expected) in [
            (r#"{"a": 1}"#.to_owned(), None),
            (deep(100), None),
            (deep(128), Some(InvalidSyntax)),
            (r#"{"a": "\u0000"}"#.to_owned(), Some(InvalidValue)),
            (numbers(199_000), None),
            (numbers(200_001), Some(TooLarge)),
            (members(MEMBERS_MAX), None),
            (members(MEMBERS_MAX + 1), Some(TooLarge)),
            (r#"{"a": 1, "A": 2}"#.to_owned(), Some(InvalidSyntax)),
        ] {
            let found = Document::parse(text.as_bytes()).err().map(|error| error.kind);
            assert_eq!(found, expected, "{}", text.chars().take(40).collect::<String>());
        }
    }

    #[test]
    fn a_member_is_a_value_or_a_text() {
        let document = Document::parse(br#"{"a": "x", "b": null, "c": 1}"#).unwrap();
        let names: Vec<(&str, &str)> = document.iter().map(|(name, raw)| (name, raw.get())).collect();
        assert_eq!(names, [("a", "\"x\""), ("b", "null"), ("c", "1")]);
        for (name, value, text) in [
            ("a", Some("x".into()), Ok(Some("x".to_owned()))),
            ("A", Some("x".into()), Ok(Some("x".to_owned()))),
            ("b", None, Ok(None)),
            ("c", Some(1.into()), Err(crate::ErrorType::InvalidSyntax)),
            ("d", None, Ok(None)),
        ] {
            assert_eq!(document.value(name), Ok(value), "{name}");
            assert_eq!(document.text(name).map_err(|error| error.kind), text, "{name}");
        }
    }
}
