//! `/scim/v2/ServiceProviderConfig`, `/ResourceTypes`, `/Schemas`, `/Me`

use actix_web::HttpResponse;
use actix_web::http::Method;
use scim_core::discovery;
use serde_json::Value;
use web::{Access, Code, OrganizationCaller, Problem, Query, Routes};

use super::{Parameters, base, list, scim};

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::GET,
            "/scim/v2/ServiceProviderConfig",
            Access::Scim,
            "scim_service_provider_config: What the server can do.",
            service_provider_config,
        )
        .add(
            Method::GET,
            "/scim/v2/ResourceTypes",
            Access::Scim,
            "scim_resource_types: Resource types.",
            resource_types,
        )
        .add(
            Method::GET,
            "/scim/v2/ResourceTypes/{name}",
            Access::Scim,
            "scim_resource_type: A resource type.",
            resource_type,
        )
        .add(Method::GET, "/scim/v2/Schemas", Access::Scim, "scim_schemas: Schemas.", schemas)
        .add(Method::GET, "/scim/v2/Schemas/{name}", Access::Scim, "scim_schema: A schema.", schema)
        .add(Method::GET, "/scim/v2/Me", Access::Scim, "scim_me: A token is nobody; 501.", me)
}

/// Discovery knows no filter (RFC 7644, section 4).
fn refuse_filter(query: &Parameters) -> Result<(), Problem> {
    match query.filter() {
        Some(_) => Err(Problem::detailed(Code::AuthInsufficient, "Discovery takes no filter.")),
        None => Ok(()),
    }
}

async fn service_provider_config(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&query)?;
    Ok(scim(HttpResponse::Ok(), &discovery::service_provider_config(&base(&caller))))
}

async fn resource_types(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&query)?;
    Ok(all(discovery::resource_types(&base(&caller))))
}

async fn schemas(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
) -> Result<HttpResponse, Problem> {
    refuse_filter(&query)?;
    Ok(all(discovery::schemas(&base(&caller))))
}

async fn resource_type(
    caller: OrganizationCaller,
    request: actix_web::HttpRequest,
) -> Result<HttpResponse, Problem> {
    named(discovery::resource_types(&base(&caller)), request.match_info().get("name").unwrap_or_default())
}

async fn schema(
    caller: OrganizationCaller,
    request: actix_web::HttpRequest,
) -> Result<HttpResponse, Problem> {
    named(discovery::schemas(&base(&caller)), request.match_info().get("name").unwrap_or_default())
}

async fn me(_: OrganizationCaller) -> Result<HttpResponse, Problem> {
    Err(Problem::detailed(Code::NotImplemented, "A token is not a user."))
}

fn all(entries: Vec<Value>) -> HttpResponse {
    list(entries.len() as u64, 1, entries)
}

fn named(entries: Vec<Value>, name: &str) -> Result<HttpResponse, Problem> {
    let is = |entry: &Value| {
        entry.get("id").and_then(Value::as_str).is_some_and(|id| id.eq_ignore_ascii_case(name))
    };
    let found = entries.into_iter().find(is).ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(scim(HttpResponse::Ok(), &found))
}
