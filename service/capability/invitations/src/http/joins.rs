//! `/join`: people of a proven domain come by themselves; `…/join-rules`, `…/join-requests`: by which rule, and who asks.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::by_name::ByName;
use entity::invitations::states::{JoinMode, JoinRequestStatus, JoinRequestVerb};
use entity::invitations::{join_request, join_rule};
use platform::{Tx, View};
use policy_core::{Permission, TenantRole};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Caller, FieldErrors, Form, Ids, Input, ListQuery, NoContent, Page, Problem, Query, Routes,
    TenantCaller,
};

use crate::error::Error;
use crate::join::{self, RULES_MAX};
use crate::stranger::{self, Request};

const RULES: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/join-rules";
const RULE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/join-rules/{name}";
const REQUESTS: &str = "/api/v1/tenants/{tenant}/join-requests";
const REQUEST: &str = "/api/v1/tenants/{tenant}/join-requests/{request_id}";
const APPROVE: &str = "/api/v1/tenants/{tenant}/join-requests/{request_id}/approve";
const DECLINE: &str = "/api/v1/tenants/{tenant}/join-requests/{request_id}/decline";
const PAGE: &str = "/join";
const API: &str = "/api/v1/join";

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::InvitationsRead), Access::Key(Permission::InvitationsWrite));
    let anybody =
        Access::Public("the answer is the same for everybody, and the mail goes to the address only");
    let small = |route: web::Route| route.counts_failures().body_bytes_max(16 << 10);
    Routes::new()
        .add(
            Method::GET,
            RULES,
            read,
            "list_join_rules: List join rules: domains whose people may join.",
            list_join_rules,
        )
        .add(
            Method::PUT,
            RULE,
            write,
            "replace_join_rule: Let people with addresses of a verified domain join, or ask to join.",
            replace_join_rule,
        )
        .add(
            Method::DELETE,
            RULE,
            write,
            "delete_join_rule: Delete the join rule of a domain.",
            delete_join_rule,
        )
        .add(Method::GET, REQUESTS, read, "list_join_requests: List requests to join.", list_join_requests)
        .add(Method::GET, REQUEST, read, "get_join_request: Get a request to join.", get_join_request)
        .add(Method::POST, APPROVE, write, "approve_join_request: Approve a request to join.", approve)
        .add(Method::POST, DECLINE, write, "decline_join_request: Decline a request to join.", decline)
        .add(
            Method::GET,
            PAGE,
            anybody,
            "join_page: Show the page where a person enters an e-mail address to join.",
            join_page,
        )
        .add_with(
            Method::POST,
            PAGE,
            anybody,
            "join_by_page: Send a link to the e-mail address that was entered on the page.",
            join_by_page,
            small,
        )
        .add_with(
            Method::POST,
            API,
            anybody,
            "join: Send a link to the e-mail address of a person who wants to join.",
            join_by_api,
            small,
        )
}

/// What people with an address of the domain may do.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct RuleInput {
    /// `auto`: they join at once. `request`: they ask to join, and an admin decides.
    #[schema(value_type = String)]
    mode: JoinMode,
    /// The role they get: `contributor`, `viewer` or `guest`.
    #[schema(value_type = Option<String>)]
    role: Option<ByName<TenantRole>>,
}

impl Input for RuleInput {
    fn check(&self, errors: &mut FieldErrors) {
        check_role(errors, self.role);
    }
}

/// Nobody becomes an admin by an address.
fn check_role(errors: &mut FieldErrors, role: Option<ByName<TenantRole>>) {
    let fits = role.is_none_or(|role| TenantRole::BY_DOMAIN.contains(&role.0));
    errors.require(fits, "/role", "must be contributor, viewer or guest");
}

/// A domain whose people may join an organization, or ask to.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinRule {
    domain: String,
    organization_id: Uuid,
    /// `auto`: people join at once. `request`: they ask to join, and an admin decides.
    #[schema(value_type = String)]
    mode: JoinMode,
    /// The role that people get.
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<join_rule::Model> for JoinRule {
    fn from(row: join_rule::Model) -> Self {
        Self {
            domain: row.domain,
            organization_id: row.organization_id,
            mode: row.mode,
            role: row.role,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// The join rules of an organization.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinRules {
    items: Vec<JoinRule>,
}

async fn list_join_rules(caller: TenantCaller, ids: Ids) -> Result<Json<JoinRules>, Problem> {
    let name = ids.key("organization")?;
    let read = async |view: &View| {
        let organization = tenancy::organization_named(view, name).await?;
        let rules = view.select::<join_rule::Entity>();
        let rules = rules.filter(join_rule::Column::OrganizationId.eq(organization.id));
        Ok::<_, Problem>(view.all(rules.order_by_asc(join_rule::Column::Domain).limit(RULES_MAX)).await?)
    };
    let items = caller.read(read).await?.into_iter().map(JoinRule::from).collect();
    Ok(Json(JoinRules { items }))
}

async fn replace_join_rule(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<RuleInput>,
) -> Result<Json<JoinRule>, Problem> {
    let (name, domain) = (ids.key("organization")?, ids.key("name")?);
    let work = async |tx: &mut Tx| {
        tenancy::active(tx).await?;
        let organization = tenancy::organization_named(tx, name).await?.id;
        let role = input.role.map_or(TenantRole::Viewer, |role| role.0);
        join::put_rule(tx, organization, domain, input.mode, role).await
    };
    Ok(Json(caller.write(work).await?.into()))
}

async fn delete_join_rule(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let (name, domain) = (ids.key("organization")?, ids.key("name")?);
    let work = async |tx: &mut Tx| {
        let organization = tenancy::organization_named(tx, name).await?.id;
        join::delete_rule(tx, organization, domain).await
    };
    caller.write(work).await?;
    Ok(NoContent)
}

/// A request to join an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct JoinRequest {
    id: Uuid,
    organization_id: Uuid,
    /// The person's e-mail address; they have proven that it is theirs.
    email: String,
    display_name: Option<String>,
    /// The role the person gets if the request is approved.
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
    /// `pending`, `approved` or `declined`.
    #[schema(value_type = String)]
    status: JoinRequestStatus,
    /// The user who was created; null until the request is approved.
    user_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// When the request was approved or declined; null until then.
    decided_at: Option<DateTime<Utc>>,
}

impl From<join_request::Model> for JoinRequest {
    fn from(row: join_request::Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            email: row.email,
            display_name: row.display_name,
            role: row.role,
            status: row.status,
            user_id: row.user_id,
            created_at: row.created_at,
            decided_at: row.decided_at,
        }
    }
}

async fn list_join_requests(
    caller: TenantCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<JoinRequest>, Problem> {
    let key = join_request::Column::Id;
    caller.page::<join_request::Entity, _>(&query, key, JoinRequest::from).await
}

async fn get_join_request(caller: TenantCaller, ids: Ids) -> Result<Json<JoinRequest>, Problem> {
    let id = ids.id("request_id")?;
    Ok(Json(caller.read(async |view| join::request(view, id).await).await?.into()))
}

/// The approval of a request to join.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DecisionInput {
    /// The role the person gets; absent: that of the join rule.
    #[schema(value_type = Option<String>)]
    role: Option<ByName<TenantRole>>,
}

impl Input for DecisionInput {
    fn check(&self, errors: &mut FieldErrors) {
        check_role(errors, self.role);
    }
}

async fn approve(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<DecisionInput>,
) -> Result<Json<JoinRequest>, Problem> {
    let id = ids.id("request_id")?;
    let role = input.role.map(|role| role.0);
    let work = async |tx: &mut Tx| join::decide(tx, id, JoinRequestVerb::Approve, role).await;
    let row = directory::again_after_race(Error::is_race, async || caller.write(work).await).await?;
    Ok(Json(row.into()))
}

async fn decline(caller: TenantCaller, ids: Ids) -> Result<Json<JoinRequest>, Problem> {
    let id = ids.id("request_id")?;
    let row = caller.write(async |tx| join::decide(tx, id, JoinRequestVerb::Decline, None).await).await?;
    Ok(Json(row.into()))
}

/// A person's wish to join a tenant.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct JoinInput {
    /// The tenant's slug.
    tenant: String,
    #[schema(max_length = 254)]
    email: String,
    /// The language of the mail: `en` or `de`; absent: the tenant's language.
    locale: Option<String>,
}

impl Input for JoinInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(web::is_slug(&self.tenant), "/tenant", "must be a slug");
        errors.require(identity_core::is_email(&self.email), "/email", "must be an e-mail address");
        let known = self.locale.as_deref().is_none_or(mail::speaks);
        errors.require(known, "/locale", "must be a supported language");
    }
}

/// Which tenant.
#[derive(Debug, Deserialize)]
pub(crate) struct WithTenant {
    #[serde(default)]
    tenant: String,
}

impl Input for WithTenant {}

fn page(status: StatusCode, tenant: &str, sent: bool) -> Result<HttpResponse, Problem> {
    let wrong = status != StatusCode::OK;
    let values = json!({"tenant": tenant, "sent": sent, "wrong": wrong});
    Ok(crate::pages::join(status, &values)?)
}

async fn join_page(_: Caller, Query(query): Query<WithTenant>) -> Result<HttpResponse, Problem> {
    page(StatusCode::OK, if web::is_slug(&query.tenant) { &query.tenant } else { "" }, false)
}

async fn begin(caller: &Caller, input: JoinInput) -> Result<(), Problem> {
    let request = Request { tenant: input.tenant, email: input.email, locale: input.locale };
    Ok(stranger::ask(caller.platform(), &caller.ctx, &request).await?)
}

/// The form in which a person asks to join, unchecked: the page shows what is wrong with it.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct JoinForm {
    #[serde(default)]
    tenant: String,
    #[serde(default)]
    email: String,
}

impl Input for JoinForm {}

async fn join_by_page(caller: Caller, Form(form): Form<JoinForm>) -> Result<HttpResponse, Problem> {
    let (tenant, email) = (form.tenant.trim().to_lowercase(), form.email.trim().to_owned());
    let input = JoinInput { tenant: tenant.clone(), email, locale: None };
    let mut errors = FieldErrors::default();
    input.check(&mut errors);
    if errors.finish().is_err() {
        return page(StatusCode::BAD_REQUEST, "", false);
    }
    begin(&caller, input).await?;
    page(StatusCode::OK, &tenant, true)
}

/// The answer to a wish to join. It is the same for every address, so that it reveals nothing.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct JoinBegun {
    detail: String,
}

async fn join_by_api(caller: Caller, Body(input): Body<JoinInput>) -> Result<Json<JoinBegun>, Problem> {
    begin(&caller, input).await?;
    let detail = "If people of this domain may join, a mail with a link is on its way.";
    Ok(Json(JoinBegun { detail: detail.to_owned() }))
}
