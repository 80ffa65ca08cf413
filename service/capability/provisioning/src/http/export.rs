//! `GET /api/v1/tenants/{tenant}/export`: everything that a tenant owns, and its history, as a stream.

use std::collections::VecDeque;

use actix_web::HttpResponse;
use actix_web::http::Method;
use actix_web::web::Bytes;
use entity::scope::OWNED_BY_TENANT;
use futures_util::stream;
use platform::db::TenantDb;
use platform::export::{Mark, Table};
use platform::{Ctx, Target, Tx, Work as _};
use policy_core::Permission;
use serde_json::json;
use tenancy::Tenant;
use web::{Access, Problem, Routes, TenantCaller};

/// Rows in one page.
const PAGE: u64 = 500;
/// A tenant's history, which stays when it goes.
const HISTORY: [&str; 3] = ["tenant_run", "tenant_run_step", "audit_event"];
/// What lives for moments and guards against a second use.
const MOMENTARY: [&str; 5] =
    ["allowance", "authorization_code", "refresh_token", "assertion_use", "scim_assertion"];
/// What only serves searches, and digests that are texts.
const HIDDEN: [&str; 6] =
    ["folded", "user_name_key", "email_key", "value_key", "display_name_key", "secret_hash"];

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/v1/tenants/{tenant}/export",
        Access::Key(Permission::TenantExport),
        "export_tenant: Export all data and history of a tenant as NDJSON, without secrets.",
        export_tenant,
    )
}

/// Rows that are on their way: a page at a time is held, and a slow reader keeps no connection of the store.
#[derive(Debug)]
pub struct Export {
    db: TenantDb,
    first: Option<String>,
    tables: VecDeque<&'static str>,
    now: Option<(&'static str, Table, Option<Mark>)>,
    rows: u64,
    complete: bool,
}

impl Export {
    /// Begins to export a tenant; that somebody did is recorded.
    ///
    /// # Errors
    /// `not_found`.
    pub async fn begin(db: &TenantDb, ctx: &Ctx) -> Result<Self, Problem> {
        let work = async |tx: &mut Tx| {
            let row = tenancy::get(tx).await?;
            tx.record("tenant.export", Target::new("tenant", row.id));
            Ok::<_, Problem>(row)
        };
        let row = db.write(ctx, work).await?;
        let first = json!({"table": "tenant", "row": Tenant::from(row)}).to_string() + "\n";
        Ok(Self {
            db: db.clone(),
            first: Some(first),
            // Parents before children.
            tables: OWNED_BY_TENANT
                .into_iter()
                .rev()
                .filter(|table| !MOMENTARY.contains(table))
                .chain(HISTORY)
                .collect(),
            now: None,
            rows: 1,
            complete: false,
        })
    }

    /// Some more lines; `None`: that was all.
    ///
    /// # Errors
    /// `internal`, `unavailable`.
    pub async fn next(&mut self) -> Result<Option<String>, Problem> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            if self.now.is_none() {
                let Some(name) = self.tables.pop_front() else {
                    let last = json!({"complete": true, "rows": self.rows}).to_string() + "\n";
                    return Ok((!std::mem::replace(&mut self.complete, true)).then_some(last));
                };
                let read = async |view: &platform::View| Table::describe(view, name, &HIDDEN).await;
                self.now = Some((name, self.db.read(read).await?, None));
            }
            let Some((name, table, after)) = self.now.take() else { continue };
            let read = async |view: &platform::View| table.page(view, after.as_ref(), PAGE).await;
            let (lines, mark) = self.db.read(read).await?;
            self.rows += lines.len() as u64;
            if mark.is_some() {
                self.now = Some((name, table, mark));
            }
            if !lines.is_empty() {
                let line = |row: String| format!("{{\"table\":\"{name}\",\"row\":{row}}}\n");
                return Ok(Some(lines.into_iter().map(line).collect()));
            }
        }
    }
}

async fn export_tenant(caller: TenantCaller) -> Result<HttpResponse, Problem> {
    let export = Export::begin(caller.db(), &caller.ctx).await?;
    let lines = stream::try_unfold(export, async |mut export| {
        Ok::<_, Problem>(export.next().await?.map(|text| (Bytes::from(text), export)))
    });
    Ok(HttpResponse::Ok().content_type("application/x-ndjson").streaming(Box::pin(lines)))
}
