//! Identity backends: where a tenant's realm or org is.
//!
//! | backend | realm | org |
//! |---|---|---|
//! | `builtin` | an issuer with its own keys, here | the platform's issuer |
//! | `keycloak` | a realm from `templates/keycloak/realm.v1.json` | an organization in the shared realm |
//! | `zitadel` | – | an org of that id |
//!
//! Owns no table but a builtin realm's signing keys. All calls are idempotent: what is there and ours is found again, what is
//! there and isn't ours is never touched. Network: what changes something
//! is called from jobs, what compares also from requests; never inside a transaction.

mod builtin;
mod capability;
pub mod codes;
mod error;
mod keycloak;
mod settings;
mod zitadel;

use entity::exchange::issuer;
use entity::exchange::states::ResolveBy;
use entity::tenancy::states::{IdentityBackend as Which, IdentityKind};
use futures_util::future::LocalBoxFuture;
use platform::http::{Failure, Outside};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use web::PlatformService;

pub use capability::capability;
pub use error::Error;
pub use settings::{Keycloak, Settings, Zitadel};
pub use zitadel::{Person, is_active as zitadel_is_active, people};

/// What a tenant's realm or org should be.
#[derive(Clone, Debug)]
pub struct DesiredState {
    /// The tenant.
    pub tenant: Uuid,
    /// Its name in URLs.
    pub slug: String,
    /// Its name for people.
    pub name: String,
    /// Which of the two.
    pub kind: IdentityKind,
    /// Its id at the backend, where it is known or was chosen.
    pub external_id: Option<String>,
    /// Its first admin: e-mail and name.
    pub owner: Option<(String, Option<String>)>,
    /// Whether the tenant is being made: what is made once only is made now.
    pub is_begun: bool,
    /// Whether people may sign in there.
    pub enabled: bool,
}

/// What was made, or found.
#[derive(Clone, Debug, Default)]
pub struct Made {
    /// Its id at the backend.
    pub external_id: Option<String>,
    /// The issuer of its tokens, learnt from discovery.
    pub issuer: Option<Issuer>,
}

/// Whose tokens a tenant's people bring.
#[derive(Clone, Debug)]
pub struct Issuer {
    /// `iss`, as the discovery document says.
    pub issuer: String,
    /// `aud`.
    pub audience: String,
    /// How a token of it names the tenant.
    pub resolve_by: ResolveBy,
    /// The claim, for `claim`.
    pub claim: String,
}

impl Issuer {
    /// The issuer, where it is one tenant's own.
    pub fn own(&self) -> Option<String> {
        (self.resolve_by == ResolveBy::Issuer).then(|| self.issuer.clone())
    }
}

/// One difference between the desired and the actual state at the identity backend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, ToSchema)]
pub struct Difference {
    /// What differs: `realm`, `realm.enabled`, `role.admin`, …
    pub what: String,
    /// The desired value.
    pub desired: String,
    /// The actual value.
    pub found: String,
}

impl Difference {
    fn new(what: impl ToString, desired: impl ToString, found: impl ToString) -> Self {
        Self { what: what.to_string(), desired: desired.to_string(), found: found.to_string() }
    }

    fn missing(what: impl ToString) -> Self {
        Self::new(what, "present", "absent")
    }
}

/// A product that keeps realms or orgs.
pub trait IdentityBackend {
    /// Makes what is desired, or repairs what differs from it.
    fn ensure<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Made, Failure>>;

    /// Compares, and changes nothing.
    fn compare<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<Vec<Difference>, Failure>>;

    /// Removes it, if it is there and ours.
    fn remove<'a>(
        &'a self,
        outside: &'a Outside,
        desired: &'a DesiredState,
    ) -> LocalBoxFuture<'a, Result<(), Failure>>;

    /// Asks for a sign of life, with the credentials that runs use.
    fn ping<'a>(&'a self, outside: &'a Outside) -> LocalBoxFuture<'a, Result<(), Failure>>;
}

/// A tenant's backend.
///
/// # Errors
/// [`Error::NotConfigured`]
pub fn backend(service: &PlatformService, which: Which) -> Result<Box<dyn IdentityBackend + '_>, Error> {
    let identity = service.config.section::<Settings>();
    match which {
        Which::Builtin => Ok(Box::new(builtin::Builtin { service })),
        Which::Keycloak if !identity.keycloak.url.is_empty() => {
            Ok(Box::new(keycloak::Keycloak { settings: &identity.keycloak }))
        }
        Which::Zitadel if !identity.zitadel.url.is_empty() => {
            Ok(Box::new(zitadel::Zitadel { settings: &identity.zitadel }))
        }
        Which::Keycloak | Which::Zitadel => Err(Error::NotConfigured(which)),
    }
}

/// Refuses a backend that isn't configured, and a kind that it doesn't have.
pub fn check(service: &PlatformService, which: Which, kind: IdentityKind) -> Result<(), Error> {
    backend(service, which)?;
    if which == Which::Zitadel && kind == IdentityKind::Realm {
        return Err(Error::KindUnknown { backend: which, kind });
    }
    Ok(())
}

/// The id at the backend that a tenant gets unless the caller chose one; `None`: the backend chooses.
pub fn chosen_id(backend: Which, kind: IdentityKind, tenant: Uuid, slug: &str) -> Option<String> {
    match (backend, kind) {
        (Which::Keycloak, IdentityKind::Realm) => Some(slug.to_owned()),
        (Which::Keycloak, IdentityKind::Org) => None,
        (Which::Builtin | Which::Zitadel, _) => Some(tenant.to_string()),
    }
}

/// The backends that are configured.
fn configured(service: &PlatformService) -> Vec<Which> {
    Which::ALL.iter().copied().filter(|which| backend(service, *which).is_ok()).collect()
}

/// What the discovery document under `base` says its issuer is.
async fn discover(outside: &Outside, base: &str) -> Result<String, Failure> {
    let url = format!("{}/.well-known/openid-configuration", base.trim_end_matches('/'));
    let answer = outside.json(http::Request::get(url), None).await?;
    if !answer.status().is_success() {
        return Err(Failure::of("discovery", &answer, None));
    }
    let issuer = answer.body().get("issuer").and_then(serde_json::Value::as_str);
    issuer.map(ToOwned::to_owned).ok_or_else(|| Failure::later("the discovery document names no issuer"))
}

/// The issuers of Zitadel's tokens that were learnt.
pub async fn zitadel_issuers(service: &PlatformService) -> Result<Vec<String>, platform::DbError> {
    let find = async |view: &platform::PlatformView| {
        let select =
            view.platform::<issuer::Entity>().filter(issuer::Column::TenantClaim.eq(issuer::ZITADEL_ORG));
        view.all(select).await
    };
    Ok(service.db.read(find).await?.into_iter().map(|row| row.issuer).collect())
}
