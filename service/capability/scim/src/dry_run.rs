//! Dry runs: a token whose requests work on a copy of the directory. They are answered as the real thing would answer,
//! one after the other, and recorded; the directory itself never sees them. What they would have changed is a comparison
//! of the copy with it.
//!
//! The copy lives under a hidden tenant of its own, so everything that keeps tenants apart keeps it apart, too: no list,
//! sign-in, quota or event of the real tenant can meet it.

use entity::scim::dry_run::{Column, Entity, Model};
use entity::scim::states::DryRunStatus;
use entity::scim::token;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::{Ctx, DbError, PlatformTx, Target, Tx, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::PlatformService;

use crate::store::dry_runs;

/// Begins a dry run for a token that was just made: the copy follows by a job.
pub(crate) async fn begin(tx: &mut Tx, token: &token::Model) -> Result<(), DbError> {
    let row = Model {
        tenant_id: token.tenant_id,
        organization_id: token.organization_id,
        token_id: token.id,
        shadow_id: ids::new(),
        status: DryRunStatus::Preparing,
        created_at: tx.now(),
        ready_at: None,
    };
    tx.insert(row.clone()).await?;
    tx.enqueue(&Prepare { tenant: row.tenant_id, organization: row.organization_id, token: row.token_id });
    Ok(())
}

/// Ends the dry run of a token that goes: the copy is thrown away by a job.
pub(crate) async fn end(tx: &mut Tx, token: &token::Model) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::TokenId.eq(token.id));
    let Some(row) = tx.one(select).await? else { return Ok(()) };
    let removal = tx.remove::<Entity>().filter(Column::TokenId.eq(token.id));
    tx.purge(removal).await?;
    tx.enqueue(&Discard { tenant: row.tenant_id, shadow: row.shadow_id });
    Ok(())
}

/// Ends all dry runs of a tenant that goes.
pub(crate) async fn end_all(tx: &mut Tx) -> Result<(), DbError> {
    for row in tx.all(tx.select::<Entity>()).await? {
        tx.enqueue(&Discard { tenant: row.tenant_id, shadow: row.shadow_id });
    }
    tx.purge(tx.remove::<Entity>()).await?;
    Ok(())
}

/// Makes the copy.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Prepare {
    tenant: Uuid,
    organization: Uuid,
    token: Uuid,
}

impl Job for Prepare {
    // Stored by versions before this one, too.
    const KIND: &'static str = "scim.prepare_dry_run";
    const CLASS: Class = Class::Directory;

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Throws the copy away.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Discard {
    tenant: Uuid,
    shadow: Uuid,
}

impl Job for Discard {
    const KIND: &'static str = "scim.discard_dry_run";
    const CLASS: Class = Class::Directory;

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs both.
pub(crate) fn handlers(service: &PlatformService) -> [Handler; 2] {
    let (preparing, discarding) = (service.clone(), service.clone());
    [
        Handler::new(Backoff::default(), move |job: Prepare, run| prepare(preparing.clone(), job, run)),
        Handler::new(Backoff::default(), move |job: Discard, run| discard(discarding.clone(), job, run)),
    ]
}

async fn prepare(service: PlatformService, job: Prepare, run: JobRun) -> Result<(), JobError> {
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("dry runs") };
    let work = async |tx: &mut PlatformTx| -> Result<(), DbError> {
        let select = tx.across::<Entity>().filter(Column::TenantId.eq(job.tenant));
        let Some(row) = tx.one(select.filter(Column::TokenId.eq(job.token))).await? else {
            tx.housekeeping();
            return Ok(());
        };
        if row.status == DryRunStatus::Ready {
            tx.housekeeping();
            return Ok(());
        }
        dry_runs::copy(tx, &row).await?;
        platform::crash_point!("dry_run.before_commit");
        tx.update(Model { status: DryRunStatus::Ready, ready_at: Some(tx.now()), ..row.clone() }).await?;
        tx.record_for(row.tenant_id, "scim_dry_run.begin", Target::new("scim_token", row.token_id));
        Ok(())
    };
    Ok(service.db.write(&ctx, work).await?)
}

async fn discard(service: PlatformService, job: Discard, _: JobRun) -> Result<(), JobError> {
    let ctx = Ctx::system("dry runs");
    let work = async |tx: &mut PlatformTx| -> Result<(), DbError> {
        tx.housekeeping();
        dry_runs::discard(tx, job.shadow).await
    };
    Ok(service.db.write(&ctx, work).await?)
}
