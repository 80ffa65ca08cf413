//! What the pure rules know by a name, in a column: a role, the type of a flag's values. The rules know no store.

use flags_core::Kind;
use policy_core::{Role, TenantRole};
use sea_orm::sea_query::{ArrayType, ColumnType, Nullable, ValueType, ValueTypeErr};
use sea_orm::{ColIdx, DbErr, QueryResult, TryGetError, TryGetable, Value};

use crate::closed::must_be;

/// What has a name by which it is found again.
pub trait HasName: Copy + 'static {
    /// What one of them is called.
    const WHAT: &'static str;
    /// All of them.
    const ALL: &[Self];
    /// The name.
    fn name(self) -> &'static str;

    /// The one of this name.
    fn parse(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|one| one.name() == name)
    }
}

impl HasName for Role {
    const WHAT: &'static str = "a role";
    const ALL: &[Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl HasName for TenantRole {
    const WHAT: &'static str = "a role of a tenant";
    const ALL: &[Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

impl HasName for Kind {
    const WHAT: &'static str = "a type of values";
    const ALL: &[Self] = &Self::ALL;

    fn name(self) -> &'static str {
        self.name()
    }
}

/// Stored, and shown in JSON, by its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ByName<T>(pub T);

impl<T: HasName> From<ByName<T>> for Value {
    fn from(of: ByName<T>) -> Self {
        of.0.name().into()
    }
}

impl<T: HasName> TryGetable for ByName<T> {
    fn try_get_by<I: ColIdx>(row: &QueryResult, index: I) -> Result<Self, TryGetError> {
        let name = String::try_get_by(row, index)?;
        T::parse(&name).map(Self).ok_or_else(|| DbErr::Type(format!("`{name}` is not {}", T::WHAT)).into())
    }
}

impl<T: HasName> ValueType for ByName<T> {
    fn try_from(value: Value) -> Result<Self, ValueTypeErr> {
        let name = <String as ValueType>::try_from(value)?;
        T::parse(&name).map(Self).ok_or(ValueTypeErr)
    }

    fn type_name() -> String {
        T::WHAT.to_owned()
    }

    fn array_type() -> ArrayType {
        ArrayType::String
    }

    fn column_type() -> ColumnType {
        ColumnType::Text
    }
}

impl<T: HasName> Nullable for ByName<T> {
    fn null() -> Value {
        String::null()
    }
}

impl<T: HasName> serde::Serialize for ByName<T> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.0.name())
    }
}

impl<'de, T: HasName> serde::Deserialize<'de> for ByName<T> {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str> as serde::Deserialize>::deserialize(deserializer)?;
        let names: Vec<_> = T::ALL.iter().map(|one| one.name()).collect();
        T::parse(&name).map(Self).ok_or_else(|| serde::de::Error::custom(must_be(&names)))
    }
}

impl<T: HasName> std::fmt::Display for ByName<T> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.pad(self.0.name())
    }
}
