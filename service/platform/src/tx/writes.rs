//! Writing: rows at once; audit records, events and jobs collected and written before the commit.

use std::sync::atomic::{AtomicBool, Ordering};

use entity::platform::states::{JobStatus, Outcome};
use entity::platform::{audit_event, job, outbox_event};
use entity::scope::TenantOwned;
use sea_orm::sea_query::SimpleExpr;
use sea_orm::{
    ActiveModelTrait, ColumnTrait, Condition, DbErr, DeleteMany, EntityTrait, IntoActiveModel, Iterable,
    ModelTrait, PrimaryKeyToColumn, QueryFilter, UpdateMany, Value,
};
use serde_json::Value as Json;
use uuid::Uuid;

use super::inserts::{Insert, insert_together};
use super::{Changes, Ctx, PlatformTx, Reads, Statement, Target, Tx};
use crate::event::Event;
use crate::jobs::Job;
use crate::{DbError, Timestamp, ids};

#[derive(Debug)]
pub(super) struct AuditRecord {
    pub(super) tenant: Option<Uuid>,
    pub(super) action: &'static str,
    pub(super) target: Target,
    pub(super) outcome: Outcome,
}

#[derive(Debug)]
struct NewJob {
    kind: &'static str,
    lane: Option<String>,
    dedupe_key: Option<String>,
    payload: Json,
    attempts_max: u32,
    run_at: Option<Timestamp>,
    tenant: Option<Uuid>,
}

/// What a transaction will have written when it commits.
#[derive(Debug)]
pub(super) struct Writes {
    pub(super) ctx: Ctx,
    tenant: Option<Uuid>,
    pub(super) audit: Vec<AuditRecord>,
    pub(super) events: Vec<(&'static str, Option<Uuid>, Json)>,
    jobs: Vec<NewJob>,
    /// Whether jobs are due now that were there before.
    pub(super) wakes: bool,
    /// Rows for just before the commit.
    pub(super) rows: Vec<Insert>,
    /// Statements for just before the commit.
    late: Vec<(Statement, Vec<Value>)>,
    wrote: AtomicBool,
    housekeeping: bool,
}

/// Which bells to ring after the commit.
pub(super) struct Rung {
    pub(super) jobs: bool,
    pub(super) events: Vec<(&'static str, Option<Uuid>)>,
}

impl Writes {
    pub(super) fn new(ctx: Ctx, tenant: Option<Uuid>) -> Self {
        Self {
            ctx,
            tenant,
            audit: Vec::new(),
            events: Vec::new(),
            jobs: Vec::new(),
            wakes: false,
            rows: Vec::new(),
            late: Vec::new(),
            wrote: AtomicBool::new(false),
            housekeeping: false,
        }
    }

    pub(super) fn touched(&self) {
        self.wrote.store(true, Ordering::Relaxed);
    }

    /// Whether it changes something that callers know of: more than housekeeping, or the record of a refusal.
    fn is_a_change(&self) -> bool {
        let wrote = self.wrote.load(Ordering::Relaxed);
        let is_recorded = !self.housekeeping || !self.audit.is_empty() || !self.events.is_empty();
        !self.jobs.is_empty() || wrote && is_recorded
    }

    /// Where the request counts its changes, if this is one.
    pub(super) fn changes(&self) -> Option<Changes> {
        self.is_a_change().then(|| self.ctx.changes.clone())
    }

    pub(super) async fn flush(mut self, reads: &Reads) -> Result<Rung, DbError> {
        let is_a_change = self.is_a_change();
        debug_assert!(
            self.housekeeping || !self.wrote.load(Ordering::Relaxed) || !self.audit.is_empty(),
            "a transaction wrote but recorded nothing: record() it, or say housekeeping()"
        );
        if self.ctx.dry_run {
            insert_together(reads, self.rows).await?;
            run_late(reads, self.late).await?;
            return Ok(Rung { jobs: false, events: Vec::new() });
        }
        let mark = self.ctx.idempotency.take_if(|_| is_a_change);
        let events = self.events.iter().map(|(kind, tenant, _)| (*kind, *tenant)).collect();
        let rung = Rung { jobs: self.wakes || !self.jobs.is_empty(), events };
        let (now, request_id) = (reads.now, self.ctx.request_id.clone());
        let audit = self.audit.into_iter().map(|record| audit_event::Model {
            id: ids::new(),
            tenant_id: record.tenant,
            occurred_at: now,
            actor_kind: self.ctx.actor.kind.to_owned(),
            actor_id: self.ctx.actor.id.clone(),
            action: record.action.to_owned(),
            target_kind: record.target.kind.to_owned(),
            target_id: record.target.id,
            outcome: record.outcome,
            details: record.target.details,
            request_id: request_id.clone(),
            ip_address: self.ctx.ip_address.map(|address| address.to_string()),
        });
        let mut inserts = self.rows;
        inserts.extend(Insert::all(audit.collect()));
        let events = self.events.into_iter().map(|(kind, tenant, data)| outbox_event::Model {
            id: ids::new(),
            tenant_id: tenant,
            r#type: kind.to_owned(),
            data,
            occurred_at: now,
            request_id: request_id.clone(),
            dispatched_at: None,
            sequence: None,
        });
        inserts.extend(Insert::all(events.collect()));
        inserts.extend(self.jobs.into_iter().map(|new| insert_of(new, now, request_id.clone())));
        insert_together(reads, inserts).await?;
        run_late(reads, self.late).await?;
        if let Some(mark) = mark {
            let sql = "UPDATE idempotency_record SET state = 'applied' \
                       WHERE principal = $1 AND idempotency_key = $2 AND state = 'started'";
            reads.mark_applied(sql, vec![mark.principal.into(), mark.key.into()]).await?;
        }
        Ok(rung)
    }
}

impl Reads {
    /// The idempotency record belongs to the platform role; it is marked under that role and the scope put back.
    async fn mark_applied(&self, sql: &str, values: Vec<Value>) -> Result<(), DbError> {
        self.db.as_platform(&self.connection).await?;
        self.execute_raw(sql, values).await?;
        Ok(())
    }
}

async fn run_late(reads: &Reads, late: Vec<(Statement, Vec<Value>)>) -> Result<(), DbError> {
    for (statement, values) in late {
        reads.execute_raw(statement.text(), values).await?;
    }
    Ok(())
}

/// A pending job with the same key will do this one's work.
fn insert_of(new: NewJob, now: Timestamp, request_id: Option<String>) -> Insert {
    Insert::unless_there(job::Model {
        id: ids::new(),
        tenant_id: new.tenant,
        kind: new.kind.to_owned(),
        lane: new.lane,
        dedupe_key: new.dedupe_key,
        payload: new.payload,
        status: JobStatus::Pending,
        attempts: 0,
        attempts_max: i64::from(new.attempts_max),
        next_run_at: new.run_at.unwrap_or(now),
        lease_owner: None,
        lease_expires_at: None,
        last_error: None,
        request_id,
        created_at: now,
        finished_at: None,
    })
}

/// The condition that `row`'s primary key makes.
pub(super) fn primary_key<M: ModelTrait>(row: &M) -> Condition {
    <M::Entity as EntityTrait>::PrimaryKey::iter().fold(Condition::all(), |condition, key| {
        let column = key.into_column();
        condition.add(column.eq(row.get(column)))
    })
}

#[allow(clippy::disallowed_methods, reason = "the one place for it")]
pub(super) async fn replace<M>(reads: &Reads, row: M, scope: Option<SimpleExpr>) -> Result<(), DbError>
where
    M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
{
    let condition = scope.into_iter().fold(primary_key(&row), Condition::add);
    let update = M::Entity::update_many().set(row.into_active_model().reset_all()).filter(condition);
    if update.exec(&reads.connection).await?.rows_affected == 1 {
        return Ok(());
    }
    Err(DbError::Sql(DbErr::RecordNotUpdated))
}

/// What [`Tx`] and [`PlatformTx`] do alike: record, emit, enqueue.
pub trait Work {
    #[doc(hidden)]
    fn pieces(&mut self) -> WorkPieces<'_>;

    /// Records that the actor did `action` to `target`.
    fn record(&mut self, action: &'static str, target: Target) {
        let WorkPieces(writes) = self.pieces();
        let tenant = writes.tenant;
        writes.audit.push(AuditRecord { tenant, action, target, outcome: Outcome::Success });
    }

    /// Records an attempt that was refused, and that leaves something else behind, so that this is committed.
    fn record_refused(&mut self, action: &'static str, target: Target) {
        let WorkPieces(writes) = self.pieces();
        let tenant = writes.tenant;
        writes.audit.push(AuditRecord { tenant, action, target, outcome: Outcome::Denied });
    }

    /// Tells subscribers, after the commit.
    fn emit<E: Event>(&mut self, event: &E) {
        let WorkPieces(writes) = self.pieces();
        let data = serde_json::to_value(event).unwrap_or_default();
        writes.events.push((E::TYPE.name, writes.tenant, data));
    }

    /// Leaves work for after the commit.
    fn enqueue<J: Job>(&mut self, job: &J) {
        self.enqueue_at(job, None);
    }

    /// Leaves work for `run_at`, or for after the commit.
    fn enqueue_at<J: Job>(&mut self, job: &J, run_at: Option<Timestamp>) {
        let WorkPieces(writes) = self.pieces();
        writes.jobs.push(NewJob {
            kind: J::KIND,
            lane: job.lane(),
            dedupe_key: job.dedupe_key().map(|key| format!("{}:{key}", J::KIND)),
            payload: serde_json::to_value(job).unwrap_or_default(),
            attempts_max: J::ATTEMPTS_MAX,
            run_at,
            tenant: job.tenant().or(writes.tenant),
        });
    }

    /// Says that this transaction's writes need no audit record: last-used times, cursors, caches.
    fn housekeeping(&mut self) {
        let WorkPieces(writes) = self.pieces();
        writes.housekeeping = true;
    }
}

/// Lends [`Work`] its inside.
#[doc(hidden)]
#[derive(Debug)]
pub struct WorkPieces<'a>(&'a mut Writes);

impl Work for Tx {
    fn pieces(&mut self) -> WorkPieces<'_> {
        WorkPieces(&mut self.writes)
    }
}

impl Work for PlatformTx {
    fn pieces(&mut self) -> WorkPieces<'_> {
        WorkPieces(&mut self.writes)
    }
}

impl Tx {
    /// Who acts.
    pub fn ctx(&self) -> &Ctx {
        &self.writes.ctx
    }

    /// Writes every column of a row of this tenant.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it; [`DbError::Sql`] if it isn't there.
    pub async fn update<M>(&self, row: M) -> Result<(), DbError>
    where
        M: ModelTrait + IntoActiveModel<<M::Entity as EntityTrait>::ActiveModel>,
        M::Entity: TenantOwned,
    {
        self.writes.touched();
        let tenant = <M::Entity as TenantOwned>::TENANT.eq(self.tenant());
        replace(self, row, Some(tenant)).await
    }

    /// A change of some columns, already filtered by tenant; run it with [`Tx::apply`].
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn change<E: TenantOwned>(&self) -> UpdateMany<E> {
        E::update_many().filter(E::TENANT.eq(self.tenant()))
    }

    /// Runs a change and tells how many rows it touched.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn apply<E: TenantOwned>(&self, change: UpdateMany<E>) -> Result<u64, DbError> {
        self.writes.touched();
        Ok(change.exec(&self.connection).await?.rows_affected)
    }

    /// A removal, already filtered by tenant; run it with [`Tx::purge`].
    #[allow(clippy::disallowed_methods, reason = "the one place for it")]
    pub fn remove<E: TenantOwned>(&self) -> DeleteMany<E> {
        E::delete_many().filter(E::TENANT.eq(self.tenant()))
    }

    /// Runs a removal and tells how many rows it took.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a foreign key refuses it.
    pub async fn purge<E: TenantOwned>(&self, removal: DeleteMany<E>) -> Result<u64, DbError> {
        self.writes.touched();
        Ok(removal.exec(&self.connection).await?.rows_affected)
    }

    /// Hand-written SQL over the tenant's rows; `values` begin at `$2`. Tells how many rows it touched.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn execute(&self, statement: &Statement, values: Vec<Value>) -> Result<u64, DbError> {
        self.writes.touched();
        self.execute_raw(statement.text(), self.scoped(values)).await
    }

    /// Leaves a statement for just before the commit: for a row that many transactions change, so that the others wait for
    /// this one statement and the commit, and for nothing before. It can't be refused any more.
    pub fn execute_last(&mut self, statement: Statement, values: Vec<Value>) {
        self.writes.touched();
        let values = self.scoped(values);
        self.writes.late.push((statement, values));
    }

    /// The same as [`Tx::execute`], for a statement that returns the rows it touched.
    ///
    /// # Errors
    /// [`DbError::Conflict`] if a key refuses it.
    pub async fn execute_returning(
        &self,
        statement: &Statement,
        values: Vec<Value>,
    ) -> Result<Vec<sea_orm::QueryResult>, DbError> {
        self.writes.touched();
        self.query_raw(statement.text(), self.scoped(values)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn housekeeping_and_the_record_of_a_refusal_are_no_change() {
        let of = |wrote: bool, housekeeping: bool, told: &[&str]| {
            let mut writes = Writes::new(Ctx::system("test"), None);
            writes.housekeeping = housekeeping;
            writes.wrote.store(wrote, Ordering::Relaxed);
            for what in told {
                match *what {
                    "record" => writes.audit.push(AuditRecord {
                        tenant: None,
                        action: "test",
                        target: Target::new("test", ""),
                        outcome: Outcome::Denied,
                    }),
                    "event" => writes.events.push(("test", None, Json::Null)),
                    _ => writes.jobs.push(NewJob {
                        kind: "test",
                        lane: None,
                        dedupe_key: None,
                        payload: Json::Null,
                        attempts_max: 1,
                        run_at: None,
                        tenant: None,
                    }),
                }
            }
            writes.is_a_change()
        };
        let table: [(bool, bool, &[&str], bool); 10] = [
            (false, false, &[], false),
            (false, false, &["record"], false),
            (false, true, &[], false),
            (true, true, &[], false),
            (true, false, &["record"], true),
            (true, true, &["record"], true),
            (true, true, &["event"], true),
            (true, false, &["record", "event"], true),
            (false, true, &["job"], true),
            (false, false, &["job"], true),
        ];
        for (wrote, housekeeping, told, expected) in table {
            assert_eq!(of(wrote, housekeeping, told), expected, "{wrote} {housekeeping} {told:?}");
        }
    }
}
