//! Limit and usage of a resource, as they are read and answered.

use entity::quota::usage::Model;

/// Limit and usage of one resource.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Usage {
    /// What is counted.
    pub resource: String,
    /// How much there may be; `None`: as much as you like.
    pub limit: Option<i64>,
    /// How much there is.
    pub used: i64,
    /// How much is held by reservations.
    pub reserved: i64,
    /// Crossing it is told, not refused.
    pub soft_limit: Option<i64>,
    /// Whether the limit is the tenant's own, not the plan's.
    pub own: bool,
}

impl Usage {
    /// What is left; `None`: as much as you like.
    pub fn remaining(&self) -> Option<i64> {
        self.limit.map(|limit| (limit - self.used - self.reserved).max(0))
    }
}

impl From<Model> for Usage {
    fn from(row: Model) -> Self {
        Self {
            resource: row.resource,
            limit: row.limit_value,
            used: row.used,
            reserved: row.reserved,
            soft_limit: row.limit_soft,
            own: row.limit_own,
        }
    }
}
