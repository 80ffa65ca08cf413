//! The steps: do and undo, each idempotent. What goes outside comes first, what is noted in the store last, in one transaction
//! with the step's own note.

mod identity;
mod instance;
mod moving;
mod realm;
mod unmake;

use std::time::Duration;

use entity::provisioning::{run, step};
use entity::tenancy::{organization, tenant};
use invitations::NewInvitation;
use platform::http::Outside;
use platform::{Target, Tx, Work, ids};
use policy_core::TenantRole;
use serde_json::Value;
use tenancy::{TenantEvent, Verb};
use uuid::Uuid;
use web::{Problem, Service};

use crate::model::{Kind, Stop};

pub(crate) use identity::forget as forget_issuer;
pub(crate) use instance::PLACED;
pub(crate) use moving::End;
pub(crate) use realm::Realm;

/// What a step works on.
pub(crate) struct Step<'a> {
    pub(crate) service: &'a Service,
    pub(crate) run: &'a run::Model,
    pub(crate) kind: Kind,
    pub(crate) row: &'a step::Model,
    pub(crate) outside: Outside,
}

/// What a step found out outside, for its transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) identity: Option<backends::Made>,
    pub(crate) instance: Option<Uuid>,
}

impl Step<'_> {
    fn name(&self) -> (Kind, &str) {
        (self.kind, self.row.name.as_str())
    }

    /// How long to wait before looking again.
    fn pause(&self) -> Duration {
        self.service.config.provisioning.wait
    }

    /// Whether the step does anything outside the tenant's transaction. What doesn't commits with its note or had no effect.
    pub(crate) fn goes_outside(&self) -> bool {
        matches!(
            self.name(),
            (_, "identity" | "instance")
                | (Kind::Deprovision, "recycle" | "directory" | "finish")
                | (Kind::Move, "reserve" | "realm" | "drain" | "copy" | "verify")
        )
    }

    /// What the step does outside the tenant's transaction.
    pub(crate) async fn outside(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        match self.name() {
            (Kind::Provision | Kind::Repair, "identity") => self.ensure_identity(tenant).await,
            (Kind::Provision, "instance") => self.find_instance(tenant).await,
            (Kind::Deprovision, "recycle") => self.recycle(tenant).await,
            (Kind::Deprovision, "directory") => self.remove_keys(tenant).await,
            (Kind::Deprovision, "instance") => self.remove_instance(tenant).await,
            (Kind::Deprovision, "identity") => self.remove_identity(tenant).await,
            (Kind::Deprovision, "finish") => self.require_absent(tenant).await,
            (Kind::Move, "reserve") => self.find_target(tenant).await,
            (Kind::Move, "realm") => self.ensure_realm(tenant).await,
            (Kind::Move, "drain") => self.drain().await,
            (Kind::Move, "copy") => self.copy(tenant, "copy").await,
            (Kind::Move, "verify") => self.verify(tenant).await,
            _ => Ok(Learnt::default()),
        }
    }

    /// What undoing the step does outside the tenant's transaction.
    pub(crate) async fn undo_outside(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        match self.name() {
            (Kind::Provision, "identity") => self.remove_identity(tenant).await,
            (Kind::Provision, "instance") => self.remove_instance(tenant).await,
            (Kind::Move, "reserve") => self.remove_target(tenant).await,
            (Kind::Move, "realm") => self.remove_realm(tenant).await,
            (Kind::Move, "copy") => self.copy(tenant, "discard").await,
            _ => Ok(Learnt::default()),
        }
    }

    /// Does the step, in the transaction that notes it as done.
    pub(crate) async fn perform(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        match self.name() {
            // The slug was reserved by the tenant's own row.
            (Kind::Provision, "reserve_slug") => Ok(()),
            (Kind::Provision | Kind::Repair, "identity") => self.note_identity(tx, learnt).await,
            (Kind::Provision, "organization") => default_organization(tx).await,
            (Kind::Provision | Kind::Repair, "quotas") => self.quotas(tx).await,
            (Kind::Provision, "instance") => self.place(tx, learnt).await,
            (Kind::Provision | Kind::Repair, "flags") => {
                flags::push_all(tx);
                Ok(())
            }
            (Kind::Provision, "invite_owner") => self.invite_owner(tx).await,
            (Kind::Provision, "activate") => {
                let row = tenancy::transition(tx, Verb::Activate).await?.row;
                tenancy::record_event(tx, &row, TenantEvent::Activated, "tenant.activate");
                Ok(())
            }
            (Kind::Deprovision, _) => self.unmake(tx, learnt).await,
            (Kind::Move, _) => self.go(tx, learnt).await,
            (_, other) => Err(Problem::internal(format!("there is no step {other}")).into()),
        }
    }

    /// Undoes the step, in the transaction that notes it as compensated.
    pub(crate) async fn undo(&self, tx: &mut Tx) -> Result<(), Stop> {
        match self.name() {
            (Kind::Provision, "identity") => self.forget_identity(tx).await,
            (Kind::Provision, "organization") => unmake::purge(tx).await,
            (Kind::Provision, "quotas") => unmake::remove_quotas(tx).await,
            (Kind::Provision, "instance") => self.forget_instance(tx).await,
            (Kind::Provision, "invite_owner") => Ok(invitations::forget_all(tx).await?),
            (Kind::Move, _) => self.go_back(tx).await,
            // Pushes to modules find a tenant that isn't active any more.
            _ => Ok(()),
        }
    }

    async fn quotas(&self, tx: &mut Tx) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        let plan = tenancy::plan(tx, &tenant.plan).await?;
        let wanted = self.run.parameters.get("quotas").cloned().unwrap_or(Value::Null);
        let wanted = serde_json::from_value(wanted).unwrap_or_default();
        Ok(quota::apply_plan(tx, &plan, &wanted).await?)
    }

    async fn invite_owner(&self, tx: &mut Tx) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        let Some(email) = tenant.owner_email.clone() else { return Ok(()) };
        let organization = tenancy::organization_named(tx, "default").await?;
        if invitations::pending_for(tx, organization.id, &email).await?.is_some() {
            return Ok(());
        }
        let (role, inviter) = (TenantRole::Admin, tenant.name.clone());
        let new = NewInvitation::personal(organization.id, email, role, inviter);
        Ok(invitations::create(tx, self.service, &tenant, new).await.map(drop)?)
    }
}

async fn default_organization(tx: &mut Tx) -> Result<(), Stop> {
    if tenancy::organization_named(tx, "default").await.is_ok() {
        return Ok(());
    }
    let row = organization::Model {
        tenant_id: tx.tenant(),
        id: ids::new(),
        slug: "default".to_owned(),
        name: "Default".to_owned(),
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await?;
    tx.record("organization.create", Target::new("organization", row.id));
    Ok(())
}
