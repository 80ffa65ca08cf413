//! What is done with tenants, organizations, plans and instances.

use entity::tenancy::states::{BillingState, SuspendedBy};
use entity::tenancy::{organization, plan, tenant};
use platform::event::Event;
use platform::{DbError, PlatformView, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder as _, QuerySelect as _, Select};
use sessions::Ended;
use uuid::Uuid;

use crate::error::Error;
use crate::model::{Asks, Status, Verb};

platform::facts! {
    /// What is told of a tenant.
    pub struct TenantFacts { tenant_id: Uuid, slug: String, plan: String, status: Status }
}

platform::events! {
    /// A tenant was created; its provisioning begins.
    pub struct TenantCreated = "tenant.created" (TenantFacts)
    /// A tenant is provisioned and active.
    pub struct TenantActivated = "tenant.activated" (TenantFacts)
    /// A tenant's name, plan or region changed.
    pub struct TenantUpdated = "tenant.updated" (TenantFacts)
    /// A tenant was suspended.
    pub struct TenantSuspended = "tenant.suspended" (TenantFacts)
    /// A suspended tenant was resumed.
    pub struct TenantResumed = "tenant.resumed" (TenantFacts)
    /// A tenant could not be provisioned; all completed steps were undone.
    pub struct TenantFailed = "tenant.failed" (TenantFacts)
    /// A tenant's deletion began, or the recycle period before it.
    pub struct TenantDeprovisioning = "tenant.deprovisioning" (TenantFacts)
    /// A tenant was deleted completely.
    pub struct TenantDeleted = "tenant.deleted" (TenantFacts)
    /// A tenant's deletion was cancelled.
    pub struct TenantRestored = "tenant.restored" (TenantFacts)
    /// The move of a tenant begins.
    pub struct TenantMoving = "tenant.moving" (TenantFacts)
    /// A tenant was moved.
    pub struct TenantMoved = "tenant.moved" (TenantFacts)
    /// A tenant could not be moved; it stays where it was.
    pub struct TenantMoveFailed = "tenant.move_failed" (TenantFacts)
    /// A tenant's realm or org at its identity backend differs from the desired state.
    pub struct TenantDrifted = "tenant.drifted" (TenantFacts)
}

fn facts(row: &tenant::Model) -> TenantFacts {
    TenantFacts { tenant_id: row.id, slug: row.slug.clone(), plan: row.plan.clone(), status: row.status }
}

/// Records and emits what happened to a tenant.
pub fn record_event<E: Event + From<TenantFacts>>(tx: &mut Tx, row: &tenant::Model, action: &'static str) {
    tx.record(action, Target::new("tenant", row.id));
    tx.emit(&E::from(facts(row)));
}

/// Records and emits that a tenant was changed, and what of it.
pub(crate) fn record_update(tx: &mut Tx, before: &tenant::Model, row: &tenant::Model, action: &'static str) {
    tx.record(action, Target::new("tenant", row.id).changed(before, row));
    tx.emit(&TenantUpdated(facts(row)));
}

/// The tenant.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn get(view: &View) -> Result<tenant::Model, Error> {
    find(view).await?.ok_or(Error::NotFound)
}

/// The tenant, if there is one.
pub async fn find(view: &View) -> Result<Option<tenant::Model>, DbError> {
    // The copy on which a SCIM token makes a dry run is nobody's tenant.
    view.one(view.select::<tenant::Entity>().filter(tenant::Column::DryRunOf.is_null())).await
}

/// Tenants of all statuses or of one, oldest first.
pub async fn list(
    view: &PlatformView,
    status: Option<Status>,
    limit: u64,
) -> Result<Vec<tenant::Model>, DbError> {
    let mut select = view.across::<tenant::Entity>().filter(tenant::Column::DryRunOf.is_null());
    if let Some(status) = status {
        select = select.filter(tenant::Column::Status.eq(status));
    }
    view.all(select.order_by_asc(tenant::Column::Id).limit(limit)).await
}

/// The tenant, if it is active.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unusable`]
pub async fn active(view: &View) -> Result<tenant::Model, Error> {
    let row = get(view).await?;
    row.status.admits(Asks::People)?;
    Ok(row)
}

/// The tenant, unless it is deleted; nobody deletes it until the transaction ends.
///
/// # Errors
/// [`Error::NotFound`], [`Error::Unusable`]
pub async fn undeleted(tx: &Tx) -> Result<tenant::Model, Error> {
    let select = tx.select::<tenant::Entity>().filter(tenant::Column::DryRunOf.is_null());
    let row = tx.lock_key_share(select).await?.ok_or(Error::NotFound)?;
    if row.status == Status::Deleted { Err(Error::not_in(row.status)) } else { Ok(row) }
}

/// Writes the tenant, which was locked, in its next version, and answers that.
pub async fn put(tx: &Tx, row: tenant::Model) -> Result<tenant::Model, DbError> {
    let row = tenant::Model { version: row.version + 1, updated_at: tx.now(), ..row };
    tx.update(row.clone()).await?;
    Ok(row)
}

/// The tenant, locked.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn locked(tx: &Tx) -> Result<tenant::Model, Error> {
    let select = tx.select::<tenant::Entity>().filter(tenant::Column::DryRunOf.is_null());
    tx.lock(select).await?.ok_or(Error::NotFound)
}

/// Moves the tenant on, if it may go there.
///
/// # Errors
/// [`Error::Unusable`]
pub async fn transition(tx: &Tx, verb: Verb) -> Result<Transition, Error> {
    let mut row = locked(tx).await?;
    let was = row.status;
    let Some(next) = was.after(verb) else {
        return Err(Error::not_in(was));
    };
    if next != was {
        row.status = next;
        row.suspended_at = (next == Status::Suspended).then(|| tx.now());
        row.deleted_at = (next == Status::Deleted).then(|| tx.now());
        row = put(tx, row).await?;
    }
    Ok(Transition { row, was })
}

/// A tenant that was moved on.
#[derive(Debug)]
pub struct Transition {
    /// As it is now.
    pub row: tenant::Model,
    /// Where it stood.
    pub was: Status,
}

impl Transition {
    /// Whether it stood elsewhere before.
    pub fn is_new(&self) -> bool {
        self.row.status != self.was
    }
}

/// Cuts the tenant off: its sessions end with this. The first who does counts, and is told of; but what an operator wants nobody else takes
/// back.
///
/// # Errors
/// [`Error::Unusable`]
pub async fn suspend(tx: &mut Tx, by: SuspendedBy) -> Result<tenant::Model, Error> {
    let done = transition(tx, Verb::Suspend).await?;
    if !done.is_new() {
        if by != SuspendedBy::Operator || done.row.suspended_by == Some(by) {
            return Ok(done.row);
        }
        let row = put(tx, tenant::Model { suspended_by: Some(by), ..done.row }).await?;
        tx.record("tenant.suspend", Target::new("tenant", row.id));
        return Ok(row);
    }
    let row = tenant::Model { suspended_by: Some(by), ..done.row };
    tx.update(row.clone()).await?;
    sessions::end_all_of_tenant(tx, Ended::TenantStopped).await?;
    record_event::<TenantSuspended>(tx, &row, "tenant.suspend");
    Ok(row)
}

/// Takes a suspension back that was somebody's. Where its payments want the tenant off as well, it stays so, and is billing's from then on.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn lift(tx: &mut Tx, by: SuspendedBy) -> Result<tenant::Model, Error> {
    let row = locked(tx).await?;
    if row.status != Status::Suspended || row.suspended_by != Some(by) {
        return Ok(row);
    }
    if row.billing_state != BillingState::Suspended {
        return resume(tx).await;
    }
    let suspended_by = Some(SuspendedBy::Billing);
    let row = put(tx, tenant::Model { suspended_by, ..row }).await?;
    tx.record("tenant.suspend", Target::new("tenant", row.id));
    Ok(row)
}

/// Lets the tenant in again.
///
/// # Errors
/// [`Error::Unusable`] if it isn't suspended.
pub async fn resume(tx: &mut Tx) -> Result<tenant::Model, Error> {
    let done = transition(tx, Verb::Resume).await?;
    if !done.is_new() {
        return Ok(done.row);
    }
    let row = tenant::Model { suspended_by: None, ..done.row };
    tx.update(row.clone()).await?;
    record_event::<TenantResumed>(tx, &row, "tenant.resume");
    Ok(row)
}

/// The plan of this key.
///
/// # Errors
/// [`Error::PlanUnknown`]
pub async fn plan(view: &View, key: &str) -> Result<plan::Model, Error> {
    let found = view.one(view.shared::<plan::Entity>().filter(plan::Column::Key.eq(key))).await?;
    found.ok_or_else(|| Error::PlanUnknown { key: key.to_owned() })
}

/// By how much a plan multiplies rate limits; a plan that is no more, not at all.
pub async fn rate_multiplier_of(view: &View, key: &str) -> Result<u32, DbError> {
    let found = view.one(view.shared::<plan::Entity>().filter(plan::Column::Key.eq(key))).await?;
    Ok(plan::times(found.map(|plan| plan.rate_multiplier)))
}

/// Gives the tenant another plan: its limits follow at once. The same plan changes nothing.
///
/// # Errors
/// [`Error::PlanUnknown`]
pub async fn set_plan(tx: &mut Tx, row: tenant::Model, key: &str) -> Result<tenant::Model, Error> {
    if row.plan == key {
        return Ok(row);
    }
    let plan = plan(tx, key).await?;
    quota::apply_plan(tx, &plan, &std::collections::BTreeMap::new()).await?;
    let before = row.clone();
    let row = put(tx, tenant::Model { plan: key.to_owned(), ..row }).await?;
    record_update(tx, &before, &row, "tenant.plan");
    Ok(row)
}

/// The organization of this id or slug; every tenant has one called `default`.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn organization_named(view: &View, name: &str) -> Result<organization::Model, Error> {
    find_organization(view, name).await?.ok_or(Error::NotFound)
}

/// The organization of this id or slug, if there is one.
pub async fn find_organization(view: &View, name: &str) -> Result<Option<organization::Model>, DbError> {
    view.one(named(view, name)).await
}

/// The same, locked.
pub(crate) async fn organization_locked(tx: &Tx, name: &str) -> Result<organization::Model, Error> {
    tx.lock(named(tx, name)).await?.ok_or(Error::NotFound)
}

fn named(view: &View, name: &str) -> Select<organization::Entity> {
    let select = view.select::<organization::Entity>();
    match Uuid::try_parse(name) {
        Ok(id) => select.filter(organization::Column::Id.eq(id)),
        Err(_) => select.filter(organization::Column::Slug.eq(name)),
    }
}

/// The organization of this id.
///
/// # Errors
/// [`Error::NotFound`]
pub async fn organization(view: &View, id: Uuid) -> Result<organization::Model, Error> {
    let found =
        view.one(view.select::<organization::Entity>().filter(organization::Column::Id.eq(id))).await?;
    found.ok_or(Error::NotFound)
}
