//! `/scim/v2/Users` and `/scim/v2/Groups`: one resource.

use std::collections::VecDeque;

use std::sync::Arc;

use actix_web::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use quota::Usage;
use scim_core::bulk;
use scim_core::resource::Projection;
use serde_json::{Map, Value};
use web::{Access, Ids, IfMatch, OrganizationCaller, Problem, RawBody, Route, Routes, Shared};

use super::parameters::{Parameters, projection};
use super::{BODY_BYTES_MAX, answer, write};
use crate::resources::{self, Row, Shown};
use crate::state::{Scope, States, Type};
use crate::{represent, stream};

/// A resource type's endpoints.
pub(super) trait Endpoint: 'static {
    const TYPE: Type;
    const LIST: &'static str;
    const ONE: &'static str;
    const CREATE: &'static str;
    const GET: &'static str;
    const REPLACE: &'static str;
    const PATCH: &'static str;
    const DELETE: &'static str;
}

pub(super) struct Users;
pub(super) struct Groups;

impl Endpoint for Users {
    const TYPE: Type = Type::Users;
    const LIST: &'static str = "/scim/v2/Users";
    const ONE: &'static str = "/scim/v2/Users/{id}";
    const CREATE: &'static str = "scim_create_user: Create a user.";
    const GET: &'static str = "scim_get_user: Get a user.";
    const REPLACE: &'static str = "scim_replace_user: Replace a user.";
    const PATCH: &'static str = "scim_patch_user: Change a user.";
    const DELETE: &'static str = "scim_delete_user: Delete a user.";
}

impl Endpoint for Groups {
    const TYPE: Type = Type::Groups;
    const LIST: &'static str = "/scim/v2/Groups";
    const ONE: &'static str = "/scim/v2/Groups/{id}";
    const CREATE: &'static str = "scim_create_group: Create a group.";
    const GET: &'static str = "scim_get_group: Get a group.";
    const REPLACE: &'static str = "scim_replace_group: Replace a group.";
    const PATCH: &'static str = "scim_patch_group: Change a group.";
    const DELETE: &'static str = "scim_delete_group: Delete a group.";
}

pub(super) fn routes<E: Endpoint>() -> Routes {
    let large = |route: Route| route.body_bytes_max(BODY_BYTES_MAX);
    Routes::new()
        .add_with(Method::POST, E::LIST, Access::Scim, E::CREATE, create::<E>, large)
        .add(Method::GET, E::ONE, Access::Scim, E::GET, get::<E>)
        .add_with(Method::PUT, E::ONE, Access::Scim, E::REPLACE, replace::<E>, large)
        .add_with(Method::PATCH, E::ONE, Access::Scim, E::PATCH, patch::<E>, large)
        .add(Method::DELETE, E::ONE, Access::Scim, E::DELETE, delete::<E>)
}

async fn create<E: Endpoint>(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    body: RawBody,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let projection = projection(&search, scope.kind(E::TYPE))?;
    let new = resources::prepare(&scope, E::TYPE, bulk::Method::Post, None, body.bytes()?)?;
    let (shown, usage) = write(&caller, &scope, async |tx| {
        let done = resources::apply(tx, &scope, E::TYPE, new, &Unseen).await?;
        let shown = match done.row {
            // A new user is in no group yet.
            Row::User(row) => Shown::Whole(represent::user(&scope, *row, Some(&[]))),
            row => resources::show(tx, &scope, row, &projection).await?,
        };
        Ok((shown, done.usage))
    })
    .await?;
    let reply = Reply { caller, scope, projection, of: E::TYPE, request };
    Ok(reply.send(StatusCode::CREATED, shown, usage.as_ref()))
}

async fn get<E: Endpoint>(
    caller: OrganizationCaller,
    ids: Ids,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let projection = projection(&search, scope.kind(E::TYPE))?;
    let not_found = || E::TYPE.not_found();
    let (id, organization) = (ids.id("id").map_err(|_| not_found())?, scope.organization);
    let found = caller
        .read(async |view| {
            let (row, version) = match E::TYPE {
                Type::Users => {
                    let row = directory::user(view, organization, id).await?.ok_or_else(not_found)?;
                    let version = row.version;
                    (Row::User(Box::new(row)), version)
                }
                Type::Groups => {
                    let row = directory::group(view, organization, id).await?.ok_or_else(not_found)?;
                    let version = row.version;
                    (Row::Group(Box::new(row)), version)
                }
            };
            match unchanged(&request, version) {
                Some(response) => Ok(Err(response)),
                None => resources::show(view, &scope, row, &projection).await.map(Ok),
            }
        })
        .await?;
    match found {
        Err(response) => Ok(response),
        Ok(shown) => {
            Ok(Reply { caller, scope, projection, of: E::TYPE, request }.send(StatusCode::OK, shown, None))
        }
    }
}

/// 304 if the caller has this version.
fn unchanged(request: &HttpRequest, version: i64) -> Option<HttpResponse> {
    let known = request.headers().get(IF_NONE_MATCH)?.to_str().ok()?;
    let tag = represent::etag(version);
    let strong = tag.trim_start_matches("W/");
    let seen =
        known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == strong);
    seen.then(|| HttpResponse::NotModified().insert_header((ETAG, tag.clone())).finish())
}

/// A write to a resource that is there.
struct Change<'a> {
    method: bulk::Method,
    id: &'a str,
    seen: &'a IfMatch,
    body: &'a [u8],
}

impl Change<'_> {
    async fn run(
        self,
        of: Type,
        caller: &OrganizationCaller,
        scope: &Scope,
        projection: Option<&Projection>,
    ) -> Result<Option<Shown>, Problem> {
        let change = resources::prepare(scope, of, self.method, Some(self.id), self.body)?;
        write(caller, scope, async |tx| {
            let done = resources::apply(tx, scope, of, change, self.seen).await?;
            match projection {
                Some(projection) => resources::show(tx, scope, done.row, projection).await.map(Some),
                None => Ok(None),
            }
        })
        .await
    }
}

async fn replace<E: Endpoint>(
    caller: OrganizationCaller,
    (seen, ids): (IfMatch, Ids),
    Parameters(search): Parameters,
    (body, states): (RawBody, Shared<Arc<States>>),
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let projection = projection(&search, scope.kind(E::TYPE))?;
    let change = Change { method: bulk::Method::Put, id: ids.key("id")?, seen: &seen, body: body.bytes()? };
    let shown = change.run(E::TYPE, &caller, &scope, Some(&projection)).await?;
    let reply = Reply { caller, scope, projection, of: E::TYPE, request };
    Ok(shown
        .map_or_else(|| HttpResponse::NoContent().finish(), |shown| reply.send(StatusCode::OK, shown, None)))
}

/// A group answers 204: a body with members would cost what the size of the group is, and nobody reads it. With
/// `attributes` the RFC wants one.
async fn patch<E: Endpoint>(
    caller: OrganizationCaller,
    (seen, ids): (IfMatch, Ids),
    Parameters(search): Parameters,
    (body, states): (RawBody, Shared<Arc<States>>),
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let projection = projection(&search, scope.kind(E::TYPE))?;
    let change = Change { method: bulk::Method::Patch, id: ids.key("id")?, seen: &seen, body: body.bytes()? };
    let wanted = (E::TYPE == Type::Users || search.attributes.is_some()).then_some(&projection);
    let shown = change.run(E::TYPE, &caller, &scope, wanted).await?;
    let reply = Reply { caller, scope, projection, of: E::TYPE, request };
    Ok(shown
        .map_or_else(|| HttpResponse::NoContent().finish(), |shown| reply.send(StatusCode::OK, shown, None)))
}

async fn delete<E: Endpoint>(
    caller: OrganizationCaller,
    seen: IfMatch,
    ids: Ids,
    states: Shared<Arc<States>>,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let change = Change { method: bulk::Method::Delete, id: ids.key("id")?, seen: &seen, body: &[] };
    change.run(E::TYPE, &caller, &scope, None).await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A resource that isn't there yet has no version.
pub(crate) struct Unseen;

impl resources::Seen for Unseen {
    fn is_given(&self) -> bool {
        false
    }
    fn require(&self, _: i64) -> Result<(), Problem> {
        Ok(())
    }
}

/// What an answer is made of.
struct Reply {
    caller: OrganizationCaller,
    scope: Scope,
    projection: Projection,
    of: Type,
    request: HttpRequest,
}

impl Reply {
    fn send(self, status: StatusCode, shown: Shown, usage: Option<&Usage>) -> HttpResponse {
        let (whole, streamed) = match shown {
            Shown::Whole(whole) => (whole, None),
            Shown::Streamed(row) => (represent::group(&self.scope, (*row).clone(), None), Some(*row)),
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((ETAG, meta(&whole, "version")));
        response.insert_header((
            if status == StatusCode::CREATED { LOCATION } else { CONTENT_LOCATION },
            meta(&whole, "location"),
        ));
        for (name, value) in usage.iter().flat_map(|usage| quota::headers(usage)) {
            response.insert_header((name, value));
        }
        match streamed {
            None => {
                let cut = self.projection.apply(self.scope.kind(self.of), whole);
                answer(&self.request, response, &Value::Object(cut))
            }
            Some(row) => response.insert_header((CONTENT_TYPE, "application/scim+json")).streaming(
                stream::groups(stream::Groups {
                    service: self.caller.service.clone(),
                    tenant: self.caller.directory(),
                    scope: self.scope,
                    projection: self.projection,
                    rows: VecDeque::from([row]),
                    around: Default::default(),
                }),
            ),
        }
    }
}

fn meta(whole: &Map<String, Value>, name: &str) -> String {
    let meta = whole.get("meta").and_then(|meta| meta.get(name));
    meta.and_then(Value::as_str).unwrap_or_default().to_owned()
}
