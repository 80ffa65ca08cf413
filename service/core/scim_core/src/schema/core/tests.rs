//! The core schemas beside RFC 7643, section 8.7.

use super::*;
use crate::schema::Mutability::{Immutable, ReadOnly, ReadWrite, WriteOnly};

fn names(attributes: &[Attribute]) -> String {
    attributes.iter().map(|one| one.name.as_str()).collect::<Vec<_>>().join(" ")
}

/// `attr` or `attr.sub`.
fn at<'a>(attributes: &'a [Attribute], path: &str) -> &'a Attribute {
    let (name, sub) = path.split_once('.').map_or((path, None), |(name, sub)| (name, Some(sub)));
    let top = attributes.iter().find(|one| one.name == name);
    let found = match sub {
        None => top,
        Some(sub) => top.and_then(|top| top.find_sub(sub)),
    };
    found.unwrap_or_else(|| panic!("there is no {path}"))
}

/// RFC 7643, sections 3.1, 4.1, 4.2 and 4.3.
#[test]
fn the_schemas_have_the_attributes_of_the_norm() {
    for (attributes, expected) in [
        (common(), "id externalId schemas meta"),
        (
            user().attributes,
            "userName name displayName nickName profileUrl title userType preferredLanguage locale timezone active \
             password emails phoneNumbers ims photos addresses groups entitlements roles x509Certificates",
        ),
        (enterprise_user().attributes, "employeeNumber costCenter organization division department manager"),
        (group().attributes, "displayName members"),
    ] {
        assert_eq!(names(&attributes), expected);
    }
    let plural = "value display type primary";
    let person = user().attributes;
    for (attributes, name, expected) in [
        (&common(), "meta", "resourceType created lastModified location version"),
        (&person, "name", "formatted familyName givenName middleName honorificPrefix honorificSuffix"),
        (&person, "emails", plural),
        (&person, "phoneNumbers", plural),
        (&person, "ims", plural),
        (&person, "photos", plural),
        (&person, "entitlements", plural),
        (&person, "roles", plural),
        (&person, "x509Certificates", plural),
        (&person, "addresses", "formatted streetAddress locality region postalCode country type primary"),
        (&person, "groups", "value $ref display type"),
        (&enterprise_user().attributes, "manager", "value $ref displayName"),
        (&group().attributes, "members", "value $ref display type"),
    ] {
        let attribute = at(attributes, name);
        assert_eq!((attribute.kind, names(&attribute.sub).as_str()), (Complex, expected), "{name}");
        assert_eq!(attribute.multi, !["meta", "name", "manager"].contains(&name), "{name}");
    }
    for (schema, urn, name) in [
        (user(), "urn:ietf:params:scim:schemas:core:2.0:User", "User"),
        (group(), "urn:ietf:params:scim:schemas:core:2.0:Group", "Group"),
        (enterprise_user(), "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User", "EnterpriseUser"),
    ] {
        assert_eq!((schema.urn.as_str(), schema.name.as_str(), schema.text.is_empty()), (urn, name, false));
    }
}

/// RFC 7643, sections 2.3, 3.1, 4 and 8.7.1. Binaries and references are case exact (sections 2.3.6 and 2.3.7), and so are ids.
#[test]
fn attributes_have_the_characteristics_of_the_norm() {
    let (common, user, enterprise, group) =
        (common(), user().attributes, enterprise_user().attributes, group().attributes);
    // Schema, path, type, whether case counts, who may change it.
    for (attributes, path, kind, exact, mutability) in [
        (&common, "id", Text, true, ReadOnly),
        (&common, "externalId", Text, true, ReadWrite),
        (&common, "schemas", Reference, false, ReadWrite),
        (&common, "meta", Complex, false, ReadOnly),
        (&common, "meta.resourceType", Text, true, ReadOnly),
        (&common, "meta.created", DateTime, false, ReadOnly),
        (&common, "meta.lastModified", DateTime, false, ReadOnly),
        (&common, "meta.location", Reference, true, ReadOnly),
        (&common, "meta.version", Text, true, ReadOnly),
        (&user, "userName", Text, false, ReadWrite),
        (&user, "name.familyName", Text, false, ReadWrite),
        (&user, "profileUrl", Reference, true, ReadWrite),
        (&user, "active", Boolean, false, ReadWrite),
        (&user, "emails.value", Text, false, ReadWrite),
        (&user, "emails.display", Text, false, ReadWrite),
        (&user, "emails.primary", Boolean, false, ReadWrite),
        (&user, "photos.value", Reference, true, ReadWrite),
        (&user, "x509Certificates.value", Binary, true, ReadWrite),
        (&user, "groups", Complex, false, ReadOnly),
        (&user, "groups.value", Text, true, ReadOnly),
        (&user, "groups.$ref", Reference, true, ReadOnly),
        (&user, "groups.display", Text, false, ReadOnly),
        (&user, "groups.type", Text, false, ReadOnly),
        (&enterprise, "department", Text, false, ReadWrite),
        (&enterprise, "manager.value", Text, true, ReadWrite),
        (&enterprise, "manager.$ref", Reference, true, ReadWrite),
        (&enterprise, "manager.displayName", Text, false, ReadOnly),
        (&group, "displayName", Text, false, ReadWrite),
        (&group, "members", Complex, false, ReadWrite),
        (&group, "members.value", Text, true, Immutable),
        (&group, "members.$ref", Reference, true, Immutable),
        (&group, "members.type", Text, false, Immutable),
    ] {
        let one = at(attributes, path);
        assert_eq!((one.kind, one.case_exact, one.mutability), (kind, exact, mutability), "{path}");
    }
    let password = at(&user, "password");
    assert_eq!((password.mutability, password.returned), (WriteOnly, Returned::Never));
}

/// Which attributes are required (RFC 7643, sections 4.1.1 and 4.2), unique (sections 3.1 and 4.1.1; a group's name by our own
/// choice), and always returned; what values are suggested, and what is referred to.
#[test]
fn exceptions_from_the_default_are_those_of_the_norm() {
    let all = [common(), user().attributes, enterprise_user().attributes, group().attributes].concat();
    let those = |is: fn(&Attribute) -> bool| {
        let mut found: Vec<&str> = Vec::new();
        for one in all.iter().flat_map(|one| std::iter::once(one).chain(&one.sub)) {
            assert!(!one.text.is_empty(), "{}", one.name);
            if is(one) {
                found.push(&one.name);
            }
        }
        found.join(" ")
    };
    assert_eq!(those(|one| one.required), "userName displayName");
    assert_eq!(those(|one| one.uniqueness == Uniqueness::Server), "id userName displayName");
    assert_eq!(those(|one| one.returned == Returned::Always), "id schemas");
    assert_eq!(those(|one| one.returned == Returned::Never), "password");
    let (user, group) = (user().attributes, group().attributes);
    for (path, values) in [
        ("emails.type", "work home other"),
        ("phoneNumbers.type", "work home mobile fax pager other"),
        ("photos.type", "photo thumbnail"),
        ("addresses.type", "work home other"),
        ("groups.type", "direct indirect"),
    ] {
        assert_eq!(at(&user, path).canonical_values.join(" "), values, "{path}");
    }
    assert_eq!(at(&group, "members.type").canonical_values.join(" "), "User Group");
    assert_eq!(at(&group, "members.$ref").reference_types.join(" "), "User Group");
    assert_eq!(at(&user, "profileUrl").reference_types.join(" "), "external");
    assert_eq!(at(&enterprise_user().attributes, "manager.$ref").reference_types.join(" "), "User");
    assert!(at(&user, "title").reference_types.is_empty());
}
