//! Attributes with their characteristics (RFC 7643, section 2.2) and the resource types made of them. An [`Attribute`] and
//! a [`Schema`] are read and written in the JSON of RFC 7643, section 7: what `/Schemas` answers is what a tenant declares.

mod core;
mod custom;

use std::sync::{Arc, LazyLock};

use serde::{Deserialize, Serialize};

use crate::path::AttributePath;

pub use self::core::{ENTERPRISE_URN, GROUP_URN, USER_URN};
pub use custom::{ATTRIBUTES_MAX, check_custom};

/// Data type of an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Kind {
    /// A string.
    #[default]
    #[serde(rename = "string")]
    Text,
    /// A boolean.
    Boolean,
    /// A number with a fraction.
    Decimal,
    /// A number without one.
    Integer,
    /// A moment (RFC 3339).
    DateTime,
    /// Base64.
    Binary,
    /// A URI.
    Reference,
    /// Sub-attributes.
    Complex,
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mutability {
    /// The server.
    ReadOnly,
    /// The client.
    #[default]
    ReadWrite,
    /// The client, once.
    Immutable,
    /// The client, who never sees it again.
    WriteOnly,
}

/// When an attribute is returned.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Returned {
    /// Whatever was asked.
    Always,
    /// Never.
    Never,
    /// Unless something else was asked.
    #[default]
    Default,
    /// Only if asked for by name.
    Request,
}

/// Whether the server keeps values apart.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Uniqueness {
    /// No.
    #[default]
    None,
    /// Within the organization.
    Server,
}

/// One attribute.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Attribute {
    /// Its name, in canonical case.
    pub name: String,
    /// Its data type.
    #[serde(rename = "type", default)]
    pub kind: Kind,
    /// Whether it has several values.
    #[serde(rename = "multiValued", default)]
    pub multi: bool,
    /// What it means.
    #[serde(rename = "description", default)]
    pub text: String,
    /// Whether it must be there.
    #[serde(default)]
    pub required: bool,
    /// Whether its value is compared with case.
    #[serde(default)]
    pub case_exact: bool,
    /// Who may change it.
    #[serde(default)]
    pub mutability: Mutability,
    /// When it is returned.
    #[serde(default)]
    pub returned: Returned,
    /// Whether the server keeps it unique.
    #[serde(default)]
    pub uniqueness: Uniqueness,
    /// Suggested values; others are taken too.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub canonical_values: Vec<String>,
    /// What a reference points to.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub reference_types: Vec<String>,
    /// Sub-attributes.
    #[serde(rename = "subAttributes", default, skip_serializing_if = "Vec::is_empty")]
    pub sub: Vec<Attribute>,
}

impl Attribute {
    /// The sub-attribute of this name, whatever its case.
    pub fn find_sub(&self, name: &str) -> Option<&Attribute> {
        find(&self.sub, name)
    }
}

fn find<'a>(attributes: &'a [Attribute], name: &str) -> Option<&'a Attribute> {
    attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
}

/// One schema.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Schema {
    /// Its URN.
    #[serde(rename = "id")]
    pub urn: String,
    /// Its name.
    pub name: String,
    /// What it is for.
    #[serde(rename = "description", default)]
    pub text: String,
    /// Its attributes.
    pub attributes: Vec<Attribute>,
}

impl Schema {
    /// The attribute of this name, whatever its case.
    pub fn find(&self, name: &str) -> Option<&Attribute> {
        find(&self.attributes, name)
    }
}

/// A resource type (RFC 7643, section 6).
#[derive(Clone, Debug)]
pub struct ResourceType {
    /// Its name.
    pub name: &'static str,
    /// Its endpoint, relative to the base URL.
    pub endpoint: &'static str,
    /// What it is.
    pub text: &'static str,
    /// Its core schema.
    pub schema: Arc<Schema>,
    /// Its extensions.
    pub extensions: Vec<Arc<Schema>>,
}

/// People, without a tenant's own extensions.
pub static USERS: LazyLock<ResourceType> = LazyLock::new(|| ResourceType {
    name: "User",
    endpoint: "/Users",
    text: "A person of the organization.",
    schema: Arc::new(core::user()),
    extensions: vec![Arc::new(core::enterprise_user())],
});

/// Groups, without a tenant's own extensions.
pub static GROUPS: LazyLock<ResourceType> = LazyLock::new(|| ResourceType {
    name: "Group",
    endpoint: "/Groups",
    text: "A group of the organization.",
    schema: Arc::new(core::group()),
    extensions: Vec::new(),
});

/// Attributes of every resource (RFC 7643, section 3.1).
pub static COMMON: LazyLock<Vec<Attribute>> = LazyLock::new(core::common);

/// All resource types of one tenant.
#[derive(Clone, Debug)]
pub struct Registry {
    /// People.
    pub users: ResourceType,
    /// Groups.
    pub groups: ResourceType,
}

impl Registry {
    /// The standard resource types, extended by what a tenant declared: the resource type's name, and the schema.
    pub fn with(custom: impl IntoIterator<Item = (String, Schema)>) -> Self {
        let mut all = Self { users: USERS.clone(), groups: GROUPS.clone() };
        for (kind, schema) in custom {
            let kind = if kind == "Group" { &mut all.groups } else { &mut all.users };
            kind.extensions.push(Arc::new(schema));
        }
        all
    }

    /// The resource types.
    pub fn types(&self) -> [&ResourceType; 2] {
        [&self.users, &self.groups]
    }

    /// All schemas, each once.
    pub fn schemas(&self) -> Vec<&Schema> {
        let mut all: Vec<&Schema> = Vec::new();
        for kind in self.types() {
            for schema in std::iter::once(&kind.schema).chain(&kind.extensions) {
                if !all.iter().any(|one| one.urn.eq_ignore_ascii_case(&schema.urn)) {
                    all.push(schema);
                }
            }
        }
        all
    }
}

/// Where an attribute stands in a resource.
#[derive(Clone, Copy, Debug)]
pub struct Located<'a> {
    /// The attribute.
    pub attribute: &'a Attribute,
    /// The extension under whose URN it stands; `None`: at the top.
    pub extension: Option<&'a Schema>,
}

impl ResourceType {
    /// The extension of this URN, whatever its case.
    pub fn extension(&self, urn: &str) -> Option<&Schema> {
        self.extensions.iter().find(|schema| schema.urn.eq_ignore_ascii_case(urn)).map(AsRef::as_ref)
    }

    /// The attribute of this name: at the top, or under `urn`.
    pub fn locate(&self, urn: Option<&str>, name: &str) -> Option<Located<'_>> {
        let top = || {
            let attribute = find(&COMMON, name).or_else(|| self.schema.find(name))?;
            Some(Located { attribute, extension: None })
        };
        match urn {
            None => top(),
            Some(urn) if self.schema.urn.eq_ignore_ascii_case(urn) => top(),
            Some(urn) => {
                let extension = self.extension(urn)?;
                Some(Located { attribute: extension.find(name)?, extension: Some(extension) })
            }
        }
    }

    /// Whether resources of this type have members, which are kept apart from their attributes.
    pub fn has_members(&self) -> bool {
        self.name == "Group"
    }
}

/// What a path names in a resource type.
#[derive(Clone, Copy, Debug)]
pub enum Named<'a> {
    /// A whole extension.
    Extension(&'a Schema),
    /// An attribute, or one of its sub-attributes.
    Attribute(Located<'a>, Option<&'a Attribute>),
    /// Nothing; the attribute if at least that is there.
    Nothing(Option<&'a Attribute>),
}

impl ResourceType {
    /// What `path` names. A URN is looked up among the schemas that there are, so it may have any form.
    pub fn named(&self, path: &AttributePath) -> Named<'_> {
        let (located, sub) = match &path.urn {
            None => (self.locate(None, &path.name), path.sub.clone()),
            Some(_) => {
                let text = path.to_string();
                if let Some(extension) = self.extension(&text) {
                    return Named::Extension(extension);
                }
                let schemas = std::iter::once(&self.schema).chain(&self.extensions);
                let rest = |urn: &str| {
                    let start = text.get(..urn.len())?.eq_ignore_ascii_case(urn);
                    start.then(|| text.get(urn.len()..)?.strip_prefix(':')).flatten()
                };
                let Some((urn, rest)) = schemas.filter_map(|one| Some((&one.urn, rest(&one.urn)?))).next()
                else {
                    return Named::Nothing(None);
                };
                let (name, sub) = match rest.split_once('.') {
                    Some((name, sub)) => (name, Some(sub.to_owned())),
                    None => (rest, None),
                };
                (self.locate(Some(urn), name), sub)
            }
        };
        let Some(located) = located else { return Named::Nothing(None) };
        match sub {
            None => Named::Attribute(located, None),
            Some(name) => match located.attribute.find_sub(&name) {
                Some(sub) => Named::Attribute(located, Some(sub)),
                None => Named::Nothing(Some(located.attribute)),
            },
        }
    }
}

#[cfg(test)]
mod tests;
