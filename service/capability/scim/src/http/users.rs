//! `/scim/v2/Users`

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use directory::{NewUser, Source};
use entity::directory::user;
use platform::View;
use scim_core::patch;
use scim_core::resource::{self, Projection};
use scim_core::schema::USERS;
use serde_json::{Map, Value};
use web::{Access, Code, Ids, IfMatch, NoContent, OrganizationCaller, Problem, Query, RawBody, Routes};

use super::{BODY_BYTES_MAX, Parameters, base, list, one, profile, refusal, unchanged};
use crate::{filter, represent};

const LIST: &str = "/scim/v2/Users";
const ONE: &str = "/scim/v2/Users/{id}";

pub(super) fn routes() -> Routes {
    let large = |route: web::Route| route.body_bytes_max(BODY_BYTES_MAX);
    Routes::new()
        .add_with(Method::POST, LIST, Access::Scim, "scim_create_user: Create a user.", create_user, large)
        .add(Method::GET, LIST, Access::Scim, "scim_list_users: List users.", list_users)
        .add(Method::GET, ONE, Access::Scim, "scim_get_user: Get a user.", get_user)
        .add_with(Method::PUT, ONE, Access::Scim, "scim_replace_user: Replace a user.", replace_user, large)
        .add_with(Method::PATCH, ONE, Access::Scim, "scim_patch_user: Change a user.", patch_user, large)
        .add(Method::DELETE, ONE, Access::Scim, "scim_delete_user: Delete a user.", delete_user)
}

fn not_found() -> Problem {
    Problem::detailed(Code::NotFound, "There is no such user.")
}

/// The user with their groups, unless these aren't asked for.
async fn whole(
    view: &View,
    base: &str,
    row: user::Model,
    projection: &Projection,
) -> Result<Map<String, Value>, Problem> {
    let groups = if projection.wants("groups") {
        directory::groups_of(view, row.organization_id, &[row.id]).await?.remove(&row.id)
    } else {
        None
    };
    Ok(represent::user(base, row, groups.as_ref()))
}

async fn create_user(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&USERS)?;
    let resource = resource::normalize(&USERS, &body.json()?, profile(&caller)).map_err(refusal)?;
    let organization = caller.organization;
    let (row, usage) = caller
        .write(async |tx| {
            let new = NewUser { organization, resource, source: Source::Scim, role: "viewer".to_owned() };
            directory::create_user(tx, new).await
        })
        .await?;
    let whole = represent::user(&base(&caller), row, None);
    let mut response = one(StatusCode::CREATED, whole, &USERS, &projection);
    for header in usage.iter().flat_map(quota::headers) {
        if let (Ok(name), Ok(value)) = (header.0.parse(), header.1.parse()) {
            let name: actix_web::http::header::HeaderName = name;
            response.headers_mut().insert(name, value);
        }
    }
    Ok(response)
}

async fn list_users(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&USERS)?;
    let (start, count) = query.page()?;
    let terms =
        query.filter().map(|text| filter::users(text, profile(&caller))).transpose().map_err(refusal)?;
    let terms = terms.unwrap_or_default();
    let (organization, base) = (caller.organization, base(&caller));
    caller
        .read(async |view| {
            let (rows, total) = directory::list_users(view, organization, &terms, start - 1, count).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let groups = if projection.wants("groups") {
                directory::groups_of(view, organization, &ids).await?
            } else {
                Default::default()
            };
            let resources = rows.into_iter().map(|row| {
                let groups = groups.get(&row.id);
                Value::Object(projection.apply(&USERS, represent::user(&base, row, groups)))
            });
            Ok(list(total, start, resources.collect()))
        })
        .await
}

async fn get_user(
    caller: OrganizationCaller,
    ids: Ids,
    Query(query): Query<Parameters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&USERS)?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .read(async |view| {
            let row = directory::user(view, organization, id).await?.ok_or_else(not_found)?;
            if let Some(response) = unchanged(&request, row.version) {
                return Ok(response);
            }
            Ok(one(StatusCode::OK, whole(view, &base, row, &projection).await?, &USERS, &projection))
        })
        .await
}

async fn replace_user(
    caller: OrganizationCaller,
    ids: Ids,
    seen: IfMatch,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&USERS)?;
    let resource = resource::normalize(&USERS, &body.json()?, profile(&caller)).map_err(refusal)?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .write(async |tx| {
            let before = directory::user_locked(tx, organization, id).await?.ok_or_else(not_found)?;
            seen.require(before.version)?;
            let row = directory::replace_user(tx, before, resource).await?;
            Ok(one(StatusCode::OK, whole(tx, &base, row, &projection).await?, &USERS, &projection))
        })
        .await
}

async fn patch_user(
    caller: OrganizationCaller,
    ids: Ids,
    seen: IfMatch,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let profile = profile(&caller);
    let projection = query.projection(&USERS)?;
    let operations = patch::parse(&body.json()?, profile).map_err(refusal)?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .write(async |tx| {
            let before = directory::user_locked(tx, organization, id).await?.ok_or_else(not_found)?;
            seen.require(before.version)?;
            let Value::Object(resource) = &before.resource else {
                return Err(Problem::internal(format!("user {id} has no attributes")));
            };
            let resource = patch::apply(&USERS, resource, &operations, profile).map_err(refusal)?;
            let row = directory::replace_user(tx, before, resource).await?;
            Ok(one(StatusCode::OK, whole(tx, &base, row, &projection).await?, &USERS, &projection))
        })
        .await
}

async fn delete_user(caller: OrganizationCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let (id, organization) = (ids.id("id").map_err(|_| not_found())?, caller.organization);
    caller
        .write(async |tx| {
            let before = directory::user_locked(tx, organization, id).await?.ok_or_else(not_found)?;
            seen.require(before.version)?;
            directory::delete_user(tx, organization, id).await.map(|()| NoContent)
        })
        .await
}
