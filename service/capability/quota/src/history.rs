//! Usage over time: the most of each day, looked at every ten minutes.

use chrono::TimeDelta;
use platform::{DbError, PlatformTx, Work as _};
use web::Tools;

use crate::settings::Settings;
use crate::store;

/// The day of a moment, as it is kept: RFC 3339 `full-date`, UTC.
fn day(at: platform::Timestamp) -> String {
    at.format("%Y-%m-%d").to_string()
}

/// Writes down what is used now where it is more than what was today, and forgets what is too old.
pub async fn sample(tx: &mut PlatformTx, tools: &Tools) -> Result<u64, DbError> {
    tx.housekeeping();
    let sampled = store::sample(tx, day(tx.now())).await?;
    let period = TimeDelta::from_std(tools.config.section::<Settings>().history_retention)
        .unwrap_or(TimeDelta::days(400));
    store::remove_sampled_before(tx, day(tx.now() - period)).await?;
    Ok(sampled)
}
