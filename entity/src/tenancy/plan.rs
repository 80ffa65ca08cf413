//! What a tenant bought.

use sea_orm::entity::prelude::*;

use crate::scope::{PlatformOwned, SharedWithTenants};

#[derive(Clone, Debug, PartialEq, DeriveEntityModel)]
#[sea_orm(table_name = "plan")]
pub struct Model {
    #[sea_orm(primary_key, auto_increment = false)]
    pub key: String,
    pub name: String,
    /// {"users": 5, ...}; null: unlimited.
    pub quotas: Json,
    pub rate_multiplier: i64,
    pub version: i64,
    pub created_at: DateTimeUtc,
    pub updated_at: DateTimeUtc,
    /// Exceeding one emits an event and refuses nothing.
    pub soft_quotas: Json,
    pub entitlements: Json,
}

/// How many times a limit of the smallest plan a plan comes to, as `rate_multiplier` says. A tenant of no plan has the limit once.
pub fn times(rate_multiplier: Option<i64>) -> u32 {
    rate_multiplier.and_then(|times| u32::try_from(times).ok()).unwrap_or(1).max(1)
}

#[derive(Copy, Clone, Debug, EnumIter, DeriveRelation)]
pub enum Relation {}

impl ActiveModelBehavior for ActiveModel {}

impl PlatformOwned for Entity {}

// Its limits become the tenant's.
impl SharedWithTenants for Entity {}

#[cfg(test)]
mod tests {
    use super::times;

    #[test]
    fn a_limit_holds_at_least_once() {
        for (multiplier, wanted) in
            [(None, 1), (Some(1), 1), (Some(20), 20), (Some(0), 1), (Some(-5), 1), (Some(i64::MAX), 1)]
        {
            assert_eq!(times(multiplier), wanted, "{multiplier:?}");
        }
    }
}
