//! Room for one thing more: a number of rows of which there may be so many, counted under a rule; and the refusal of what is used up.

use platform::rules::{Allowance, Rule};
use platform::{DbError, PlatformTx, Tx, View};
use sea_orm::{EntityTrait, Select};

use crate::{Code, Problem};

/// A transaction that counts under a rule: a tenant's or the platform's.
pub trait Counts {
    #[doc(hidden)]
    fn hold(&self, rule: Rule, key: &[u8]) -> impl Future<Output = Result<(), DbError>>;
    #[doc(hidden)]
    fn how_many<E>(&self, select: Select<E>) -> impl Future<Output = Result<u64, DbError>>
    where
        E: EntityTrait,
        E::Model: Sync;
}

macro_rules! counts {
    ($($of:ty),*) => {$(
        impl Counts for $of {
            async fn hold(&self, rule: Rule, key: &[u8]) -> Result<(), DbError> {
                self.exclusive(rule, key).await
            }
            async fn how_many<E>(&self, select: Select<E>) -> Result<u64, DbError>
            where
                E: EntityTrait,
                E::Model: Sync,
            {
                self.count(select).await
            }
        }
    )*};
}

counts!(Tx, PlatformTx);

/// Refuses one thing more where there are `limit` of them. What was counted stays true until the commit: nobody else makes one
/// meanwhile under the same rule and key.
///
/// # Errors
/// `quota.exceeded`, with the rule's name as the resource.
pub async fn room<E>(
    tx: &impl Counts,
    rule: Rule,
    key: impl AsRef<[u8]>,
    there: Select<E>,
    limit: u64,
) -> Result<(), Problem>
where
    E: EntityTrait,
    E::Model: Sync,
{
    tx.hold(rule, key.as_ref()).await?;
    if tx.how_many(there).await? < limit { Ok(()) } else { Err(Problem::full(rule.name(), limit)) }
}

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
