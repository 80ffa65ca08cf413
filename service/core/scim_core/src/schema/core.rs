//! The schemas of RFC 7643, section 4.

use super::Kind::{Binary, Boolean, Complex, Reference, Text};
use super::{Attribute, Schema};

const PRIMARY: Attribute = Attribute::new("primary", Boolean, "Whether it is the preferred one.");
const DISPLAY: Attribute = Attribute::new("display", Text, "A name for people.");
const TYPE: Attribute = Attribute::new("type", Text, "What it is for.");

/// Sub-attributes of most multi-valued attributes (RFC 7643, section 2.4).
const PLURAL: &[Attribute] = &[Attribute::new("value", Text, "The value."), DISPLAY, TYPE, PRIMARY];

const EMAIL: &[Attribute] = &[
    Attribute::new("value", Text, "The address."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "other"]),
    PRIMARY,
];

const PHONE: &[Attribute] = &[
    Attribute::new("value", Text, "The number."),
    DISPLAY,
    TYPE.canonical(&["work", "home", "mobile", "fax", "pager", "other"]),
    PRIMARY,
];

const PHOTO: &[Attribute] = &[
    Attribute::new("value", Reference, "The picture's URL.").exact(),
    DISPLAY,
    TYPE.canonical(&["photo", "thumbnail"]),
    PRIMARY,
];

const ADDRESS: &[Attribute] = &[
    Attribute::new("formatted", Text, "The whole address."),
    Attribute::new("streetAddress", Text, "Street and number."),
    Attribute::new("locality", Text, "City."),
    Attribute::new("region", Text, "State or region."),
    Attribute::new("postalCode", Text, "Postal code."),
    Attribute::new("country", Text, "Country, ISO 3166-1 alpha-2."),
    TYPE.canonical(&["work", "home", "other"]),
    PRIMARY,
];

const CERTIFICATE: &[Attribute] =
    &[Attribute::new("value", Binary, "The certificate, DER in base64.").exact(), DISPLAY, TYPE, PRIMARY];

const NAME: &[Attribute] = &[
    Attribute::new("formatted", Text, "The whole name."),
    Attribute::new("familyName", Text, "Family name."),
    Attribute::new("givenName", Text, "Given name."),
    Attribute::new("middleName", Text, "Middle names."),
    Attribute::new("honorificPrefix", Text, "Title."),
    Attribute::new("honorificSuffix", Text, "Suffix."),
];

const GROUP_OF_USER: &[Attribute] = &[
    Attribute::new("value", Text, "The group's id.").exact().read_only(),
    Attribute::new("$ref", Reference, "Where the group is.").exact().read_only(),
    Attribute::new("display", Text, "The group's name.").read_only(),
    Attribute::new("type", Text, "Direct or indirect.").read_only().canonical(&["direct", "indirect"]),
];

/// `urn:ietf:params:scim:schemas:core:2.0:User`
pub const USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:User",
    name: "User",
    text: "A person.",
    attributes: &[
        Attribute::new("userName", Text, "The name by which the person signs in.").required().unique(),
        Attribute::new("name", Complex, "The parts of the person's name.").complex(NAME),
        Attribute::new("displayName", Text, "The person's name, for people."),
        Attribute::new("nickName", Text, "How the person is called."),
        Attribute::new("profileUrl", Reference, "The person's page.").exact(),
        Attribute::new("title", Text, "The person's title."),
        Attribute::new("userType", Text, "The person's relation to the organization."),
        Attribute::new("preferredLanguage", Text, "Languages, RFC 9110."),
        Attribute::new("locale", Text, "Locale, RFC 5646."),
        Attribute::new("timezone", Text, "Time zone, IANA."),
        Attribute::new("active", Boolean, "Whether the person may sign in."),
        Attribute::new("password", Text, "A password; taken and thrown away.").exact().write_only(),
        Attribute::new("emails", Complex, "E-mail addresses.").multi(EMAIL),
        Attribute::new("phoneNumbers", Complex, "Phone numbers.").multi(PHONE),
        Attribute::new("ims", Complex, "Messaging addresses.").multi(PLURAL),
        Attribute::new("photos", Complex, "Pictures.").multi(PHOTO),
        Attribute::new("addresses", Complex, "Postal addresses.").multi(ADDRESS),
        Attribute::new("groups", Complex, "The groups that the person is in.")
            .multi(GROUP_OF_USER)
            .read_only(),
        Attribute::new("entitlements", Complex, "What the person may do.").multi(PLURAL),
        Attribute::new("roles", Complex, "What the person is.").multi(PLURAL),
        Attribute::new("x509Certificates", Complex, "Certificates.").multi(CERTIFICATE),
    ],
};

/// `urn:ietf:params:scim:schemas:extension:enterprise:2.0:User`
pub const ENTERPRISE_USER: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User",
    name: "EnterpriseUser",
    text: "A person in a company.",
    attributes: &[
        Attribute::new("employeeNumber", Text, "The person's number."),
        Attribute::new("costCenter", Text, "The person's cost centre."),
        Attribute::new("organization", Text, "The person's organization."),
        Attribute::new("division", Text, "The person's division."),
        Attribute::new("department", Text, "The person's department."),
        Attribute::new("manager", Complex, "The person's manager.").complex(&[
            Attribute::new("value", Text, "The manager's id.").exact(),
            Attribute::new("$ref", Reference, "Where the manager is.").exact(),
            Attribute::new("displayName", Text, "The manager's name.").read_only(),
        ]),
    ],
};

/// `urn:ietf:params:scim:schemas:core:2.0:Group`
pub const GROUP: Schema = Schema {
    urn: "urn:ietf:params:scim:schemas:core:2.0:Group",
    name: "Group",
    text: "A group.",
    attributes: &[
        Attribute::new("displayName", Text, "The group's name.").required().unique(),
        Attribute::new("members", Complex, "Who is in the group.").multi(&[
            Attribute::new("value", Text, "The member's id.").exact().immutable(),
            Attribute::new("$ref", Reference, "Where the member is.").exact().immutable(),
            Attribute::new("display", Text, "The member's name.").read_only(),
            Attribute::new("type", Text, "What the member is.").immutable().canonical(&["User"]),
        ]),
    ],
};
