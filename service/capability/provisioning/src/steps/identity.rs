//! A tenant's realm or org: made, learnt, removed.

use entity::tenancy::tenant;
use platform::{PlatformStatement, Target, Tx, Work, ids};

use super::{Learnt, Step};
use crate::converge::wanted;
use crate::model::Stop;

/// An issuer is believed by the whole platform: what the tenant's backend calls itself, unless it is registered.
const REGISTER_ISSUER: PlatformStatement = PlatformStatement::new(
    "INSERT INTO issuer (id, issuer, audience, tenant_claim, resolve_by, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT DO NOTHING",
);
/// One that only this tenant had: others share theirs and are told apart by a claim.
const FORGET_ISSUER: PlatformStatement =
    PlatformStatement::new("DELETE FROM issuer WHERE issuer = $1 AND resolve_by = 'issuer'");

impl Step<'_> {
    pub(super) async fn ensure_identity(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let backend = backends::backend(self.service, tenant.identity_backend)?;
        let made = backend.ensure(&self.outside, &wanted(tenant)).await?;
        Ok(Learnt { identity: Some(made), ..Learnt::default() })
    }

    /// Writes down what the backend made: its id there, and how its tokens name the tenant.
    pub(super) async fn note_identity(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        let Some(made) = &learnt.identity else { return Ok(()) };
        let mut row = tenancy::get(tx).await?;
        row.identity_external_id = made.external_id.clone().or(row.identity_external_id);
        if let Some(issuer) = &made.issuer {
            row.identity_issuer = issuer.own().or(row.identity_issuer);
            register(tx, issuer).await?;
        }
        tx.update(row.clone()).await?;
        let backend = row.identity_backend;
        tx.record(
            "tenant.identity",
            Target::new("tenant", row.id).with(serde_json::json!({"backend": backend})),
        );
        Ok(())
    }

    pub(super) async fn remove_identity(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let backend = backends::backend(self.service, tenant.identity_backend)?;
        backend.remove(&self.outside, &wanted(tenant)).await?;
        Ok(Learnt::default())
    }

    /// Forgets what was learnt; an issuer that only this tenant had goes too.
    pub(super) async fn forget_identity(&self, tx: &mut Tx) -> Result<(), Stop> {
        let mut row = tenancy::get(tx).await?;
        if let Some(issuer) = row.identity_issuer.take() {
            forget(tx, &issuer).await?;
        }
        tx.record("tenant.identity_remove", Target::new("tenant", row.id));
        Ok(tx.update(row).await?)
    }
}

/// Forgets an issuer that only this tenant had.
pub(crate) async fn forget(tx: &Tx, issuer: &str) -> Result<(), Stop> {
    tx.as_platform(FORGET_ISSUER, vec![issuer.into()]).await?;
    Ok(())
}

/// Registers an issuer, unless it is.
pub(super) async fn register(tx: &Tx, issuer: &backends::Issuer) -> Result<(), Stop> {
    let values = vec![
        ids::new().into(),
        issuer.issuer.clone().into(),
        issuer.audience.clone().into(),
        issuer.claim.clone().into(),
        issuer.resolve_by.into(),
        tx.now().into(),
    ];
    tx.as_platform(REGISTER_ISSUER, values).await?;
    Ok(())
}
