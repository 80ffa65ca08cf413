//! Statements over what is remembered of users who left.

use entity::directory::states::DepartedKind;
use entity::directory::user;
use platform::{DbError, Statement, Tx};
use sea_orm::Value;
use uuid::Uuid;

/// Remembers by what a user is recognized who is not there by it any more.
pub(crate) async fn mark(
    tx: &Tx,
    row: &user::Model,
    marks: Vec<(DepartedKind, String)>,
) -> Result<(), DbError> {
    let mut values: Vec<Value> = vec![row.organization_id.into(), row.id.into(), tx.now().into()];
    let mut rows = Vec::new();
    for (kind, key) in marks {
        values.push(key.into());
        rows.push(format!("($1, $2, '{kind}', ${}, $3, $4)", values.len() + 1));
    }
    let insert = Statement::built(format!(
        "INSERT INTO directory_departed (tenant_id, organization_id, kind, key, user_id, departed_at) VALUES {} \
         ON CONFLICT (tenant_id, organization_id, kind, key) DO UPDATE SET user_id = excluded.user_id, departed_at = excluded.departed_at",
        rows.join(", ")
    ))?;
    tx.execute(&insert, values).await.map(drop)
}

/// Forgets everything of whom the directory removed with one of these addresses.
pub(crate) async fn forget_of_addresses(tx: &Tx, organization: Uuid, keys: &[String]) -> Result<(), DbError> {
    let (keys, mut values) = (listed(keys, 3), text_values(keys));
    values.insert(0, organization.into());
    let remove = Statement::built(format!(
        "DELETE FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 AND user_id IN \
         (SELECT user_id FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 AND kind = 'address' AND key IN ({keys}))"
    ))?;
    tx.execute(&remove, values).await.map(drop)
}

/// Forgets these addresses, and everything of whom the directory calls by this subject.
pub(crate) async fn forget_addresses_or_subject(
    tx: &Tx,
    organization: Uuid,
    keys: &[String],
    subject: Option<&str>,
) -> Result<(), DbError> {
    let (keys, mut values) = (listed(keys, 4), text_values(keys));
    values.splice(0..0, [organization.into(), subject.map(ToOwned::to_owned).into()]);
    let remove = Statement::built(format!(
        "DELETE FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 AND (kind = 'address' AND key IN ({keys}) \
         OR user_id IN (SELECT user_id FROM directory_departed WHERE tenant_id = $1 AND organization_id = $2 \
         AND kind = 'external_id' AND key = $3))"
    ))?;
    tx.execute(&remove, values).await.map(drop)
}

/// Parameters from this one on.
fn listed(keys: &[String], first: usize) -> String {
    let names: Vec<String> = (0..keys.len()).map(|at| format!("${}", first + at)).collect();
    if names.is_empty() { "NULL".to_owned() } else { names.join(", ") }
}

fn text_values(keys: &[String]) -> Vec<Value> {
    keys.iter().map(|key| key.clone().into()).collect()
}
