//! A tenant to be provisioned, as it is asked for.

use std::collections::BTreeMap;

use entity::tenancy::states::{BillingState, Driver, IdentityBackend, IdentityKind, Isolation, Mode};
use entity::tenancy::tenant;
use platform::{Timestamp, ids};
use serde::Deserialize;
use serde_json::{Value, json};
use tenancy::Status;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{FieldErrors, Input, PlatformService, Problem, Tools};

use crate::codes;
use crate::settings::Instances;
use crate::steps::{PLACED, Realm};

/// Slugs that would be mistaken for something else.
const RESERVED: [&str; 9] =
    ["admin", "api", "default", "master", "platform", "realms", "scim", "system", "www"];

/// A tenant to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct NewTenant {
    /// The tenant's name in URLs: a DNS label, and not a UUID.
    #[schema(max_length = 63)]
    slug: String,
    /// The tenant's display name.
    #[schema(max_length = 200)]
    name: String,
    /// The plan's key; absent: `free`.
    plan: Option<String>,
    /// `shared`, `namespace` or `private`; absent: `shared`.
    isolation: Option<String>,
    /// The region where the tenant is to run; absent: no preference.
    region: Option<String>,
    identity: Option<IdentityInput>,
    instance: Option<InstanceInput>,
    owner: Option<OwnerInput>,
    /// Limits that replace those of the plan, by resource; null: unlimited.
    #[serde(default)]
    quotas: BTreeMap<String, Option<i64>>,
}

/// The tenant's realm or org at an identity backend.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdentityInput {
    /// `builtin`, or `keycloak` or `zitadel` if configured; absent: `builtin`.
    backend: Option<String>,
    /// `realm` (an issuer and keys of its own) or `org` (those of the platform or of a shared realm); absent: `org`.
    kind: Option<String>,
    /// The tenant's id at the backend, which subject tokens carry. Absent: the slug for a Keycloak realm, otherwise the tenant's id.
    external_id: Option<String>,
    /// The alias of the tenant's identity provider in a shared realm, for issuers with `resolveBy` `idp_alias`.
    idp_alias: Option<String>,
}

/// On which kind of instance the tenant is placed.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstanceInput {
    /// `pool`, or `azure` if configured; absent: `instances.driver` of the configuration, or `pool` if instances are registered.
    driver: Option<String>,
    /// `shared` or `dedicated`; absent: as the isolation requires. Only isolation `shared` is placed on shared instances.
    mode: Option<String>,
}

/// The person who is invited as the tenant's first admin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwnerInput {
    email: String,
    name: Option<String>,
}

fn one_of(errors: &mut FieldErrors, pointer: &str, value: Option<&String>, known: &[&str]) {
    let fits = value.is_none_or(|value| known.contains(&value.as_str()));
    errors.require(fits, pointer, &format!("must be one of {}", known.join(", ")));
}

impl IdentityInput {
    pub(super) fn check(&self, errors: &mut FieldErrors) {
        one_of(errors, "/identity/backend", self.backend.as_ref(), IdentityBackend::TEXTS);
        one_of(errors, "/identity/kind", self.kind.as_ref(), IdentityKind::TEXTS);
        if let Some(id) = &self.external_id {
            errors.text("/identity/externalId", id, 255);
        }
        if let Some(alias) = &self.idp_alias {
            errors.text("/identity/idpAlias", alias, 255);
        }
    }

    /// The realm or org that is meant: what isn't said is as it is now, or as is usual.
    ///
    /// # Errors
    /// `tenant.backend_unavailable`, `validation.failed`.
    pub(super) fn realm(
        self,
        service: &PlatformService,
        now: Option<&Realm>,
        (tenant, slug): (Uuid, &str),
    ) -> Result<Realm, Problem> {
        let backend = read("/identity/backend", self.backend, IdentityBackend::parse)?;
        let backend = backend.or(now.map(|now| now.backend)).unwrap_or(IdentityBackend::Builtin);
        let stays = now.filter(|now| now.backend == backend);
        let kind = read("/identity/kind", self.kind, IdentityKind::parse)?;
        let kind = kind.or(stays.map(|now| now.kind)).unwrap_or_else(|| default_kind(backend));
        backends::check(service, backend, kind)?;
        // By the id that it has it is known, as long as the id is of the same kind; ours mean nothing but that.
        let known = stays.filter(|now| backend == IdentityBackend::Builtin || now.kind == kind);
        let known = known.and_then(|now| now.external_id.clone());
        let chosen = || backends::chosen_id(backend, kind, tenant, slug);
        Ok(Realm {
            backend,
            kind,
            external_id: self.external_id.or(known).or_else(chosen),
            idp_alias: self.idp_alias.or(now.and_then(|now| now.idp_alias.clone())),
            issuer: None,
        })
    }
}

impl Input for NewTenant {
    fn check(&self, errors: &mut FieldErrors) {
        let fits = web::is_slug(&self.slug) && Uuid::try_parse(&self.slug).is_err();
        errors.require(fits, "/slug", "must be a DNS label and not a UUID");
        errors.require(!RESERVED.contains(&self.slug.as_str()), "/slug", "is reserved");
        errors.text("/name", &self.name, identity_core::NAME_MAX);
        one_of(errors, "/isolation", self.isolation.as_ref(), Isolation::TEXTS);
        if let Some(region) = &self.region {
            errors.text("/region", region, 100);
        }
        if let Some(identity) = &self.identity {
            identity.check(errors);
        }
        if let Some(instance) = &self.instance {
            one_of(errors, "/instance/driver", instance.driver.as_ref(), Driver::TEXTS);
            one_of(errors, "/instance/mode", instance.mode.as_ref(), Mode::TEXTS);
        }
        if let Some(owner) = &self.owner {
            errors.require(
                identity_core::is_email(&owner.email),
                "/owner/email",
                "must be an e-mail address",
            );
            if let Some(name) = &owner.name {
                errors.text("/owner/name", name, 200);
            }
        }
        errors.require(self.quotas.len() <= 100, "/quotas", "at most 100 resources");
        for (resource, limit) in &self.quotas {
            let fits =
                web::is_slug(resource) && limit.is_none_or(|limit| (0..=1_000_000_000).contains(&limit));
            errors.require(
                fits,
                &format!("/quotas/{resource}"),
                "must be a resource name, with a limit from 0 to 1,000,000,000 or null",
            );
        }
    }
}

impl NewTenant {
    /// One that didn't come as the body of a request.
    ///
    /// # Errors
    /// `validation.failed`.
    pub fn read(body: Value) -> Result<Self, Problem> {
        let new: Self =
            serde_json::from_value(body).map_err(|error| Problem::invalid("", error.to_string()))?;
        let mut errors = FieldErrors::default();
        new.check(&mut errors);
        errors.finish()?;
        Ok(new)
    }

    /// The tenant's row and what its run is told, once it is known that both can be.
    ///
    /// # Errors
    /// `tenant.backend_unavailable`, `tenant.region_unknown`, `validation.failed`.
    pub async fn into_row(self, service: &PlatformService) -> Result<(tenant::Model, Value), Problem> {
        let id = ids::new();
        let identity = self.identity.unwrap_or_default();
        let asks = |instance: &InstanceInput| instance.driver.is_some() || instance.mode.is_some();
        let placed = self.instance.as_ref().is_some_and(asks);
        let instance = self.instance.unwrap_or_default();
        let realm = identity.realm(service, None, (id, &self.slug))?;
        let usual = Driver::parse(&service.config.section::<Instances>().driver).unwrap_or(Driver::Pool);
        let driver = read("/instance/driver", instance.driver, Driver::parse)?.unwrap_or(usual);
        let isolation = read("/isolation", self.isolation, Isolation::parse)?.unwrap_or(Isolation::Shared);
        if driver == Driver::Azure {
            check_azure(service, isolation, self.region.as_deref())?;
        }
        let mode = mode(driver, isolation, read("/instance/mode", instance.mode, Mode::parse)?)?;
        if let Some(region) = &self.region {
            check_region(service, driver, region).await?;
        }
        let (owner_email, owner_name) =
            self.owner.map_or((None, None), |owner| (Some(owner.email), owner.name));
        let now: Timestamp = service.clock.now();
        let row = tenant::Model {
            id,
            slug: self.slug,
            name: self.name,
            plan: self.plan.unwrap_or_else(|| "free".to_owned()),
            isolation,
            region: self.region,
            status: Status::Provisioning,
            identity_backend: realm.backend,
            identity_kind: realm.kind,
            identity_external_id: realm.external_id,
            instance_driver: driver,
            instance_mode: mode,
            instance_id: None,
            owner_email,
            owner_name,
            version: 1,
            created_at: now,
            updated_at: now,
            suspended_at: None,
            deleted_at: None,
            dry_run_of: None,
            identity_issuer: None,
            identity_idp_alias: realm.idp_alias,
            recycle_until: None,
            suspended_by: None,
            billing_state: BillingState::Full,
            billing_customer: None,
            identity_sequence: None,
        };
        Ok((row, json!({"quotas": self.quotas, PLACED: placed})))
    }
}

/// What a checked text says, if there is one.
fn read<T>(
    pointer: &'static str,
    text: Option<String>,
    parse: fn(&str) -> Option<T>,
) -> Result<Option<T>, Problem> {
    let parse =
        |text: String| parse(&text).ok_or_else(|| Problem::invalid(pointer, "there is no such value"));
    text.map(parse).transpose()
}

fn default_kind(backend: IdentityBackend) -> IdentityKind {
    match backend {
        IdentityBackend::Keycloak => IdentityKind::Realm,
        IdentityBackend::Builtin | IdentityBackend::Zitadel => IdentityKind::Org,
    }
}

/// The isolation is the SKU: `shared` shares an instance, the others have one of their own. In the pool, whose instances somebody else
/// makes, who shares may be alone too.
fn mode(driver: Driver, isolation: Isolation, asked: Option<Mode>) -> Result<Mode, Problem> {
    let follows = tenancy::mode_of(isolation);
    match (driver, asked) {
        (_, None) => Ok(follows),
        (_, Some(asked)) if asked == follows => Ok(follows),
        (Driver::Pool, Some(Mode::Dedicated)) => Ok(Mode::Dedicated),
        _ => Err(Problem::invalid("/instance/mode", format!("must be {follows} with isolation {isolation}"))),
    }
}

pub(super) fn check_azure(tools: &Tools, isolation: Isolation, region: Option<&str>) -> Result<(), Problem> {
    let settings = tools.config.section::<azure::Settings>();
    let region = crate::deployments::region(tools, region);
    if !azure::is_configured(settings) {
        return Err(Problem::new(backends::codes::BACKEND_UNAVAILABLE).fact("driver", "azure"));
    }
    if isolation == Isolation::Namespace && settings.environment_of(&region).is_none() {
        return Err(Problem::detailed(
            backends::codes::BACKEND_UNAVAILABLE,
            "No environment for the isolation namespace is configured in this region.",
        )
        .fact("driver", "azure")
        .fact("region", region));
    }
    Ok(())
}

/// A region is one of Azure's that are configured, or one that an instance of the pool says. Where nobody says any, it is a note.
pub(super) async fn check_region(
    service: &PlatformService,
    driver: Driver,
    region: &str,
) -> Result<(), Problem> {
    let settings = service.config.section::<azure::Settings>();
    let mut known = if azure::is_configured(settings) { settings.regions.clone() } else { Vec::new() };
    if driver == Driver::Pool {
        known.extend(service.db.read(async |view| tenancy::regions(view).await).await?);
    }
    if known.is_empty() || known.iter().any(|one| one == region) {
        return Ok(());
    }
    Err(Problem::new(codes::REGION_UNKNOWN).fact("region", region).fact("known", known))
}
