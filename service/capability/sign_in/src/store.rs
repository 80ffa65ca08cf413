//! Queries over codes, kept requests and the people of an address.

use platform::{CrossTenantStatement, DbError, PlatformTx, PlatformView, Statement, Tx};
use sea_orm::QueryResult;
use uuid::Uuid;

/// Uses an authorization code up; false if it was used before, or there is none such.
pub(crate) async fn use_code(tx: &Tx, digest: &[u8]) -> Result<bool, DbError> {
    const USE: Statement = Statement::of_tenant(
        "UPDATE authorization_code SET used_at = $3 WHERE tenant_id = $1 AND digest = $2 AND used_at IS NULL",
    );
    Ok(tx.execute(&USE, vec![digest.to_vec().into(), tx.now().into()]).await? == 1)
}

/// Removes an authorization request.
pub(crate) async fn remove_request(tx: &PlatformTx, id: Uuid) -> Result<u64, DbError> {
    const REMOVE: CrossTenantStatement =
        CrossTenantStatement::new("DELETE FROM authorization_request WHERE id = $1");
    tx.execute(&REMOVE, vec![id.into()]).await
}

/// Active users of active tenants who have this address, compared as it is folded: `tenant_id`, `resource` and `user_name` of each.
pub(crate) async fn active_users_of_address(
    view: &PlatformView,
    key: &str,
) -> Result<Vec<QueryResult>, DbError> {
    // Who has no e-mail is written to by a user name that is one, as everywhere else.
    const OF_ADDRESS: CrossTenantStatement = CrossTenantStatement::new(
        "SELECT u.tenant_id, u.resource, u.user_name FROM \
         (SELECT tenant_id, organization_id, user_id FROM directory_user_email WHERE (value_key || '') = $1 \
          UNION ALL SELECT tenant_id, organization_id, id FROM directory_user WHERE user_name_key = $1 AND email IS NULL) e \
         JOIN directory_user u ON u.tenant_id = e.tenant_id AND u.organization_id = e.organization_id AND u.id = e.user_id \
         JOIN tenant t ON t.id = e.tenant_id \
         WHERE u.active AND t.status = 'active' AND t.rehearses IS NULL LIMIT 20",
    );
    view.query(&OF_ADDRESS, vec![key.into()]).await
}
