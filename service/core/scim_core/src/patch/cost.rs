//! What a PATCH costs, known before it is applied: each operation may walk all values of an attribute, so a thousand
//! operations on a thousand values are a million steps.

use serde_json::Value;

use super::{MemberChange, Operation, Patch, Verb};
use crate::ScimError;
use crate::filter::Filter;
use crate::path::AttributePath;
use crate::resource::{self, Resource, VALUES_MAX};
use crate::schema::{Named, ResourceType};

/// Steps of one PATCH.
pub const STEPS_MAX: u64 = 2_000_000;
/// Bytes that are written, folded or compared in a step.
const STEP_BYTES: u64 = 64;
/// How many times as long the bytes of a text take to fold that isn't ASCII: U+FDFA becomes eighteen characters.
const FOREIGN: u64 = 256;

/// How large a resource is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Extent {
    /// Values of its longest list.
    pub values: u64,
    /// Its bytes.
    pub bytes: u64,
    /// Those of its texts that aren't ASCII.
    pub foreign: u64,
}

impl Extent {
    /// No resource of ASCII is larger.
    pub const MOST: Self = Self { values: VALUES_MAX as u64, bytes: resource::BYTES_MAX as u64, foreign: 0 };

    /// Of a resource in canonical form.
    pub fn of(resource: &Resource) -> Self {
        fn longest(value: &Value) -> usize {
            match value {
                Value::Array(items) => items.len(),
                Value::Object(members) => members.values().map(longest).max().unwrap_or(0),
                _ => 0,
            }
        }
        let values = resource.values().map(longest).max().unwrap_or(0);
        let foreign = resource.values().map(foreign).fold(0, u64::saturating_add);
        Self { values: count(values), bytes: count(resource::bytes(resource)), foreign }
    }

    /// Steps that folding it takes, beyond those of ASCII.
    pub fn folding(self) -> u64 {
        folded(0, self.foreign) / STEP_BYTES
    }

    fn add(&mut self, values: u64, bytes: u64, foreign: u64) {
        self.values = self.values.saturating_add(values).min(Self::MOST.values);
        self.bytes = self.bytes.saturating_add(bytes);
        self.foreign = self.foreign.saturating_add(foreign);
    }
}

/// Bytes of texts that aren't ASCII.
fn foreign(value: &Value) -> u64 {
    match value {
        Value::String(text) if !text.is_ascii() => count(text.len()),
        Value::Array(items) => items.iter().map(foreign).fold(0, u64::saturating_add),
        Value::Object(members) => members.values().map(foreign).fold(0, u64::saturating_add),
        _ => 0,
    }
}

/// So many bytes as a comparison meets them, which folds them.
fn folded(bytes: u64, foreign: u64) -> u64 {
    bytes.saturating_add(foreign.saturating_mul(FOREIGN))
}

fn count(of: usize) -> u64 {
    u64::try_from(of).unwrap_or(u64::MAX)
}

impl Patch {
    /// How many steps its operations need on a resource of this extent; members are counted by [`Patch::members_named`].
    pub fn steps(&self, kind: &ResourceType, before: Extent) -> u64 {
        let mut extent = before;
        self.operations.iter().map(|one| steps(kind, one, &mut extent)).fold(0, u64::saturating_add)
    }

    /// How many members it names.
    pub fn members_named(&self) -> usize {
        let of = |change: &MemberChange| match change {
            MemberChange::Add(ids) | MemberChange::Remove(ids) | MemberChange::Replace(ids) => ids.len(),
        };
        self.members.iter().map(of).sum()
    }

    /// Whether it needs no more steps than it may on a resource of this extent.
    ///
    /// # Errors
    /// `tooLarge`.
    pub fn check_steps(&self, kind: &ResourceType, before: Extent) -> Result<u64, ScimError> {
        let steps = self.steps(kind, before);
        if steps <= STEPS_MAX {
            return Ok(steps);
        }
        Err(ScimError::large(format!(
            "{} operations on so many values are {steps} steps, more than {STEPS_MAX}: send the values in one \
             operation, or the operations in parts.",
            self.operations.len()
        )))
    }
}

/// How an operation meets its attribute.
enum Meets {
    /// It writes a value, whatever is there.
    One,
    /// It adds to a list.
    List,
    /// It walks a list, with so many comparisons for each value.
    Each(u64),
}

fn meets(kind: &ResourceType, verb: Verb, attribute: &AttributePath, filter: Option<&Filter>) -> Meets {
    match kind.named(attribute) {
        Named::Attribute(located, sub) if located.attribute.multi => match filter {
            Some(filter) => Meets::Each(terms(filter)),
            None if sub.is_some() || verb == Verb::Remove => Meets::Each(0),
            None => Meets::List,
        },
        _ => Meets::One,
    }
}

fn steps(kind: &ResourceType, operation: &Operation, extent: &mut Extent) -> u64 {
    let (verb, value) = (operation.verb, operation.value.as_ref());
    match (&operation.path, value) {
        (Some(path), _) if !path.attribute.name.is_empty() => {
            let meets = meets(kind, verb, &path.attribute, path.filter.as_ref());
            landing(extent, &meets, value)
        }
        // Without a path, or with the name of a schema.
        (_, Some(Value::Object(members))) => named(kind, verb, members, extent),
        _ => 1,
    }
}

/// Each member's name is a path.
fn named(kind: &ResourceType, verb: Verb, members: &Resource, extent: &mut Extent) -> u64 {
    let one = |(name, value): (&String, &Value)| match (AttributePath::parse(name), value) {
        (Some(path), Value::Object(members)) if path.name.is_empty() => named(kind, verb, members, extent),
        (Some(path), _) => landing(extent, &meets(kind, verb, &path, None), Some(value)),
        (None, _) => 1,
    };
    members.iter().map(one).fold(0, u64::saturating_add)
}

/// What an operation costs where it lands.
fn landing(extent: &mut Extent, meets: &Meets, value: Option<&Value>) -> u64 {
    let values = value.and_then(Value::as_array).map_or(1, |items| count(items.len()));
    let bytes = value.map_or(0, |value| count(resource::value_bytes(value)));
    let foreign = value.map_or(0, foreign);
    let taken = 2 + values + folded(bytes, foreign) / STEP_BYTES;
    let walked = match meets {
        Meets::One => 0,
        Meets::List => {
            let walked = extent.values / 8;
            extent.add(values, bytes, foreign);
            walked
        }
        Meets::Each(terms) => {
            let scan = extent.values + folded(extent.bytes, extent.foreign) / STEP_BYTES;
            // What is put is put into each of them.
            let put = extent.values.saturating_mul(1 + bytes / STEP_BYTES);
            let times = extent.values.max(1);
            extent.add(1, bytes.saturating_mul(times), foreign.saturating_mul(times));
            (terms + 1).saturating_mul(scan).saturating_add(put)
        }
    };
    taken.saturating_add(walked)
}

fn terms(filter: &Filter) -> u64 {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => terms(left) + terms(right),
        Filter::Not(inner) | Filter::Element(_, inner) => terms(inner),
        Filter::Present(_) | Filter::Compare(..) => 1,
    }
}

#[cfg(test)]
mod tests;
