//! Statements over runs, what wakes them, instances and issuers, and over all that a tenant owns.

use entity::provisioning::run;
use entity::provisioning::states::RunStatus;
use entity::tenancy::states::InstanceHealth;
use platform::{CrossTenantStatement, DbError, PlatformStatement, PlatformTx, Statement, Timestamp, Tx, ids};
use uuid::Uuid;

/// An instance that only the tenant had takes nobody any more.
const CLOSE_INSTANCE: PlatformStatement =
    PlatformStatement::new("UPDATE instance SET status = 'offline' WHERE id = $1");
/// Deployments of the tenant's own instances have none any more.
const LEAVE_DEPLOYMENT: PlatformStatement =
    PlatformStatement::new("UPDATE deployment SET instance_id = NULL WHERE purpose LIKE $1 || '%'");
/// Instances that only this tenant had.
const FORGET_INSTANCE: PlatformStatement = PlatformStatement::new(
    "DELETE FROM instance WHERE id IN (SELECT id FROM deployment WHERE purpose LIKE $1 || '%') AND tenant_count = 0",
);
/// An issuer is believed by the whole platform: what the tenant's backend calls itself, unless it is registered.
const REGISTER_ISSUER: PlatformStatement = PlatformStatement::new(
    "INSERT INTO issuer (id, issuer, audience, tenant_claim, resolve_by, version, created_at, updated_at) \
     VALUES ($1, $2, $3, $4, $5, 1, $6, $6) ON CONFLICT DO NOTHING",
);
/// One that only this tenant had: others share theirs and are told apart by a claim.
const FORGET_ISSUER: PlatformStatement =
    PlatformStatement::new("DELETE FROM issuer WHERE issuer = $1 AND resolve_by = 'issuer'");

/// Takes a run from where it was seen to another status; false: somebody took it elsewhere meanwhile.
pub(crate) async fn move_run(
    tx: &Tx,
    seen: &run::Model,
    status: RunStatus,
    finished_at: Option<Timestamp>,
) -> Result<bool, DbError> {
    const MOVE: Statement = Statement::of_tenant(
        "UPDATE tenant_run SET status = $3, finished_at = $4 WHERE tenant_id = $1 AND id = $2 AND status = $5",
    );
    let values = vec![seen.id.into(), status.into(), finished_at.into(), seen.status.into()];
    Ok(tx.execute(&MOVE, values).await? == 1)
}

/// Has the pending job of this key run now; written just before the commit.
pub(crate) fn run_now_at_commit(tx: &mut Tx, key: String) {
    const RUN_NOW: Statement = Statement::of_tenant(
        "UPDATE job SET next_run_at = $3 WHERE tenant_id = $1 AND dedupe_key = $2 AND status = 'pending'",
    );
    let now = tx.now();
    tx.execute_last(RUN_NOW, vec![key.into(), now.into()]);
}

/// Has some jobs of this kind run now whose runs wait for capacity.
pub(crate) async fn wake_waiting_for_capacity(
    tx: &PlatformTx,
    kind: &str,
    at_once: i64,
) -> Result<(), DbError> {
    const WAKE: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE job SET next_run_at = $1 WHERE id IN (\
           SELECT job.id FROM job JOIN tenant_run_step step ON step.tenant_id = job.tenant_id \
           WHERE job.kind = $2 AND job.status = 'pending' AND job.next_run_at > $1 \
           AND step.name IN ('instance', 'reserve') AND step.status = 'running' AND step.waits_for IS NOT NULL \
           ORDER BY job.id LIMIT $3)",
    );
    tx.execute(&WAKE, vec![tx.now().into(), kind.into(), at_once.into()]).await.map(drop)
}

/// Records whether an instance is healthy, and if not, why.
pub(crate) async fn record_health(
    tx: &PlatformTx,
    instance: Uuid,
    health: InstanceHealth,
    error: Option<String>,
) -> Result<(), DbError> {
    const RECORD: CrossTenantStatement = CrossTenantStatement::new(
        "UPDATE instance SET health = $2, health_checked_at = $3, health_error = $4 WHERE id = $1",
    );
    tx.execute(&RECORD, vec![instance.into(), health.into(), tx.now().into(), error.into()]).await.map(drop)
}

/// Takes an instance off the pool.
pub(crate) async fn close_instance(tx: &Tx, instance: Uuid) -> Result<(), DbError> {
    tx.as_platform(CLOSE_INSTANCE, vec![instance.into()]).await.map(drop)
}

/// Forgets the instances of deployments whose purpose begins so.
pub(crate) async fn forget_instances(tx: &Tx, purpose: &str) -> Result<(), DbError> {
    for statement in [LEAVE_DEPLOYMENT, FORGET_INSTANCE] {
        tx.as_platform(statement, vec![purpose.into()]).await?;
    }
    Ok(())
}

/// Registers an issuer, unless it is.
pub(crate) async fn register_issuer(tx: &Tx, issuer: &backends::Issuer) -> Result<(), DbError> {
    let values = vec![
        ids::new().into(),
        issuer.issuer.clone().into(),
        issuer.audience.clone().into(),
        issuer.claim.clone().into(),
        issuer.resolve_by.into(),
        tx.now().into(),
    ];
    tx.as_platform(REGISTER_ISSUER, values).await.map(drop)
}

/// Forgets an issuer that only this tenant had.
pub(crate) async fn forget_issuer(tx: &Tx, issuer: &str) -> Result<(), DbError> {
    tx.as_platform(FORGET_ISSUER, vec![issuer.into()]).await.map(drop)
}

/// How many rows of a table the tenant owns; `None` if the store's answer can't be read.
pub(crate) async fn count_rows(tx: &Tx, table: &'static str) -> Result<Option<i64>, DbError> {
    let count = Statement::built(format!("SELECT count(*) AS rows FROM \"{table}\" WHERE tenant_id = $1"))?;
    let rows = tx.query(&count, Vec::new()).await?;
    Ok(rows.first().and_then(|row| row.try_get("", "rows").ok()))
}

/// Removes the tenant's rows of a table; tells how many.
pub(crate) async fn remove_rows(tx: &Tx, table: &'static str) -> Result<u64, DbError> {
    let remove = Statement::built(format!("DELETE FROM \"{table}\" WHERE tenant_id = $1"))?;
    tx.execute(&remove, Vec::new()).await
}
