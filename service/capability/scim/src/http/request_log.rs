//! `…/scim-requests`: the request log, searched; one request with what it changed; and a request played again on paper.

use std::sync::Arc;

use actix_web::HttpRequest;
use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::directory::change;
use entity::directory::states::{ChangeAction, ChangeKind};
use entity::ids::OrganizationId;
use entity::scim::request::{Column, Entity, Model};
use entity::scim::states::TokenProfile;
use entity::scim::token;
use platform::{Actor, Ctx, Tx, View};
use policy_core::Permission;
use scim_core::resource::Projection;
use scim_core::{Profile, bulk};
use sea_orm::sea_query::{Expr, ExprTrait as _, Func, LikeExpr};
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Code, CredentialKind, FieldErrors, Ids, Input, ListQuery, Page, Position, Problem, Query, Routes,
    Shared, TenantCaller,
};

use super::one::Unseen;
use crate::codes;
use crate::resources::{self, Shown};
use crate::state::{Scope, States, Type};
use crate::work::{SearchPermit, Work};

const LIST: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-requests";
const ONE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-requests/{request_id}";
const REPLAY: &str =
    "/api/v1/tenants/{tenant}/organizations/{organization}/scim-requests/{request_id}/replay";
/// Changes shown of one request.
const CHANGES_MAX: u64 = 100;

pub(super) fn routes() -> Routes {
    let read = Access::Key(Permission::ScimTokensRead);
    Routes::new()
        .add(
            Method::GET,
            LIST,
            read,
            "list_scim_requests: List logged SCIM requests and their responses.",
            list_requests,
        )
        .add(
            Method::GET,
            ONE,
            read,
            "get_scim_request: Get a logged SCIM request and what it changed.",
            get_request,
        )
        .add(
            Method::POST,
            REPLAY,
            Access::Key(Permission::DirectoryWrite),
            "replay_scim_request: Simulate a logged SCIM request on the directory; nothing is changed.",
            replay_request,
        )
}

/// What to look for.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct RequestQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    method: Option<String>,
    /// `400`, or `4xx`
    status: Option<String>,
    token_id: Option<Uuid>,
    /// A part of path, detail or bodies, whatever its case.
    search: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl RequestQuery {
    fn list(&self) -> ListQuery {
        ListQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    /// Statuses from and up to.
    fn statuses(&self) -> Option<(i64, i64)> {
        let text = self.status.as_deref()?;
        match text.strip_suffix("xx") {
            Some(class) => class.parse().ok().map(|class: i64| (class * 100, class * 100 + 99)),
            None => text.parse().ok().map(|status| (status, status)),
        }
    }
}

impl Input for RequestQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.list().check(errors);
        let status =
            self.status.is_none() || self.statuses().is_some_and(|(from, _)| (100..600).contains(&from));
        errors.require(status, "?status", "must be a status like 409, or a class like 4xx");
        let search = self.search.as_ref().is_none_or(|text| text.chars().count() <= 200);
        errors.require(search, "?search", "must have at most 200 characters");
    }
}

/// A logged SCIM request and the result.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimRequest {
    id: Uuid,
    occurred_at: DateTime<Utc>,
    token_id: Uuid,
    /// The `X-Request-Id` of the request.
    request_id: Option<String>,
    method: String,
    /// The path with the query.
    path: String,
    /// The HTTP status of the response.
    status: i64,
    /// The `scimType` of the SCIM error; null: none.
    scim_type: Option<String>,
    /// The `detail` of the SCIM error; null: the request succeeded.
    detail: Option<String>,
    /// How long the request took, in microseconds.
    duration_micros: i64,
    /// Whether it was made with a dry-run token: answered, but not applied.
    dry_run: bool,
}

impl From<Model> for ScimRequest {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            occurred_at: row.occurred_at,
            token_id: row.token_id,
            request_id: row.request_id,
            method: row.method,
            path: row.path,
            status: row.status,
            scim_type: row.scim_type,
            detail: row.detail,
            duration_micros: row.duration_micros,
            dry_run: row.dry_run,
        }
    }
}

/// A change that a request made.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct RecordedChange {
    occurred_at: DateTime<Utc>,
    /// `user`, `group`, `member` or `child` (a group as a member).
    #[schema(value_type = String)]
    kind: ChangeKind,
    #[schema(value_type = String)]
    action: ChangeAction,
    /// The id of the user or group; for `member` and `child` that of the group they belong to.
    subject_id: Uuid,
    /// The state before: attributes, or the ids of members that were added or removed.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
}

impl From<change::Model> for RecordedChange {
    fn from(row: change::Model) -> Self {
        Self {
            occurred_at: row.occurred_at,
            kind: row.kind,
            action: row.action,
            subject_id: row.subject_id,
            before: row.before,
        }
    }
}

/// A logged SCIM request with its bodies and changes.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimRequestDetail {
    #[serde(flatten)]
    request: ScimRequest,
    /// The request body without secrets; truncated if it was long.
    request_body: Option<String>,
    response_body: Option<String>,
    /// The first 100 changes.
    changes: Vec<RecordedChange>,
}

async fn list_requests(
    caller: TenantCaller,
    ids: Ids,
    Query(query): Query<RequestQuery>,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<Page<ScimRequest>, Problem> {
    web::while_asked(&request, requests(&caller, &ids, &query, &states)).await
}

async fn requests(
    caller: &TenantCaller,
    ids: &Ids,
    query: &RequestQuery,
    states: &States,
) -> Result<Page<ScimRequest>, Problem> {
    let name = ids.key("organization")?;
    let binding = format!(
        "scim-requests {} {name} {:?} {:?} {:?} {:?} {:?} {:?}",
        caller.tenant(),
        query.method,
        query.status,
        query.token_id,
        query.search,
        query.since,
        query.until
    );
    let position = Position::of(&query.list(), &binding)?;
    let before = position.after_id()?;
    let text = query.search.as_deref().filter(|text| !text.is_empty());
    // It reads the bodies of all that are kept.
    let _permit = match text {
        Some(_) => Some(SearchPermit::acquire(&caller.tools().heavy, caller.tenant(), states).await?),
        None => None,
    };
    let rows = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            let mut select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization.id));
            if let Some(before) = before {
                select = select.filter(Column::Id.lt(before));
            }
            if let Some(method) = &query.method {
                select = select.filter(Column::Method.eq(method.to_uppercase()));
            }
            if let Some((from, to)) = query.statuses() {
                select = select.filter(Column::Status.between(from, to));
            }
            if let Some(token) = query.token_id {
                select = select.filter(Column::TokenId.eq(token));
            }
            if let Some(since) = query.since {
                select = select.filter(Column::OccurredAt.gte(since));
            }
            if let Some(until) = query.until {
                select = select.filter(Column::OccurredAt.lt(until));
            }
            if let Some(text) = text {
                let escaped =
                    text.to_lowercase().replace('\\', "\\\\").replace('%', "\\%").replace('_', "\\_");
                let like = LikeExpr::new(format!("%{escaped}%")).escape('\\');
                let columns = [Column::Path, Column::Detail, Column::RequestBody, Column::ResponseBody];
                let found = columns.into_iter().fold(Condition::any(), |any, column| {
                    any.add(Expr::expr(Func::lower(Expr::col(column))).like(like.clone()))
                });
                select = select.filter(found);
            }
            Ok::<_, Problem>(view.all(select.order_by_desc(Column::Id).limit(position.limit + 1)).await?)
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), ScimRequest::from))
}

async fn find(view: &View, organization: &str, id: Uuid) -> Result<Model, Problem> {
    let organization = tenancy::organization_named(view, organization).await?;
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization.id));
    view.one(select.filter(Column::Id.eq(id))).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))
}

async fn get_request(caller: TenantCaller, ids: Ids) -> Result<Json<ScimRequestDetail>, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("request_id")?);
    let (row, changes) = caller
        .read(async |view| {
            let row = find(view, name, id).await?;
            let changes = match &row.request_id {
                Some(request) => {
                    let (organization, at) = (row.organization_id, row.occurred_at);
                    directory::changes_of_request(view, organization, request, at, CHANGES_MAX).await?
                }
                None => Vec::new(),
            };
            Ok::<_, Problem>((row, changes))
        })
        .await?;
    Ok(Json(ScimRequestDetail {
        request_body: row.request_body.clone(),
        response_body: row.response_body.clone(),
        request: row.into(),
        changes: changes.into_iter().map(Into::into).collect(),
    }))
}

/// The result that a logged request would have now.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Replay {
    /// The HTTP status that the request would get.
    status: u16,
    /// The response body.
    #[schema(value_type = Option<Object>)]
    body: Option<Value>,
    /// The changes that the request would make.
    changes: Vec<RecordedChange>,
}

/// Carries a replay's result out of the transaction that is rolled back.
enum Ended {
    Would(Box<Replay>),
    Failed(Problem),
}

impl From<platform::DbError> for Ended {
    fn from(error: platform::DbError) -> Self {
        Ended::Failed(error.into())
    }
}

async fn replay_request(
    caller: TenantCaller,
    ids: Ids,
    states: Shared<Arc<States>>,
) -> Result<Json<Replay>, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("request_id")?);
    let find = async |view: &View| {
        let row = find(view, name, id).await?;
        let token =
            view.select::<token::Entity>().filter(token::Column::OrganizationId.eq(row.organization_id));
        let token = view.one(token.filter(token::Column::Id.eq(row.token_id))).await?;
        Ok::<_, Problem>((row, token.is_none_or(|token| token.profile == TokenProfile::Compat)))
    };
    let (row, compat) = caller.read(find).await?;
    if !row.whole {
        return Err(Problem::new(codes::REPLAY_INCOMPLETE));
    }
    let profile = if compat { Profile::Compat } else { Profile::Rfc };
    let Some((method, of, target)) = target(&row) else {
        return Err(Problem::invalid("", "only writes of one user or group can be replayed"));
    };
    let state = states.of(caller.db(), OrganizationId(row.organization_id)).await?;
    let scope = Scope::new(caller.tools(), row.organization_id, profile, &state);
    let body = row.request_body.clone().unwrap_or_default();
    let write = match resources::prepare(&scope, of, method, target.as_deref(), body.as_bytes()) {
        Ok(write) => write,
        Err(error) => return Ok(Json(refused(&error.into()))),
    };
    let mut again = Work::again(&caller.tools().heavy, caller.tenant(), body.len());
    // A request id of its own, by which its changes are found before they are rolled back.
    let replay = platform::ids::new().to_string();
    // As the directory: what an admin may do says nothing of what it would do.
    let actor = Actor::new(CredentialKind::ScimToken.name(), row.token_id);
    let ctx = Ctx { request_id: Some(replay), dry_run: true, actor, ..caller.ctx.clone() };
    let work = async |tx: &mut Tx| -> Result<(), Ended> {
        let done = async {
            let done = resources::apply(tx, &scope, of, (write, &mut again), &Unseen).await?;
            let projection = Projection::parse(scope.kind(of), None, Some("members")).unwrap_or_default();
            let gone = matches!(done.row, resources::Row::Gone);
            let shown = resources::show(tx, &scope, done.row, &projection).await?;
            let body = match shown {
                Shown::Whole(whole) if !gone => Some(Value::Object(projection.apply(scope.kind(of), whole))),
                _ => None,
            };
            let changes = directory::changes_so_far(tx, scope.organization, CHANGES_MAX).await?;
            let status = match method {
                bulk::Method::Post => 201,
                bulk::Method::Delete => 204,
                _ => 200,
            };
            Ok::<_, Problem>(Replay { status, body, changes: changes.into_iter().map(Into::into).collect() })
        };
        Err(match done.await {
            Ok(replay) => Ended::Would(Box::new(replay)),
            Err(problem) => Ended::Failed(problem),
        })
    };
    match caller.db().write(&ctx, work).await {
        Err(Ended::Would(replay)) => Ok(Json(*replay)),
        Err(Ended::Failed(problem))
            if problem.is_refusal() || problem.code == directory::codes::DIRECTORY_BLOCKED =>
        {
            Ok(Json(refused(&problem)))
        }
        Err(Ended::Failed(problem)) => Err(problem),
        Ok(()) => Err(Problem::internal("a replay was applied")),
    }
}

fn refused(problem: &Problem) -> Replay {
    Replay { status: problem.code.status().as_u16(), body: Some(problem.scim_body()), changes: Vec::new() }
}

/// Method, resource type and id of a logged write.
fn target(row: &Model) -> Option<(bulk::Method, Type, Option<String>)> {
    let method = match row.method.as_str() {
        "POST" => bulk::Method::Post,
        "PUT" => bulk::Method::Put,
        "PATCH" => bulk::Method::Patch,
        "DELETE" => bulk::Method::Delete,
        _ => return None,
    };
    let path = row.path.split('?').next()?.trim_end_matches('/').strip_prefix("/scim/v2")?;
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let of = Type::at(&format!("/{}", parts.next()?))?;
    let id = parts.next().map(ToOwned::to_owned);
    (id.is_none() == (method == bulk::Method::Post)).then_some((method, of, id))
}
