//! Whose a row is. Queries start from these traits, so that one without a scope can't be written.

use sea_orm::EntityTrait;

/// A table whose rows belong to one tenant each.
pub trait TenantOwned: EntityTrait {
    /// The column that names the tenant.
    const TENANT: Self::Column;
}

/// A table of the platform itself: catalogues, keys.
pub trait PlatformOwned: EntityTrait {}
