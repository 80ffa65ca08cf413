//! A tenant is moved: to an instance that is named, or to another SKU, region or driver.

use entity::tenancy::states::{Driver, InstanceStatus, Isolation, Mode};
use entity::tenancy::{instance, tenant};
use platform::{Target, Tx, Work};
use serde::Deserialize;
use serde_json::json;
use tenancy::{Place, Tenant, mode_of};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Accepted, Body, Code, FieldErrors, Input, PlatformService, Problem, TenantCaller, Tools};

use super::new_tenant::IdentityInput;
use super::{accepted, new_tenant};
use crate::codes;
use crate::model::Kind;
use crate::ops;
use crate::settings::Instances;
use crate::steps::{End, Realm};

/// Where a tenant moves: to a certain instance, or to one with the properties that are given.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MoveInput {
    /// An active instance with free capacity. The tenant takes over its driver, mode and region.
    instance_id: Option<Uuid>,
    /// `shared`, `namespace` or `private`. Must be given if the tenant's isolation becomes lower.
    #[schema(value_type = Option<String>)]
    isolation: Option<Isolation>,
    /// The region to move to.
    region: Option<String>,
    /// `pool`, or `azure` if it is configured.
    #[schema(value_type = Option<String>)]
    driver: Option<Driver>,
    /// Another realm or org. The tenant's people then sign in from there, as from a new issuer.
    identity: Option<IdentityInput>,
}

impl Input for MoveInput {
    fn check(&self, errors: &mut FieldErrors) {
        let says = self.instance_id.is_some()
            || self.isolation.is_some()
            || self.region.is_some()
            || self.driver.is_some()
            || self.identity.is_some();
        errors.require(says, "", "must have an instanceId, isolation, region, driver or identity");
        if let Some(identity) = &self.identity {
            identity.check(errors);
        }
        if let Some(region) = &self.region {
            errors.text("/region", region, 100);
        }
    }
}

pub(super) async fn move_tenant(
    caller: TenantCaller,
    Body(mut input): Body<MoveInput>,
) -> Result<Accepted<Tenant>, Problem> {
    let now = caller.read(async |view| tenancy::get(view).await).await?;
    let realms = match input.identity.take() {
        Some(identity) => Some(realms(caller.platform(), identity, &now)?),
        None => None,
    };
    if input.names_a_change() {
        check_place(caller.platform(), &input.changed(&Place::of(&now))).await?;
    }
    let row = caller
        .write(async |tx| {
            let tenant = tenancy::active(tx).await?;
            let mut ends = serde_json::Map::new();
            let named = |(name, end): (&str, serde_json::Value)| (name.to_owned(), end);
            if let Some((from, to)) = places(tx, caller.tools(), &input, &tenant).await? {
                ends.extend([(End::From.place(), json!(from)), (End::To.place(), json!(to))].map(named));
            }
            if let Some((from, to)) = &realms {
                if *from != Realm::of(&tenant) {
                    return Err(Problem::new(Code::CONFLICT));
                }
                ends.extend([(End::From.realm(), json!(from)), (End::To.realm(), json!(to))].map(named));
            }
            let ends = serde_json::Value::Object(ends);
            ops::begin(tx, Kind::Move, ends.clone()).await?;
            tx.record("tenant.move_begin", Target::new("tenant", tenant.id).with(ends));
            Ok::<_, Problem>(tenant)
        })
        .await?;
    Ok(accepted(row))
}

/// From which realm to which.
fn realms(
    service: &PlatformService,
    identity: IdentityInput,
    now: &tenant::Model,
) -> Result<(Realm, Realm), Problem> {
    let from = Realm::of(now);
    let to = identity.realm(service, Some(&from), (now.id, &now.slug))?;
    if to.is(&from) {
        return Err(refused("The tenant is already in this realm or org."));
    }
    Ok((from, to))
}

/// From which place to which, if the move names another.
async fn places(
    tx: &Tx,
    tools: &Tools,
    input: &MoveInput,
    tenant: &tenant::Model,
) -> Result<Option<(Place, Place)>, Problem> {
    let from = Place::of(tenant);
    let to = match input.instance_id {
        Some(id) => {
            let found = tenancy::instance(tx, id).await.map_err(|error| match error {
                tenancy::Error::NotFound => Problem::invalid("/instanceId", "there is no such instance"),
                other => other.into(),
            })?;
            input.named(&from, &found)?
        }
        None if input.names_a_change() => input.changed(&from),
        None => return Ok(None),
    };
    if from.instance.is_some() && to.instance.is_none() && is_there(&from, &to) {
        return Err(refused("The tenant is already there."));
    }
    let is_set = !tools.config.section::<Instances>().driver.is_empty();
    if to.instance.is_none() && to.driver == Driver::Pool && !is_set && !tenancy::has_pool(tx).await? {
        return Err(refused(
            "No instances are registered and no driver is configured, so tenants are not placed on instances.",
        ));
    }
    Ok(Some((from, to)))
}

fn refused(why: &str) -> Problem {
    Problem::detailed(codes::MOVE_REFUSED, why)
}

/// At Azure an instance of one's own is a SKU of its own.
fn at_azure(driver: Driver, mode: Mode, isolation: Isolation) -> Isolation {
    match (driver, mode, isolation) {
        (Driver::Azure, Mode::Dedicated, Isolation::Shared) => Isolation::Private,
        (_, _, isolation) => isolation,
    }
}

/// Whether nothing would change of where a tenant is.
fn is_there(from: &Place, to: &Place) -> bool {
    Place { instance: None, ..from.clone() } == *to
}

/// Whether there is such a place at all; whether it has room is found out by the run, which waits for it.
async fn check_place(service: &PlatformService, place: &Place) -> Result<(), Problem> {
    if place.driver == Driver::Azure {
        new_tenant::check_azure(service, place.isolation, place.region.as_deref())?;
    }
    match &place.region {
        Some(region) => new_tenant::check_region(service, place.driver, region).await,
        None => Ok(()),
    }
}

impl MoveInput {
    /// Whether it says what is to change of where a tenant is, and no instance.
    fn names_a_change(&self) -> bool {
        let says = self.isolation.is_some() || self.region.is_some() || self.driver.is_some();
        self.instance_id.is_none() && says
    }

    /// The least that the tenant has a right to: what is named, else what it has and what it was sold, whichever is more.
    fn least(&self, from: &Place) -> Mode {
        match self.isolation {
            Some(isolation) => mode_of(isolation),
            None if from.mode == Mode::Dedicated => Mode::Dedicated,
            None => mode_of(from.isolation),
        }
    }

    /// Where the tenant is, with what was named.
    fn changed(&self, from: &Place) -> Place {
        let driver = self.driver.unwrap_or(from.driver);
        let mode = self.least(from);
        let isolation = at_azure(driver, mode, self.isolation.unwrap_or(from.isolation));
        let region = self.region.clone().or_else(|| from.region.clone());
        Place { driver, mode, isolation, region, instance: None }
    }

    /// The place on this instance. What it can't give is refused, and less than the tenant has must be named.
    fn named(&self, from: &Place, to: &instance::Model) -> Result<Place, Problem> {
        if from.instance == Some(to.id) {
            return Err(refused("The tenant is already on this instance."));
        }
        if to.status != InstanceStatus::Active || to.tenant_count >= to.capacity {
            return Err(refused("The instance has no free capacity or is not active."));
        }
        if self.driver.is_some_and(|driver| driver != to.driver) {
            return Err(Problem::invalid("/driver", format!("the instance's driver is {}", to.driver)));
        }
        if let (Some(asked), Some(region)) = (&self.region, &to.region)
            && asked != region
        {
            return Err(Problem::invalid("/region", format!("the instance is in {region}")));
        }
        if (to.driver, to.mode) == (Driver::Azure, Mode::Dedicated) {
            return Err(refused(
                "This Azure instance is for one tenant only. Give an isolation instead, and one is created.",
            ));
        }
        match (to.mode, self.least(from), self.isolation) {
            (Mode::Shared, Mode::Dedicated, None) => {
                return Err(refused(
                    "The instance is shared, but the tenant is isolated: the lower isolation must be given.",
                ));
            }
            (Mode::Shared, Mode::Dedicated, Some(_)) => {
                return Err(Problem::invalid("/isolation", "must be shared, as the instance is"));
            }
            _ => {}
        }
        let isolation = self.isolation.unwrap_or(from.isolation);
        let region = to.region.clone().or_else(|| self.region.clone()).or_else(|| from.region.clone());
        Ok(Place { driver: to.driver, mode: to.mode, isolation, region, instance: Some(to.id) })
    }
}
