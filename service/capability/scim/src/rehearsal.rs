//! Rehearsals: a token whose requests work on a copy of the directory. They are answered as the real thing would answer,
//! one after the other, and recorded; the directory itself never sees them. What they would have changed is a comparison
//! of the copy with it.
//!
//! The copy lives under a hidden tenant of its own, so everything that keeps tenants apart keeps it apart, too: no list,
//! sign-in, quota or event of the real tenant can meet it.

use std::fmt::Write as _;

use entity::scim::rehearsal::{Column, Entity, Model};
use entity::scim::states::RehearsalStatus;
use entity::scim::token;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::{Ctx, DbError, PlatformTx, Target, Tx, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::Service;

/// Tables of a directory and their columns behind the tenant, parents first.
const COPIED: [(&str, &str); 9] = [
    ("organization", "id, slug, name, version, created_at, updated_at"),
    (
        "directory_user",
        "organization_id, id, user_name, user_name_key, external_id, display_name, email, active, role, role_source, source, \
         resource, folded, version, created_at, updated_at, address_proof, deactivated_by, role_under",
    ),
    ("directory_user_email", "organization_id, user_id, ordinal, type_key, value_key"),
    (
        "directory_group",
        "organization_id, id, display_name, display_name_key, external_id, resource, folded, version, created_at, updated_at",
    ),
    ("directory_group_member", "organization_id, group_id, user_id"),
    ("directory_group_child", "organization_id, group_id, child_id"),
    ("directory_role_mapping", "organization_id, id, group_id, role, created_at"),
    (
        "directory_guard",
        "organization_id, users_max, percent_max, window_seconds, state, state_until, held_at, held_count, version, created_at, \
         updated_at",
    ),
    ("quota", "resource, limit_value, used, updated_at, limit_own, limit_soft"),
];

/// Begins a rehearsal for a token that was just made: the copy follows by a job.
pub(crate) async fn begin(tx: &mut Tx, token: &token::Model) -> Result<(), DbError> {
    let row = Model {
        tenant_id: token.tenant_id,
        organization_id: token.organization_id,
        token_id: token.id,
        shadow_id: ids::new(),
        status: RehearsalStatus::Preparing,
        created_at: tx.now(),
        ready_at: None,
    };
    tx.insert(row.clone()).await?;
    tx.enqueue(&Prepare { tenant: row.tenant_id, organization: row.organization_id, token: row.token_id });
    Ok(())
}

/// Ends the rehearsal of a token that goes: the copy is thrown away by a job.
pub(crate) async fn end(tx: &mut Tx, token: &token::Model) -> Result<(), DbError> {
    let select = tx.select::<Entity>().filter(Column::TokenId.eq(token.id));
    let Some(row) = tx.one(select).await? else { return Ok(()) };
    let removal = tx.remove::<Entity>().filter(Column::TokenId.eq(token.id));
    tx.purge(removal).await?;
    tx.enqueue(&Discard { tenant: row.tenant_id, shadow: row.shadow_id });
    Ok(())
}

/// Ends all rehearsals of a tenant that goes.
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
    const KIND: &'static str = "scim.prepare_rehearsal";
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
    const KIND: &'static str = "scim.discard_rehearsal";
    const CLASS: Class = Class::Directory;

    fn tenant(&self) -> Option<Uuid> {
        Some(self.tenant)
    }
}

/// Runs both.
pub(crate) fn handlers(service: &Service) -> [Handler; 2] {
    let (preparing, discarding) = (service.clone(), service.clone());
    [
        Handler::new(Backoff::default(), move |job: Prepare, run| prepare(preparing.clone(), job, run)),
        Handler::new(Backoff::default(), move |job: Discard, run| discard(discarding.clone(), job, run)),
    ]
}

async fn prepare(service: Service, job: Prepare, run: JobRun) -> Result<(), JobError> {
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("rehearsals") };
    let work = async |tx: &mut PlatformTx| -> Result<(), DbError> {
        let select = tx.across::<Entity>().filter(Column::TenantId.eq(job.tenant));
        let Some(row) = tx.one(select.filter(Column::TokenId.eq(job.token))).await? else {
            tx.housekeeping();
            return Ok(());
        };
        if row.status == RehearsalStatus::Ready {
            tx.housekeeping();
            return Ok(());
        }
        copy(tx, &row).await?;
        platform::crash_point!("rehearsal.before_commit");
        tx.update(Model { status: RehearsalStatus::Ready, ready_at: Some(tx.now()), ..row.clone() }).await?;
        tx.record_for(row.tenant_id, "scim_rehearsal.begin", Target::new("scim_token", row.token_id));
        Ok(())
    };
    Ok(service.db.write_platform(&ctx, work).await?)
}

/// One statement a table: the copy is of one moment, and made inside the store.
async fn copy(tx: &PlatformTx, row: &Model) -> Result<(), DbError> {
    let columns = "name, plan, isolation, region, identity_backend, identity_kind, instance_driver, instance_mode, version, \
                   created_at, updated_at";
    let sql = format!(
        "INSERT INTO tenant (id, slug, status, deleted_at, rehearses, {columns}) \
         SELECT $1, $3, 'deleted', $4, id, {columns} FROM tenant WHERE id = $2"
    );
    let slug = format!("rehearsal-{}", row.shadow_id.simple());
    let values = vec![row.shadow_id.into(), row.tenant_id.into(), slug.into(), tx.now().into()];
    tx.execute(&sql, values).await?;
    for (table, columns) in COPIED {
        let mut sql = format!(
            "INSERT INTO {table} (tenant_id, {columns}) SELECT $1, {columns} FROM {table} WHERE tenant_id = $2"
        );
        let mut values = vec![row.shadow_id.into(), row.tenant_id.into()];
        let of_organization = match table {
            "organization" => Some("id"),
            "quota" => None,
            _ => Some("organization_id"),
        };
        if let Some(column) = of_organization {
            let _ = write!(sql, " AND {column} = $3");
            values.push(row.organization_id.into());
        }
        tx.execute(&sql, values).await?;
    }
    Ok(())
}

async fn discard(service: Service, job: Discard, _: JobRun) -> Result<(), JobError> {
    let ctx = Ctx::system("rehearsals");
    let work = async |tx: &mut PlatformTx| -> Result<(), DbError> {
        tx.housekeeping();
        // Memberships and addresses go with their users and groups.
        for table in [
            "session",
            "mail_message",
            "directory_change",
            "directory_group",
            "directory_user",
            "quota",
            "directory_guard",
            "organization",
        ] {
            let sql = format!("DELETE FROM {table} WHERE tenant_id = $1");
            tx.execute(&sql, vec![job.shadow.into()]).await?;
        }
        tx.execute("DELETE FROM tenant WHERE id = $1 AND rehearses IS NOT NULL", vec![job.shadow.into()])
            .await?;
        Ok(())
    };
    Ok(service.db.write_platform(&ctx, work).await?)
}
