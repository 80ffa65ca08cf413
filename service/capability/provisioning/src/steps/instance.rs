//! Where a tenant runs: a place on a shared instance, or one of its own.

use entity::tenancy::states::Driver;
use entity::tenancy::tenant;
use platform::{Target, Tx, View, Work};
use tenancy::Place;

use super::{Attempt, Learnt, NEVER_GIVEN_UP, Step, Undo};
use crate::deployments::Own;
use crate::model::StepError;
use crate::settings::Instances;
use crate::{deployments, scale_out, store};

pub(super) const PLACE: Step = Step {
    name: "instance",
    does: "places the tenant on an instance, or has one created for it",
    waits_for: Some("capacity on an instance, or Azure"),
    away: Some(|attempt, tenant| Box::pin(find(attempt, tenant))),
    commit: |attempt, tx, learnt| Box::pin(place(attempt, tx, learnt)),
    undo: Undo::Both(|attempt, tenant| Box::pin(remove(attempt, tenant)), |_, tx| Box::pin(forget(tx))),
};

pub(super) const REMOVE: Step = Step {
    name: "instance",
    does: "frees the place, and removes instances that only the tenant used",
    waits_for: Some("Azure"),
    away: Some(|attempt, tenant| Box::pin(remove(attempt, tenant))),
    commit: |_, tx, _| Box::pin(forget(tx)),
    undo: NEVER_GIVEN_UP,
};

/// What its run says of where a tenant is to be placed.
pub(crate) const PLACED: &str = "placed";

/// Finds room, or has it made.
async fn find(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    let place = Place::of(tenant);
    let is_placed = async |view: &View| attempt.is_placed(view, &place).await;
    if place.instance.is_some() || !attempt.service.db.read(tenant.id, is_placed).await? {
        return Ok(Learnt::default());
    }
    attempt.find_capacity(tenant, &place).await
}

async fn place(attempt: &Attempt<'_>, tx: &mut Tx, learnt: &Learnt) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    let place = Place::of(&tenant);
    if place.instance.is_none() && !attempt.is_placed(tx, &place).await? {
        return Ok(());
    }
    let placed = match learnt.instance {
        Some(id) => tenancy::place_on(tx, &tenant, id).await?.then_some(id),
        None => tenancy::place(tx, &tenant).await?,
    };
    // Somebody else took the last place meanwhile.
    let Some(id) = placed else { return Err(attempt.no_capacity(&place)) };
    tx.record("tenant.place", Target::new("instance", id));
    Ok(scale_out::ahead(tx, attempt.service, id).await?)
}

async fn remove(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    deployments::remove_of_tenant(attempt.service, &attempt.outside, tenant.id).await?;
    Ok(Learnt::default())
}

/// Gives the place back; instances of its own are no more.
async fn forget(tx: &mut Tx) -> Result<(), StepError> {
    tenancy::release(tx).await?;
    forget_own(tx, azure::tenant_purpose(tx.tenant())).await?;
    tx.record("tenant.release", Target::new("tenant", tx.tenant()));
    Ok(())
}

/// Forgets instances of deployments that are gone, also those that were registered and that the tenant never came to.
pub(super) async fn forget_own(tx: &mut Tx, purpose: String) -> Result<(), StepError> {
    Ok(store::forget_instances(tx, &purpose).await?)
}

impl Attempt<'_> {
    /// A deployment of its own is taken on here, look by look; for a shared instance the pool grows.
    pub(super) async fn find_capacity(
        &self,
        tenant: &tenant::Model,
        place: &Place,
    ) -> Result<Learnt, StepError> {
        if place.is_own() {
            let own = Own { tenant: tenant.id, moves: self.moves(), place };
            let instance = deployments::of_tenant(self.service, &self.outside, &own).await?;
            return Ok(Learnt { instance: Some(instance), ..Learnt::default() });
        }
        let view = async |view: &View| tenancy::has_capacity(view, place, tenant.instance_id).await;
        if self.service.db.read(tenant.id, view).await? {
            return Ok(Learnt::default());
        }
        scale_out::ask(self.service, place).await?;
        Err(self.no_capacity(place))
    }

    /// Whether tenants are placed at all: somebody set a driver, for all or for this one, or registered instances.
    async fn is_placed(&self, view: &View, place: &Place) -> Result<bool, StepError> {
        let asked = self.run.parameters.get(PLACED).is_some_and(|asked| asked == true);
        let set = !self.service.config.section::<Instances>().driver.is_empty();
        Ok(asked || set || place.driver != Driver::Pool || tenancy::has_pool(view).await?)
    }

    pub(super) fn no_capacity(&self, place: &Place) -> StepError {
        let region = place.region.as_deref().map(|region| format!(" in {region}")).unwrap_or_default();
        let why =
            format!("capacity on an instance of driver {} and mode {}{region}", place.driver, place.mode);
        StepError::Pending { after: self.pause(), why }
    }
}
