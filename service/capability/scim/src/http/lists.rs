//! Lists: `GET` of an endpoint, and `/.search` (RFC 7644, sections 3.4.2 and 3.4.3).

use std::collections::VecDeque;
use std::sync::Arc;

use actix_web::http::Method;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::{HttpRequest, HttpResponse};
use directory::{Listed, Listing, Start};
use entity::directory::{group, user};
use entity::ids::OrganizationId;
use platform::View;
use scim_core::condition::Condition;
use scim_core::document::Document;
use scim_core::filter::Filter;
use scim_core::resource::Projection;
use scim_core::search::{Search, Sort};
use scim_core::{ErrorType, Profile, ScimError};
use serde_json::{Map, Value, json};
use url::form_urlencoded;
use web::{Access, OrganizationCaller, Problem, RawBody, Routes, Shared};

use super::one::{Endpoint, Groups, Users};
use super::parameters::{Parameters, projection};
use super::{ok, refusal};
use crate::cursor::{self, Query, Walks};
use crate::resources::MEMBERS_BUFFERED;
use crate::state::{Scope, States, Type};
use crate::work::ListPrice;
use crate::{represent, stream};

/// Bytes of a search request.
const BODY_BYTES_MAX: usize = 64 << 10;

pub(super) fn routes() -> Routes {
    let scim = Access::Scim;
    let small = |route: web::Route| route.body_bytes_max(BODY_BYTES_MAX);
    Routes::new()
        .add(Method::GET, Users::LIST, scim, "scim_list_users: List users.", list::<Users>)
        .add(Method::GET, Groups::LIST, scim, "scim_list_groups: List groups.", list::<Groups>)
        .add_with(
            Method::POST,
            "/scim/v2/Users/.search",
            scim,
            "scim_search_users: Search users.",
            search::<Users>,
            small,
        )
        .add_with(
            Method::POST,
            "/scim/v2/Groups/.search",
            scim,
            "scim_search_groups: Search groups.",
            search::<Groups>,
            small,
        )
        .add_with(
            Method::POST,
            "/scim/v2/.search",
            scim,
            "scim_search: Search users and groups.",
            search_all,
            small,
        )
        .add(Method::GET, "/scim/v2", scim, "scim_list: List users and groups.", list_all)
}

async fn list<E: Endpoint>(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    walks: Shared<Arc<Walks>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    web::while_asked(&request, page(&caller, &states, &walks, &request, E::TYPE, &search)).await
}

async fn search<E: Endpoint>(
    caller: OrganizationCaller,
    body: RawBody,
    states: Shared<Arc<States>>,
    walks: Shared<Arc<Walks>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let search = read(&body)?;
    web::while_asked(&request, page(&caller, &states, &walks, &request, E::TYPE, &search)).await
}

fn read(body: &RawBody) -> Result<Search, Problem> {
    Document::parse(&body.0).and_then(|body| Search::parse(&body)).map_err(refusal)
}

/// The filter, bound to a resource type. Entra's validator encodes its filters twice.
fn condition(scope: &Scope, of: Type, text: Option<&str>) -> Result<Option<Condition>, ScimError> {
    let Some(text) = text else { return Ok(None) };
    let bind = |text: &str| {
        let filter = Filter::parse(text, scope.profile)?;
        Condition::bind(scope.kind(of), &filter, scope.profile)
    };
    let bound = match bind(text) {
        Err(_) if scope.profile == Profile::Compat && text.contains('%') => {
            let decoded = form_urlencoded::parse(text.as_bytes()).next().map(|(text, _)| text.into_owned());
            bind(decoded.as_deref().unwrap_or_default())
        }
        bound => bound,
    };
    bound.map(Some)
}

/// A list that was understood.
struct Asked {
    of: Type,
    projection: Projection,
    condition: Option<Condition>,
    sort: Option<Sort>,
    query: Query,
    start: Start,
    /// The index of the first row; `None` with a cursor.
    index: Option<u64>,
    count: u64,
}

fn understand(
    caller: &OrganizationCaller,
    scope: &Scope,
    walks: &Walks,
    of: Type,
    search: &Search,
) -> Result<Asked, Problem> {
    let kind = scope.kind(of);
    let projection = projection(search, kind)?;
    let condition = condition(scope, of, search.filter()).map_err(refusal)?;
    let sort = search.sort(kind).map_err(refusal)?;
    let mut count = search.count().map_err(refusal)?;
    let order = search.sort_order.as_deref();
    let parts = [Some(kind.name), search.filter(), search.sort_by.as_deref(), order];
    let query = Query::new(caller.principal()?.id, OrganizationId(scope.organization), &parts);
    let (start, index) = match search.cursor.as_deref() {
        None => {
            let index = search.start().map_err(refusal)?;
            (walks.start(&query, index), Some(index))
        }
        Some("") => (Start::Offset(0), None),
        Some(cursor) => {
            let (start, first) = cursor::open(caller.tools(), &query, cursor, caller.now())?;
            if search.count.is_some() && count != first {
                let detail = "`count` must be the same as on the first page.";
                return Err(refusal(ScimError::new(ErrorType::InvalidCount, detail)));
            }
            count = first;
            (start, None)
        }
    };
    Ok(Asked { of, projection, condition, sort, query, start, index, count })
}

impl Asked {
    fn listing<'a>(&'a self, scope: &'a Scope) -> Listing<'a> {
        Listing {
            kind: scope.kind(self.of),
            base: &scope.base,
            organization: scope.organization,
            condition: self.condition.as_ref(),
            sort: self.sort.as_ref(),
            start: &self.start,
            limit: self.count,
        }
    }

    /// What stands beside the resources: totals, and how to go on.
    fn head<R>(
        &self,
        caller: &OrganizationCaller,
        walks: &Walks,
        listed: &Listed<R>,
    ) -> Result<Map<String, Value>, Problem> {
        let shown = listed.rows.len() as u64;
        let mut head = Map::new();
        head.insert("schemas".to_owned(), json!([LIST_RESPONSE]));
        head.insert("totalResults".to_owned(), listed.total.into());
        head.insert("itemsPerPage".to_owned(), shown.into());
        if let Some(index) = self.index {
            head.insert("startIndex".to_owned(), index.into());
            if let Some(mark) = &listed.last {
                walks.step(&self.query, index + shown, mark.clone());
            }
            return Ok(head);
        }
        let before = match &self.start {
            Start::Offset(offset) => *offset,
            Start::Behind(before, _) => *before,
        };
        if let Some(mark) = listed.last.clone().filter(|_| before + shown < listed.total) {
            let next = cursor::seal(caller.tools(), &self.query, mark, before + shown, self.count)?;
            head.insert("nextCursor".to_owned(), next.into());
        }
        Ok(head)
    }
}

const LIST_RESPONSE: &str = "urn:ietf:params:scim:api:messages:2.0:ListResponse";

async fn page(
    caller: &OrganizationCaller,
    states: &States,
    walks: &Walks,
    request: &HttpRequest,
    of: Type,
    search: &Search,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(caller, states).await?;
    let asked = understand(caller, &scope, walks, of, search)?;
    let _place = ListPrice::ask(caller, states, of, asked.listing(&scope)).await?.pay(caller, states).await?;
    if of == Type::Users {
        let (mut head, resources) = caller
            .read(async |view| {
                let listed = directory::search::<user::Model>(view, asked.listing(&scope)).await?;
                let head = asked.head(caller, walks, &listed)?;
                Ok::<_, Problem>((head, users(view, &scope, &asked.projection, listed.rows).await?))
            })
            .await?;
        head.insert("Resources".to_owned(), resources.into());
        return Ok(ok(request, &Value::Object(head)));
    }
    let (mut head, resources) = caller
        .read(async |view| {
            let listed = directory::search::<group::Model>(view, asked.listing(&scope)).await?;
            let head = asked.head(caller, walks, &listed)?;
            Ok::<_, Problem>((head, groups(view, &scope, &asked.projection, listed.rows).await?))
        })
        .await?;
    match resources {
        Ok(resources) => {
            head.insert("Resources".to_owned(), resources.into());
            Ok(ok(request, &Value::Object(head)))
        }
        Err(rows) => {
            let mut text = Value::Object(head).to_string();
            text.pop();
            let around = (format!("{text},\"Resources\":["), "]}".to_owned());
            let groups = stream::Groups {
                db: caller.directory().clone(),
                scope,
                projection: asked.projection,
                rows: VecDeque::from(rows),
                around,
                _place: super::place(caller)?,
            };
            let mut response = HttpResponse::Ok();
            Ok(response
                .insert_header((CONTENT_TYPE, "application/scim+json"))
                .streaming(stream::groups(groups)))
        }
    }
}

/// Users with their groups, in two queries for all.
async fn users(
    view: &View,
    scope: &Scope,
    projection: &Projection,
    rows: Vec<user::Model>,
) -> Result<Vec<Value>, Problem> {
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let wanted = projection.wants("groups");
    let groups =
        if wanted { directory::groups_of(view, scope.organization, &ids).await? } else { Default::default() };
    let show = |row: user::Model| {
        let of_row = groups.get(&row.id).map(Vec::as_slice);
        Value::Object(projection.apply(&scope.registry.users, represent::user(scope, row, of_row)))
    };
    Ok(rows.into_iter().map(show).collect())
}

/// Groups with their members; the rows themselves if the members are too many to be held.
async fn groups(
    view: &View,
    scope: &Scope,
    projection: &Projection,
    rows: Vec<group::Model>,
) -> Result<Result<Vec<Value>, Vec<group::Model>>, Problem> {
    let show = |row: group::Model, members: Option<&[directory::Member]>| {
        Value::Object(projection.apply(&scope.registry.groups, represent::group(scope, row, members)))
    };
    if !projection.wants("members") {
        return Ok(Ok(rows.into_iter().map(|row| show(row, None)).collect()));
    }
    let ids: Vec<_> = rows.iter().map(|row| row.id).collect();
    let found = directory::members(view, scope.organization, &ids, MEMBERS_BUFFERED).await?;
    let Some(mut found) = found else { return Ok(Err(rows)) };
    let shown = rows.into_iter().map(|row| {
        let members = found.remove(&row.id).unwrap_or_default();
        show(row, Some(&members))
    });
    Ok(Ok(shown.collect()))
}

async fn list_all(
    caller: OrganizationCaller,
    Parameters(search): Parameters,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    web::while_asked(&request, both(&caller, &states, &request, &search)).await
}

async fn search_all(
    caller: OrganizationCaller,
    body: RawBody,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let search = read(&body)?;
    web::while_asked(&request, both(&caller, &states, &request, &search)).await
}

/// Users, and behind them groups. A filter that names what one of the types doesn't have finds none of that type. Members
/// aren't shown here: a list of everything has no room for them.
async fn both(
    caller: &OrganizationCaller,
    states: &States,
    request: &HttpRequest,
    search: &Search,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(caller, states).await?;
    if search.sort_by.is_some() || search.cursor.is_some() {
        let detail = "A search over all resource types supports neither sorting nor cursors.";
        return Err(refusal(ScimError::new(ErrorType::InvalidValue, detail)));
    }
    let bind = |of: Type| condition(&scope, of, search.filter());
    let (of_users, of_groups) = (bind(Type::Users), bind(Type::Groups));
    if let (Err(error), Err(_)) = (&of_users, &of_groups) {
        return Err(refusal(error.clone()));
    }
    let (start, count) = (search.start().map_err(refusal)?, search.count().map_err(refusal)?);
    let at = Start::Offset(start - 1);
    let mut whole = ListPrice::default();
    for (of, condition) in [(Type::Users, &of_users), (Type::Groups, &of_groups)] {
        let Ok(condition) = condition else { continue };
        let listing = all(&scope, of, condition.as_ref(), &at, count);
        whole += ListPrice::ask(caller, states, of, listing).await?;
    }
    let _place = whole.pay(caller, states).await?;
    let shown_users = projection(search, scope.kind(Type::Users))?;
    let shown_groups = match search.attributes {
        None if search.excluded_attributes.is_none() => {
            Projection::parse(scope.kind(Type::Groups), None, Some("members")).map_err(refusal)?
        }
        _ => projection(search, scope.kind(Type::Groups))?,
    };
    let body = caller
        .read(async |view| {
            let mut resources = Vec::new();
            let mut total = 0;
            if let Ok(condition) = &of_users {
                let listing = all(&scope, Type::Users, condition.as_ref(), &at, count);
                let listed = directory::search::<user::Model>(view, listing).await?;
                total += listed.total;
                resources.extend(users(view, &scope, &shown_users, listed.rows).await?);
            }
            if let Ok(condition) = &of_groups {
                let at = Start::Offset((start - 1).saturating_sub(total));
                let left = count.saturating_sub(resources.len() as u64);
                let listing = all(&scope, Type::Groups, condition.as_ref(), &at, left);
                let listed = directory::search::<group::Model>(view, listing).await?;
                total += listed.total;
                match groups(view, &scope, &shown_groups, listed.rows).await? {
                    Ok(shown) => resources.extend(shown),
                    Err(_) => {
                        let detail =
                            "The groups found have too many members for a search over all resource types.";
                        return Err(refusal(ScimError::new(ErrorType::TooMany, detail)));
                    }
                }
            }
            Ok(json!({
                "schemas": [LIST_RESPONSE], "totalResults": total, "startIndex": start,
                "itemsPerPage": resources.len(), "Resources": resources,
            }))
        })
        .await?;
    Ok(ok(request, &body))
}

fn all<'a>(
    scope: &'a Scope,
    of: Type,
    condition: Option<&'a Condition>,
    start: &'a Start,
    limit: u64,
) -> Listing<'a> {
    let (kind, base, organization) = (scope.kind(of), scope.base.as_str(), scope.organization);
    Listing { kind, base, organization, condition, sort: None, start, limit }
}
