//! A tenant goes: cut off, kept for a while, removed in reverse, and proven to be gone.

use std::time::Duration;

use entity::scope::OWNED_BY_TENANT;
use entity::tenancy::tenant;
use platform::{Ctx, Target, Tx, Work};
use serde_json::{Map, Value, json};
use sessions::Ended;
use tenancy::{TenantEvent, Verb};

use super::realm::Realm;
use super::{Learnt, Step};
use crate::converge::wanted;
use crate::deployments;
use crate::model::Stop;

/// A recycle period is looked at this often.
const LOOK_MAX: Duration = Duration::from_secs(3600);

impl Step<'_> {
    /// Waits until the deletion can't be taken back any more.
    pub(super) async fn recycle(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let left = tenant.recycle_until.map(|until| until - self.outside.now());
        match left.and_then(|left| left.to_std().ok()) {
            Some(left) if !left.is_zero() => Err(Stop::Wait {
                after: left.min(LOOK_MAX),
                why: "the end of the recycle period; /resume takes the deletion back".to_owned(),
            }),
            _ => Ok(Learnt::default()),
        }
    }

    /// Its management keys belong to the platform.
    pub(super) async fn remove_keys(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let work = async |tx: &mut platform::PlatformTx| authz::remove_of_tenant(tx, tenant.id).await;
        self.service.db.write_platform(&Ctx::system("provisioning"), work).await?;
        Ok(Learnt::default())
    }

    /// Proves that nothing stays behind outside: no realm, no org, no resource group.
    pub(super) async fn require_absent(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let backend = backends::backend(self.service, tenant.identity_backend)?;
        let found = backend.compare(&self.outside, &wanted(tenant)).await?;
        let kind_of = |what: &str| matches!(what, "realm" | "org" | "organization" | "signing_key");
        let absent = found.iter().any(|difference| kind_of(&difference.what) && difference.found == "absent");
        if !absent && Realm::of(tenant).is_made() {
            return Err(Stop::Again { after: None, why: "the realm or org is still there".to_owned() });
        }
        if deployments::is_there(self.service, tenant.id).await? {
            return Err(Stop::Again { after: None, why: "the deployment is still there".to_owned() });
        }
        Ok(Learnt::default())
    }

    pub(super) async fn unmake(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        let _ = learnt;
        match self.row.name.as_str() {
            "cut_off" => {
                sessions::end_all_of_tenant(tx, Ended::TenantStopped).await?;
                tx.record("tenant.cut_off", Target::new("tenant", tx.tenant()));
                Ok(())
            }
            "invitations" => Ok(invitations::revoke_all(tx).await?),
            "directory" => purge(tx).await,
            "instance" => self.forget_instance(tx).await,
            "quotas" => remove_quotas(tx).await,
            "identity" => self.forget_identity(tx).await,
            "finish" => finish(tx).await,
            _ => Ok(()),
        }
    }
}

/// Everything that the tenant owns, but its quotas, which have a step of their own.
pub(super) async fn purge(tx: &mut Tx) -> Result<(), Stop> {
    scim::remove_all(tx).await?;
    let mut removed = Map::new();
    for table in OWNED_BY_TENANT.into_iter().filter(|table| !table.starts_with("quota")) {
        let rows = tx.execute(&format!("DELETE FROM \"{table}\" WHERE tenant_id = $1"), Vec::new()).await?;
        if rows > 0 {
            removed.insert(table.to_owned(), rows.into());
        }
    }
    tx.record("directory.delete", Target::new("tenant", tx.tenant()).with(Value::Object(removed)));
    Ok(())
}

pub(super) async fn remove_quotas(tx: &mut Tx) -> Result<(), Stop> {
    for table in OWNED_BY_TENANT.into_iter().filter(|table| table.starts_with("quota")) {
        tx.execute(&format!("DELETE FROM \"{table}\" WHERE tenant_id = $1"), Vec::new()).await?;
    }
    tx.record("quota.delete", Target::new("tenant", tx.tenant()));
    Ok(())
}

/// Counts what is left of the tenant in every table; the count is kept as the proof.
async fn finish(tx: &mut Tx) -> Result<(), Stop> {
    let mut counted = Map::new();
    for table in OWNED_BY_TENANT {
        let sql = format!("SELECT count(*) AS rows FROM \"{table}\" WHERE tenant_id = $1");
        let rows = tx.query(&sql, Vec::new()).await?;
        let count: i64 = rows.first().and_then(|row| row.try_get("", "rows").ok()).unwrap_or(-1);
        if count != 0 {
            return Err(Stop::Again { after: None, why: format!("{count} rows are left in {table}") });
        }
        counted.insert(table.to_owned(), count.into());
    }
    let proof = json!({"rows": counted, "identity": "absent", "deployment": "absent"});
    tx.record("tenant.prove_absence", Target::new("tenant", tx.tenant()).with(proof));
    let mut row = tenancy::transition(tx, Verb::Delete).await?.row;
    // What says who somebody was goes too.
    row.owner_email = None;
    row.owner_name = None;
    tx.update(row.clone()).await?;
    tenancy::record_event(tx, &row, TenantEvent::Deleted, "tenant.delete");
    Ok(())
}
