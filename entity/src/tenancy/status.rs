//! Where a tenant stands.

use crate::closed::closed;

closed! {
    /// Where a tenant stands.
    pub enum Status {
        /// Being made.
        Provisioning = "provisioning",
        /// In use.
        Active = "active",
        /// Cut off, kept.
        Suspended = "suspended",
        /// Being unmade.
        Deprovisioning = "deprovisioning",
        /// Gone.
        Deleted = "deleted",
        /// Could not be made; nothing is left of the attempt.
        Failed = "failed",
    }
}

impl Status {
    /// Whether a tenant may go from here to there.
    #[must_use]
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
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_goes_only_where_it_may() {
        let allowed: Vec<String> = Status::ALL
            .iter()
            .flat_map(|from| Status::ALL.iter().map(move |to| (*from, *to)))
            .filter(|(from, to)| from.may_become(*to))
            .map(|(from, to)| format!("{from}>{to}"))
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
