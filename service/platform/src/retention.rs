//! Retention: rows whose time is over are removed a bounded number at a time, so that no sweep holds the writer for long.

use sea_orm::Value;

use crate::{DbError, PlatformTx};

/// How many rows of a kind one sweep removes at most: who removed so many sweeps again.
pub const SWEPT_AT_ONCE: u64 = 5_000;

/// Rows of one table that are kept until a moment.
#[derive(Clone, Copy, Debug)]
pub struct Retained {
    /// The table.
    pub table: &'static str,
    /// Its primary key: names with commas between them.
    pub key: &'static str,
    /// What must be older than the moment. Names and comparisons of ours, never a caller's text.
    pub until: &'static str,
}

impl Retained {
    fn statement(self) -> String {
        let Self { table, key, until } = self;
        format!(
            "DELETE FROM {table} WHERE ({key}) IN (SELECT {key} FROM {table} WHERE {until} < $1 LIMIT {SWEPT_AT_ONCE})"
        )
    }
}

/// Removes some of the rows that are older than `before`; fewer than [`SWEPT_AT_ONCE`] means that no more are left.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn remove(tx: &PlatformTx, rows: Retained, before: impl Into<Value>) -> Result<u64, DbError> {
    tx.execute(&rows.statement(), vec![before.into()]).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_five_thousand_rows_and_no_more() {
        assert_eq!(SWEPT_AT_ONCE, 5_000);
        let rows = Retained { table: "session", key: "tenant_id, id", until: "expires_at" };
        assert_eq!(
            rows.statement(),
            "DELETE FROM session WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM session WHERE expires_at < $1 LIMIT 5000)"
        );
    }
}
