//! The tenant's first admin, as somebody who can sign in at its realm or organization. Made once, while the tenant is made: whoever removes
//! them there afterwards has their reasons.

use http::Method;
use platform::http::Failure;
use serde_json::{Map, Value, json};

use super::admin::Admin;
use super::{encoded, id_of};
use crate::Wanted;

/// The role of the realm that runs the tenant.
const ADMIN: &str = "admin";
/// What they do at their first sign-in: there is no password yet.
const ACTIONS: [&str; 1] = ["UPDATE_PASSWORD"];

/// Who is made.
pub(super) struct Owner<'a> {
    email: &'a str,
    name: Option<&'a str>,
}

/// The owner, while the tenant is made.
pub(super) fn of(wanted: &Wanted) -> Option<Owner<'_>> {
    let (email, name) = wanted.owner.as_ref().filter(|_| wanted.is_begun)?;
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
pub(super) async fn greet(admin: &Admin<'_>, realm: &str, owner: &Owner<'_>) -> Result<(), Failure> {
    let Some(found) = find(admin, realm, owner).await? else { return Ok(()) };
    let waits = found.get("requiredActions").is_some_and(|actions| *actions == json!(ACTIONS));
    if waits {
        let path = format!("{realm}/users/{}/execute-actions-email", encoded(&id_of(&found)?));
        let _ = admin.send(Method::PUT, &path, Some(&json!(ACTIONS))).await;
    }
    Ok(())
}

/// In the realm that tenants share, as a member of the tenant's organization. Roles of that realm would be roles in every tenant: what they
/// are here the invitation says.
pub(super) async fn in_organization(
    admin: &Admin<'_>,
    realm: &str,
    organization: &str,
    owner: &Owner<'_>,
) -> Result<(), Failure> {
    let id = somebody(admin, realm, owner).await?;
    let members = format!("{realm}/organizations/{}/members", encoded(organization));
    // The body is the id alone, as JSON. 409: a member already.
    admin.send(Method::POST, &members, Some(&Value::String(id))).await.map(drop)
}

/// The user of this address, who is made if there is none.
async fn somebody(admin: &Admin<'_>, realm: &str, owner: &Owner<'_>) -> Result<String, Failure> {
    if let Some(found) = find(admin, realm, owner).await? {
        return id_of(&found);
    }
    admin.create(&format!("{realm}/users"), &Value::Object(representation(owner))).await?;
    let found = find(admin, realm, owner).await?;
    let found = found.ok_or_else(|| Failure::permanent("the owner's user name is somebody else's there"))?;
    greet(admin, realm, owner).await?;
    id_of(&found)
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

async fn find(admin: &Admin<'_>, realm: &str, owner: &Owner<'_>) -> Result<Option<Value>, Failure> {
    let found = admin.list(&format!("{realm}/users?email={}&exact=true&max=1", encoded(owner.email))).await?;
    Ok(found.into_iter().next())
}
