//! `/scim/v2/Users` and `/scim/v2/Groups`: one resource.

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::http::header::{CONTENT_LOCATION, CONTENT_TYPE, ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::http::{Method, StatusCode};
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use entity::directory::group;
use entity::ids::OrganizationId;
use platform::refusal::VersionMismatch;
use quota::Usage;
use scim_core::bulk;
use scim_core::resource::Projection;
use serde_json::{Map, Value};
use web::{
    Access, Ids, IfMatch, OrganizationCaller, Place, Problem, RawBody, Route, Routes, Shared, names_version,
};

use super::parameters::{Parameters, projection};
use super::{BODY_BYTES_MAX, answer, write};
use crate::resources::{self, Row, Shown};
use crate::state::{Scope, States, Type};
use crate::work::{Work, lock_of};
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
    const PATCH: &'static str = "scim_patch_user: Modify a user (RFC 7644, section 3.5.2).";
    const DELETE: &'static str = "scim_delete_user: Delete a user.";
}

impl Endpoint for Groups {
    const TYPE: Type = Type::Groups;
    const LIST: &'static str = "/scim/v2/Groups";
    const ONE: &'static str = "/scim/v2/Groups/{id}";
    const CREATE: &'static str = "scim_create_group: Create a group.";
    const GET: &'static str = "scim_get_group: Get a group.";
    const REPLACE: &'static str = "scim_replace_group: Replace a group.";
    const PATCH: &'static str = "scim_patch_group: Modify a group (RFC 7644, section 3.5.2).";
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
    let mut work = Work::begin(&caller, body.0.len()).await?;
    let new = work.prepare(&scope, E::TYPE, bulk::Method::Post, None, body.0).await?;
    let (shown, usage) = write(&caller, &scope, (&states, None), &mut work, async |tx, work| {
        let done = resources::apply(tx, &scope, E::TYPE, (new, work), &Unseen).await?;
        let shown = match done.row {
            // A new user is in no group yet.
            Row::User(row) => Shown::Whole(represent::user(&scope, *row, Some(&[]))),
            row => resources::show(tx, &scope, row, &projection).await?,
        };
        Ok((shown, done.usage))
    })
    .await?;
    let body = Body::written(&caller, &scope, shown);
    let reply = Reply { caller, scope, projection, of: E::TYPE, request };
    Ok(reply.send(StatusCode::CREATED, body, usage.as_ref()))
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
                    let row = directory::user(view, OrganizationId(organization), id)
                        .await?
                        .ok_or_else(not_found)?;
                    let version = row.version;
                    (Row::User(Box::new(row)), version)
                }
                Type::Groups => {
                    let row = directory::group(view, OrganizationId(organization), id)
                        .await?
                        .ok_or_else(not_found)?;
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
            let body = Body::read(&caller, shown)?;
            let reply = Reply { caller, scope, projection, of: E::TYPE, request };
            Ok(reply.send(StatusCode::OK, body, None))
        }
    }
}

/// 304 if the caller has this version.
fn unchanged(request: &HttpRequest, version: i64) -> Option<HttpResponse> {
    let known = request.headers().get(IF_NONE_MATCH)?.to_str().ok()?;
    let tag = represent::etag(version);
    names_version(known, version).then(|| HttpResponse::NotModified().insert_header((ETAG, tag)).finish())
}

async fn replace<E: Endpoint>(
    caller: OrganizationCaller,
    seen: (IfMatch, Ids),
    search: Parameters,
    body: (RawBody, Shared<Arc<States>>),
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    change::<E>(bulk::Method::Put, caller, seen, search, body, request).await
}

async fn patch<E: Endpoint>(
    caller: OrganizationCaller,
    seen: (IfMatch, Ids),
    search: Parameters,
    body: (RawBody, Shared<Arc<States>>),
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    change::<E>(bulk::Method::Patch, caller, seen, search, body, request).await
}

/// A PUT or a PATCH. A PATCH of a group answers 204: a body with members would cost what the size of the group is, and
/// nobody reads it. With `attributes` the RFC wants one.
async fn change<E: Endpoint>(
    method: bulk::Method,
    caller: OrganizationCaller,
    (seen, ids): (IfMatch, Ids),
    Parameters(search): Parameters,
    (body, states): (RawBody, Shared<Arc<States>>),
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let projection = projection(&search, scope.kind(E::TYPE))?;
    let mut work = Work::begin(&caller, body.0.len()).await?;
    let change = work.prepare(&scope, E::TYPE, method, Some(ids.key("id")?), body.0).await?;
    let silent = method == bulk::Method::Patch && E::TYPE == Type::Groups && search.attributes.is_none();
    let lock = lock_of(E::TYPE, &change);
    let shown = write(&caller, &scope, (&states, lock), &mut work, async |tx, work| {
        let done = resources::apply(tx, &scope, E::TYPE, (change, work), &seen).await?;
        if silent {
            return Ok(None);
        }
        resources::show(tx, &scope, done.row, &projection).await.map(Some)
    })
    .await?;
    let Some(shown) = shown else { return Ok(HttpResponse::NoContent().finish()) };
    let body = Body::written(&caller, &scope, shown);
    let reply = Reply { caller, scope, projection, of: E::TYPE, request };
    Ok(reply.send(StatusCode::OK, body, None))
}

async fn delete<E: Endpoint>(
    caller: OrganizationCaller,
    seen: IfMatch,
    ids: Ids,
    states: Shared<Arc<States>>,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let mut work = Work::begin(&caller, 0).await?;
    let (method, id) = (bulk::Method::Delete, Some(ids.key("id")?));
    let removal = work.prepare(&scope, E::TYPE, method, id, Bytes::new()).await?;
    let lock = lock_of(E::TYPE, &removal);
    write(&caller, &scope, (&states, lock), &mut work, async |tx, work| {
        resources::apply(tx, &scope, E::TYPE, (removal, work), &seen).await
    })
    .await?;
    Ok(HttpResponse::NoContent().finish())
}

/// A resource that isn't there yet has no version.
pub(crate) struct Unseen;

impl resources::Seen for Unseen {
    fn is_given(&self) -> bool {
        false
    }
    fn require(&self, _: i64) -> Result<(), VersionMismatch> {
        Ok(())
    }
}

/// What an answer shows: a resource, or a group whose members are streamed, and the place in which that is done.
enum Body {
    Whole(Map<String, Value>),
    Streamed(Box<group::Model>, Place),
}

impl Body {
    /// What was read. Who finds no place asks again.
    fn read(caller: &OrganizationCaller, shown: Shown) -> Result<Self, Problem> {
        Ok(match shown {
            Shown::Whole(whole) => Self::Whole(whole),
            Shown::Streamed(row) => Self::Streamed(row, super::place(caller)?),
        })
    }

    /// What was written. The write is done, so without a place the answer comes all the same, without the members.
    fn written(caller: &OrganizationCaller, scope: &Scope, shown: Shown) -> Self {
        match shown {
            Shown::Whole(whole) => Self::Whole(whole),
            Shown::Streamed(row) => match super::place(caller) {
                Ok(place) => Self::Streamed(row, place),
                Err(_) => Self::Whole(represent::group(scope, *row, None)),
            },
        }
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
    fn send(self, status: StatusCode, body: Body, usage: Option<&Usage>) -> HttpResponse {
        let (whole, streamed) = match body {
            Body::Whole(whole) => (whole, None),
            Body::Streamed(row, place) => {
                (represent::group(&self.scope, (*row).clone(), None), Some((*row, place)))
            }
        };
        let mut response = HttpResponse::build(status);
        response.insert_header((ETAG, meta(&whole, "version")));
        response.insert_header((
            if status == StatusCode::CREATED { LOCATION } else { CONTENT_LOCATION },
            meta(&whole, "location"),
        ));
        let mut response = match streamed {
            None => {
                let cut = self.projection.apply(self.scope.kind(self.of), whole);
                answer(&self.request, response, &Value::Object(cut))
            }
            Some((row, place)) => response.insert_header((CONTENT_TYPE, "application/scim+json")).streaming(
                stream::groups(stream::Groups {
                    db: self.caller.directory().clone(),
                    scope: self.scope,
                    projection: self.projection,
                    rows: VecDeque::from([row]),
                    around: Default::default(),
                    _place: place,
                }),
            ),
        };
        if let Some(usage) = usage {
            quota::write_headers(usage, response.headers_mut());
        }
        response
    }
}

fn meta(whole: &Map<String, Value>, name: &str) -> String {
    let meta = whole.get("meta").and_then(|meta| meta.get(name));
    meta.and_then(Value::as_str).unwrap_or_default().to_owned()
}
