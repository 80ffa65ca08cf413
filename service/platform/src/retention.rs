//! Retention: how long the rows of each table stay. Rows whose time is over are removed a bounded number at a time, so that no sweep
//! holds the writer for long.

use std::time::Duration;

use chrono::TimeDelta;
use sea_orm::Value;

use crate::config::Config;
use crate::{CrossTenantStatement, DbError, PlatformTx};

/// How many rows of a kind one sweep removes at most: who removed so many sweeps again.
pub const SWEPT_AT_ONCE: u64 = 5_000;

/// How long the rows of one table stay. Whoever owns the table says it once, so that no table is forgotten.
#[derive(Clone, Debug)]
pub struct Retained {
    table: &'static str,
    ends: Vec<End>,
}

/// What ends the rows of a table.
#[derive(Clone, Copy, Debug)]
pub enum End {
    /// A request, or a job, removes a row; by itself it stays.
    Removal,
    /// The row to which it belongs is removed, in the table of this name.
    With(&'static str),
    /// Its time is over.
    Expiry(Expiry),
    /// The sweep of this name, which does more than remove rows that are older than a moment.
    Sweep(&'static str),
}

impl Retained {
    /// Rows that stay for good.
    pub const fn forever(table: &'static str) -> Self {
        Self { table, ends: Vec::new() }
    }

    /// Rows that stay until a request or a job removes them.
    pub fn until_removed(table: &'static str) -> Self {
        Self::forever(table).or(End::Removal)
    }

    /// Rows that stay as long as a row of another table: as their tenant, or as what they are a part of.
    pub fn with(table: &'static str, of: &'static str) -> Self {
        Self::forever(table).or(End::With(of))
    }

    /// Rows that a sweep removes once their time is over.
    pub fn until(table: &'static str, expiry: Expiry) -> Self {
        Self::forever(table).or(End::Expiry(expiry))
    }

    /// Rows that end by a sweep of this name.
    pub fn until_swept(table: &'static str, sweep: &'static str) -> Self {
        Self::forever(table).or(End::Sweep(sweep))
    }

    /// They end by this as well.
    #[must_use]
    pub fn or(mut self, end: End) -> Self {
        self.ends.push(end);
        self
    }

    /// The table.
    pub fn table(&self) -> &'static str {
        self.table
    }

    /// What ends its rows; nothing does if there is none.
    pub fn ends(&self) -> &[End] {
        &self.ends
    }

    /// When the time of its rows is over, and how often a sweep asks.
    pub fn expiries(&self) -> impl Iterator<Item = Expiry> {
        self.ends.iter().filter_map(|end| match end {
            End::Expiry(expiry) => Some(*expiry),
            End::Removal | End::With(_) | End::Sweep(_) => None,
        })
    }
}

/// How often it is asked which rows are over.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Often {
    /// With all that is over, every ten minutes.
    Housekeeping,
    /// Every minute: rows that anybody can cause.
    EachMinute,
}

/// How long rows stay after their moment.
#[derive(Clone, Copy, Debug)]
enum Period {
    Fixed(TimeDelta),
    Set(fn(&Config) -> Duration),
}

/// When the time of a row is over.
#[derive(Clone, Copy, Debug)]
pub struct Expiry {
    key: &'static str,
    column: &'static str,
    condition: Option<&'static str>,
    period: Period,
    often: Often,
}

impl Expiry {
    /// At the moment in a column. `key` is the table's primary key: names with commas between them. All are names of ours, never a caller's
    /// text.
    pub const fn at(column: &'static str, key: &'static str) -> Self {
        let period = Period::Fixed(TimeDelta::zero());
        Self { key, column, condition: None, period, often: Often::Housekeeping }
    }

    /// So long after that moment.
    #[must_use]
    pub const fn plus(self, period: TimeDelta) -> Self {
        Self { period: Period::Fixed(period), ..self }
    }

    /// As long after that moment as is set.
    #[must_use]
    pub const fn plus_setting(self, setting: fn(&Config) -> Duration) -> Self {
        Self { period: Period::Set(setting), ..self }
    }

    /// Only rows of which this holds: a comparison of ours, never a caller's text.
    #[must_use]
    pub const fn only(self, condition: &'static str) -> Self {
        Self { condition: Some(condition), ..self }
    }

    /// Asked every minute.
    #[must_use]
    pub const fn each_minute(self) -> Self {
        Self { often: Often::EachMinute, ..self }
    }

    /// How often it is asked.
    pub const fn often(self) -> Often {
        self.often
    }

    fn sql(self, table: &str) -> String {
        let Self { key, column, .. } = self;
        let condition = self.condition.map(|one| format!("{one} AND ")).unwrap_or_default();
        format!(
            "DELETE FROM {table} WHERE ({key}) IN \
             (SELECT {key} FROM {table} WHERE {condition}{column} < $1 LIMIT {SWEPT_AT_ONCE})"
        )
    }

    /// Removes some of the rows of a table that are over; fewer than [`SWEPT_AT_ONCE`] means that no more are left.
    pub async fn remove(self, tx: &PlatformTx, table: &str, config: &Config) -> Result<u64, DbError> {
        let period = match self.period {
            Period::Fixed(period) => Some(period),
            Period::Set(setting) => TimeDelta::from_std(setting(config)).ok(),
        };
        // What is to stay for longer than there was time stays.
        let Some(before) = period.and_then(|period| tx.now().checked_sub_signed(period)) else {
            return Ok(0);
        };
        self.remove_before(tx, table, before).await
    }

    /// The same for a caller who knows what the column has to be below: a day, or a moment that other rows ask for too.
    pub async fn remove_before(
        self,
        tx: &PlatformTx,
        table: &str,
        before: impl Into<Value>,
    ) -> Result<u64, DbError> {
        tx.execute(&CrossTenantStatement::built(self.sql(table)), vec![before.into()]).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_sweep_takes_five_thousand_rows_and_no_more() {
        assert_eq!(SWEPT_AT_ONCE, 5_000);
        let expiry = Expiry::at("expires_at", "tenant_id, id");
        assert_eq!(
            expiry.sql("session"),
            "DELETE FROM session WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM session WHERE expires_at < $1 LIMIT 5000)"
        );
        assert_eq!(
            expiry.only("status = 'done'").sql("job"),
            "DELETE FROM job WHERE (tenant_id, id) IN \
             (SELECT tenant_id, id FROM job WHERE status = 'done' AND expires_at < $1 LIMIT 5000)"
        );
    }
}
