//! The tenant's first admin, as somebody who can sign in at its realm or organization. Made once, while the tenant is made: whoever removes
//! them there afterwards has their reasons.

use http::{Method, StatusCode};
use platform::http::Failure;
use serde_json::{Value, json};

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

/// In a realm of the tenant's own, with the role that runs it.
pub(super) async fn in_realm(admin: &Admin<'_>, realm: &str, owner: &Owner<'_>) -> Result<(), Failure> {
    let id = somebody(admin, realm, owner).await?;
    let role = admin.get(&format!("{realm}/roles/{ADMIN}")).await?;
    let role = role.ok_or_else(|| Failure::later("the realm has no role called admin"))?;
    let path = format!("{realm}/users/{}/role-mappings/realm", encoded(&id));
    admin.send(Method::POST, &path, Some(&json!([role]))).await.map(drop)
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
    if let Some(id) = find(admin, realm, owner).await? {
        return Ok(id);
    }
    let (first, last) = match owner.name.map(|name| name.rsplit_once(' ').unwrap_or((name, ""))) {
        Some((first, last)) => (Some(first), Some(last).filter(|last| !last.is_empty())),
        None => (None, None),
    };
    let body = json!({
        "username": owner.email, "email": owner.email, "emailVerified": false, "enabled": true,
        "firstName": first, "lastName": last, "requiredActions": ACTIONS,
    });
    let made = admin.send(Method::POST, &format!("{realm}/users"), Some(&body)).await?;
    let id = find(admin, realm, owner).await?;
    let id = id.ok_or_else(|| Failure::permanent("the owner's user name is somebody else's there"))?;
    if made.status() == StatusCode::CREATED {
        // A realm that sends no mail makes this fail: then the link "Forgot password", or whoever runs Keycloak, has to do.
        let path = format!("{realm}/users/{}/execute-actions-email", encoded(&id));
        let _ = admin.send(Method::PUT, &path, Some(&json!(ACTIONS))).await;
    }
    Ok(id)
}

async fn find(admin: &Admin<'_>, realm: &str, owner: &Owner<'_>) -> Result<Option<String>, Failure> {
    let found = admin.list(&format!("{realm}/users?email={}&exact=true&max=1", encoded(owner.email))).await?;
    found.first().map(id_of).transpose()
}
