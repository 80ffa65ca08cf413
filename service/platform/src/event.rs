//! Types of events. Each is a struct, declared once by [`events!`](crate::events): its name, when it happens, and its fields, off which the
//! schema is read. Who emits it and who hears of it name the struct, so a name that isn't one doesn't compile.

use std::sync::Arc;

use entity::by_name::ByName;
use entity::platform::outbox_event;
use entity::sessions::states::Ended;
use entity::tenancy::states::{Driver, InstanceHealth, Mode};
use entity::tenancy::status::Status;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::Timestamp;

/// Something that happened, published to whoever subscribed after the commit.
pub trait Event: Serialize + DeserializeOwned {
    /// Its type.
    const TYPE: EventType;
}

/// A struct that is, or is shared by, the `data` of events.
pub trait Facts {
    /// Its fields, in their order.
    const DATA: &'static [Field];
}

/// What a field of an event holds, for its readers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A UUID.
    Id,
    /// Text, or one of a closed set of words.
    Text,
    /// A list of texts.
    Texts,
    /// An integer.
    Number,
    /// True or false.
    Flag,
    /// A moment (RFC 3339).
    Time,
}

/// A type that a field of an event may have.
pub trait FieldType {
    /// What it is in JSON.
    const KIND: Kind;
    /// Whether it may be null or absent.
    const OPTIONAL: bool = false;
}

macro_rules! field_types {
    ($($kind:ident: $($of:ty),*;)*) => {$($(
        impl FieldType for $of {
            const KIND: Kind = Kind::$kind;
        }
    )*)*};
}

field_types! {
    Id: Uuid;
    Text: String, Driver, Ended, InstanceHealth, Mode, Status;
    Texts: Vec<String>;
    Number: i64, u64, usize;
    Flag: bool;
    Time: Timestamp;
}

impl<T> FieldType for ByName<T> {
    const KIND: Kind = Kind::Text;
}

impl<T: FieldType> FieldType for Option<T> {
    const KIND: Kind = T::KIND;
    const OPTIONAL: bool = true;
}

/// A field of an event's `data`.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    name: &'static str,
    kind: Kind,
    optional: bool,
}

impl Field {
    /// The field that is called so in Rust.
    pub const fn new<T: FieldType>(name: &'static str) -> Self {
        Self { name, kind: T::KIND, optional: T::OPTIONAL }
    }

    /// Its name in JSON, as `rename_all = "camelCase"` makes it.
    fn name(&self) -> String {
        camel_case(self.name)
    }

    /// Its kind in a word, with `?` where it may be null or absent.
    fn word(&self) -> String {
        let word = match self.kind {
            Kind::Id => "id",
            Kind::Text => "text",
            Kind::Texts => "texts",
            Kind::Number => "number",
            Kind::Flag => "flag",
            Kind::Time => "time",
        };
        format!("{word}{}", if self.optional { "?" } else { "" })
    }

    fn schema(&self) -> Value {
        let (base, more) = match self.kind {
            Kind::Id => ("string", Some(("format", json!("uuid")))),
            Kind::Time => ("string", Some(("format", json!("date-time")))),
            Kind::Texts => ("array", Some(("items", json!({"type": "string"})))),
            Kind::Number => ("integer", None),
            Kind::Flag => ("boolean", None),
            Kind::Text => ("string", None),
        };
        let mut property = Map::new();
        let types = if self.optional { json!([base, "null"]) } else { json!(base) };
        property.insert("type".to_owned(), types);
        property.extend(more.map(|(key, value)| (key.to_owned(), value)));
        Value::Object(property)
    }
}

/// A type of event.
#[derive(Clone, Copy, Debug)]
pub struct EventType {
    /// `noun.verbed`, e.g. `invitation.accepted`.
    pub name: &'static str,
    means: &'static str,
    data: &'static [Field],
}

impl EventType {
    /// What [`events!`](crate::events) makes of a declaration.
    #[doc(hidden)]
    pub const fn new(name: &'static str, means: &'static str, data: &'static [Field]) -> Self {
        Self { name, means, data }
    }

    /// When it happens, in one sentence.
    pub fn means(&self) -> &'static str {
        self.means.trim()
    }

    /// What it happens to: the word before the dot.
    pub fn noun(&self) -> &'static str {
        noun(self.name)
    }

    /// Whether an event of the type `kind` happens to the same.
    pub fn shares_noun_with(&self, kind: &str) -> bool {
        noun(kind) == self.noun()
    }

    /// The schema of `data` (JSON Schema 2020-12). Receivers ignore what they don't know: fields may be added.
    pub fn schema(&self) -> Value {
        let properties: Map<_, _> = self.data.iter().map(|field| (field.name(), field.schema())).collect();
        let required: Vec<_> = self.data.iter().filter(|field| !field.optional).map(Field::name).collect();
        json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": self.name, "description": self.means(),
            "type": "object", "properties": properties, "required": required,
        })
    }
}

/// `user_id` as `userId`.
pub(crate) fn camel_case(name: &str) -> String {
    let mut words = name.split('_');
    let first = words.next().unwrap_or_default().to_owned();
    words.fold(first, |name, word| {
        let (head, tail) = word.split_at(word.len().min(1));
        name + &head.to_ascii_uppercase() + tail
    })
}

fn noun(name: &str) -> &str {
    name.split_once('.').map_or(name, |(noun, _)| noun)
}

/// All types of events that a service emits, by name.
#[derive(Clone, Debug, Default)]
pub struct Catalogue(Arc<[EventType]>);

impl Catalogue {
    /// The types of this name, or all of `noun.*`.
    pub fn matching(&self, wanted: &str) -> impl Iterator<Item = &EventType> {
        self.iter().filter(move |one| match wanted.strip_suffix(".*") {
            Some(noun) => one.noun() == noun,
            None => one.name == wanted,
        })
    }

    /// All of them.
    pub fn iter(&self) -> impl Iterator<Item = &EventType> {
        self.0.iter()
    }

    /// The catalogue as a page: what `docs/events.md` holds.
    pub fn page(&self) -> String {
        let mut page = String::from("| type | when | data |\n|---|---|---|\n");
        for one in self.iter() {
            let data = one.data.iter().map(|field| format!("`{}` {}", field.name(), field.word()));
            let data = data.collect::<Vec<_>>().join(", ");
            page.push_str(&format!("| `{}` | {} | {data} |\n", one.name, one.means()));
        }
        page
    }
}

impl FromIterator<EventType> for Catalogue {
    fn from_iter<I: IntoIterator<Item = EventType>>(types: I) -> Self {
        let mut types: Vec<_> = types.into_iter().collect();
        types.sort_by_key(|one| one.name);
        Self(types.into())
    }
}

/// An event that this version of the service can't read. A newer one wrote it, with a word that isn't known here yet: it waits for a
/// replica that knows it.
#[derive(Debug, thiserror::Error)]
#[error("this version of the service can't read the event {event}: {reason}")]
pub struct Unreadable {
    event: Uuid,
    reason: serde_json::Error,
}

/// An event out of the outbox, read as what it was.
pub trait Emitted {
    /// The event, if it is of this type.
    ///
    /// # Errors
    /// [`Unreadable`] for one of this type that a newer version wrote.
    fn read<E: Event>(&self) -> Result<Option<E>, Unreadable>;
}

impl Emitted for outbox_event::Model {
    fn read<E: Event>(&self) -> Result<Option<E>, Unreadable> {
        if self.r#type != E::TYPE.name {
            return Ok(None);
        }
        E::deserialize(&self.data).map(Some).map_err(|reason| Unreadable { event: self.id, reason })
    }
}

/// Declares what events hold: a struct whose names are camelCase in JSON. Several types of events may share it.
#[macro_export]
macro_rules! facts {
    ($(#[$about:meta])* $vis:vis struct $name:ident {
        $($(#[$meta:meta])* $field_vis:vis $field:ident: $of:ty),* $(,)?
    }) => {
        $(#[$about])*
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
        #[serde(rename_all = "camelCase")]
        $vis struct $name {
            $($(#[$meta])* $field_vis $field: $of,)*
        }

        impl $crate::event::Facts for $name {
            const DATA: &'static [$crate::event::Field] =
                &[$($crate::event::Field::new::<$of>(stringify!($field)),)*];
        }
    };
}

/// Declares the events of a module: `events! { /// A user was deleted. pub struct UserDeleted = "user.deleted" { user_id: Uuid } }`, or with
/// facts that others share: `pub struct UserDeleted = "user.deleted" (UserFacts)`. The sentence is what the catalogue says. The list of the
/// types, `EVENTS`, is for the capability's `.emits(…)`; where it is missing there, the compiler says that `EVENTS` is never used.
#[macro_export]
macro_rules! events {
    ($(#[doc = $means:literal] $vis:vis struct $name:ident = $type:literal $data:tt)*) => {
        /// The types of the events that are emitted here.
        pub(crate) const EVENTS: &[$crate::event::EventType] = &[$(<$name as $crate::event::Event>::TYPE),*];
        $($crate::events! { @one $means $vis $name $type $data })*
    };
    (@one $means:literal $vis:vis $name:ident $type:literal ($facts:ty)) => {
        #[doc = $means]
        #[derive(Debug, ::serde::Serialize, ::serde::Deserialize)]
        $vis struct $name($vis $facts);

        impl From<$facts> for $name {
            fn from(facts: $facts) -> Self {
                Self(facts)
            }
        }

        $crate::events! { @type $means $name $type $facts }
    };
    (@one $means:literal $vis:vis $name:ident $type:literal { $($fields:tt)* }) => {
        $crate::facts! {
            #[doc = $means]
            $vis struct $name { $($fields)* }
        }

        $crate::events! { @type $means $name $type $name }
    };
    (@type $means:literal $name:ident $type:literal $facts:ty) => {
        impl $crate::event::Event for $name {
            const TYPE: $crate::event::EventType =
                $crate::event::EventType::new($type, $means, <$facts as $crate::event::Facts>::DATA);
        }
    };
}

#[cfg(test)]
mod tests {
    use super::*;

    facts! {
        /// Of a thing.
        struct ThingFacts {
            thing_id: Uuid,
            #[serde(skip_serializing_if = "Option::is_none")]
            last_seen_at: Option<Timestamp>,
            names: Vec<String>,
        }
    }

    events! {
        /// A thing broke.
        struct ThingBroken = "thing.broken" (ThingFacts)
        /// A thing was made.
        struct ThingMade = "thing.made" { count: u64, why: Ended, good: bool, note: Option<String> }
    }

    fn types() -> Catalogue {
        EVENTS.iter().rev().copied().collect()
    }

    #[test]
    fn the_catalogue_is_read_off_the_structs_and_sorted() {
        assert_eq!(
            types().page(),
            "| type | when | data |\n|---|---|---|\n\
             | `thing.broken` | A thing broke. | `thingId` id, `lastSeenAt` time?, `names` texts |\n\
             | `thing.made` | A thing was made. | `count` number, `why` text, `good` flag, `note` text? |\n"
        );
    }

    #[test]
    fn the_schema_has_the_names_that_are_emitted() {
        let facts = ThingFacts {
            thing_id: Uuid::nil(),
            last_seen_at: Some(Timestamp::UNIX_EPOCH),
            names: Vec::new(),
        };
        let data = serde_json::to_value(ThingBroken(facts)).unwrap();
        let schema = ThingBroken::TYPE.schema();
        let names = |value: &Value| value.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
        assert_eq!(names(&data), names(&schema["properties"]));
        assert_eq!(schema["required"], json!(["thingId", "names"]));
        assert_eq!(
            schema["properties"]["lastSeenAt"],
            json!({"type": ["string", "null"], "format": "date-time"})
        );
    }

    #[test]
    fn an_event_is_read_as_what_it_was() {
        let event = |kind: &str, data| outbox_event::Model {
            id: Uuid::nil(),
            tenant_id: None,
            r#type: kind.to_owned(),
            data,
            occurred_at: Timestamp::UNIX_EPOCH,
            request_id: None,
            dispatched_at: None,
            sequence: None,
        };
        let made = event("thing.made", json!({"count": 2, "why": "revoked", "good": true, "later": 1}));
        let read = made.read::<ThingMade>().unwrap().map(|made| (made.count, made.why));
        assert_eq!(read, Some((2, Ended::Revoked)));
        assert!(made.read::<ThingBroken>().unwrap().is_none());
        let newer = event("thing.made", json!({"count": 2, "why": "a_word_of_tomorrow", "good": true}));
        let refused = newer.read::<ThingMade>().unwrap_err().to_string();
        assert!(refused.contains("can't read the event"), "{refused}");
        let empty = outbox_event::Model { data: json!({}), ..made };
        assert!(empty.read::<ThingMade>().is_err(), "it lacks what it needs");
        assert!(newer.read::<ThingBroken>().unwrap().is_none(), "it is of another type");
    }

    #[test]
    fn a_family_is_known_by_its_noun() {
        let count = |wanted| types().matching(wanted).count();
        assert_eq!((count("thing.made"), count("thing.*")), (1, 2));
        for unknown in ["thing", "th.*", "*", ".*", "thing.exploded", "thing.ma*"] {
            assert_eq!(count(unknown), 0, "{unknown}");
        }
        assert!(
            ThingMade::TYPE.shares_noun_with("thing.exploded")
                && !ThingMade::TYPE.shares_noun_with("things.made")
        );
    }
}
