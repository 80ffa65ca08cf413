//! The refusal of what is used up.

use platform::rules::{Allowance, Rule};
use platform::{DbError, View};

use crate::{Code, Problem};

/// The refusal, with this code, of what an allowance has no more of, and when to come back.
///
/// # Errors
/// [`DbError`] if the store fails.
pub async fn used_up(
    view: &View,
    (rule, key): (Rule, impl AsRef<[u8]>),
    allowance: Allowance,
    code: Code,
) -> Result<Problem, DbError> {
    let retry_after = Some(view.renewed_in(rule, key, allowance).await?);
    Ok(Problem { retry_after, ..Problem::new(code).fact("limit", allowance.limit) })
}
