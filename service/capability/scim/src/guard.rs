//! The guard blocks: that outlives the refused removal, and admins are notified.

use mail::NewMail;
use platform::Tx;
use serde_json::json;
use uuid::Uuid;
use web::OrganizationCaller;

use crate::error::Error;

/// After a removal was refused: the guard blocks, and the admins are notified once.
pub(crate) async fn block(caller: &OrganizationCaller, organization: Uuid) -> Result<(), Error> {
    caller
        .write(async |tx| {
            // A dry run holds on its copy; nobody is woken for it.
            if directory::block(tx, organization).await? && !caller.ctx.dry_run {
                notify_admins(tx, caller, organization).await?;
            }
            Ok(())
        })
        .await
}

async fn notify_admins(tx: &mut Tx, caller: &OrganizationCaller, organization: Uuid) -> Result<(), Error> {
    let tools = caller.tools();
    let Some(tenant) = tenancy::find(tx).await? else { return Ok(()) };
    let row = tenancy::organization_named(tx, &organization.to_string()).await?;
    let guard = directory::guard(tx, organization).await?;
    let blocked_at = guard.as_ref().and_then(|guard| guard.blocked_at).unwrap_or(tx.now());
    let url = format!(
        "{}/api/v1/tenants/{}/organizations/{}/directory-guard",
        tools.config.public_url(),
        tenant.slug,
        row.slug
    );
    let values = json!({"tenant": tenant.name, "organization": row.name, "url": url});
    for address in directory::admin_addresses(tx, &tenant).await? {
        let occasion = blocked_at.timestamp().to_string();
        let mail = NewMail::new("directory-blocked", &address, occasion, values.clone());
        let mail = NewMail { organization: Some(organization), ..mail };
        mail::notify(tx, tools, mail).await?;
    }
    Ok(())
}
