//! Whether there may be one thing more: a number of rows of which there may be so many, counted under a rule.

use sea_orm::{EntityTrait, Select};

use super::Rule;
use crate::{DbError, PlatformTx, Tx};

/// Why there is not one thing more.
#[derive(Debug, thiserror::Error)]
pub enum LimitReached {
    /// There are as many as there may be.
    #[error("there are {limit} of `{resource}` already")]
    Full {
        /// The rule's name.
        resource: &'static str,
        /// How many there may be.
        limit: u64,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] DbError),
}

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
/// [`LimitReached::Full`], with the rule's name as the resource.
pub async fn check_limit<E>(
    tx: &impl Counts,
    rule: Rule,
    key: impl AsRef<[u8]>,
    there: Select<E>,
    limit: u64,
) -> Result<(), LimitReached>
where
    E: EntityTrait,
    E::Model: Sync,
{
    tx.hold(rule, key.as_ref()).await?;
    if tx.how_many(there).await? < limit {
        Ok(())
    } else {
        Err(LimitReached::Full { resource: rule.name(), limit })
    }
}
