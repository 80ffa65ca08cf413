//! Who invites, as the mail says: a person of the tenant, or the tenant. Never a text of whoever calls, for the mail comes from
//! the platform's own address and is believed.

use entity::tenancy::tenant;
use platform::View;
use platform::refusal::Invalid;
use uuid::Uuid;

use crate::error::Error;

/// The name of the person whom `given` names by id or user name, else that of the tenant.
///
/// # Errors
/// [`Error::Invalid`] if the tenant has no such active user.
pub(crate) async fn name(
    view: &View,
    tenant: &tenant::Model,
    organization: Uuid,
    given: Option<&str>,
) -> Result<String, Error> {
    let Some(given) = given else { return Ok(tenant.name.clone()) };
    let person = match Uuid::try_parse(given) {
        Ok(id) => directory::user_any_organization(view, id).await?,
        Err(_) => directory::user_by_name(view, organization, given).await?,
    };
    let detail = "must be an active user of the tenant: an id, or a user name of the organization";
    let person = person.filter(|person| person.may_come()).ok_or_else(|| Invalid::at("/inviter", detail))?;
    Ok(identity_core::name_of(directory::name_of(&person)))
}
