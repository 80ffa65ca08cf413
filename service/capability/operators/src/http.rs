//! `/api/v1/operators`, and the pages on which operators enrol and sign in.

mod authenticator;
mod pages;
mod passwords;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::operators::operator::Model;
use entity::operators::states::OperatorRole;
use platform::{PlatformTx, PlatformView};
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, PlatformCaller, Problem,
    Query, Routes, Service,
};

use crate::ops;

pub use authenticator::Operators;

const LIST: &str = "/api/v1/operators";

/// The routes.
pub(crate) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::KeysRead), Access::Key(Permission::KeysWrite));
    Routes::new()
        .add(
            Method::POST,
            LIST,
            write,
            "create_operator: Invite an operator to enrol a passkey.",
            create_operator,
        )
        .add(Method::GET, LIST, read, "list_operators: List operators.", list_operators)
        .add(
            Method::DELETE,
            "/api/v1/operators/{operator_id}",
            write,
            "disable_operator: Disable an operator immediately.",
            disable_operator,
        )
        .add(
            Method::POST,
            "/api/v1/operators/{operator_id}/enroll",
            write,
            "enroll_operator: Create a new enrolment link for an operator.",
            enroll_operator,
        )
        .and(pages::routes())
        .and(passwords::routes())
}

/// An operator to invite.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct OperatorInput {
    email: String,
    #[schema(max_length = 200)]
    name: String,
    /// `operator` (default) or `auditor`.
    #[schema(value_type = Option<String>)]
    role: Option<OperatorRole>,
}

impl Input for OperatorInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(identity_core::is_email(&self.email), "/email", "must be an e-mail address");
        errors.text("/name", &self.name, 200);
    }
}

/// An operator.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct OperatorView {
    id: Uuid,
    email: String,
    name: String,
    #[schema(value_type = String)]
    role: OperatorRole,
    /// The link by which the operator enrols a passkey; only in the answer that creates it.
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_url: Option<String>,
    /// Number of unused recovery codes.
    recovery_codes_left: usize,
    /// Number of sessions that are still valid.
    live_sessions: u64,
    /// When the operator was disabled; null: not disabled.
    disabled_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
}

fn view(row: Model, live_sessions: u64, enrollment_url: Option<String>) -> OperatorView {
    OperatorView {
        id: row.id,
        email: row.email,
        name: row.name,
        role: row.role,
        enrollment_url,
        recovery_codes_left: row.recovery_codes.as_array().map_or(0, Vec::len),
        live_sessions,
        disabled_at: row.disabled_at,
        created_at: row.created_at,
    }
}

fn link(service: &Service, token: &str) -> String {
    format!("{}/operator/enroll?token={token}", service.config.public_url())
}

async fn create_operator(
    caller: PlatformCaller,
    Body(input): Body<OperatorInput>,
) -> Result<Created<OperatorView>, Problem> {
    let role = input.role.unwrap_or(OperatorRole::Operator);
    let work = async |tx: &mut PlatformTx| ops::create(tx, &input.email, &input.name, role).await;
    let (row, token) = caller.write(work).await?;
    let url = link(&caller.service, &token);
    Ok(Created(format!("{LIST}/{}", row.id), view(row, 0, Some(url))))
}

async fn list_operators(
    caller: PlatformCaller,
    Query(_): Query<ListQuery>,
) -> Result<Page<OperatorView>, Problem> {
    let read = async |on: &PlatformView| {
        let live = ops::live_sessions(on).await?;
        let item = |row: Model| {
            let live = live.get(&row.id).copied().unwrap_or_default();
            view(row, live, None)
        };
        Ok::<_, Problem>(ops::list(on).await?.into_iter().map(item).collect())
    };
    Ok(Page { items: caller.read(read).await?, next_cursor: None })
}

async fn disable_operator(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("operator_id")?;
    caller.write(async |tx: &mut PlatformTx| ops::disable(tx, id).await).await?;
    Ok(NoContent)
}

async fn enroll_operator(
    caller: PlatformCaller,
    ids: Ids,
) -> Result<actix_web::web::Json<OperatorView>, Problem> {
    let id = ids.id("operator_id")?;
    let work = async |tx: &mut PlatformTx| ops::enroll_again(tx, id).await;
    let (row, token) = caller.write(work).await?;
    let url = link(&caller.service, &token);
    Ok(actix_web::web::Json(view(row, 0, Some(url))))
}
