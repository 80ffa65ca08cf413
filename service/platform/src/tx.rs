//! The unit of work: one transaction, for one tenant, by one actor, at one instant.
//!
//! | type | sees | writes |
//! |---|---|---|
//! | [`View`] | one tenant | no |
//! | [`Tx`] | one tenant | yes |
//! | [`PlatformView`] | all tenants | no |
//! | [`PlatformTx`] | all tenants | yes |
//!
//! Queries begin with `select`, which carries the scope; the bare finders of the ORM are denied by a lint. Audit
//! records, events and jobs are collected while the work goes on and are written just before the commit: they commit
//! with the data or not at all. Reading functions take a `&View`; a `Tx` is a `View`, so there is one function, not one
//! "normal" and one "inside a transaction".

mod changed;
mod inserts;
mod platform;
mod reads;
mod statement;
mod writes;

use std::net::IpAddr;
use std::ops::Deref;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::Value as Json;
use uuid::Uuid;

use crate::db::{Access, Db};
use crate::store::shares::Holder;
use crate::{DbError, Timestamp};

pub use platform::PlatformStatement;
pub use reads::Reads;
pub use statement::{CrossTenantStatement, Statement};
pub use writes::Work;
use writes::Writes;

/// Who acts.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Actor {
    /// `key`, `scim_token`, `user`, `job`, `operator` or `anonymous`.
    pub kind: &'static str,
    /// Its id, or a name where there is no row.
    pub id: String,
}

impl Actor {
    /// Names an actor.
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, id: id.to_string() }
    }
}

/// What an audit record is about.
#[derive(Clone, Debug)]
pub struct Target {
    /// The kind of thing, e.g. `user`.
    pub kind: &'static str,
    /// Its id.
    pub id: String,
    /// What is worth knowing about it; never a secret.
    pub details: Json,
}

impl Target {
    /// Names a target without details.
    pub fn new(kind: &'static str, id: impl ToString) -> Self {
        Self { kind, id: id.to_string(), details: Json::Object(Default::default()) }
    }

    /// Adds details.
    #[must_use]
    pub fn with(mut self, details: Json) -> Self {
        self.details = details;
        self
    }
}

/// Who asked, and how the request is known.
#[derive(Clone, Debug)]
pub struct Ctx {
    /// Who acts.
    pub actor: Actor,
    /// The request's id, if there is a request.
    pub request_id: Option<String>,
    /// Where the request came from.
    pub ip_address: Option<IpAddr>,
    /// The idempotency record that the commit marks as applied.
    pub idempotency: Option<IdempotencyMark>,
    /// Whether this only makes a dry run: rows are written to a copy, but nobody is told and nothing leaves.
    pub dry_run: bool,
    /// What became of the request's changes so far.
    pub changes: Changes,
}

/// How many transactions of a request changed something for good, or may have; copies count together.
#[derive(Clone, Debug, Default)]
pub struct Changes(Arc<AtomicUsize>);

impl Changes {
    /// Whether a request that fails now may have changed something.
    pub fn may_be_made(&self) -> bool {
        self.0.load(Ordering::Relaxed) > 0
    }

    /// A COMMIT is about to be sent. Whoever is cut off from here on doesn't know what became of it.
    fn commit(&self) {
        self.0.fetch_add(1, Ordering::Relaxed);
    }

    /// It certainly wasn't done.
    fn refused(&self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ctx {
    /// The service itself, working on `what`.
    pub fn system(what: &'static str) -> Self {
        Self {
            actor: Actor::new("job", what),
            request_id: None,
            ip_address: None,
            idempotency: None,
            dry_run: false,
            changes: Changes::default(),
        }
    }

    /// The same caller, for work that stands whatever becomes of the request: it is none of the request's changes.
    #[must_use]
    pub fn apart(&self) -> Self {
        Self { idempotency: None, changes: Changes::default(), ..self.clone() }
    }
}

/// Names an idempotency record.
#[derive(Clone, Debug)]
pub struct IdempotencyMark {
    /// Who sent the key: keys of different principals don't meet.
    pub principal: String,
    /// The `Idempotency-Key`.
    pub key: String,
}

/// Reads of one tenant, at one instant.
#[derive(Debug)]
pub struct View {
    reads: Reads,
    tenant: Uuid,
}

/// One transaction, for one tenant, by one actor, at one instant.
#[derive(Debug)]
pub struct Tx {
    view: View,
    writes: Writes,
}

/// Reads across tenants: operators, schedulers.
#[derive(Debug)]
pub struct PlatformView {
    reads: Reads,
}

/// One transaction across tenants, by one actor, at one instant.
#[derive(Debug)]
pub struct PlatformTx {
    view: PlatformView,
    writes: Writes,
}

impl Deref for View {
    type Target = Reads;
    fn deref(&self) -> &Reads {
        &self.reads
    }
}

impl Deref for PlatformView {
    type Target = Reads;
    fn deref(&self) -> &Reads {
        &self.reads
    }
}

impl Deref for Tx {
    type Target = View;
    fn deref(&self) -> &View {
        &self.view
    }
}

impl Deref for PlatformTx {
    type Target = PlatformView;
    fn deref(&self) -> &PlatformView {
        &self.view
    }
}

impl Db {
    /// Reads of `tenant` in one transaction.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning.
    pub async fn read<T, E: From<DbError>>(
        &self,
        tenant: Uuid,
        work: impl AsyncFnOnce(&View) -> Result<T, E>,
    ) -> Result<T, E> {
        let reads = self.reads(Holder::Tenant(tenant), Access::Read).await?;
        let view = View { reads, tenant };
        let result = work(&view).await;
        view.reads.connection.roll_back().await;
        result
    }

    /// Reads across tenants in one transaction.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning.
    pub async fn read_platform<T, E: From<DbError>>(
        &self,
        work: impl AsyncFnOnce(&PlatformView) -> Result<T, E>,
    ) -> Result<T, E> {
        let view = PlatformView { reads: self.reads(Holder::Platform, Access::Read).await? };
        let result = work(&view).await;
        view.reads.connection.roll_back().await;
        result
    }

    /// Work on `tenant`: begins, works, writes audit records, events and jobs, commits. An `Err` rolls everything back.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning or committing.
    pub async fn write<T, E: From<DbError>>(
        &self,
        ctx: &Ctx,
        tenant: Uuid,
        work: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
    ) -> Result<T, E> {
        let reads = self.reads(Holder::Tenant(tenant), Access::Write).await?;
        let mut tx = Tx { view: View { reads, tenant }, writes: Writes::new(ctx.clone(), Some(tenant)) };
        match work(&mut tx).await {
            Ok(done) => {
                self.commit(tx.view.reads, tx.writes).await?;
                Ok(done)
            }
            Err(error) => {
                tx.view.reads.connection.roll_back().await;
                Err(error)
            }
        }
    }

    /// Work across tenants, in the same manner.
    ///
    /// # Errors
    /// What `work` answers, or a [`DbError`] of beginning or committing.
    pub async fn write_platform<T, E: From<DbError>>(
        &self,
        ctx: &Ctx,
        work: impl AsyncFnOnce(&mut PlatformTx) -> Result<T, E>,
    ) -> Result<T, E> {
        let reads = self.reads(Holder::Platform, Access::Write).await?;
        let mut tx = PlatformTx { view: PlatformView { reads }, writes: Writes::new(ctx.clone(), None) };
        match work(&mut tx).await {
            Ok(done) => {
                self.commit(tx.view.reads, tx.writes).await?;
                Ok(done)
            }
            Err(error) => {
                tx.view.reads.connection.roll_back().await;
                Err(error)
            }
        }
    }

    /// Records an attempt that was refused, in a small transaction of its own: the refused work itself is rolled back.
    ///
    /// # Errors
    /// [`DbError`] if the record can't be written.
    pub async fn record_denied(
        &self,
        ctx: &Ctx,
        tenant: Option<Uuid>,
        action: &'static str,
        target: Target,
    ) -> Result<(), DbError> {
        self.write_platform(ctx, async |tx| {
            tx.record_denied(tenant, action, target);
            Ok(())
        })
        .await
    }

    async fn reads(&self, holder: Holder, access: Access) -> Result<Reads, DbError> {
        let begun = self.begin(holder, access).await?;
        Ok(Reads {
            connection: begun.connection,
            permit: begun.permit,
            db: self.clone(),
            now: self.clock().now(),
        })
    }

    async fn commit(&self, reads: Reads, writes: Writes) -> Result<(), DbError> {
        let changes = writes.changes();
        let rung = match writes.flush(&reads).await {
            Ok(rung) => rung,
            Err(error) => {
                reads.connection.roll_back().await;
                return Err(error);
            }
        };
        changes.iter().for_each(Changes::commit);
        let committed = self.commit_connection(reads.connection).await;
        if committed.as_ref().is_err_and(|error| !matches!(error, DbError::Unknown(_))) {
            changes.iter().for_each(Changes::refused);
        }
        committed?;
        if rung.jobs {
            self.jobs_ready().notify_one();
        }
        if !rung.events.is_empty() {
            rung.events.iter().for_each(|(kind, tenant)| self.hear(kind, *tenant));
            self.events_ready().notify_one();
        }
        Ok(())
    }
}

impl View {
    /// The tenant whose rows are seen.
    pub fn tenant(&self) -> Uuid {
        self.tenant
    }
}

impl Reads {
    /// The instant at which the transaction began.
    pub fn now(&self) -> Timestamp {
        self.now
    }
}
