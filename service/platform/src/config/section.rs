//! Settings that a capability reads: a struct in its crate, declared in its value, read by its type.
//!
//! A struct takes those keys of its section for which it has fields; several capabilities may share a section, but each key has one
//! owner. A key that nobody takes is left to [`Config`], which doesn't know it, and a key that two take is missing for the second: both
//! are errors at the start, whatever is set.

use std::any::{Any, TypeId};
use std::fmt::Debug;

use serde::Deserializer;
use serde::de::{DeserializeOwned, Error as _, Visitor};
use toml::{Table, Value};

use super::{Config, ConfigError};

/// A capability's settings.
pub trait Section: DeserializeOwned + Clone + Debug + Send + Sync + 'static {
    /// Its section in `service/config.default.toml`.
    const NAME: &'static str;

    /// Environment variables with a short name, each with the key that it sets.
    const SHORT_NAMES: &'static [(&'static str, &'static str)] = &[];

    /// Refuses values that don't fit, by themselves or with what capabilities below have.
    ///
    /// # Errors
    /// [`ConfigError::Invalid`]
    fn check(&self, _config: &Config) -> Result<(), ConfigError> {
        Ok(())
    }
}

/// Says that there is such a section.
#[derive(Clone, Copy, Debug)]
pub struct Declaration {
    pub(super) short_names: &'static [(&'static str, &'static str)],
    take: fn(&mut Table) -> Result<Box<dyn Stored>, ConfigError>,
}

impl Declaration {
    /// Of this section.
    pub fn of<S: Section>() -> Self {
        Self { short_names: S::SHORT_NAMES, take: take::<S> }
    }
}

fn take<S: Section>(settings: &mut Table) -> Result<Box<dyn Stored>, ConfigError> {
    let mut own = Table::new();
    if let Some(Value::Table(section)) = settings.get_mut(S::NAME) {
        own.extend(keys::<S>().iter().filter_map(|key| section.remove_entry(*key)));
        if section.is_empty() {
            settings.remove(S::NAME);
        }
    }
    let section: S = super::error::deserialize(S::NAME, own)?;
    Ok(Box::new(section))
}

/// The values of all sections, by their types. A few dozen: walking through them is as fast as looking one up.
#[derive(Debug, Default)]
pub(super) struct Sections(Vec<(TypeId, Box<dyn Stored>)>);

impl Sections {
    /// Takes what is declared out of `settings`; the rest is nobody's, or platform's.
    pub(super) fn take(settings: &mut Table, declared: &[Declaration]) -> Result<Self, ConfigError> {
        let sections = declared.iter().map(|one| {
            let section = (one.take)(settings)?;
            Ok(((*section).as_any().type_id(), section))
        });
        sections.collect::<Result<_, _>>().map(Self)
    }

    pub(super) fn check(&self, config: &Config) -> Result<(), ConfigError> {
        self.0.iter().try_for_each(|(_, section)| section.check(config))
    }

    pub(super) fn get<S: Section>(&self) -> Option<&S> {
        let (_, section) = self.0.iter().find(|(id, _)| *id == TypeId::of::<S>())?;
        section.as_any().downcast_ref()
    }

    pub(super) fn get_mut<S: Section>(&mut self) -> Option<&mut S> {
        let (_, section) = self.0.iter_mut().find(|(id, _)| *id == TypeId::of::<S>())?;
        section.as_any_mut().downcast_mut()
    }
}

impl Clone for Sections {
    fn clone(&self) -> Self {
        Self(self.0.iter().map(|(id, section)| (*id, section.boxed())).collect())
    }
}

/// A section whose type is forgotten.
trait Stored: Debug + Send + Sync {
    fn as_any(&self) -> &dyn Any;
    fn as_any_mut(&mut self) -> &mut dyn Any;
    fn boxed(&self) -> Box<dyn Stored>;
    fn check(&self, config: &Config) -> Result<(), ConfigError>;
}

impl<S: Section> Stored for S {
    fn as_any(&self) -> &dyn Any {
        self
    }

    fn as_any_mut(&mut self) -> &mut dyn Any {
        self
    }

    fn boxed(&self) -> Box<dyn Stored> {
        Box::new(self.clone())
    }

    fn check(&self, config: &Config) -> Result<(), ConfigError> {
        Section::check(self, config)
    }
}

/// For which keys a section has fields.
fn keys<S: Section>() -> &'static [&'static str] {
    let mut keys: &'static [&'static str] = &[];
    // It gets no values: for which it asks is all that is wanted.
    let _ = S::deserialize(Keys(&mut keys));
    keys
}

struct Keys<'a>(&'a mut &'static [&'static str]);

impl<'de> Deserializer<'de> for Keys<'_> {
    type Error = serde::de::value::Error;

    fn deserialize_struct<V: Visitor<'de>>(
        self,
        _name: &'static str,
        fields: &'static [&'static str],
        _visitor: V,
    ) -> Result<V::Value, Self::Error> {
        *self.0 = fields;
        Err(Self::Error::custom("it only listens"))
    }

    fn deserialize_any<V: Visitor<'de>>(self, _visitor: V) -> Result<V::Value, Self::Error> {
        Err(Self::Error::custom("a section is a struct"))
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit unit_struct newtype_struct seq
        tuple tuple_struct map enum identifier ignored_any
    }
}
