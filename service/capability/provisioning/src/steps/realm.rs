//! A tenant goes to another realm or org: made beside the one where it is, which goes once nobody needs it.

use entity::provisioning::run;
use entity::tenancy::states::{IdentityBackend, IdentityKind};
use entity::tenancy::tenant;
use platform::{Target, Tx, Work};
use serde::{Deserialize, Serialize};
use serde_json::json;
use web::Problem;

use super::identity::{forget, register};
use super::moving::End;
use super::{Learnt, Step};
use crate::converge::wanted;
use crate::model::Stop;
use crate::retire::RetireRealm;

/// A tenant's realm or org.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Realm {
    pub(crate) backend: IdentityBackend,
    pub(crate) kind: IdentityKind,
    pub(crate) external_id: Option<String>,
    pub(crate) idp_alias: Option<String>,
    /// Learnt from discovery, where it is the tenant's own.
    #[serde(default)]
    pub(crate) issuer: Option<String>,
}

impl Realm {
    pub(crate) fn of(tenant: &tenant::Model) -> Self {
        Self {
            backend: tenant.identity_backend,
            kind: tenant.identity_kind,
            external_id: tenant.identity_external_id.clone(),
            idp_alias: tenant.identity_idp_alias.clone(),
            issuer: tenant.identity_issuer.clone(),
        }
    }

    /// The tenant as if it were there.
    pub(crate) fn with(&self, tenant: tenant::Model) -> tenant::Model {
        tenant::Model {
            identity_backend: self.backend,
            identity_kind: self.kind,
            identity_external_id: self.external_id.clone(),
            identity_idp_alias: self.idp_alias.clone(),
            identity_issuer: self.issuer.clone(),
            ..tenant
        }
    }

    /// Whether it is that one. An id that the backend is still to choose is no other.
    pub(crate) fn is(&self, other: &Self) -> bool {
        let same_id = self.external_id.is_none() || self.external_id == other.external_id;
        (self.backend, self.kind) == (other.backend, other.kind) && same_id
    }

    /// Whether anything stands anywhere for it: an org of ours is the platform's own issuer, and its keys would be those of the realm that
    /// the tenant has meanwhile.
    pub(crate) fn is_made(&self) -> bool {
        (self.backend, self.kind) != (IdentityBackend::Builtin, IdentityKind::Org)
    }
}

impl Step<'_> {
    /// From which realm to which, if the move is one between realms.
    fn realms(&self) -> Option<(Realm, Realm)> {
        let read = |name: &str| serde_json::from_value(self.run.parameters.get(name)?.clone()).ok();
        Some((read(End::From.realm())?, read(End::To.realm())?))
    }

    pub(super) async fn ensure_realm(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        let Some((_, to)) = self.realms() else { return Ok(Learnt::default()) };
        let wanted = backends::Wanted { is_begun: true, ..wanted(&to.with(tenant.clone())) };
        let made = backends::backend(self.service, to.backend)?.ensure(&self.outside, &wanted).await?;
        Ok(Learnt { identity: Some(made), ..Learnt::default() })
    }

    /// Notes in the run what was made; the tenant is switched to it later.
    pub(super) async fn note_realm(&self, tx: &mut Tx, learnt: &Learnt) -> Result<(), Stop> {
        let (Some((_, mut to)), Some(made)) = (self.realms(), &learnt.identity) else { return Ok(()) };
        to.external_id = made.external_id.clone().or(to.external_id);
        if let Some(issuer) = &made.issuer {
            to.issuer = issuer.own();
            register(tx, issuer).await?;
        }
        let Some(mut row) = self.locked_run(tx).await? else { return Ok(()) };
        keep(&mut row, End::To.realm(), &to);
        tx.update(row).await?;
        tx.record("tenant.identity", Target::new("tenant", tx.tenant()).with(json!({"backend": to.backend})));
        Ok(())
    }

    pub(super) async fn remove_realm(&self, tenant: &tenant::Model) -> Result<Learnt, Stop> {
        if let Some((_, to)) = self.realms().filter(|(_, to)| to.is_made()) {
            let backend = backends::backend(self.service, to.backend)?;
            backend.remove(&self.outside, &wanted(&to.with(tenant.clone()))).await?;
        }
        Ok(Learnt::default())
    }

    pub(super) async fn forget_realm(&self, tx: &mut Tx) -> Result<(), Stop> {
        let Some((_, to)) = self.realms() else { return Ok(()) };
        if let Some(issuer) = &to.issuer {
            forget(tx, issuer).await?;
        }
        tx.record("tenant.identity_remove", Target::new("tenant", tx.tenant()));
        Ok(())
    }

    /// The tenant is at this end of the move from now on.
    pub(super) async fn switch_realm(&self, tx: &mut Tx, end: End) -> Result<(), Problem> {
        let Some((from, to)) = self.realms() else { return Ok(()) };
        let realm = match end {
            End::From => from,
            End::To => to,
        };
        let row = tenancy::locked(tx).await?;
        let row = tenant::Model { version: row.version + 1, updated_at: tx.now(), ..realm.with(row) };
        Ok(tx.update(row).await?)
    }

    /// The realm where the tenant was is removed by a job of its own.
    pub(super) fn leave_realm(&self, tx: &mut Tx) {
        if let Some((from, _)) = self.realms().filter(|(from, _)| from.is_made()) {
            tx.enqueue(&RetireRealm { tenant: tx.tenant(), realm: from });
        }
    }
}

/// Keeps something in the run's parameters.
pub(super) fn keep(row: &mut run::Model, name: &str, value: &impl Serialize) {
    if let Some(parameters) = row.parameters.as_object_mut() {
        parameters.insert(name.to_owned(), json!(value));
    }
}
