//! `/api/v1/tenants/{tenant}/quotas/history`

use actix_web::http::Method;
use entity::quota::sample::{Column, Entity, Model};
use policy_core::Permission;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use web::{
    Access, Code, FieldErrors, Input, ListQuery, Page, Position, Problem, Query, Routes, TenantCaller,
};

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/v1/tenants/{tenant}/quotas/history",
        Access::Key(Permission::QuotasRead),
        "get_quota_history: List the highest usage of each day, newest first.",
        get_quota_history,
    )
}

/// Which days.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct HistoryFilter {
    limit: Option<u64>,
    cursor: Option<String>,
    resource: Option<String>,
}

impl Input for HistoryFilter {
    fn check(&self, errors: &mut FieldErrors) {
        ListQuery { limit: self.limit, cursor: None }.check(errors);
    }
}

/// The usage of a resource on one day.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Sample {
    /// The day in UTC, as an RFC 3339 `full-date`.
    day: String,
    resource: String,
    /// The highest usage of the day, sampled every ten minutes.
    used: i64,
    /// The limit; null: unlimited.
    limit: Option<i64>,
}

async fn get_quota_history(
    caller: TenantCaller,
    Query(filter): Query<HistoryFilter>,
) -> Result<Page<Sample>, Problem> {
    let query = ListQuery { limit: filter.limit, cursor: filter.cursor };
    let position = Position::of(&query, &format!("history {:?}", filter.resource))?;
    let rows = caller
        .read(async |view| {
            let mut select = view.select::<Entity>();
            if let Some(resource) = &filter.resource {
                select = select.filter(Column::Resource.eq(resource));
            }
            if let Some(after) = &position.after {
                let (day, resource) =
                    after.split_once(' ').ok_or_else(|| Problem::new(Code::CURSOR_INVALID))?;
                let same_day = Condition::all().add(Column::Day.eq(day)).add(Column::Resource.gt(resource));
                select = select.filter(Condition::any().add(Column::Day.lt(day)).add(same_day));
            }
            let select = select.order_by_desc(Column::Day).order_by_asc(Column::Resource);
            Ok::<_, Problem>(view.all(select.limit(position.limit + 1)).await?)
        })
        .await?;
    let sample =
        |row: Model| Sample { day: row.day, resource: row.resource, used: row.used, limit: row.limit_value };
    Ok(position.page(rows, |row| format!("{} {}", row.day, row.resource), sample))
}
