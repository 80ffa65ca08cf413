//! A tenant's states and names. Pure.

use entity::tenancy::tenant;
use uuid::Uuid;
use web::{Code, Problem};

/// Where a tenant stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// Being made.
    Provisioning,
    /// In use.
    Active,
    /// Cut off, kept.
    Suspended,
    /// Being unmade.
    Deprovisioning,
    /// Gone.
    Deleted,
    /// Could not be made; nothing is left of the attempt.
    Failed,
}

impl Status {
    /// All of them.
    pub const ALL: [Status; 6] = [
        Status::Provisioning,
        Status::Active,
        Status::Suspended,
        Status::Deprovisioning,
        Status::Deleted,
        Status::Failed,
    ];

    /// Its name, as stored and shown.
    pub fn name(self) -> &'static str {
        match self {
            Status::Provisioning => "provisioning",
            Status::Active => "active",
            Status::Suspended => "suspended",
            Status::Deprovisioning => "deprovisioning",
            Status::Deleted => "deleted",
            Status::Failed => "failed",
        }
    }

    /// The status of a row.
    ///
    /// # Errors
    /// `internal` for a row that makes no sense.
    pub fn of(row: &tenant::Model) -> Result<Self, Problem> {
        let found = Self::ALL.into_iter().find(|status| status.name() == row.status);
        found.ok_or_else(|| Problem::internal(format!("tenant {} has status {:?}", row.id, row.status)))
    }

    /// Whether a tenant may go from here to there.
    pub fn may_become(self, next: Status) -> bool {
        use Status::{Active, Deleted, Deprovisioning, Failed, Provisioning, Suspended};
        matches!(
            (self, next),
            (Provisioning, Active | Failed)
                | (Active, Suspended | Deprovisioning)
                | (Suspended, Active | Deprovisioning)
                | (Failed, Provisioning | Deprovisioning)
                | (Deprovisioning, Deleted | Active | Suspended | Failed)
        )
    }

    /// Refuses what only an active tenant may do.
    ///
    /// # Errors
    /// `tenant.suspended`, `tenant.not_active`.
    pub fn require_active(self) -> Result<(), Problem> {
        match self {
            Status::Active => Ok(()),
            Status::Suspended => Err(Problem::new(Code::TenantSuspended)),
            other => Err(Problem::new(Code::TenantNotActive).fact("status", other.name())),
        }
    }
}

/// Whose keys sign a tenant's tokens, and under which issuer: the tenant's own realm, or the platform's.
pub fn issuer_of(tenant: &tenant::Model, public_url: &str) -> (Option<Uuid>, String) {
    if tenant.identity_kind == "realm" {
        (Some(tenant.id), format!("{public_url}/realms/{}", tenant.slug))
    } else {
        (None, public_url.to_owned())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_goes_only_where_it_may() {
        let allowed: Vec<String> = Status::ALL
            .into_iter()
            .flat_map(|from| Status::ALL.into_iter().map(move |to| (from, to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{}>{}", from.name(), to.name()))
            .collect();
        let expected = [
            "provisioning>active",
            "provisioning>failed",
            "active>suspended",
            "active>deprovisioning",
            "suspended>active",
            "suspended>deprovisioning",
            "deprovisioning>active",
            "deprovisioning>suspended",
            "deprovisioning>deleted",
            "deprovisioning>failed",
            "failed>provisioning",
            "failed>deprovisioning",
        ];
        assert_eq!(allowed, expected);
    }
}
