//! For operators: health, readiness, metrics, the contract, jobs.

mod jobs;

use std::sync::OnceLock;
use std::time::Duration;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::{Bytes, Json};
use chrono::{DateTime, Utc};
use pages::Pages;
use platform::db::Db;
use platform::store::health::Health as StoreHealth;
use platform::store::integrity::Integrity;
use platform::tables;
use policy_core::Permission;
use serde::Serialize;
use serde_json::{Value, json};
use tokio::time::timeout;
use utoipa::ToSchema;
use web::{Access, Caller, Capability, Problem, Route, Routes, Shared, When};

use crate::codes;

static PAGES: Pages = ::pages::pages!("../../templates/pages/service/": "reference.html");

/// What the service itself brings: routes, and how long the rows of the platform's own tables stay.
pub(crate) fn capability() -> Capability {
    Capability::new(routes).problems(codes::DECLARED).retains(tables::retained()).sweep(
        When::Housekeeping,
        tables::DEAD_BEYOND,
        async |tx, _| tables::remove_dead_beyond(tx).await,
    )
}

/// The routes.
fn routes() -> Routes {
    let probe = Access::Public("load balancers and orchestrators ask without a key");
    let contract = Access::Public("the contract is no secret");
    Routes::new()
        .add(Method::GET, "/health", probe, "health: Get the health of the service.", health)
        .add(Method::GET, "/ready", probe, "ready: Check whether the service is ready for requests.", ready)
        .add(Method::GET, "/metrics", probe, "metrics: Get metrics in Prometheus format.", metrics)
        .add(Method::GET, "/openapi.json", contract, "openapi: Get this OpenAPI document.", openapi)
        .add(Method::GET, "/docs", contract, "docs: Show the list of operations as a web page.", docs)
        .and(jobs::routes(Access::Key(Permission::JobsRead), Access::Key(Permission::JobsWrite)))
}

/// The result of each health check.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Checks {
    /// `ok`, or `error` if the store does not answer or can't be written.
    database: &'static str,
    /// `ok`, or `error` if damaged pages were found.
    integrity: &'static str,
    /// `ok`, or `error` if background jobs are overdue.
    jobs: &'static str,
}

/// The health of the service.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Health {
    /// `healthy`, `degraded` or `unhealthy`.
    status: &'static str,
    /// The version of the service.
    version: &'static str,
    /// When this was answered.
    timestamp: DateTime<Utc>,
    checks: Checks,
    /// Why the store can't be written, and how to fix it; null: it can.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

/// Work that has been due for so long, in seconds, isn't being done.
const STALLED_SECONDS: i64 = 300;

/// How long a probe waits for the store.
const PROBE_TIMEOUT: Duration = Duration::from_secs(1);

/// What a look at the service found.
#[derive(Clone, Copy, Debug)]
struct Found {
    database: Part,
    integrity: Part,
    jobs: Part,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Ok,
    Error,
}

impl Part {
    fn good(good: bool) -> Self {
        if good { Part::Ok } else { Part::Error }
    }

    fn name(self) -> &'static str {
        match self {
            Part::Ok => "ok",
            Part::Error => "error",
        }
    }
}

impl Found {
    fn status(self) -> &'static str {
        match self {
            Found { database: Part::Error, .. } => "unhealthy",
            Found { integrity: Part::Error, .. } | Found { jobs: Part::Error, .. } => "degraded",
            _ => "healthy",
        }
    }
}

/// What is known when the store was asked, or didn't answer within the time of a probe.
async fn check(db: &Db) -> (Found, StoreHealth) {
    let asking = async {
        // The sign of life first: it looks where the files are.
        let oldest_due = db.pulse().await;
        db.probe_if_failing().await;
        oldest_due
    };
    let oldest_due = timeout(PROBE_TIMEOUT, asking).await.ok().and_then(Result::ok);
    let (store, now) = (db.health(), db.clock().now());
    let stalled = |due: platform::Timestamp| (now - due).num_seconds() > STALLED_SECONDS;
    let found = Found {
        database: Part::good(store == StoreHealth::Good && oldest_due.is_some()),
        integrity: Part::good(db.integrity() == Integrity::Sound),
        jobs: Part::good(oldest_due.is_some_and(|due| !due.is_some_and(stalled))),
    };
    (found, store)
}

async fn health(caller: Caller) -> Result<Json<Health>, Problem> {
    let db = &caller.whole_service().db;
    let (found, store) = check(db).await;
    Ok(Json(Health {
        status: found.status(),
        version: env!("CARGO_PKG_VERSION"),
        timestamp: db.clock().now(),
        checks: Checks {
            database: found.database.name(),
            integrity: found.integrity.name(),
            jobs: found.jobs.name(),
        },
        reason: match store {
            StoreHealth::Good => None,
            StoreHealth::Failing(why) => Some(why.sentence()),
        },
    }))
}

async fn ready(caller: Caller) -> Result<HttpResponse, Problem> {
    let answers = timeout(PROBE_TIMEOUT, caller.whole_service().db.pulse()).await;
    let ready = !caller.tools().is_draining() && matches!(answers, Ok(Ok(_)));
    let body = serde_json::json!({"ready": ready});
    Ok(if ready { HttpResponse::Ok().json(body) } else { HttpResponse::ServiceUnavailable().json(body) })
}

async fn metrics(_: Caller) -> Result<HttpResponse, Problem> {
    let text = crate::recorder::metrics()
        .map(metrics_exporter_prometheus::PrometheusHandle::render)
        .unwrap_or_default();
    Ok(HttpResponse::Ok().content_type("text/plain; version=0.0.4; charset=utf-8").body(text))
}

/// The contract, as it is committed and served.
pub(crate) fn document(routes: &Routes) -> Result<String, serde_json::Error> {
    let mut text = serde_json::to_string_pretty(&web::document(routes))?;
    text.push('\n');
    Ok(text)
}

/// What the service says of its own routes, made when it is first asked for and then shared: whoever asks costs nothing, however slowly
/// they read.
pub(crate) struct Contract {
    routes: fn() -> Routes,
    openapi: OnceLock<Bytes>,
    reference: OnceLock<Bytes>,
}

impl Contract {
    /// Of these routes.
    pub(crate) fn of(routes: fn() -> Routes) -> Self {
        Self { routes, openapi: OnceLock::new(), reference: OnceLock::new() }
    }
}

async fn openapi(_: Caller, contract: Shared<Contract>) -> Result<HttpResponse, Problem> {
    let text = match contract.openapi.get() {
        Some(text) => text,
        None => {
            let made = document(&(contract.routes)()).map_err(Problem::internal)?;
            contract.openapi.get_or_init(|| made.into())
        }
    };
    Ok(HttpResponse::Ok().content_type("application/json").body(text.clone()))
}

async fn docs(_: Caller, contract: Shared<Contract>) -> Result<HttpResponse, Problem> {
    let page = PAGES.page("reference.html");
    let text = match contract.reference.get() {
        Some(text) => text,
        None => {
            let made = page.text(&reference(&(contract.routes)()))?;
            contract.reference.get_or_init(|| made.into())
        }
    };
    Ok(page.with(text.clone()))
}

/// All routes, by tag.
fn reference(routes: &Routes) -> Value {
    let mut all: Vec<_> = routes.iter().collect();
    all.sort_by_key(|route| (route.tag(), route.pattern, route.method.to_string()));
    let of_tag = |routes: &[&Route]| {
        let tag = routes.first().map(|route| route.tag());
        let routes: Vec<Value> = routes.iter().map(|route| shown(route)).collect();
        json!({"tag": tag, "routes": routes})
    };
    let groups: Vec<Value> = all.chunk_by(|one, next| one.tag() == next.tag()).map(of_tag).collect();
    json!({"groups": groups})
}

fn shown(route: &Route) -> Value {
    let access = match route.access {
        Access::Public(_) => "public",
        Access::Key(permission) => permission.name(),
        Access::Scim => "SCIM token",
    };
    json!({
        "method": route.method.as_str(), "path": route.pattern, "summary": route.summary, "access": access,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_reference_can_be_read() {
        PAGES.check().unwrap();
    }

    #[test]
    fn a_store_that_fails_weighs_more_than_work_that_waits() {
        use Part::{Error, Ok};
        for (database, integrity, jobs, status) in [
            (Ok, Ok, Ok, "healthy"),
            (Ok, Ok, Error, "degraded"),
            (Ok, Error, Ok, "degraded"),
            (Ok, Error, Error, "degraded"),
            (Error, Ok, Ok, "unhealthy"),
            (Error, Error, Error, "unhealthy"),
        ] {
            assert_eq!(Found { database, integrity, jobs }.status(), status);
        }
    }
}
