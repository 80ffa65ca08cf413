//! A filter bound to a resource type: names are resolved, literals have their attribute's type, `eq null` has become
//! "has no value". Evaluated here over a resource, or written by a store in its own language; both mean the same, which a
//! test of the store compares.
//!
//! Where RFC 7644, section 3.4.2.2 leaves it open: a comparison holds for a multi-valued attribute if it holds for one of
//! its values; `ne` is the contrary of `eq`, so it holds where no value is equal, and where there is none.

mod evaluate;

use identity_core::{fold, fold_within};
use serde_json::Value;

use crate::filter::{Filter, Operator};
use crate::path::AttributePath;
use crate::schema::{Attribute, Kind, Located, Named, ResourceType, Returned};
use crate::{ErrorType, Profile, ScimError, instant};

/// Where a value stands.
#[derive(Clone, Debug, PartialEq)]
pub struct Place {
    /// The URN of its extension; `None`: at the top.
    pub extension: Option<String>,
    /// The attribute; empty for a whole extension, and for a value that is its element itself.
    pub attribute: String,
    /// The sub-attribute.
    pub sub: Option<String>,
    /// Whether the attribute has several values.
    pub multi: bool,
    /// The type of what is compared.
    pub kind: Kind,
    /// Whether it is compared with case.
    pub case_exact: bool,
}

impl Place {
    /// The place of an attribute, or of one of its sub-attributes.
    pub(crate) fn of(located: &Located<'_>, sub: Option<&Attribute>) -> Self {
        let last = sub.unwrap_or(located.attribute);
        Self {
            extension: located.extension.map(|schema| schema.urn.clone()),
            attribute: located.attribute.name.clone(),
            sub: sub.map(|sub| sub.name.clone()),
            multi: located.attribute.multi,
            kind: last.kind,
            case_exact: last.case_exact,
        }
    }

    /// `attribute` or `attribute.sub`, for an attribute at the top.
    pub fn name(&self) -> String {
        match &self.sub {
            Some(sub) => format!("{}.{sub}", self.attribute),
            None => self.attribute.clone(),
        }
    }

    /// Whether texts here are compared after folding, see [`fold()`].
    pub fn is_folded(&self) -> bool {
        !self.case_exact && matches!(self.kind, Kind::Text | Kind::Reference)
    }
}

/// A condition over a resource, or over one element of a multi-valued attribute.
#[derive(Clone, Debug, PartialEq)]
pub enum Condition {
    /// All of them.
    And(Vec<Condition>),
    /// One of them.
    Or(Vec<Condition>),
    /// The contrary.
    Not(Box<Condition>),
    /// There is a value.
    Present(Place),
    /// A value compares so. Never `ne`: that is the contrary of `eq`. Texts that are compared without case are folded
    /// already, moments are in UTC, see [`instant`].
    Compare(Place, Operator, Value),
    /// One element fulfils the condition, whose places are the element's sub-attributes.
    Element(Place, Box<Condition>),
}

fn invalid(detail: impl Into<String>) -> ScimError {
    ScimError::new(ErrorType::InvalidFilter, detail)
}

impl Condition {
    /// Binds a filter to a resource type.
    ///
    /// # Errors
    /// `invalidFilter` for an attribute that isn't there or can't be searched, an operator that doesn't fit it, a literal
    /// of another type.
    pub fn bind(kind: &ResourceType, filter: &Filter, profile: Profile) -> Result<Self, ScimError> {
        Binder { names: &|path| place(kind, path), profile }.bind(filter)
    }

    /// Binds the filter of a value path to the elements of `attribute`.
    ///
    /// # Errors
    /// `invalidFilter`.
    pub fn bind_element(attribute: &Attribute, filter: &Filter, profile: Profile) -> Result<Self, ScimError> {
        Binder { names: &|path| element_place(attribute, path), profile }.bind(filter)
    }

    /// How many values it looks at in each resource.
    pub fn comparisons(&self) -> usize {
        match self {
            Condition::And(all) | Condition::Or(all) => all.iter().map(Condition::comparisons).sum(),
            Condition::Not(inner) | Condition::Element(_, inner) => inner.comparisons(),
            Condition::Present(_) | Condition::Compare(..) => 1,
        }
    }

    /// The conditions of a conjunction; the condition itself if it isn't one.
    pub fn terms(&self) -> &[Condition] {
        match self {
            Condition::And(all) => all,
            other => std::slice::from_ref(other),
        }
    }
}

type Names<'a> = dyn Fn(&AttributePath) -> Result<(Place, Option<Attribute>), ScimError> + 'a;

struct Binder<'a> {
    /// Finds a place, and the attribute if elements of it can be asked for.
    names: &'a Names<'a>,
    profile: Profile,
}

impl Binder<'_> {
    fn bind(&self, filter: &Filter) -> Result<Condition, ScimError> {
        Ok(match filter {
            Filter::And(left, right) => {
                Condition::And(flat(self.bind(left)?, self.bind(right)?, |one| match one {
                    Condition::And(all) => Ok(all),
                    other => Err(other),
                }))
            }
            Filter::Or(left, right) => {
                Condition::Or(flat(self.bind(left)?, self.bind(right)?, |one| match one {
                    Condition::Or(all) => Ok(all),
                    other => Err(other),
                }))
            }
            Filter::Not(inner) => Condition::Not(Box::new(self.bind(inner)?)),
            Filter::Present(path) => Condition::Present((self.names)(path)?.0),
            Filter::Compare(path, operator, value) => self.compare(path, *operator, value)?,
            Filter::Element(path, inner) => {
                let (place, attribute) = (self.names)(path)?;
                let attribute = attribute
                    .filter(|one| one.multi && one.kind == Kind::Complex)
                    .ok_or_else(|| invalid(format!("`{path}` has no elements to choose from.")))?;
                let inner = Condition::bind_element(&attribute, inner, self.profile)?;
                Condition::Element(Place { sub: None, ..place }, Box::new(inner))
            }
        })
    }

    fn compare(
        &self,
        path: &AttributePath,
        operator: Operator,
        value: &Value,
    ) -> Result<Condition, ScimError> {
        let (mut place, attribute) = (self.names)(path)?;
        if place.kind == Kind::Complex && place.sub.is_none() {
            // `emails eq "x"` and `members eq "id"` mean the value.
            let value = attribute.as_ref().and_then(|one| one.find_sub("value"));
            let value =
                value.ok_or_else(|| invalid(format!("`{path}` is complex: name a sub-attribute.")))?;
            place = Place {
                sub: Some(value.name.clone()),
                kind: value.kind,
                case_exact: value.case_exact,
                ..place
            };
        }
        let equal = matches!(operator, Operator::Eq | Operator::Ne);
        let negate = |condition: Condition| match operator {
            Operator::Ne => Condition::Not(Box::new(condition)),
            _ => condition,
        };
        if value.is_null() {
            let present = Condition::Present(place);
            return match operator {
                Operator::Eq => Ok(Condition::Not(Box::new(present))),
                Operator::Ne => Ok(present),
                _ => Err(invalid("null has no order.")),
            };
        }
        let fits = match place.kind {
            Kind::Boolean | Kind::Binary | Kind::Complex => equal,
            Kind::Integer | Kind::Decimal | Kind::DateTime => {
                !matches!(operator, Operator::Co | Operator::Sw | Operator::Ew)
            }
            Kind::Text | Kind::Reference => true,
        };
        if !fits {
            return Err(invalid(format!("`{path}` can't be compared so.")));
        }
        let value = self
            .literal(&place, operator, value)
            .ok_or_else(|| invalid(format!("`{path}` is compared with a value of another type.")))?;
        let operator = if equal { Operator::Eq } else { operator };
        Ok(negate(Condition::Compare(place, operator, value)))
    }

    fn literal(&self, place: &Place, operator: Operator, value: &Value) -> Option<Value> {
        match (place.kind, value) {
            (Kind::Boolean, Value::Bool(_)) => Some(value.clone()),
            // Entra compares `primary` with "True".
            (Kind::Boolean, Value::String(text)) if self.profile.is_compat() => {
                match text.to_ascii_lowercase().as_str() {
                    "true" => Some(Value::Bool(true)),
                    "false" => Some(Value::Bool(false)),
                    _ => None,
                }
            }
            (Kind::Integer | Kind::Decimal, Value::Number(_)) => Some(value.clone()),
            (Kind::DateTime, Value::String(text)) => instant(text).map(Value::String),
            (Kind::Text | Kind::Reference | Kind::Binary, Value::String(text)) => {
                let part = matches!(operator, Operator::Co | Operator::Sw | Operator::Ew);
                Some(Value::String(match place.is_folded() {
                    true if part => fold_within(text),
                    true => fold(text),
                    false => text.clone(),
                }))
            }
            // An unquoted literal that happens to be a number or a boolean.
            (Kind::Text | Kind::Reference, Value::Number(_) | Value::Bool(_)) if self.profile.is_compat() => {
                Some(Value::String(value.to_string()))
            }
            _ => None,
        }
    }
}

fn flat(
    left: Condition,
    right: Condition,
    open: impl Fn(Condition) -> Result<Vec<Condition>, Condition>,
) -> Vec<Condition> {
    let mut all = open(left).unwrap_or_else(|one| vec![one]);
    all.extend(open(right).unwrap_or_else(|one| vec![one]));
    all
}

fn unknown(path: &AttributePath) -> ScimError {
    invalid(format!("There is no attribute `{}`.", crate::resource::shown(&path.to_string())))
}

fn place(kind: &ResourceType, path: &AttributePath) -> Result<(Place, Option<Attribute>), ScimError> {
    let (located, sub) = match kind.named(path) {
        Named::Attribute(located, sub) => (located, sub),
        Named::Extension(schema) => {
            let extension = Some(schema.urn.clone());
            let place = Place {
                extension,
                attribute: String::new(),
                sub: None,
                multi: false,
                kind: Kind::Complex,
                case_exact: true,
            };
            return Ok((place, None));
        }
        Named::Nothing(_) => return Err(unknown(path)),
    };
    let attribute = located.attribute;
    let last = sub.unwrap_or(attribute);
    if attribute.returned == Returned::Never || last.returned == Returned::Never {
        return Err(invalid(format!("`{path}` can't be searched.")));
    }
    let place = Place::of(&located, sub);
    Ok((place, Some(attribute.clone())))
}

fn element_place(
    attribute: &Attribute,
    path: &AttributePath,
) -> Result<(Place, Option<Attribute>), ScimError> {
    if path.urn.is_some() || path.sub.is_some() {
        return Err(unknown(path));
    }
    let sub = attribute.find_sub(&path.name).ok_or_else(|| unknown(path))?;
    let place = Place {
        extension: None,
        attribute: String::new(),
        sub: Some(sub.name.clone()),
        multi: false,
        kind: sub.kind,
        case_exact: sub.case_exact,
    };
    Ok((place, None))
}

#[cfg(test)]
mod tests;
