//! The tracer and the sessions: `/api/v1/tenants/{tenant}/sign-ins`, `…/sessions`, and `/api/v1/sign-ins` for support.

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use connections::ResponsibleParty;
use entity::sessions::browser_session;
use entity::sign_in::attempt::{Column, Entity, Model};
use entity::sign_in::states::Purpose;
use platform::{Tx, View};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sessions::Ended;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Code, FieldErrors, Ids, Input, ListQuery, NoContent, Page, PlatformCaller, Position, Problem,
    Query, Routes, TenantCaller,
};

use crate::ops::sign_in;

const READ: Access = Access::Key(Permission::SignInRead);
const WRITE: Access = Access::Key(Permission::SignInWrite);

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/sign-ins",
            READ,
            "list_sign_ins: List sign-in attempts, newest first; `?code=` finds the one of an error page.",
            list_sign_ins,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/sign-ins/{sign_in_id}",
            READ,
            "get_sign_in: Get a sign-in attempt with its steps.",
            get_sign_in,
        )
        .add(
            Method::GET,
            "/api/v1/sign-ins",
            Access::Key(Permission::AuditRead),
            "find_sign_ins: Find a sign-in attempt of any tenant by the code shown on its error page.",
            find_sign_ins,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/sessions",
            READ,
            "list_sessions: List browser sessions, newest first; `?userId=` those of one user.",
            list_sessions,
        )
        .add(
            Method::DELETE,
            "/api/v1/tenants/{tenant}/sessions/{session_id}",
            WRITE,
            "delete_session: End a browser session and the module sessions that belong to it.",
            delete_session,
        )
        .add(
            Method::DELETE,
            "/api/v1/tenants/{tenant}/users/{user_id}/sessions",
            WRITE,
            "delete_user_sessions: End all sessions of a user.",
            delete_user_sessions,
        )
        .add(
            Method::DELETE,
            "/api/v1/tenants/{tenant}/organizations/{organization}/sessions",
            WRITE,
            "delete_organization_sessions: End all sessions of an organization's users.",
            delete_organization_sessions,
        )
}

/// Which attempts.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SignInQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    code: Option<String>,
    status: Option<String>,
    connection_id: Option<Uuid>,
}

impl Input for SignInQuery {
    fn check(&self, errors: &mut FieldErrors) {
        self.list().check(errors);
    }
}

impl SignInQuery {
    fn list(&self) -> ListQuery {
        ListQuery { limit: self.limit, cursor: self.cursor.clone() }
    }
}

/// A sign-in attempt.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SignInView {
    id: Uuid,
    tenant_id: Uuid,
    organization_id: Uuid,
    connection_id: Uuid,
    /// The code that the error page showed.
    code: String,
    /// `sign_in` or `test`.
    #[schema(value_type = String)]
    purpose: Purpose,
    /// `started`, `answered`, `proving`, `succeeded`, `failed`, or `abandoned` (no response came back from the provider).
    status: String,
    /// The code of the reason for which it failed; otherwise null.
    reason: Option<String>,
    /// Who can fix the problem: `provider_admin`, `tenant_admin`, `person` or `operator`.
    responsible_party: Option<String>,
    /// How to fix the problem.
    advice: Option<String>,
    /// The user who signed in; null: not known.
    user_id: Option<Uuid>,
    ip_address: Option<String>,
    #[schema(value_type = Vec<Object>)]
    steps: Value,
    started_at: DateTime<Utc>,
    /// When the attempt ended; null until then.
    finished_at: Option<DateTime<Utc>>,
}

impl SignInView {
    fn at(row: Model, now: platform::Timestamp) -> Self {
        let abandoned = row.status.is_open() && row.expires_at <= now;
        let advice = sign_in::advice(&row);
        let responsible_party = advice.as_ref().map(|(responsible_party, _)| {
            match responsible_party {
                ResponsibleParty::ProviderAdmin => "provider_admin",
                ResponsibleParty::TenantAdmin => "tenant_admin",
                ResponsibleParty::Person => "person",
                ResponsibleParty::Operator => "operator",
            }
            .to_owned()
        });
        Self {
            id: row.id,
            tenant_id: row.tenant_id,
            organization_id: row.organization_id,
            connection_id: row.connection_id,
            code: row.code,
            purpose: row.purpose,
            status: if abandoned { "abandoned".to_owned() } else { row.status.to_string() },
            reason: row.reason,
            responsible_party,
            advice: advice.map(|(_, how)| how),
            user_id: row.user_id,
            ip_address: row.ip_address,
            steps: row.steps,
            started_at: row.started_at,
            finished_at: row.finished_at,
        }
    }
}

/// The code as a person types it.
fn code(text: &str) -> String {
    let letters: String = text.to_ascii_uppercase().chars().filter(char::is_ascii_alphanumeric).collect();
    match letters.split_at_checked(4) {
        Some((left, right)) => format!("{left}-{right}"),
        None => letters,
    }
}

async fn list_sign_ins(
    caller: TenantCaller,
    Query(query): Query<SignInQuery>,
) -> Result<Page<SignInView>, Problem> {
    let binding =
        format!("sign_in {} {:?}", caller.tenant(), (&query.code, &query.status, query.connection_id));
    let position = Position::of(&query.list(), &binding)?;
    let before = position.after_id()?;
    let find = async |view: &View| {
        let mut select = view.select::<Entity>();
        if let Some(text) = &query.code {
            select = select.filter(Column::Code.eq(code(text)));
        }
        // A text that is no status finds nothing: `abandoned` is none, and nobody is told so.
        if let Some(status) = &query.status {
            select = select.filter(Column::Status.eq(status));
        }
        if let Some(connection) = query.connection_id {
            select = select.filter(Column::ConnectionId.eq(connection));
        }
        if let Some(before) = before {
            select = select.filter(Column::Id.lt(before));
        }
        view.all(select.order_by_desc(Column::Id).limit(position.limit + 1)).await
    };
    let rows = caller.read(find).await?;
    let now = caller.now();
    Ok(position.page(rows, |row| row.id.to_string(), |row| SignInView::at(row, now)))
}

async fn get_sign_in(caller: TenantCaller, ids: Ids) -> Result<actix_web::web::Json<SignInView>, Problem> {
    let id = ids.id("sign_in_id")?;
    let find = async |view: &View| view.one(view.select::<Entity>().filter(Column::Id.eq(id))).await;
    let row = caller.read(find).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(actix_web::web::Json(SignInView::at(row, caller.now())))
}

async fn find_sign_ins(
    caller: PlatformCaller,
    Query(query): Query<SignInQuery>,
) -> Result<Page<SignInView>, Problem> {
    let Some(text) = &query.code else { return Err(Problem::invalid("?code", "is required")) };
    let find = async |view: &platform::PlatformView| {
        let select = view.across::<Entity>().filter(Column::Code.eq(code(text)));
        view.all(select.order_by_desc(Column::Id).limit(20)).await
    };
    let rows = caller.read(find).await?;
    let now = caller.now();
    Ok(Page { items: rows.into_iter().map(|row| SignInView::at(row, now)).collect(), next_cursor: None })
}

/// Which sessions.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SessionQuery {
    limit: Option<u64>,
    cursor: Option<String>,
    user_id: Option<Uuid>,
}

impl Input for SessionQuery {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: self.cursor.clone() }.check(errors);
    }
}

/// A person's session in one browser.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct SessionView {
    id: Uuid,
    organization_id: Uuid,
    user_id: Uuid,
    /// The connection of the sign-in; null: none.
    connection_id: Option<Uuid>,
    ip_address: Option<String>,
    user_agent: Option<String>,
    /// Whether the session is still valid.
    live: bool,
    /// When the person signed in.
    authenticated_at: DateTime<Utc>,
    /// When the session was last used.
    last_seen_at: DateTime<Utc>,
    /// When the session ends at the latest.
    expires_at: DateTime<Utc>,
    /// When the session was ended; null: it was not.
    ended_at: Option<DateTime<Utc>>,
    #[schema(value_type = Option<String>)]
    ended_reason: Option<Ended>,
}

async fn list_sessions(
    caller: TenantCaller,
    Query(query): Query<SessionQuery>,
) -> Result<Page<SessionView>, Problem> {
    let list = ListQuery { limit: query.limit, cursor: query.cursor.clone() };
    let position = Position::of(&list, &format!("session {} {:?}", caller.tenant(), query.user_id))?;
    let before = position.after_id()?;
    let limit = position.limit + 1;
    let rows = caller.read(async |view| sessions::browsers(view, query.user_id, before, limit).await).await?;
    let now = caller.now();
    let item = |row: browser_session::Model| SessionView {
        live: sessions::browser_is_live(&row, now),
        id: row.id,
        organization_id: row.organization_id,
        user_id: row.user_id,
        connection_id: row.connection_id,
        ip_address: row.address,
        user_agent: row.user_agent,
        authenticated_at: row.authenticated_at,
        last_seen_at: row.last_seen_at,
        expires_at: row.expires_at,
        ended_at: row.ended_at,
        ended_reason: row.ended_reason,
    };
    Ok(position.page(rows, |row| row.id.to_string(), item))
}

/// A browser's session, or one with a single client: whichever has this id.
async fn delete_session(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("session_id")?;
    let work = async |tx: &mut Tx| {
        if let Some(browser) = sessions::browser(tx, id).await? {
            return Ok(sessions::end_browser(tx, &browser, Ended::Revoked).await?);
        }
        match sessions::find(tx, id).await? {
            Some(session) => Ok(sessions::end(tx, session.id, Ended::Revoked).await?),
            None => Err(Problem::new(Code::NOT_FOUND)),
        }
    };
    caller.write(work).await?;
    Ok(NoContent)
}

async fn delete_user_sessions(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("user_id")?;
    let work = async |tx: &mut Tx| {
        let user = directory::user_any_organization(tx, id).await?;
        let user = user.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
        platform::Work::record(tx, "session.end_all", platform::Target::new("user", user.id));
        sessions::end_all_of_user(tx, user.id, Ended::Revoked).await?;
        Ok::<_, Problem>(())
    };
    caller.write(work).await?;
    Ok(NoContent)
}

async fn delete_organization_sessions(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let name = ids.key("organization")?;
    let work = async |tx: &mut Tx| {
        let organization = tenancy::organization_named(tx, name).await?;
        sessions::end_all_of_organization(tx, organization.id, Ended::Revoked).await?;
        Ok::<_, Problem>(())
    };
    caller.write(work).await?;
    Ok(NoContent)
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_code_is_found_however_it_is_typed() {
        for text in ["ABCD-2345", "abcd2345", " abcd 2345 "] {
            assert_eq!(super::code(text), "ABCD-2345");
        }
    }
}
