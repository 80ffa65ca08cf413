//! Queries over the requests that are kept for reading.

use entity::ids::{OrganizationId, TenantId};
use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView};
use uuid::Uuid;

/// Requests that are too many, of one organization.
#[derive(Debug)]
pub struct TooMany {
    pub(crate) tenant: Uuid,
    pub(crate) organization: Uuid,
    /// The newest of them.
    pub(crate) upto: Uuid,
}

/// Organizations of which more requests than so many are kept, some of them.
pub(crate) async fn organizations_with_more_than(
    view: &PlatformView,
    most: u64,
    at_once: u64,
) -> Result<Vec<(TenantId, OrganizationId)>, DbError> {
    let full = CrossTenantStatement::built(format!(
        "SELECT tenant_id, organization_id FROM scim_request GROUP BY tenant_id, organization_id \
         HAVING COUNT(*) > {most} LIMIT {at_once}"
    ));
    let rows = view.query(&full, vec![]).await?;
    let ids = rows.iter().map(|row| {
        Ok((TenantId(row.try_get("", "tenant_id")?), OrganizationId(row.try_get("", "organization_id")?)))
    });
    Ok(ids.collect::<Result<_, sea_orm::DbErr>>()?)
}

/// The newest request of an organization behind its newest so many.
pub(crate) async fn newest_beyond(
    view: &PlatformView,
    tenant: TenantId,
    organization: OrganizationId,
    most: u64,
) -> Result<Option<Uuid>, DbError> {
    let first_beyond = CrossTenantStatement::built(format!(
        "SELECT id FROM scim_request WHERE tenant_id = $1 AND organization_id = $2 \
         ORDER BY id DESC LIMIT 1 OFFSET {most}"
    ));
    let rows = view.query(&first_beyond, vec![tenant.0.into(), organization.0.into()]).await?;
    Ok(rows.first().map(|row| row.try_get("", "id")).transpose()?)
}

/// Removes the oldest requests that are too many, so many at most; tells how many.
pub(crate) async fn remove_up_to(tx: &PlatformTx, of: &TooMany, most: u64) -> Result<u64, DbError> {
    const REMOVE: CrossTenantStatement = CrossTenantStatement::new(
        "DELETE FROM scim_request WHERE tenant_id = $1 AND organization_id = $2 AND id IN (SELECT id FROM scim_request \
         WHERE tenant_id = $1 AND organization_id = $2 AND id <= $3 ORDER BY id LIMIT $4)",
    );
    let most = i64::try_from(most).unwrap_or(i64::MAX);
    tx.execute(&REMOVE, vec![of.tenant.into(), of.organization.into(), of.upto.into(), most.into()]).await
}
