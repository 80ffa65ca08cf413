//! `/api/v1/audit-events`

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::platform::audit_event::{Column, Entity, Model};
use entity::platform::states::Outcome;
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Caller, FieldErrors, Input, ListQuery, Page, Position, Problem, Query, Reach, Routes};

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/v1/audit-events",
        Access::Key(Permission::AuditRead),
        "list_audit_events: List audit events, newest first.",
        list_audit_events,
    )
}

/// Filters of the trail.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct Filters {
    limit: Option<u64>,
    cursor: Option<String>,
    tenant_id: Option<Uuid>,
    actor: Option<String>,
    action: Option<String>,
    target_kind: Option<String>,
    target_id: Option<String>,
    outcome: Option<String>,
    since: Option<DateTime<Utc>>,
    until: Option<DateTime<Utc>>,
}

impl Filters {
    fn list(&self) -> ListQuery {
        ListQuery { limit: self.limit, cursor: self.cursor.clone() }
    }

    fn apply(&self, mut select: Select<Entity>) -> Select<Entity> {
        let texts = [
            (Column::ActorId, &self.actor),
            (Column::Action, &self.action),
            (Column::TargetKind, &self.target_kind),
            (Column::TargetId, &self.target_id),
        ];
        for (column, value) in texts {
            if let Some(value) = value {
                select = select.filter(column.eq(value));
            }
        }
        if let Some(outcome) = self.outcome.as_deref().and_then(Outcome::parse) {
            select = select.filter(Column::Outcome.eq(outcome));
        }
        if let Some(since) = self.since {
            select = select.filter(Column::OccurredAt.gte(since));
        }
        if let Some(until) = self.until {
            select = select.filter(Column::OccurredAt.lt(until));
        }
        select
    }
}

impl Input for Filters {
    fn check(&self, errors: &mut FieldErrors) {
        self.list().check(errors);
        let known = self.outcome.as_deref().is_none_or(|outcome| Outcome::parse(outcome).is_some());
        errors.require(known, "?outcome", "must be success, denied or failure");
    }
}

/// An entry of the audit log: who did what to which object, and with what outcome.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct AuditEvent {
    id: Uuid,
    /// The tenant concerned; null for events of the platform itself.
    tenant_id: Option<Uuid>,
    /// When it happened.
    occurred_at: DateTime<Utc>,
    actor: Party,
    /// What was done, as `noun.verb`.
    action: String,
    target: Party,
    /// `success`, `denied` or `failure`.
    #[schema(value_type = String)]
    outcome: Outcome,
    /// More about the action; its members depend on `action`.
    #[schema(value_type = Object)]
    details: Value,
    /// The `X-Request-Id` of the request; null: no request caused it.
    request_id: Option<String>,
    /// The IP address of the client; null: not known.
    ip_address: Option<String>,
}

/// The actor or the target of an action.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Party {
    /// The kind of the actor or target, such as `user`, `organization` or `connection`.
    kind: String,
    id: String,
}

impl From<Model> for AuditEvent {
    fn from(event: Model) -> Self {
        Self {
            id: event.id,
            tenant_id: event.tenant_id,
            occurred_at: event.occurred_at,
            actor: Party { kind: event.actor_kind, id: event.actor_id },
            action: event.action,
            target: Party { kind: event.target_kind, id: event.target_id },
            outcome: event.outcome,
            details: event.details,
            request_id: event.request_id,
            ip_address: event.ip_address,
        }
    }
}

async fn list_audit_events(
    caller: Caller,
    Query(filters): Query<Filters>,
) -> Result<Page<AuditEvent>, Problem> {
    let own = caller.principal()?.tenant;
    let binding = format!("audit {own:?} {:?}", Filters { limit: None, cursor: None, ..filters.clone() });
    let position = Position::of(&filters.list(), &binding)?;
    let after = position.after_id()?;
    let page = |select: Select<Entity>| {
        let select = filters.apply(select).order_by_desc(Column::Id).limit(position.limit + 1);
        match after {
            Some(after) => select.filter(Column::Id.lt(after)),
            None => select,
        }
    };
    let rows = match caller.reach()? {
        // A tenant's key sees its tenant, whatever it asks for.
        Reach::Tenant(caller) => {
            let read = async |view: &platform::View| view.all(page(view.select::<Entity>())).await;
            caller.read(read).await?
        }
        Reach::Platform(caller) => {
            let read = async |view: &platform::PlatformView| {
                let select = view.across::<Entity>();
                let select = match filters.tenant_id {
                    Some(tenant) => select.filter(Column::TenantId.eq(tenant)),
                    None => select,
                };
                view.all(page(select)).await
            };
            caller.read(read).await?
        }
    };
    Ok(position.page(rows, |row| row.id.to_string(), AuditEvent::from))
}
