//! Attributes with their characteristics (RFC 7643, section 2.2) and the resource types made of them.

mod core;

use Kind::{Boolean, Complex, Reference, Text};

pub use self::core::{ENTERPRISE_USER, GROUP, USER};

/// Data type of an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// A string.
    Text,
    /// A boolean.
    Boolean,
    /// A moment (RFC 3339).
    DateTime,
    /// Base64.
    Binary,
    /// A URI.
    Reference,
    /// Sub-attributes.
    Complex,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Text => "string",
            Boolean => "boolean",
            Kind::DateTime => "dateTime",
            Kind::Binary => "binary",
            Reference => "reference",
            Complex => "complex",
        }
    }
}

/// Who may change an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mutability {
    /// The server.
    ReadOnly,
    /// The client.
    ReadWrite,
    /// The client, once.
    Immutable,
    /// The client, who never sees it again.
    WriteOnly,
}

/// When an attribute is returned.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Returned {
    /// Whatever was asked.
    Always,
    /// Never.
    Never,
    /// Unless something else was asked.
    Default,
}

/// One attribute.
#[derive(Clone, Copy, Debug)]
pub struct Attribute {
    /// Its name, in canonical case.
    pub name: &'static str,
    /// Its data type.
    pub kind: Kind,
    /// Whether it has several values.
    pub multi: bool,
    /// Whether it must be there.
    pub required: bool,
    /// Whether its value is compared with case.
    pub case_exact: bool,
    /// Who may change it.
    pub mutability: Mutability,
    /// When it is returned.
    pub returned: Returned,
    /// Whether the server keeps it unique in the organization.
    pub unique: bool,
    /// Suggested values.
    pub canonical: &'static [&'static str],
    /// Sub-attributes.
    pub sub: &'static [Attribute],
    /// What it means.
    pub text: &'static str,
}

impl Attribute {
    const fn new(name: &'static str, kind: Kind, text: &'static str) -> Self {
        Self {
            name,
            kind,
            multi: false,
            required: false,
            case_exact: false,
            mutability: Mutability::ReadWrite,
            returned: Returned::Default,
            unique: false,
            canonical: &[],
            sub: &[],
            text,
        }
    }

    const fn multi(mut self, sub: &'static [Attribute]) -> Self {
        self.multi = true;
        self.sub = sub;
        self
    }

    const fn complex(mut self, sub: &'static [Attribute]) -> Self {
        self.sub = sub;
        self
    }

    const fn required(mut self) -> Self {
        self.required = true;
        self
    }

    const fn unique(mut self) -> Self {
        self.unique = true;
        self
    }

    const fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    const fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    const fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    const fn write_only(mut self) -> Self {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self
    }

    const fn always(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    const fn canonical(mut self, values: &'static [&'static str]) -> Self {
        self.canonical = values;
        self
    }

    /// The sub-attribute of this name, whatever its case.
    pub fn find_sub(&self, name: &str) -> Option<&'static Attribute> {
        self.sub.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// One schema.
#[derive(Clone, Copy, Debug)]
pub struct Schema {
    /// Its URN.
    pub urn: &'static str,
    /// Its name.
    pub name: &'static str,
    /// What it is for.
    pub text: &'static str,
    /// Its attributes.
    pub attributes: &'static [Attribute],
}

impl Schema {
    /// The attribute of this name, whatever its case.
    pub fn find(&self, name: &str) -> Option<&'static Attribute> {
        self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))
    }
}

/// Attributes of every resource (RFC 7643, section 3.1).
pub const COMMON: &[Attribute] = &[
    Attribute::new("id", Text, "The server's identifier.").exact().read_only().always(),
    Attribute::new("externalId", Text, "The client's identifier.").exact(),
    Attribute::new("schemas", Reference, "The schemas that are used.").multi(&[]).always(),
    Attribute::new("meta", Complex, "Metadata.").read_only().complex(&[
        Attribute::new("resourceType", Text, "The resource type.").exact().read_only(),
        Attribute::new("created", Kind::DateTime, "When the resource was created.").read_only(),
        Attribute::new("lastModified", Kind::DateTime, "When the resource was changed.").read_only(),
        Attribute::new("location", Reference, "Where the resource is.").exact().read_only(),
        Attribute::new("version", Text, "The resource's version.").exact().read_only(),
    ]),
];

/// A resource type (RFC 7643, section 6).
#[derive(Clone, Copy, Debug)]
pub struct ResourceType {
    /// Its name.
    pub name: &'static str,
    /// Its endpoint, relative to the base URL.
    pub endpoint: &'static str,
    /// What it is.
    pub text: &'static str,
    /// Its core schema.
    pub schema: &'static Schema,
    /// Its extensions.
    pub extensions: &'static [&'static Schema],
}

/// People.
pub const USERS: ResourceType = ResourceType {
    name: "User",
    endpoint: "/Users",
    text: "A person of the organization.",
    schema: &USER,
    extensions: &[&ENTERPRISE_USER],
};

/// Groups.
pub const GROUPS: ResourceType = ResourceType {
    name: "Group",
    endpoint: "/Groups",
    text: "A group of the organization.",
    schema: &GROUP,
    extensions: &[],
};

/// All resource types.
pub const RESOURCE_TYPES: [&ResourceType; 2] = [&USERS, &GROUPS];

/// All schemas.
pub const SCHEMAS: [&Schema; 3] = [&USER, &ENTERPRISE_USER, &GROUP];

/// Where an attribute stands in a resource.
#[derive(Clone, Copy, Debug)]
pub struct Located {
    /// The attribute.
    pub attribute: &'static Attribute,
    /// The extension under whose URN it stands; `None`: at the top.
    pub extension: Option<&'static Schema>,
}

impl ResourceType {
    /// The extension of this URN, whatever its case.
    pub fn extension(&self, urn: &str) -> Option<&'static Schema> {
        self.extensions.iter().copied().find(|schema| schema.urn.eq_ignore_ascii_case(urn))
    }

    /// The attribute of this name: at the top, or under `urn`.
    pub fn locate(&self, urn: Option<&str>, name: &str) -> Option<Located> {
        let top = || {
            let common = COMMON.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name));
            common.or_else(|| self.schema.find(name)).map(|attribute| Located { attribute, extension: None })
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
}
