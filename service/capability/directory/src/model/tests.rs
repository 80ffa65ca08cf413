//! The rules about people and roles, as tables.

use chrono::DateTime;
use entity::by_name::ByName;
use entity::directory::states::{AddressProof, RoleSource, Source};
use policy_core::TenantRole;
use uuid::Uuid;

use super::*;

fn columns(resource: &Value) -> UserColumns {
    UserColumns::of(resource.as_object().unwrap())
}

#[test]
fn a_user_is_found_by_what_was_sent() {
    let resource = json!({
        "userName": "Ädam@X", "externalId": "7", "name": {"givenName": "Ä", "familyName": "D"},
        "emails": [{"value": "a@X", "type": "Home"}, {"value": "b@X", "type": "work", "primary": true}],
    });
    let columns = UserColumns::of(resource.as_object().unwrap());
    assert_eq!(fold(&columns.user_name), "ädam@x");
    assert_eq!(columns.display_name.as_deref(), Some("Ä D"));
    assert_eq!(columns.email.as_deref(), Some("b@X"));
    assert!(columns.active);
    assert_eq!(
        columns.emails,
        [(Some("home".to_owned()), "a@x".to_owned()), (Some("work".to_owned()), "b@x".to_owned())]
    );
}

/// RFC 7643, section 4.1.2: the primary e-mail, else the first; `active` is the server's to choose (section 4.1.1).
#[test]
fn an_email_a_name_and_whether_somebody_is_active_are_found_in_every_form() {
    let primary = json!([{"value": "a"}, {"value": "b", "primary": true}]);
    for (resource, email, active) in [
        (json!({}), None, true),
        (json!({"active": true, "emails": []}), None, true),
        (json!({"active": false, "emails": [{"type": "work"}]}), None, false),
        (json!({"emails": [{"value": "a"}, {"value": "b"}]}), Some("a"), true),
        (json!({"emails": [{"value": "a", "primary": false}, {"value": "b"}]}), Some("a"), true),
        (json!({"emails": primary}), Some("b"), true),
    ] {
        let found = columns(&resource);
        assert_eq!((found.email.as_deref(), found.active), (email, active), "{resource}");
    }
    for (resource, name) in [
        (json!({}), None),
        (json!({"name": {}}), None),
        (json!({"name": {"givenName": "G"}}), Some("G")),
        (json!({"name": {"familyName": "F", "givenName": "G"}}), Some("G F")),
        (json!({"name": {"formatted": "Dr. F", "familyName": "F"}}), Some("Dr. F")),
        (json!({"displayName": "D", "name": {"formatted": "Dr. F"}}), Some("D")),
    ] {
        assert_eq!(columns(&resource).display_name.as_deref(), name, "{resource}");
    }
    let found = columns(&json!({"userName": "A", "externalId": "E"}));
    assert_eq!((found.user_name.as_str(), found.external_id.as_deref()), ("A", Some("E")));
    assert_eq!(columns(&json!({})).user_name, "");
    let untyped = columns(&json!({"emails": [{"value": "A@X"}, {"type": "work"}]}));
    assert_eq!(untyped.emails, [(None, "a@x".to_owned())], "what has no value isn't searched");
}

#[test]
fn what_nobody_can_see_is_found_where_it_stands() {
    let hidden = "a\u{200b}b";
    for (resource, place) in [
        (json!({}), None),
        (json!({"userName": "a", "emails": [{"value": "a@x"}, {"type": "work"}], "title": hidden}), None),
        (json!({"userName": hidden, "emails": [{"value": hidden}]}), Some("/userName")),
        (json!({"userName": "a", "emails": [{"value": "a"}, {"value": hidden}]}), Some("/emails/1/value")),
    ] {
        let found = UserColumns::forbidden(resource.as_object().unwrap());
        let expected = place.map(|place: &str| (place.to_owned(), Forbidden('\u{200b}')));
        assert_eq!(found, expected, "{resource}");
    }
}

#[test]
fn mail_goes_to_the_email_or_to_a_user_name_that_is_one() {
    for (email, user_name, expected) in [
        (Some("a@x.example"), "b@x.example", Some("a@x.example")),
        (None, "b@x.example", Some("b@x.example")),
        (None, "b", None),
    ] {
        let found = mailbox(email.map(ToOwned::to_owned), user_name.to_owned());
        assert_eq!(found.as_deref(), expected);
    }
}

#[test]
fn attributes_that_differ_are_named() {
    let before = json!({"a": 1, "b": 2, "c": 3});
    for (before, after, expected) in [
        (None, json!({"a": 1}), vec!["a"]),
        (None, json!({}), vec![]),
        (Some(&before), before.clone(), vec![]),
        (Some(&before), json!({"a": 1, "b": 3, "d": 4}), vec!["b", "d", "c"]),
    ] {
        let found = changed_names(before.and_then(Value::as_object), after.as_object().unwrap());
        assert_eq!(found, expected, "{after}");
    }
}

fn user() -> user::Model {
    user::Model {
        tenant_id: Uuid::nil(),
        organization_id: Uuid::nil(),
        id: Uuid::nil(),
        user_name: "ann".to_owned(),
        user_name_key: "ann".to_owned(),
        external_id: None,
        display_name: None,
        email: None,
        active: true,
        role: ByName(TenantRole::Viewer),
        role_source: RoleSource::Group,
        source: Source::Jit,
        address_proof: Some(AddressProof::Mail),
        resource: json!({"userName": "ann"}),
        folded: json!({}),
        version: 3,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
        deactivated_by: None,
        role_under: Some(ByName(TenantRole::Guest)),
    }
}

#[test]
fn an_image_has_what_a_restoration_needs() {
    let expected = json!({
        "resource": {"userName": "ann"}, "active": true, "role": "viewer", "roleSource": "group", "source": "jit",
        "createdAt": "1970-01-01T00:00:00Z", "addressProof": "mail", "roleUnder": "guest",
    });
    assert_eq!(user_image(&user()), expected);
    let group = group::Model {
        tenant_id: Uuid::nil(),
        organization_id: Uuid::nil(),
        id: Uuid::nil(),
        display_name: "G".to_owned(),
        display_name_key: "g".to_owned(),
        external_id: None,
        resource: json!({"displayName": "G"}),
        folded: json!({}),
        version: 1,
        created_at: DateTime::UNIX_EPOCH,
        updated_at: DateTime::UNIX_EPOCH,
    };
    let expected = json!({"resource": {"displayName": "G"}, "createdAt": "1970-01-01T00:00:00Z"});
    assert_eq!(group_image(&group), expected);
}

#[test]
fn a_person_is_called_by_the_display_name_or_the_user_name() {
    let named = |display_name: Option<&str>| {
        let display_name = display_name.map(ToOwned::to_owned);
        name_of(&user::Model { display_name, ..user() }).to_owned()
    };
    assert_eq!((named(None), named(Some("Ann"))), ("ann".to_owned(), "Ann".to_owned()));
}
