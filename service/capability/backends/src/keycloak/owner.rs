//! The tenant's first admin, as somebody who can sign in at its realm or organization. Made once, while the tenant is made: whoever removes
//! them there afterwards has their reasons.

use http::Method;
use platform::http::Failure;
use serde_json::{Map, Value, json};

use super::admin::Admin;
use super::{encoded, id_of};
use crate::DesiredState;

/// The role of the realm that runs the tenant.
const ADMIN: &str = "admin";
/// What they do at their first sign-in: there is no password yet.
const ACTIONS: [&str; 1] = ["UPDATE_PASSWORD"];

/// So long an account that we made counts as just made: attempts to make a tenant follow each other within it.
const FRESH_MILLISECONDS: i64 = 3_600_000;

/// Who is made.
pub(super) struct Owner<'a> {
    email: &'a str,
    name: Option<&'a str>,
}

/// The owner, while the tenant is made.
pub(super) fn of(desired: &DesiredState) -> Option<Owner<'_>> {
    let (email, name) = desired.owner.as_ref().filter(|_| desired.is_begun)?;
    Some(Owner { email, name: name.as_deref() })
}

/// As a realm that is made has them from the beginning, with the role that runs it: afterwards nobody but Keycloak's own admins may give
/// away a role called `admin`.
pub(super) fn add_to(realm: &mut Value, owner: &Owner<'_>) {
    let mut user = representation(owner);
    user.insert("realmRoles".to_owned(), json!([ADMIN]));
    if let Some(realm) = realm.as_object_mut() {
        realm.insert("users".to_owned(), json!([user]));
    }
}

/// Tells them where to set a password, unless they have one. A realm that sends no mail makes this fail: then the link "Forgot password", or
/// whoever runs Keycloak, has to do.
pub(super) async fn greet(admin: &Admin<'_>, realm: &str, found: &Value) -> Result<(), Failure> {
    if waits(found) {
        let path = format!("{realm}/users/{}/execute-actions-email", encoded(&id_of(found)?));
        let _ = admin.send(Method::PUT, &path, Some(&json!(ACTIONS))).await;
    }
    Ok(())
}

/// In the realm that tenants share, as a member of the tenant's organization. Roles of that realm would be roles in every tenant: what they
/// are here the invitation says. Whoever else has the address there, unproven, or the user name, isn't made a member: the invitation is there.
pub(super) async fn in_organization(
    admin: &Admin<'_>,
    realm: &str,
    organization: &str,
    owner: &Owner<'_>,
) -> Result<(), Failure> {
    let found = match find(admin, realm, owner).await? {
        Some(found) => Some(found),
        None => {
            admin.create(&format!("{realm}/users"), &Value::Object(representation(owner))).await?;
            find(admin, realm, owner).await?
        }
    };
    let Some(found) = found else { return Ok(()) };
    if !is_theirs(&found, admin.outside.now().timestamp_millis()) {
        return Ok(());
    }
    let members = format!("{realm}/organizations/{}/members", encoded(organization));
    // The body is the id alone, as JSON. 409: a member already.
    admin.send(Method::POST, &members, Some(&Value::String(id_of(&found)?))).await?;
    greet(admin, realm, &found).await
}

/// Whether a user of the owner's address is the owner: the address is proven, or the account was made a moment ago and nobody has used it.
fn is_theirs(found: &Value, now: i64) -> bool {
    let proven = found.get("emailVerified").and_then(Value::as_bool) == Some(true);
    let made = found.get("createdTimestamp").and_then(Value::as_i64);
    let fresh = made.is_some_and(|made| now - made < FRESH_MILLISECONDS);
    proven || fresh && waits(found)
}

fn waits(found: &Value) -> bool {
    found.get("requiredActions").is_some_and(|actions| *actions == json!(ACTIONS))
}

fn representation(owner: &Owner<'_>) -> Map<String, Value> {
    let (first, last) = match owner.name.map(|name| name.rsplit_once(' ').unwrap_or((name, ""))) {
        Some((first, last)) => (Some(first), Some(last).filter(|last| !last.is_empty())),
        None => (None, None),
    };
    let fields = [
        ("username", json!(owner.email)),
        ("email", json!(owner.email)),
        ("emailVerified", false.into()),
        ("enabled", true.into()),
        ("firstName", json!(first)),
        ("lastName", json!(last)),
        ("requiredActions", json!(ACTIONS)),
    ];
    fields.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

pub(super) async fn find(
    admin: &Admin<'_>,
    realm: &str,
    owner: &Owner<'_>,
) -> Result<Option<Value>, Failure> {
    let found = admin.list(&format!("{realm}/users?email={}&exact=true&max=1", encoded(owner.email))).await?;
    Ok(found.into_iter().next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn somebody_elses_account_with_the_address_is_not_the_owners() {
        let (now, hour) = (10 * FRESH_MILLISECONDS, FRESH_MILLISECONDS);
        for (user, theirs) in [
            (json!({"emailVerified": true, "createdTimestamp": 0, "requiredActions": []}), true),
            (json!({"emailVerified": false, "createdTimestamp": now - 1, "requiredActions": ACTIONS}), true),
            (
                json!({"emailVerified": false, "createdTimestamp": now - hour, "requiredActions": ACTIONS}),
                false,
            ),
            (json!({"emailVerified": false, "createdTimestamp": now - 1, "requiredActions": []}), false),
            (json!({}), false),
        ] {
            assert_eq!(is_theirs(&user, now), theirs, "{user}");
        }
    }
}
