//! A tenant is moved: to an instance that is named, or to another SKU, region or driver.

use entity::tenancy::instance;
use entity::tenancy::states::{Driver, InstanceStatus, Isolation, Mode};
use platform::{Target, Work};
use serde::Deserialize;
use serde_json::json;
use tenancy::{Place, Tenant, TenantEvent, mode_of};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Accepted, Body, Code, FieldErrors, Input, Problem, Service, TenantCaller};

use super::{accepted, new_tenant};
use crate::model::Kind;
use crate::ops;

/// Where a tenant goes: an instance, or what is to change of where it is.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct MoveInput {
    /// An active instance with room. Its driver, mode and region become the tenant's.
    instance_id: Option<Uuid>,
    /// `shared`, `namespace` or `private`. A lower one than the tenant's must be named.
    #[schema(value_type = Option<String>)]
    isolation: Option<Isolation>,
    region: Option<String>,
    /// `pool`, or `azure` where it is configured.
    #[schema(value_type = Option<String>)]
    driver: Option<Driver>,
}

impl Input for MoveInput {
    fn check(&self, errors: &mut FieldErrors) {
        let says = self.instance_id.is_some()
            || self.isolation.is_some()
            || self.region.is_some()
            || self.driver.is_some();
        errors.require(says, "", "must name an instanceId, an isolation, a region or a driver");
        if let Some(region) = &self.region {
            errors.text("/region", region, 100);
        }
    }
}

pub(super) async fn move_tenant(
    caller: TenantCaller,
    Body(input): Body<MoveInput>,
) -> Result<Accepted<Tenant>, Problem> {
    if input.instance_id.is_none() {
        let now = caller.read(async |view| tenancy::get(view).await).await?;
        check_place(&caller.service, &input.changed(&Place::of(&now))).await?;
    }
    let row = caller
        .write(async |tx| {
            let tenant = tenancy::active(tx).await?;
            let from = Place::of(&tenant);
            let to = match input.instance_id {
                Some(id) => {
                    let found = tenancy::instance(tx, id).await.map_err(|problem| match problem.code {
                        Code::NotFound => Problem::invalid("/instanceId", "there is no such instance"),
                        _ => problem,
                    })?;
                    input.named(&from, &found)?
                }
                None => input.changed(&from),
            };
            if from.instance.is_some() && (from == to || to.instance.is_none() && is_there(&from, &to)) {
                return Err(refused("The tenant is there."));
            }
            let ends = json!({"from": from, "to": to});
            ops::begin(tx, Kind::Move, ends.clone()).await?;
            tx.record("tenant.move_begin", Target::new("tenant", tenant.id).with(ends));
            tenancy::record_event(tx, &tenant, TenantEvent::Moving, "tenant.moving");
            Ok::<_, Problem>(tenant)
        })
        .await?;
    Ok(accepted(row))
}

fn refused(why: &str) -> Problem {
    Problem::detailed(Code::MoveRefused, why)
}

/// Whether nothing would change of where a tenant is.
fn is_there(from: &Place, to: &Place) -> bool {
    Place { instance: None, ..from.clone() } == *to
}

/// Whether there is such a place at all; whether it has room is found out by the run, which waits for it.
async fn check_place(service: &Service, place: &Place) -> Result<(), Problem> {
    if place.driver == Driver::Azure {
        new_tenant::check_azure(service, place.isolation, place.region.as_deref())?;
    }
    match &place.region {
        Some(region) => new_tenant::check_region(service, place.driver, region).await,
        None => Ok(()),
    }
}

impl MoveInput {
    /// Where the tenant is, with what was named.
    fn changed(&self, from: &Place) -> Place {
        let driver = self.driver.unwrap_or(from.driver);
        let isolation = self.isolation.unwrap_or(from.isolation);
        // Who shares in the pool may be alone there; they stay so unless somebody speaks of it.
        let mode = match (driver, self.isolation) {
            (Driver::Pool, None) => from.mode,
            _ => mode_of(isolation),
        };
        let region = self.region.clone().or_else(|| from.region.clone());
        Place { driver, mode, isolation, region, instance: None }
    }

    /// The place on this instance. What it can't give is refused, and less than the tenant has must be named.
    fn named(&self, from: &Place, to: &instance::Model) -> Result<Place, Problem> {
        if from.instance == Some(to.id) {
            return Err(refused("The tenant is on this instance."));
        }
        if to.status != InstanceStatus::Active || to.tenant_count >= to.capacity {
            return Err(refused("The instance has no room, or isn't active."));
        }
        if self.driver.is_some_and(|driver| driver != to.driver) {
            return Err(Problem::invalid("/driver", format!("the instance's driver is {}", to.driver)));
        }
        if let (Some(asked), Some(region)) = (&self.region, &to.region)
            && asked != region
        {
            return Err(Problem::invalid("/region", format!("the instance is in {region}")));
        }
        let isolation = self.isolation.unwrap_or(from.isolation);
        let isolation = match (to.mode, isolation, self.isolation) {
            (Mode::Shared, Isolation::Namespace | Isolation::Private, None) => {
                let why = format!(
                    "The instance is shared, and the tenant's isolation is {isolation}: a lower one must be named."
                );
                return Err(refused(&why));
            }
            (Mode::Shared, Isolation::Namespace | Isolation::Private, Some(_)) => {
                return Err(Problem::invalid("/isolation", "must be shared: the instance is"));
            }
            // Alone, as it was in the pool before, or is to be; at Azure that is a SKU of its own.
            (Mode::Dedicated, Isolation::Shared, None) if to.driver == Driver::Azure => Isolation::Private,
            (Mode::Dedicated, Isolation::Shared, Some(_)) if to.driver == Driver::Azure => {
                return Err(Problem::invalid(
                    "/isolation",
                    "must be namespace or private: the instance is dedicated",
                ));
            }
            (_, isolation, _) => isolation,
        };
        let region = to.region.clone().or_else(|| self.region.clone()).or_else(|| from.region.clone());
        Ok(Place { driver: to.driver, mode: to.mode, isolation, region, instance: Some(to.id) })
    }
}
