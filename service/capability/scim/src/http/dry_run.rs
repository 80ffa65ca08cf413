//! `…/dry run`: what the requests of a dry run would have changed is a comparison of its copy with the directory.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::scim::dry_run::{Column, Entity, Model};
use entity::scim::states::DryRunStatus;
use platform::{DbError, PlatformView};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Code, Ids, Problem, Routes, TenantCaller};

use crate::store::dry_runs;
use crate::tokens;

const DIFF: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}/dry-run";
/// Differences that are listed of each kind; all are counted.
const LISTED: usize = 200;

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        DIFF,
        Access::Key(Permission::DirectoryRead),
        "get_dry_run: Get what the requests made with a dry-run token would have changed.",
        get_dry_run,
    )
}

/// One difference between the dry run's copy and the directory.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Difference {
    /// `user` or `group`.
    kind: String,
    /// `created`, `changed`, `deactivated`, `reactivated`, `deleted`, or `members` for the members of a group.
    action: String,
    id: Uuid,
    /// The user's `userName` or the group's `displayName`.
    name: String,
    /// For `members`: how many would have been added.
    added: Option<i64>,
    /// For `members`: how many would have been removed.
    removed: Option<i64>,
}

impl From<dry_runs::Difference> for Difference {
    fn from(found: dry_runs::Difference) -> Self {
        let dry_runs::Difference { kind, action, id, name, added, removed } = found;
        Self { kind: kind.to_owned(), action, id, name, added, removed }
    }
}

/// What the requests made with a dry-run token would have changed.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DryRun {
    /// `preparing` (the copy of the directory is being made) or `ready`.
    #[schema(value_type = String)]
    status: DryRunStatus,
    created_at: DateTime<Utc>,
    /// When the copy of the directory was ready; null until then.
    ready_at: Option<DateTime<Utc>>,
    users_created: i64,
    users_changed: i64,
    users_deactivated: i64,
    users_deleted: i64,
    groups_created: i64,
    groups_changed: i64,
    groups_deleted: i64,
    members_added: i64,
    members_removed: i64,
    /// The first 200 differences of each kind.
    differences: Vec<Difference>,
}

async fn get_dry_run(caller: TenantCaller, ids: Ids) -> Result<Json<DryRun>, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("token_id")?);
    let row = caller
        .read(async |view| {
            let token = tokens::find(view, name, id).await?;
            let select = view.select::<Entity>().filter(Column::OrganizationId.eq(token.organization_id));
            Ok::<_, Problem>(view.one(select.filter(Column::TokenId.eq(id))).await?)
        })
        .await?;
    let row = row.ok_or_else(|| Problem::detailed(Code::NOT_FOUND, "The token is not a dry-run token."))?;
    let found = async |view: &PlatformView| compare(view, row).await;
    Ok(Json(caller.platform().db.read(found).await?))
}

async fn compare(view: &PlatformView, row: Model) -> Result<DryRun, DbError> {
    let mut all = DryRun {
        status: row.status,
        created_at: row.created_at,
        ready_at: row.ready_at,
        users_created: 0,
        users_changed: 0,
        users_deactivated: 0,
        users_deleted: 0,
        groups_created: 0,
        groups_changed: 0,
        groups_deleted: 0,
        members_added: 0,
        members_removed: 0,
        differences: Vec::new(),
    };
    if row.status != DryRunStatus::Ready {
        return Ok(all);
    }
    for difference in dry_runs::users(view, &row).await? {
        let counter = match difference.action.as_str() {
            "created" => &mut all.users_created,
            "deleted" => &mut all.users_deleted,
            "deactivated" => &mut all.users_deactivated,
            _ => &mut all.users_changed,
        };
        *counter += 1;
        add_listed(&mut all.differences, difference.into());
    }
    for difference in dry_runs::groups(view, &row).await? {
        let counter = match difference.action.as_str() {
            "created" => &mut all.groups_created,
            "deleted" => &mut all.groups_deleted,
            _ => &mut all.groups_changed,
        };
        *counter += 1;
        add_listed(&mut all.differences, difference.into());
    }
    for difference in dry_runs::memberships(view, &row).await? {
        all.members_added += difference.added.unwrap_or(0);
        all.members_removed += difference.removed.unwrap_or(0);
        add_listed(&mut all.differences, difference.into());
    }
    Ok(all)
}

fn add_listed(all: &mut Vec<Difference>, new: Difference) {
    let same = all.iter().filter(|one| one.kind == new.kind && one.action == new.action).count();
    if same < LISTED {
        all.push(new);
    }
}
