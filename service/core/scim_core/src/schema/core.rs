//! The schemas of RFC 7643, section 4.

use super::Kind::{Binary, Boolean, Complex, DateTime, Reference, Text};
use super::{Attribute, Kind, Mutability, Returned, Schema, Uniqueness};

/// The URN of core users.
pub const USER_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
/// The URN of the enterprise extension.
pub const ENTERPRISE_URN: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
/// The URN of groups.
pub const GROUP_URN: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

impl Attribute {
    fn new(name: &str, kind: Kind, text: &str) -> Self {
        let reference_types = if kind == Reference { vec!["external".to_owned()] } else { Vec::new() };
        Self { name: name.to_owned(), kind, text: text.to_owned(), reference_types, ..Self::default() }
    }

    fn multi(mut self, sub: Vec<Attribute>) -> Self {
        self.multi = true;
        self.sub = sub;
        self
    }

    fn complex(mut self, sub: Vec<Attribute>) -> Self {
        self.sub = sub;
        self
    }

    fn required(mut self) -> Self {
        self.required = true;
        self
    }

    fn unique(mut self) -> Self {
        self.uniqueness = Uniqueness::Server;
        self
    }

    fn exact(mut self) -> Self {
        self.case_exact = true;
        self
    }

    fn read_only(mut self) -> Self {
        self.mutability = Mutability::ReadOnly;
        self
    }

    fn immutable(mut self) -> Self {
        self.mutability = Mutability::Immutable;
        self
    }

    fn write_only(mut self) -> Self {
        self.mutability = Mutability::WriteOnly;
        self.returned = Returned::Never;
        self
    }

    fn always(mut self) -> Self {
        self.returned = Returned::Always;
        self
    }

    fn canonical(mut self, values: &[&str]) -> Self {
        self.canonical_values = values.iter().map(ToString::to_string).collect();
        self
    }

    fn to(mut self, types: &[&str]) -> Self {
        self.reference_types = types.iter().map(ToString::to_string).collect();
        self
    }
}

/// Attributes of every resource (RFC 7643, section 3.1).
pub(super) fn common() -> Vec<Attribute> {
    vec![
        Attribute::new("id", Text, "The server's identifier.").exact().read_only().always().unique(),
        Attribute::new("externalId", Text, "The client's identifier.").exact(),
        Attribute::new("schemas", Reference, "The URNs of the resource's schemas.")
            .to(&["uri"])
            .multi(vec![])
            .always(),
        Attribute::new("meta", Complex, "Metadata of the resource.").read_only().complex(vec![
            Attribute::new("resourceType", Text, "The resource type.").exact().read_only(),
            Attribute::new("created", DateTime, "When the resource was created.").read_only(),
            Attribute::new("lastModified", DateTime, "When the resource was changed.").read_only(),
            Attribute::new("location", Reference, "The resource's URI.").to(&["uri"]).exact().read_only(),
            Attribute::new("version", Text, "The resource's version.").exact().read_only(),
        ]),
    ]
}

fn primary() -> Attribute {
    Attribute::new("primary", Boolean, "Whether this is the preferred value.")
}

fn display() -> Attribute {
    Attribute::new("display", Text, "A human-readable name of the value.")
}

fn kind() -> Attribute {
    Attribute::new("type", Text, "The function of the value.")
}

/// Sub-attributes of most multi-valued attributes (RFC 7643, section 2.4).
fn plural() -> Vec<Attribute> {
    vec![Attribute::new("value", Text, "The value."), display(), kind(), primary()]
}

fn email() -> Vec<Attribute> {
    vec![
        Attribute::new("value", Text, "The e-mail address."),
        display(),
        kind().canonical(&["work", "home", "other"]),
        primary(),
    ]
}

fn phone() -> Vec<Attribute> {
    vec![
        Attribute::new("value", Text, "The phone number."),
        display(),
        kind().canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
        primary(),
    ]
}

fn photo() -> Vec<Attribute> {
    vec![
        Attribute::new("value", Reference, "The picture's URL.").exact(),
        display(),
        kind().canonical(&["photo", "thumbnail"]),
        primary(),
    ]
}

fn address() -> Vec<Attribute> {
    vec![
        Attribute::new("formatted", Text, "The complete address."),
        Attribute::new("streetAddress", Text, "Street and number."),
        Attribute::new("locality", Text, "City."),
        Attribute::new("region", Text, "State or region."),
        Attribute::new("postalCode", Text, "Postal code."),
        Attribute::new("country", Text, "Country, ISO 3166-1 alpha-2."),
        kind().canonical(&["work", "home", "other"]),
        primary(),
    ]
}

fn certificate() -> Vec<Attribute> {
    vec![
        Attribute::new("value", Binary, "The certificate, DER in base64.").exact(),
        display(),
        kind(),
        primary(),
    ]
}

fn name() -> Vec<Attribute> {
    vec![
        Attribute::new("formatted", Text, "The complete name."),
        Attribute::new("familyName", Text, "Family name."),
        Attribute::new("givenName", Text, "Given name."),
        Attribute::new("middleName", Text, "Middle names."),
        Attribute::new("honorificPrefix", Text, "The honorific prefix, such as `Dr.`."),
        Attribute::new("honorificSuffix", Text, "The honorific suffix, such as `III`."),
    ]
}

fn group_of_user() -> Vec<Attribute> {
    vec![
        Attribute::new("value", Text, "The group's id.").exact().read_only(),
        Attribute::new("$ref", Reference, "The group's URI.").to(&["Group"]).exact().read_only(),
        Attribute::new("display", Text, "The group's name.").read_only(),
        Attribute::new("type", Text, "Whether the membership is direct or indirect.")
            .read_only()
            .canonical(&["direct", "indirect"]),
    ]
}

/// `urn:ietf:params:scim:schemas:core:2.0:User`
pub(super) fn user() -> Schema {
    Schema {
        urn: USER_URN.to_owned(),
        name: "User".to_owned(),
        text: "A user.".to_owned(),
        attributes: vec![
            Attribute::new("userName", Text, "The name by which the person signs in.").required().unique(),
            Attribute::new("name", Complex, "The parts of the person's name.").complex(name()),
            Attribute::new("displayName", Text, "The person's display name."),
            Attribute::new("nickName", Text, "The person's nickname."),
            Attribute::new("profileUrl", Reference, "The URL of the person's profile.").exact(),
            Attribute::new("title", Text, "The person's job title."),
            Attribute::new("userType", Text, "The person's relation to the organization."),
            Attribute::new("preferredLanguage", Text, "The preferred languages (RFC 9110, section 12.5.4)."),
            Attribute::new("locale", Text, "The locale as a language tag (RFC 5646)."),
            Attribute::new("timezone", Text, "The time zone in the IANA database."),
            Attribute::new("active", Boolean, "Whether the person may sign in."),
            Attribute::new("password", Text, "A password; accepted and ignored.").exact().write_only(),
            Attribute::new("emails", Complex, "E-mail addresses.").multi(email()),
            Attribute::new("phoneNumbers", Complex, "Phone numbers.").multi(phone()),
            Attribute::new("ims", Complex, "Messaging addresses.").multi(plural()),
            Attribute::new("photos", Complex, "Pictures.").multi(photo()),
            Attribute::new("addresses", Complex, "Postal addresses.").multi(address()),
            Attribute::new("groups", Complex, "The groups to which the person belongs.")
                .multi(group_of_user())
                .read_only(),
            Attribute::new("entitlements", Complex, "The person's entitlements.").multi(plural()),
            Attribute::new("roles", Complex, "The person's roles.").multi(plural()),
            Attribute::new("x509Certificates", Complex, "X.509 certificates.").multi(certificate()),
        ],
    }
}

/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`
pub(super) fn enterprise_user() -> Schema {
    Schema {
        urn: ENTERPRISE_URN.to_owned(),
        name: "EnterpriseUser".to_owned(),
        text: "The enterprise attributes of a user.".to_owned(),
        attributes: vec![
            Attribute::new("employeeNumber", Text, "The person's employee number."),
            Attribute::new("costCenter", Text, "The person's cost centre."),
            Attribute::new("organization", Text, "The person's organization."),
            Attribute::new("division", Text, "The person's division."),
            Attribute::new("department", Text, "The person's department."),
            Attribute::new("manager", Complex, "The person's manager.").complex(vec![
                Attribute::new("value", Text, "The manager's id.").exact(),
                Attribute::new("$ref", Reference, "The manager's URI.").to(&["User"]).exact(),
                Attribute::new("displayName", Text, "The manager's name.").read_only(),
            ]),
        ],
    }
}

/// `urn:ietf:params:scim:schemas:core:2.0:Group`
pub(super) fn group() -> Schema {
    Schema {
        urn: GROUP_URN.to_owned(),
        name: "Group".to_owned(),
        text: "A group.".to_owned(),
        attributes: vec![
            Attribute::new("displayName", Text, "The group's name.").required().unique(),
            Attribute::new("members", Complex, "The members of the group.").multi(vec![
                Attribute::new("value", Text, "The member's id.").exact().immutable(),
                Attribute::new("$ref", Reference, "The member's URI.")
                    .to(&["User", "Group"])
                    .exact()
                    .immutable(),
                Attribute::new("display", Text, "The member's name.").read_only(),
                Attribute::new("type", Text, "The member's resource type.")
                    .immutable()
                    .canonical(&["User", "Group"]),
            ]),
        ],
    }
}

#[cfg(test)]
mod tests;
