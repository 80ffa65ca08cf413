//! Queries over refresh tokens.

use platform::{DbError, Statement, Tx};

/// Uses a refresh token up; false if it is unknown, over or used already. The update itself decides: of many at once, one wins.
pub(crate) async fn use_refresh_token(tx: &Tx, digest: &[u8]) -> Result<bool, DbError> {
    const USE: Statement = Statement::of_tenant(
        "UPDATE refresh_token SET used_at = $3 \
         WHERE tenant_id = $1 AND digest = $2 AND used_at IS NULL AND expires_at > $3",
    );
    Ok(tx.execute(&USE, vec![digest.to_vec().into(), tx.now().into()]).await? == 1)
}
