//! What Zitadel's events say about its organizations and people.

use entity::inbox::event;
use entity::tenancy::states::{IdentityBackend, SuspendedBy};
use entity::tenancy::tenant;
use platform::db::Lookup;
use platform::{Ctx, Tx, View, Work as _};
use serde_json::Value;
use tenancy::Status;
use uuid::Uuid;
use web::{Code, Problem, Service};

use crate::ops::Settled;

/// What is to be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Meaning {
    Organization { active: bool },
    Person { active: bool },
}

/// What an event means; `None`: nothing that concerns us.
pub(crate) fn meaning(kind: &str) -> Option<Meaning> {
    match kind {
        "org.deactivated" | "org.removed" => Some(Meaning::Organization { active: false }),
        "org.reactivated" => Some(Meaning::Organization { active: true }),
        "user.deactivated" | "user.locked" | "user.removed" => Some(Meaning::Person { active: false }),
        "user.reactivated" | "user.unlocked" => Some(Meaning::Person { active: true }),
        _ => None,
    }
}

/// Does what an event means.
pub(crate) async fn settle(service: &Service, event: &event::Model) -> Result<Settled, Problem> {
    let Some(meaning) = meaning(&event.r#type) else { return Ok(Settled::new("of no concern")) };
    let text = |name: &str| event.payload.get(name).and_then(Value::as_str).unwrap_or_default();
    let organization = match meaning {
        Meaning::Organization { .. } => text("aggregateID"),
        Meaning::Person { .. } => text("resourceOwner"),
    };
    let Some(id) = tenant_of(service, organization).await? else {
        return Ok(Settled::new("no tenant is this organization"));
    };
    let issuers = backends::zitadel_issuers(service).await?;
    let person = text("aggregateID");
    let work = async |tx: &mut Tx| match meaning {
        Meaning::Organization { active } => follow(tx, active).await,
        Meaning::Person { active } => switch(tx, &issuers, person, active).await,
    };
    let outcome = match service.db.write(&Ctx::system("zitadel"), id, work).await {
        // The last admin stays, a guard holds, the plan is full: somebody here has to decide.
        Err(problem) if problem.code.status().is_client_error() && problem.code != Code::Conflict => {
            format!("refused: {}", problem.code.name())
        }
        other => other?,
    };
    Ok(Settled::As(outcome))
}

/// The tenant whose org this is.
async fn tenant_of(service: &Service, organization: &str) -> Result<Option<Uuid>, Problem> {
    let Some(id) = service.db.tenant_of(Lookup::TenantExternalId(organization)).await? else {
        return Ok(None);
    };
    let row: tenant::Model = service.db.read(id, async |view: &View| tenancy::get(view).await).await?;
    Ok((row.identity_backend == IdentityBackend::Zitadel).then_some(id))
}

/// A tenant follows its org: what the backend cut off is cut off here, and let in again if that was why.
pub(crate) async fn follow(tx: &mut Tx, active: bool) -> Result<String, Problem> {
    let tenant = tenancy::locked(tx).await?;
    match (active, tenant.status) {
        (false, Status::Active) => {
            tenancy::suspend(tx, SuspendedBy::Backend).await?;
            Ok("suspended".to_owned())
        }
        (true, Status::Suspended) if tenant.suspended_by == Some(SuspendedBy::Backend) => {
            tenancy::resume(tx).await?;
            Ok("resumed".to_owned())
        }
        _ => {
            tx.housekeeping();
            Ok(format!("the tenant is {}", tenant.status))
        }
    }
}

/// The person who is known by this subject follows.
pub(crate) async fn switch(
    tx: &mut Tx,
    issuers: &[String],
    subject: &str,
    active: bool,
) -> Result<String, Problem> {
    for issuer in issuers {
        let Some(found) = directory::user_by_identity(tx, issuer, subject).await? else { continue };
        // Read again under its lock: what is written is the whole row.
        if let Some(user) = directory::user_locked(tx, found.organization_id, found.id).await? {
            if user.active == active {
                tx.housekeeping();
                return Ok("as it was".to_owned());
            }
            directory::set_active(tx, user, active).await?;
            return Ok(if active { "reactivated" } else { "deactivated" }.to_owned());
        }
    }
    tx.housekeeping();
    Ok("nobody is linked to this person".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn events_that_take_or_give_access_have_a_meaning() {
        assert_eq!(meaning("user.locked"), Some(Meaning::Person { active: false }));
        assert_eq!(meaning("org.reactivated"), Some(Meaning::Organization { active: true }));
        assert_eq!(meaning("user.human.added"), None);
    }
}
