//! `POST /api/v1/tenants`, `DELETE /api/v1/tenants/{tenant}`, the timeline and the retry.

use std::collections::BTreeMap;
use std::time::Duration;

use actix_web::http::Method;
use actix_web::web::Json;
use actix_web::{HttpRequest, HttpResponse, Responder as _};
use chrono::{DateTime, Utc};
use entity::provisioning::{run, step};
use entity::tenancy::tenant;
use platform::ids;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use tenancy::Tenant;
use tokio::time::{Instant, sleep};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Accepted, Access, Body, Code, Created, FieldErrors, Input, PlatformCaller, Problem, Routes, TenantCaller,
};

use crate::ops;

const ONE: &str = "/api/v1/tenants/{tenant}";
/// `Prefer: wait` is honoured up to this.
const WAIT_MAX: Duration = Duration::from_secs(25);
/// How often a waiting request looks.
const LOOK: Duration = Duration::from_millis(25);
/// Slugs that would be mistaken for something else.
const RESERVED: [&str; 8] = ["admin", "api", "default", "platform", "realms", "scim", "system", "www"];

/// The routes.
pub fn routes() -> Routes {
    let manage = Access::Key(Permission::TenantsManage);
    Routes::new()
        .add(
            Method::POST,
            "/api/v1/tenants",
            Access::Key(Permission::TenantsCreate),
            "create_tenant: Provision a tenant.",
            create_tenant,
        )
        .add(Method::DELETE, ONE, manage, "delete_tenant: Deprovision a tenant.", delete_tenant)
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/retry",
            manage,
            "retry_tenant: Provision a failed tenant again, or a waiting one now.",
            retry_tenant,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/provisioning",
            Access::Key(Permission::TenantRead),
            "get_provisioning: Get a tenant's timeline.",
            get_provisioning,
        )
}

/// A tenant to be provisioned.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TenantInput {
    /// A DNS label.
    #[schema(max_length = 63)]
    slug: String,
    #[schema(max_length = 200)]
    name: String,
    /// A plan's key; absent: `free`.
    plan: Option<String>,
    /// `shared`, `namespace` or `private`; absent: `shared`.
    isolation: Option<String>,
    region: Option<String>,
    identity: Option<IdentityInput>,
    instance: Option<InstanceInput>,
    owner: Option<OwnerInput>,
    /// Over the plan's; null: unlimited.
    #[serde(default)]
    quotas: BTreeMap<String, Option<i64>>,
}

/// A tenant's realm or org.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IdentityInput {
    /// `builtin`
    backend: Option<String>,
    /// `realm` (own issuer and keys) or `org` (the platform's); absent: `org`.
    kind: Option<String>,
    /// Its id at the backend; subject tokens name it. Absent: the tenant's id.
    external_id: Option<String>,
}

/// Where a tenant runs.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct InstanceInput {
    /// `pool`
    driver: Option<String>,
    /// `shared` or `dedicated`; absent: `shared`.
    mode: Option<String>,
}

/// Who is invited as its first admin.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OwnerInput {
    email: String,
    name: Option<String>,
}

impl Input for TenantInput {
    fn check(&self, errors: &mut FieldErrors) {
        let fits = web::is_slug(&self.slug) && Uuid::try_parse(&self.slug).is_err();
        errors.require(fits, "/slug", "must be a DNS label and not a UUID");
        errors.require(!RESERVED.contains(&self.slug.as_str()), "/slug", "is reserved");
        errors.text("/name", &self.name, 200);
        let one_of = |errors: &mut FieldErrors, pointer: &str, value: Option<&String>, known: &[&str]| {
            let fits = value.is_none_or(|value| known.contains(&value.as_str()));
            errors.require(fits, pointer, &format!("must be one of {}", known.join(", ")));
        };
        one_of(errors, "/isolation", self.isolation.as_ref(), &["shared", "namespace", "private"]);
        if let Some(region) = &self.region {
            errors.text("/region", region, 100);
        }
        if let Some(identity) = &self.identity {
            one_of(
                errors,
                "/identity/backend",
                identity.backend.as_ref(),
                &["builtin", "keycloak", "zitadel"],
            );
            one_of(errors, "/identity/kind", identity.kind.as_ref(), &["realm", "org"]);
            if let Some(id) = &identity.external_id {
                errors.text("/identity/externalId", id, 255);
            }
        }
        if let Some(instance) = &self.instance {
            one_of(errors, "/instance/driver", instance.driver.as_ref(), &["pool", "azure"]);
            one_of(errors, "/instance/mode", instance.mode.as_ref(), &["shared", "dedicated"]);
        }
        if let Some(owner) = &self.owner {
            errors.require(web::is_email(&owner.email), "/owner/email", "must be an e-mail address");
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
                "a name in lower case, a limit from 0 to 1,000,000,000, or null",
            );
        }
    }
}

impl TenantInput {
    fn row(
        self,
        now: platform::Timestamp,
    ) -> Result<(tenant::Model, BTreeMap<String, Option<i64>>), Problem> {
        let id = ids::new();
        let identity = self.identity.unwrap_or_default();
        let instance = self.instance.unwrap_or_default();
        let backend = identity.backend.unwrap_or_else(|| "builtin".to_owned());
        let driver = instance.driver.unwrap_or_else(|| "pool".to_owned());
        if backend != "builtin" || driver != "pool" {
            let problem = Problem::new(Code::BackendUnavailable);
            return Err(problem.fact("backend", backend).fact("driver", driver));
        }
        let (owner_email, owner_name) =
            self.owner.map_or((None, None), |owner| (Some(owner.email), owner.name));
        let row = tenant::Model {
            id,
            slug: self.slug,
            name: self.name,
            plan: self.plan.unwrap_or_else(|| "free".to_owned()),
            isolation: self.isolation.unwrap_or_else(|| "shared".to_owned()),
            region: self.region,
            status: "provisioning".to_owned(),
            identity_backend: backend,
            identity_kind: identity.kind.unwrap_or_else(|| "org".to_owned()),
            identity_external_id: Some(identity.external_id.unwrap_or_else(|| id.to_string())),
            instance_driver: driver,
            instance_mode: instance.mode.unwrap_or_else(|| "shared".to_owned()),
            instance_id: None,
            owner_email,
            owner_name,
            version: 1,
            created_at: now,
            updated_at: now,
            suspended_at: None,
            deleted_at: None,
            rehearses: None,
        };
        Ok((row, self.quotas))
    }
}

/// A tenant's timeline.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Provisioning {
    /// `provision` or `deprovision`
    kind: String,
    /// `running`, `compensating`, `done` or `failed`
    status: String,
    steps: Vec<TimelineStep>,
    created_at: DateTime<Utc>,
    finished_at: Option<DateTime<Utc>>,
}

/// One step of it.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimelineStep {
    name: String,
    /// `pending`, `running`, `done`, `failed` or `compensated`
    status: String,
    attempts: i64,
    started_at: Option<DateTime<Utc>>,
    finished_at: Option<DateTime<Utc>>,
    error: Option<String>,
}

impl From<(run::Model, Vec<step::Model>)> for Provisioning {
    fn from((run, steps): (run::Model, Vec<step::Model>)) -> Self {
        let step = |step: step::Model| TimelineStep {
            name: step.name,
            status: step.status,
            attempts: step.attempts,
            started_at: step.started_at,
            finished_at: step.finished_at,
            error: step.error,
        };
        Self {
            kind: run.kind,
            status: run.status,
            steps: steps.into_iter().map(step).collect(),
            created_at: run.created_at,
            finished_at: run.finished_at,
        }
    }
}

/// Seconds of `Prefer: wait=N` (RFC 7240).
fn wait(request: &HttpRequest) -> Option<Duration> {
    let values = request.headers().get_all("prefer").filter_map(|value| value.to_str().ok());
    let mut preferences = values.flat_map(|value| value.split([',', ';']));
    let seconds = preferences.find_map(|one| one.trim().strip_prefix("wait=")?.trim().parse::<u64>().ok())?;
    Some(Duration::from_secs(seconds).min(WAIT_MAX))
}

async fn create_tenant(
    caller: PlatformCaller,
    request: HttpRequest,
    Body(input): Body<TenantInput>,
) -> Result<HttpResponse, Problem> {
    let db = &caller.service.db;
    let (row, quotas) = input.row(db.clock().now())?;
    let id = row.id;
    let mut row = db.write(&caller.ctx, id, async |tx| ops::create(tx, row, &quotas).await).await?;
    if let Some(wait) = wait(&request) {
        let until = Instant::now() + wait;
        while row.status == "provisioning" && Instant::now() < until {
            sleep(LOOK).await;
            row = db.read(id, async |view| tenancy::get(view).await).await?;
        }
    }
    let location = format!("/api/v1/tenants/{id}");
    let active = row.status == "active";
    let reply = Tenant::from(row);
    let response = if active {
        Created(location, reply).respond_to(&request)
    } else {
        Accepted(location, reply).respond_to(&request)
    };
    Ok(response)
}

async fn delete_tenant(caller: TenantCaller) -> Result<Accepted<Tenant>, Problem> {
    let row = caller.write(async |tx| ops::delete(tx).await).await?;
    Ok(Accepted(format!("/api/v1/tenants/{}", row.id), row.into()))
}

async fn retry_tenant(caller: TenantCaller) -> Result<Accepted<Tenant>, Problem> {
    let row = caller.write(async |tx| ops::retry(tx).await).await?;
    Ok(Accepted(format!("/api/v1/tenants/{}", row.id), row.into()))
}

async fn get_provisioning(caller: TenantCaller) -> Result<Json<Provisioning>, Problem> {
    Ok(Json(caller.read(async |view| ops::latest(view).await).await?.into()))
}
