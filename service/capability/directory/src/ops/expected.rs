//! Who is expected: an invitation holds their seat, and says as what they come in, by whichever door.

use chrono::TimeDelta;
use entity::by_name::ByName;
use entity::directory::expected::{Column, Entity, Model};
use platform::{DbError, Timestamp, Tx};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;

use super::admins::{SEATS, seats_of};
use crate::error::Error;
use crate::fold;

/// Somebody who is expected.
#[derive(Debug)]
pub struct NewExpected<'a> {
    /// Where.
    pub organization: Uuid,
    /// By which address.
    pub email: &'a str,
    /// As what.
    pub role: TenantRole,
    /// By which invitation.
    pub invitation: Uuid,
    /// Until when.
    pub until: Timestamp,
}

/// Expects somebody, and holds their seat; who was expected before by the same invitation is expected anew.
///
/// # Errors
/// `quota.exceeded`.
pub async fn expect(tx: &mut Tx, new: NewExpected<'_>) -> Result<(), Error> {
    forget_expected(tx, new.invitation).await?;
    let lifetime = (new.until - tx.now()).max(TimeDelta::seconds(1));
    let mut reservations = Vec::new();
    for resource in seats_of(new.role) {
        reservations.push(quota::reserve(tx, resource, 1, lifetime).await?.0.id);
    }
    let row = Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        email_key: fold(new.email),
        role: ByName(new.role),
        invitation_id: new.invitation,
        reservations: json!(reservations),
        expires_at: new.until,
    };
    // One whom another invitation expected, which is over.
    let over = tx.remove::<Entity>().filter(Column::OrganizationId.eq(new.organization));
    tx.purge(over.filter(Column::EmailKey.eq(&row.email_key))).await?;
    Ok(tx.insert(row).await?)
}

/// Nobody is expected by this invitation any more; their seat is free.
pub async fn forget_expected(tx: &mut Tx, invitation: Uuid) -> Result<(), DbError> {
    let found = tx.one(tx.select::<Entity>().filter(Column::InvitationId.eq(invitation))).await?;
    let Some(row) = found else { return Ok(()) };
    release(tx, &row).await?;
    let mine = tx.remove::<Entity>().filter(Column::InvitationId.eq(invitation));
    tx.purge(mine).await?;
    Ok(())
}

async fn release(tx: &mut Tx, row: &Model) -> Result<(), DbError> {
    let held: Vec<Uuid> = serde_json::from_value(row.reservations.clone()).unwrap_or_default();
    quota::release_all(tx, &held, &SEATS).await
}
