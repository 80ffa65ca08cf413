//! `/scim/v2/Groups`

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use directory::MemberEdit;
use entity::directory::group;
use platform::View;
use scim_core::patch::{self, MemberChange};
use scim_core::resource::{self, Projection};
use scim_core::schema::GROUPS;
use scim_core::{ErrorType, Profile, ScimError};
use serde_json::{Map, Value};
use uuid::Uuid;
use web::{Access, Code, Ids, IfMatch, NoContent, OrganizationCaller, Problem, Query, RawBody, Routes};

use super::{BODY_BYTES_MAX, Parameters, base, list, one, profile, refusal, unchanged};
use crate::{filter, represent};

const LIST: &str = "/scim/v2/Groups";
const ONE: &str = "/scim/v2/Groups/{id}";

pub(super) fn routes() -> Routes {
    let large = |route: web::Route| route.body_bytes_max(BODY_BYTES_MAX);
    Routes::new()
        .add_with(Method::POST, LIST, Access::Scim, "scim_create_group: Create a group.", create_group, large)
        .add(Method::GET, LIST, Access::Scim, "scim_list_groups: List groups.", list_groups)
        .add(Method::GET, ONE, Access::Scim, "scim_get_group: Get a group.", get_group)
        .add_with(
            Method::PUT,
            ONE,
            Access::Scim,
            "scim_replace_group: Replace a group.",
            replace_group,
            large,
        )
        .add_with(Method::PATCH, ONE, Access::Scim, "scim_patch_group: Change a group.", patch_group, large)
        .add(Method::DELETE, ONE, Access::Scim, "scim_delete_group: Delete a group.", delete_group)
}

fn not_found() -> Problem {
    Problem::detailed(Code::NotFound, "There is no such group.")
}

/// Checks a body and takes its members out.
fn read(body: &Value, profile: Profile) -> Result<(Map<String, Value>, Vec<Uuid>), Problem> {
    let mut resource = resource::normalize(&GROUPS, body, profile).map_err(refusal)?;
    let members = resource.remove("members").unwrap_or(Value::Null);
    let members = patch::member_ids(&members).map_err(refusal)?;
    Ok((resource, known(&members)?))
}

/// Ids of members that come in: each must be one.
fn known(ids: &[String]) -> Result<Vec<Uuid>, Problem> {
    let wrong =
        || refusal(ScimError::new(ErrorType::InvalidValue, "A member is not a user of this organization."));
    ids.iter().map(|id| Uuid::try_parse(id).map_err(|_| wrong())).collect()
}

fn edit(change: MemberChange) -> Result<MemberEdit, Problem> {
    Ok(match change {
        MemberChange::Add(ids) => MemberEdit::Add(known(&ids)?),
        MemberChange::Replace(ids) => MemberEdit::Replace(known(&ids)?),
        // Who isn't there is gone already.
        MemberChange::Remove(ids) => {
            MemberEdit::Remove(ids.iter().filter_map(|id| Uuid::try_parse(id).ok()).collect())
        }
    })
}

async fn whole(
    view: &View,
    base: &str,
    row: group::Model,
    projection: &Projection,
) -> Result<Map<String, Value>, Problem> {
    let members = if projection.wants("members") {
        let mut found = directory::members(view, row.organization_id, &[row.id]).await?;
        Some(found.remove(&row.id).unwrap_or_default())
    } else {
        None
    };
    Ok(represent::group(base, row, members.as_ref()))
}

async fn create_group(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&GROUPS)?;
    let (resource, members) = read(&body.json()?, profile(&caller))?;
    let (organization, base) = (caller.organization, base(&caller));
    caller
        .write(async |tx| {
            let row = directory::create_group(tx, organization, resource).await?;
            if !members.is_empty() {
                directory::set_members(tx, &row, &[MemberEdit::Add(members)]).await?;
            }
            Ok(one(StatusCode::CREATED, whole(tx, &base, row, &projection).await?, &GROUPS, &projection))
        })
        .await
}

async fn list_groups(
    caller: OrganizationCaller,
    Query(query): Query<Parameters>,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&GROUPS)?;
    let (start, count) = query.page()?;
    let terms =
        query.filter().map(|text| filter::groups(text, profile(&caller))).transpose().map_err(refusal)?;
    let terms = terms.unwrap_or_default();
    let (organization, base) = (caller.organization, base(&caller));
    caller
        .read(async |view| {
            let (rows, total) = directory::list_groups(view, organization, &terms, start - 1, count).await?;
            let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
            let wanted = projection.wants("members");
            let mut members =
                if wanted { directory::members(view, organization, &ids).await? } else { Default::default() };
            let resources = rows.into_iter().map(|row| {
                let members = wanted.then(|| members.remove(&row.id).unwrap_or_default());
                Value::Object(projection.apply(&GROUPS, represent::group(&base, row, members.as_ref())))
            });
            Ok(list(total, start, resources.collect()))
        })
        .await
}

async fn get_group(
    caller: OrganizationCaller,
    ids: Ids,
    Query(query): Query<Parameters>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&GROUPS)?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .read(async |view| {
            let row = directory::group(view, organization, id).await?.ok_or_else(not_found)?;
            if let Some(response) = unchanged(&request, row.version) {
                return Ok(response);
            }
            Ok(one(StatusCode::OK, whole(view, &base, row, &projection).await?, &GROUPS, &projection))
        })
        .await
}

async fn replace_group(
    caller: OrganizationCaller,
    ids: Ids,
    seen: IfMatch,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let projection = query.projection(&GROUPS)?;
    let (resource, members) = read(&body.json()?, profile(&caller))?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .write(async |tx| {
            let before = directory::group_locked(tx, organization, id).await?.ok_or_else(not_found)?;
            seen.require(before.version)?;
            let row = directory::rename_group(tx, before, resource).await?;
            let changed = directory::set_members(tx, &row, &[MemberEdit::Replace(members)]).await?;
            directory::touch_group(tx, &row, changed).await?;
            let row = directory::group(tx, organization, id).await?.ok_or_else(not_found)?;
            Ok(one(StatusCode::OK, whole(tx, &base, row, &projection).await?, &GROUPS, &projection))
        })
        .await
}

/// 204: a body with members would cost what the size of the group is, and nobody reads it. With `attributes` the RFC
/// wants one.
async fn patch_group(
    caller: OrganizationCaller,
    ids: Ids,
    seen: IfMatch,
    Query(query): Query<Parameters>,
    body: RawBody,
) -> Result<HttpResponse, Problem> {
    let profile = profile(&caller);
    let projection = query.projection(&GROUPS)?;
    let operations = patch::parse(&body.json()?, profile).map_err(refusal)?;
    let (operations, changes) = patch::split_members(operations, profile).map_err(refusal)?;
    let edits: Vec<MemberEdit> = changes.into_iter().map(edit).collect::<Result<_, _>>()?;
    let (id, organization, base) =
        (ids.id("id").map_err(|_| not_found())?, caller.organization, base(&caller));
    caller
        .write(async |tx| {
            // Only members, and no version named: nothing of the group itself is read to be written, so nobody waits for
            // its row longer than for the statement that raises its version.
            let found = if operations.is_empty() && !seen.is_given() {
                directory::group(tx, organization, id).await?
            } else {
                directory::group_locked(tx, organization, id).await?
            };
            let mut row = found.ok_or_else(not_found)?;
            seen.require(row.version)?;
            if !operations.is_empty() {
                let Value::Object(resource) = &row.resource else {
                    return Err(Problem::internal(format!("group {id} has no attributes")));
                };
                let resource = patch::apply(&GROUPS, resource, &operations, profile).map_err(refusal)?;
                row = directory::rename_group(tx, row, resource).await?;
            }
            let changed = directory::set_members(tx, &row, &edits).await?;
            directory::touch_group(tx, &row, changed).await?;
            if query.attributes.is_none() {
                return Ok(HttpResponse::NoContent().finish());
            }
            let row = directory::group(tx, organization, id).await?.ok_or_else(not_found)?;
            Ok(one(StatusCode::OK, whole(tx, &base, row, &projection).await?, &GROUPS, &projection))
        })
        .await
}

async fn delete_group(caller: OrganizationCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let (id, organization) = (ids.id("id").map_err(|_| not_found())?, caller.organization);
    caller
        .write(async |tx| {
            let before = directory::group_locked(tx, organization, id).await?.ok_or_else(not_found)?;
            seen.require(before.version)?;
            directory::delete_group(tx, organization, id).await.map(|()| NoContent)
        })
        .await
}
