//! The steps: do and undo, each idempotent.

use std::collections::BTreeMap;

use entity::directory::{group, user};
use entity::invitations::invitation;
use entity::provisioning::run;
use entity::quota::usage;
use entity::sessions::signing_key;
use entity::tenancy::{organization, tenant};
use invitations::NewInvitation;
use platform::{Ctx, Target, Tx, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use sessions::Ended;
use tenancy::{Status, TenantEvent};
use web::{Code, Problem, Service};

use crate::model::Kind;

/// What a step works on.
pub(crate) struct Step<'a> {
    pub(crate) service: &'a Service,
    pub(crate) run: &'a run::Model,
    pub(crate) kind: Kind,
    pub(crate) name: &'a str,
}

impl Step<'_> {
    /// What a step does outside the tenant's transaction: keys belong to the platform.
    pub(crate) async fn before(&self, tenant: &tenant::Model) -> Result<(), Problem> {
        let (service, ctx) = (self.service, Ctx::system("provisioning"));
        match (self.kind, self.name) {
            (Kind::Provision, "identity") if tenant.identity_kind == "realm" => {
                let realm = Some(tenant.id);
                service
                    .db
                    .write_platform(&ctx, async |tx| sessions::ensure_key(tx, &service.envelope, realm).await)
                    .await
            }
            (Kind::Deprovision, "identity") => self.remove_keys(tenant).await,
            _ => Ok(()),
        }
    }

    /// What undoing a step does outside the tenant's transaction.
    pub(crate) async fn undo_before(&self, tenant: &tenant::Model) -> Result<(), Problem> {
        if self.name == "identity" { self.remove_keys(tenant).await } else { Ok(()) }
    }

    async fn remove_keys(&self, tenant: &tenant::Model) -> Result<(), Problem> {
        let work = async |tx: &mut platform::PlatformTx| {
            tx.housekeeping();
            let keys =
                tx.platform::<signing_key::Entity>().filter(signing_key::Column::TenantId.eq(tenant.id));
            for key in tx.all(keys).await? {
                tx.record_for(tenant.id, "signing_key.delete", Target::new("signing_key", &key.kid));
                tx.delete(key).await?;
            }
            Ok(())
        };
        self.service.db.write_platform(&Ctx::system("provisioning"), work).await
    }

    /// Does the step, in the transaction that notes it as done.
    pub(crate) async fn perform(&self, tx: &mut Tx) -> Result<(), Problem> {
        match (self.kind, self.name) {
            // The slug was reserved by the tenant's own row; keys were made before.
            (Kind::Provision, "reserve_slug" | "identity") | (Kind::Deprovision, "identity") => Ok(()),
            (Kind::Provision, "organization") => default_organization(tx).await,
            (Kind::Provision, "quotas") => self.quotas(tx).await,
            (Kind::Provision, "instance") => place(tx).await,
            (Kind::Provision, "flags") => Ok(flags::push_all(tx).await?),
            (Kind::Provision, "invite_owner") => self.invite_owner(tx).await,
            (Kind::Provision, "activate") => {
                let row = tenancy::set_status(tx, Status::Active).await?;
                tenancy::record_event(tx, &row, TenantEvent::Activated, "tenant.activate");
                Ok(())
            }
            (Kind::Deprovision, "cut_off") => cut_off(tx).await,
            (Kind::Deprovision, "invitations") => invitations::revoke_all(tx).await,
            (Kind::Deprovision, "directory") => remove_directory(tx).await,
            (Kind::Deprovision, "instance") => tenancy::release(tx).await,
            (Kind::Deprovision, "quotas") => remove_quotas(tx).await,
            (Kind::Deprovision, "finish") => {
                let row = tenancy::set_status(tx, Status::Deleted).await?;
                tenancy::record_event(tx, &row, TenantEvent::Deleted, "tenant.delete");
                Ok(())
            }
            (_, other) => Err(Problem::internal(format!("there is no step {other}"))),
        }
    }

    /// Undoes the step, in the transaction that notes it as compensated.
    pub(crate) async fn undo(&self, tx: &mut Tx) -> Result<(), Problem> {
        match self.name {
            "organization" => remove_directory(tx).await,
            "quotas" => remove_quotas(tx).await,
            "instance" => tenancy::release(tx).await,
            "invite_owner" => {
                tx.purge(tx.remove::<invitation::Entity>()).await?;
                Ok(())
            }
            // Pushes to modules find a tenant that isn't active any more; keys were removed before.
            _ => Ok(()),
        }
    }

    async fn quotas(&self, tx: &Tx) -> Result<(), Problem> {
        let tenant = tenancy::get(tx).await?;
        let plan = tenancy::plan(tx, &tenant.plan).await?;
        let wanted: BTreeMap<String, Option<i64>> =
            serde_json::from_value(self.run.quotas.clone()).unwrap_or_default();
        Ok(quota::apply_plan(tx, &plan.quotas, &wanted).await?)
    }

    async fn invite_owner(&self, tx: &mut Tx) -> Result<(), Problem> {
        let tenant = tenancy::get(tx).await?;
        let Some(email) = tenant.owner_email.clone() else { return Ok(()) };
        let organization = tenancy::organization_named(tx, "default").await?;
        if invitations::pending_for(tx, organization.id, &email).await?.is_some() {
            return Ok(());
        }
        let new = NewInvitation {
            organization: organization.id,
            email,
            role: "admin".to_owned(),
            message: None,
            inviter: tenant.name.clone(),
        };
        invitations::create(tx, self.service, &tenant, new).await.map(drop)
    }
}

async fn default_organization(tx: &mut Tx) -> Result<(), Problem> {
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

async fn place(tx: &mut Tx) -> Result<(), Problem> {
    let tenant = tenancy::get(tx).await?;
    match tenancy::place(tx, &tenant).await? {
        Some(instance) => {
            tx.record("tenant.place", Target::new("instance", instance));
            Ok(())
        }
        // Room may come: an operator registers an instance while the run waits.
        None => Err(Problem::detailed(Code::Unavailable, "No instance of this driver and mode has room.")),
    }
}

async fn cut_off(tx: &mut Tx) -> Result<(), Problem> {
    sessions::end_all_of_tenant(tx, Ended::TenantStopped).await?;
    let sql = "UPDATE scim_token SET revoked_at = $2 WHERE tenant_id = $1 AND revoked_at IS NULL";
    tx.execute(sql, vec![tx.now().into()]).await?;
    tx.record("tenant.cut_off", Target::new("tenant", tx.tenant()));
    Ok(())
}

/// Everything that belongs to an organization, and the organizations; what hangs on these goes by its foreign key.
async fn remove_directory(tx: &mut Tx) -> Result<(), Problem> {
    scim::remove_all(tx).await?;
    tx.purge(tx.remove::<group::Entity>()).await?;
    tx.purge(tx.remove::<user::Entity>()).await?;
    tx.purge(tx.remove::<invitation::Entity>()).await?;
    tx.purge(tx.remove::<organization::Entity>()).await?;
    tx.record("directory.delete", Target::new("tenant", tx.tenant()));
    Ok(())
}

async fn remove_quotas(tx: &Tx) -> Result<(), Problem> {
    tx.purge(tx.remove::<usage::Entity>()).await?;
    Ok(())
}
