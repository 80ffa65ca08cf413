//! Where a tenant runs: a place on a shared instance, or one of its own.

use entity::tenancy::states::{Driver, Mode};
use entity::tenancy::tenant;
use platform::{PlatformStatement, Target, Tx, Work};
use tenancy::take_place;

use super::{Learnt, Step};
use crate::model::Stop;
use crate::{deployments, grow};

/// The deployment of the tenant's own instance has none any more.
const LEAVE_DEPLOYMENT: PlatformStatement =
    PlatformStatement::new("UPDATE deployment SET instance_id = NULL WHERE purpose = $1");
/// The instance that only this tenant had.
const FORGET_INSTANCE: PlatformStatement = PlatformStatement::new(
    "DELETE FROM instance WHERE id IN (SELECT id FROM deployment WHERE purpose = $1) AND tenant_count = 0",
);

/// Whether the tenant gets a deployment of its own.
fn is_own(tenant: &tenant::Model) -> bool {
    tenant.instance_driver == Driver::Azure && tenant.instance_mode == Mode::Dedicated
}

impl Step<'_> {
    /// Finds room, or has it made: a deployment of its own is taken on here, look by look; for a shared one the pool grows.
    pub(super) async fn find_instance(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        if tenant.instance_id.is_some() {
            return Ok(Learnt::default());
        }
        if is_own(tenant) {
            let instance = deployments::of_tenant(self.service, &self.outside, tenant).await?;
            return Ok(Learnt { instance: Some(instance), ..Learnt::default() });
        }
        let view = async |view: &platform::View| tenancy::has_room(view, tenant).await;
        if self.service.db.read(tenant.id, view).await? {
            return Ok(Learnt::default());
        }
        grow::ask(self.service, tenant).await?;
        Err(self.no_room(tenant))
    }

    fn no_room(&self, tenant: &tenant::Model) -> Stop {
        let region = tenant.region.as_deref().map(|region| format!(" in {region}")).unwrap_or_default();
        let why = format!(
            "room on an instance of driver {} and mode {}{region}",
            tenant.instance_driver, tenant.instance_mode
        );
        Stop::Wait { after: self.pause(), why }
    }

    pub(super) async fn place(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        let placed = match learnt.instance {
            Some(id) => tenancy::place_on(tx, &tenant, id).await?.then_some(id),
            None => tenancy::place(tx, &tenant).await?,
        };
        // Somebody else took the last place meanwhile.
        let Some(id) = placed else { return Err(self.no_room(&tenant)) };
        tx.record("tenant.place", Target::new("instance", id));
        Ok(grow::ahead(tx, self.service, id).await?)
    }

    pub(super) async fn remove_instance(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        if is_own(tenant) {
            deployments::remove_of_tenant(self.service, &self.outside, tenant).await?;
        }
        Ok(Learnt::default())
    }

    /// Gives the place back; an instance of its own is no more.
    pub(super) async fn forget_instance(&self, tx: &mut Tx) -> Result<(), Stop> {
        let tenant = tenancy::get(tx).await?;
        tenancy::release(tx).await?;
        if is_own(&tenant) {
            // Also one that was registered and that the tenant never came to.
            for statement in [LEAVE_DEPLOYMENT, FORGET_INSTANCE] {
                tx.as_platform(statement, vec![azure::tenant_purpose(tenant.id).into()]).await?;
            }
        }
        tx.record("tenant.release", Target::new("tenant", tenant.id));
        Ok(())
    }

    /// Takes a place on the instance to which the tenant moves.
    pub(super) async fn reserve(&self, tx: &mut Tx, to: uuid::Uuid) -> Result<(), Stop> {
        if !take_place(tx, to).await? {
            return Err(Stop::Never { why: "the instance has no room, or isn't active".to_owned() });
        }
        tx.record("tenant.reserve_place", Target::new("instance", to));
        Ok(())
    }
}
