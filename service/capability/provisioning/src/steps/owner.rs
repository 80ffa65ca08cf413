//! The tenant's first person.

use invitations::NewInvitation;
use platform::Tx;
use policy_core::TenantRole;

use super::{Attempt, Step, Undo};
use crate::model::StepError;

pub(super) const INVITE: Step = Step {
    name: "invite_owner",
    does: "invites the owner as an admin, if there is one",
    waits_for: None,
    away: None,
    commit: |attempt, tx, _| Box::pin(invite(attempt, tx)),
    undo: Undo::Here(|_, tx| Box::pin(async move { Ok(invitations::forget_all(tx).await?) })),
};

async fn invite(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    let Some(email) = tenant.owner_email.clone() else { return Ok(()) };
    let organization = tenancy::organization_named(tx, "default").await?;
    if invitations::pending_for(tx, organization.id, &email).await?.is_some() {
        return Ok(());
    }
    let (role, inviter) = (TenantRole::Admin, tenant.name.clone());
    let new = NewInvitation::personal(organization.id, email, role, inviter);
    Ok(invitations::create(tx, attempt.service, &tenant, new).await.map(drop)?)
}
