//! What an operation does where it lands.

use std::collections::HashSet;

use serde_json::{Map, Value};

use super::Verb;
use crate::condition::Condition;
use crate::filter::{Filter, Operator};
use crate::resource::{Resource, VALUES_MAX, coerce};
use crate::schema::Attribute;
use crate::{ErrorType, Profile, ScimError};

/// Where an operation lands: an attribute, perhaps one sub-attribute, perhaps only some of its values.
pub(super) struct Target<'a> {
    pub(super) attribute: &'a Attribute,
    pub(super) sub: Option<&'a Attribute>,
    pub(super) filter: Option<&'a Filter>,
    /// The filter, bound to the attribute's elements.
    pub(super) bound: Option<Condition>,
    pub(super) profile: Profile,
}

/// The texts of a list's values, as long as operations only add to it: each is written once, not once for each operation.
pub(super) type Known = Option<HashSet<String>>;

impl Target<'_> {
    pub(super) fn put(
        &self,
        place: &mut Resource,
        verb: Verb,
        value: &Value,
        known: &mut Known,
    ) -> Result<(), ScimError> {
        if self.filter.is_some() && !self.attribute.multi {
            return Err(ScimError::new(
                ErrorType::InvalidPath,
                format!("`{}` has a single value, so a filter is not allowed.", self.attribute.name),
            ));
        }
        if self.attribute.multi && (self.filter.is_some() || self.sub.is_some()) {
            return self.put_in_elements(place, verb, value, known);
        }
        if let Some(sub) = self.sub {
            let object = place.entry(&self.attribute.name).or_insert_with(|| Value::Object(Map::new()));
            if let (Some(object), Some(value)) = (object.as_object_mut(), coerce(sub, value, self.profile)?) {
                object.insert(sub.name.clone(), value);
            }
            return Ok(());
        }
        let Some(value) = coerce(self.attribute, value, self.profile)? else {
            if verb == Verb::Replace {
                *known = None;
                place.remove(&self.attribute.name);
            }
            return Ok(());
        };
        match (place.get_mut(&self.attribute.name), value) {
            (Some(Value::Array(there)), Value::Array(new)) if verb == Verb::Add => {
                return self.append(there, new, known);
            }
            (Some(Value::Object(there)), Value::Object(new)) => there.extend(new),
            (_, value) => {
                *known = None;
                place.insert(self.attribute.name.clone(), value);
            }
        }
        Ok(())
    }

    fn put_in_elements(
        &self,
        place: &mut Resource,
        verb: Verb,
        value: &Value,
        known: &mut Known,
    ) -> Result<(), ScimError> {
        let element = match self.sub {
            Some(sub) => {
                coerce(sub, value, self.profile)?.map(|value| Map::from_iter([(sub.name.clone(), value)]))
            }
            None => {
                let wrapped = Value::Array(vec![value.clone()]);
                let list =
                    coerce(self.attribute, if value.is_array() { value } else { &wrapped }, self.profile)?;
                list.and_then(|list| list.as_array()?.first()?.as_object().cloned())
            }
        };
        let Some(element) = element else { return Ok(()) };
        let list = place.entry(&self.attribute.name).or_insert_with(|| Value::Array(Vec::new()));
        let Value::Array(list) = list else { return Ok(()) };
        let makes_primary = element.get("primary") == Some(&Value::Bool(true));
        let chosen: Vec<usize> =
            list.iter().enumerate().filter(|(_, item)| self.chosen(item)).map(|(at, _)| at).collect();
        if chosen.is_empty() {
            if self.filter.is_some() && !self.profile.is_compat() {
                return Err(ScimError::new(ErrorType::NoTarget, "No value matches the filter."));
            }
            // Entra replaces `emails[type eq "work"].value` before there is one: it is made, with what the filter says.
            let mut made = self.filter.map(equalities).unwrap_or_default();
            made.retain(|name, _| self.attribute.find_sub(name).is_some());
            made.extend(element);
            let made = coerce(self.attribute, &Value::Array(vec![Value::Object(made)]), self.profile)?;
            return match made {
                Some(Value::Array(made)) => self.append(list, made, known),
                _ => Ok(()),
            };
        }
        *known = None;
        if makes_primary {
            demote(list);
        }
        for at in chosen {
            let Some(item) = list.get_mut(at) else { continue };
            match item {
                Value::Object(members) if self.sub.is_some() || verb == Verb::Add => {
                    members.extend(element.clone())
                }
                other => *other = Value::Object(element.clone()),
            }
        }
        Ok(())
    }

    /// Adds values behind those that are there; a new primary one takes that from the old.
    fn append(&self, there: &mut Vec<Value>, new: Vec<Value>, known: &mut Known) -> Result<(), ScimError> {
        if new.iter().any(|item| item.get("primary") == Some(&Value::Bool(true))) && demote(there) {
            *known = None;
        }
        let known = known.get_or_insert_with(|| {
            let mut texts = HashSet::new();
            there.retain(|item| texts.insert(item.to_string()));
            texts
        });
        there.extend(new.into_iter().filter(|item| known.insert(item.to_string())));
        if there.len() > VALUES_MAX {
            let detail = format!("`{}` would have more than {VALUES_MAX} values.", self.attribute.name);
            return Err(ScimError::value(detail));
        }
        Ok(())
    }

    fn chosen(&self, item: &Value) -> bool {
        self.bound.as_ref().is_none_or(|bound| bound.holds_for_element(item))
    }

    pub(super) fn remove(&self, place: &mut Resource, value: Option<&Value>) -> Result<(), ScimError> {
        if self.attribute.required && self.sub.is_none() {
            return Err(ScimError::value(format!("`{}` is required.", self.attribute.name)));
        }
        let name = self.attribute.name.as_str();
        let Some(there) = place.get_mut(name) else { return Ok(()) };
        match (there, self.sub, self.filter) {
            (Value::Array(list), sub, filter) if filter.is_some() || sub.is_some() => {
                list.retain_mut(|item| {
                    if !self.chosen(item) {
                        return true;
                    }
                    match (sub, item) {
                        (Some(sub), Value::Object(members)) => {
                            members.remove(&sub.name);
                            !members.is_empty()
                        }
                        _ => false,
                    }
                });
            }
            (Value::Array(list), None, None) if value.is_some_and(|value| !value.is_null()) => {
                let gone = coerce(self.attribute, value.unwrap_or(&Value::Null), self.profile)?;
                let gone = gone.as_ref().and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default();
                let whole: HashSet<String> = gone.iter().map(Value::to_string).collect();
                let named: HashSet<String> =
                    gone.iter().filter_map(only_value).map(Value::to_string).collect();
                list.retain(|item| {
                    let is_named = item.get("value").is_some_and(|value| named.contains(&value.to_string()));
                    !is_named && !whole.contains(&item.to_string())
                });
            }
            (Value::Object(members), Some(sub), _) => {
                members.remove(&sub.name);
            }
            _ => {
                place.remove(name);
                return Ok(());
            }
        }
        let empty = match place.get(name) {
            Some(Value::Array(list)) => list.is_empty(),
            Some(Value::Object(members)) => members.is_empty(),
            _ => false,
        };
        if empty {
            place.remove(name);
        }
        Ok(())
    }
}

/// Whether one was primary.
fn demote(list: &mut [Value]) -> bool {
    let mut found = false;
    for item in list.iter_mut().filter_map(Value::as_object_mut) {
        if item.get("primary") == Some(&Value::Bool(true)) {
            item.insert("primary".to_owned(), Value::Bool(false));
            found = true;
        }
    }
    found
}

/// The `value` of an element that says nothing else.
fn only_value(element: &Value) -> Option<&Value> {
    element.as_object().filter(|members| members.len() == 1)?.get("value")
}

/// What the equalities of a conjunction say about an element that fits.
fn equalities(filter: &Filter) -> Map<String, Value> {
    match filter {
        Filter::And(left, right) => {
            let mut all = equalities(left);
            all.extend(equalities(right));
            all
        }
        Filter::Compare(path, Operator::Eq, value) => Map::from_iter([(path.name.clone(), value.clone())]),
        _ => Map::new(),
    }
}

#[cfg(test)]
mod tests;
