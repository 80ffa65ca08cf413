//! `/scim/v2/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`, `/Me`

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use scim_core::discovery;
use scim_core::search::Search;
use serde_json::{Value, json};
use web::{Access, Code, OrganizationCaller, Problem, Routes, Shared};

use super::ok;
use super::parameters::Parameters;
use crate::events::EVENT_URIS;
use crate::state::{Scope, States};

pub(super) fn routes() -> Routes {
    let scim = Access::Scim;
    let me = "/scim/v2/Me";
    Routes::new()
        .add(
            Method::GET,
            "/scim/v2/ServiceProviderConfig",
            scim,
            "scim_service_provider_config: Get the supported features (RFC 7643, section 5).",
            service_provider_config,
        )
        .add(
            Method::GET,
            "/scim/v2/ResourceTypes",
            scim,
            "scim_resource_types: List resource types (RFC 7643, section 6).",
            resource_types,
        )
        .add(
            Method::GET,
            "/scim/v2/ResourceTypes/{name}",
            scim,
            "scim_resource_type: Get a resource type (RFC 7643, section 6).",
            resource_type,
        )
        .add(
            Method::GET,
            "/scim/v2/Schemas",
            scim,
            "scim_schemas: List schemas (RFC 7643, section 7).",
            schemas,
        )
        .add(
            Method::GET,
            "/scim/v2/Schemas/{name}",
            scim,
            "scim_schema: Get a schema (RFC 7643, section 7).",
            schema,
        )
        .add(
            Method::GET,
            me,
            scim,
            "scim_me: Not supported, since a SCIM token is not a user; answers 501.",
            nobody,
        )
        .add(Method::POST, me, scim, "scim_create_me: Not supported; answers 501.", nobody)
        .add(Method::PUT, me, scim, "scim_replace_me: Not supported; answers 501.", nobody)
        .add(Method::PATCH, me, scim, "scim_patch_me: Not supported; answers 501.", nobody)
        .add(Method::DELETE, me, scim, "scim_delete_me: Not supported; answers 501.", nobody)
}

/// Discovery knows no filter (RFC 7644, section 4).
fn refuse_filter(search: &Search) -> Result<(), Problem> {
    match search.filter() {
        Some(_) => {
            Err(Problem::detailed(Code::AUTH_INSUFFICIENT, "Discovery endpoints do not support filters."))
        }
        None => Ok(()),
    }
}

async fn service_provider_config(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&search)?;
    let scope = Scope::of(&caller, &states).await?;
    let listened =
        caller.platform().db.read(async |view| webhooks::takes_security_events(view).await).await?;
    let events = listened.then_some(EVENT_URIS.as_slice());
    Ok(ok(&request, &discovery::service_provider_config(&scope.base, events)))
}

async fn resource_types(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&search)?;
    let scope = Scope::of(&caller, &states).await?;
    Ok(all(&request, discovery::resource_types(&scope.base, &scope.registry)))
}

async fn schemas(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&search)?;
    let scope = Scope::of(&caller, &states).await?;
    Ok(all(&request, discovery::schemas(&scope.base, &scope.registry)))
}

async fn resource_type(
    caller: OrganizationCaller,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    named(&request, discovery::resource_types(&scope.base, &scope.registry))
}

async fn schema(
    caller: OrganizationCaller,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    named(&request, discovery::schemas(&scope.base, &scope.registry))
}

async fn nobody(_: OrganizationCaller) -> Result<HttpResponse, Problem> {
    Err(Problem::detailed(Code::NOT_IMPLEMENTED, "A token is not a user."))
}

fn all(request: &HttpRequest, entries: Vec<Value>) -> HttpResponse {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"], "totalResults": entries.len(),
        "startIndex": 1, "itemsPerPage": entries.len(), "Resources": entries,
    });
    ok(request, &body)
}

fn named(request: &HttpRequest, entries: Vec<Value>) -> Result<HttpResponse, Problem> {
    let name = request.match_info().get("name").unwrap_or_default();
    let is = |entry: &Value| {
        entry.get("id").and_then(Value::as_str).is_some_and(|id| id.eq_ignore_ascii_case(name))
    };
    let found = entries.into_iter().find(is).ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(ok(request, &found))
}
