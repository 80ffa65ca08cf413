//! From where to where a tenant moves, as its run has it.

use entity::tenancy::states::{IdentityBackend, IdentityKind};
use entity::tenancy::tenant;
use serde::{Deserialize, Serialize};
use tenancy::Place;
use uuid::Uuid;

use crate::model::{Kind, StepError};
use crate::steps::Attempt;

/// One end of a move.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    From,
    To,
}

impl End {
    /// Under which name the run has the place.
    pub(crate) fn place(self) -> &'static str {
        match self {
            End::From => "from",
            End::To => "to",
        }
    }

    /// Under which name it has the realm or org.
    pub(crate) fn realm(self) -> &'static str {
        match self {
            End::From => "fromRealm",
            End::To => "toRealm",
        }
    }
}

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

impl Attempt<'_> {
    /// The run, if it is a move.
    pub(in crate::steps) fn moves(&self) -> Option<Uuid> {
        (self.run.kind == Kind::Move).then_some(self.run.id)
    }

    /// From where to where, if the move is one between places.
    pub(super) fn places(&self, tenant: &tenant::Model) -> Result<Option<(Place, Place)>, StepError> {
        if self.run.parameters.get(End::To.place()).is_none() {
            return Ok(None);
        }
        Ok(Some((self.place_at(End::From, tenant)?, self.place_at(End::To, tenant)?)))
    }

    fn place_at(&self, end: End, tenant: &tenant::Model) -> Result<Place, StepError> {
        let said = self.run.parameters.get(end.place()).cloned().unwrap_or_default();
        // Runs from before knew an instance only, of the same kind.
        let place = match said.as_str().map(Uuid::try_parse) {
            Some(id) => id.ok().map(|id| Place { instance: Some(id), ..Place::of(tenant) }),
            None => serde_json::from_value(said).ok(),
        };
        place
            .ok_or_else(|| StepError::Permanent { why: format!("the run doesn't say {} where", end.place()) })
    }

    /// Where the tenant moves, on the instance that the first step found.
    pub(super) fn target(&self, tenant: &tenant::Model) -> Result<Option<(Place, Uuid)>, StepError> {
        let Some((_, to)) = self.places(tenant)? else { return Ok(None) };
        match to.instance {
            Some(id) => Ok(Some((to, id))),
            None => Err(StepError::Permanent { why: "no place was taken".to_owned() }),
        }
    }

    /// From which realm to which, if the move is one between realms.
    pub(super) fn realms(&self) -> Option<(Realm, Realm)> {
        let read = |name: &str| serde_json::from_value(self.run.parameters.get(name)?.clone()).ok();
        Some((read(End::From.realm())?, read(End::To.realm())?))
    }
}
