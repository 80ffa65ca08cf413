//! Where a tenant stands.

use crate::closed::closed;
use crate::lifecycle::{Line, Table};

closed! {
    /// Where a tenant stands.
    pub enum Status {
        /// Being provisioned.
        Provisioning = "provisioning",
        /// In use.
        Active = "active",
        /// All access is stopped; nothing is removed.
        Suspended = "suspended",
        /// Being deprovisioned.
        Deprovisioning = "deprovisioning",
        /// Gone.
        Deleted = "deleted",
        /// Could not be provisioned; nothing is left of the attempt.
        Failed = "failed",
    }
}

/// What happens to a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verb {
    /// Its provisioning is complete.
    Activate,
    /// Its provisioning failed for good.
    Fail,
    /// Its provisioning is retried.
    Retry,
    /// All access to it is stopped.
    Suspend,
    /// Access to it is allowed again.
    Resume,
    /// Its deletion begins.
    Deprovision,
    /// Its deletion is cancelled: its earlier status is restored.
    Restore(Status),
    /// Nothing of it is left.
    Delete,
}

/// Who wants to use a tenant.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asks {
    /// Its people, and whoever works for them.
    People,
    /// Its management keys: they also follow how it is made.
    Keys,
    /// Its directories' tokens.
    Directories,
}

/// Why a tenant can't be used now.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unusable {
    /// It is suspended, and may be resumed.
    Suspended,
    /// It isn't there yet, or not any more.
    NotActive(Status),
    /// Credentials of a deleted tenant are nobody's.
    Gone,
}

impl Status {
    /// Where a tenant goes from here by that; `None`: it may not. What is so already stays.
    #[must_use]
    pub fn after(self, verb: Verb) -> Option<Status> {
        use Status::{Active, Deleted, Deprovisioning, Failed, Provisioning, Suspended};
        Some(match (self, verb) {
            (Provisioning | Active, Verb::Activate) => Active,
            (Provisioning | Failed, Verb::Fail) => Failed,
            (Failed, Verb::Retry) => Provisioning,
            (Active | Suspended, Verb::Suspend) => Suspended,
            (Active | Suspended, Verb::Resume) => Active,
            (Active | Suspended | Failed | Deprovisioning, Verb::Deprovision) => Deprovisioning,
            (Deprovisioning, Verb::Restore(was @ (Active | Suspended | Failed))) => was,
            (Deprovisioning | Deleted, Verb::Delete) => Deleted,
            (Provisioning | Active | Suspended | Deprovisioning | Deleted | Failed, _) => return None,
        })
    }

    /// Whether a tenant can be used by whoever asks.
    pub fn admits(self, asks: Asks) -> Result<(), Unusable> {
        use Status::{Active, Deleted, Deprovisioning, Failed, Provisioning, Suspended};
        match (self, asks) {
            (Active, _) | (Provisioning | Failed, Asks::Keys) => Ok(()),
            (Suspended, _) => Err(Unusable::Suspended),
            (Deleted, Asks::Keys | Asks::Directories) => Err(Unusable::Gone),
            (Provisioning | Failed, Asks::People | Asks::Directories)
            | (Deleted, Asks::People)
            | (Deprovisioning, _) => Err(Unusable::NotActive(self)),
        }
    }
}

/// What can happen to a tenant, as it is printed.
pub(crate) fn table() -> Table {
    let line = |verb, about, what: Verb| Line {
        verb,
        about,
        after: Status::ALL.iter().map(|status| status.after(what).map(Status::as_str)).collect(),
    };
    let back = "Its deletion is cancelled during the recycle period; its earlier status is restored.";
    Table {
        name: "tenant",
        states: Status::TEXTS,
        verbs: vec![
            line("activate", "Its provisioning is complete.", Verb::Activate),
            line(
                "fail",
                "Its provisioning failed for good, and all completed steps were undone.",
                Verb::Fail,
            ),
            line("retry", "Its provisioning is retried.", Verb::Retry),
            line(
                "suspend",
                "All access is stopped: by an operator, an unpaid subscription, or its identity backend.",
                Verb::Suspend,
            ),
            line("resume", "Access is allowed again.", Verb::Resume),
            line("deprovision", "Its deletion begins.", Verb::Deprovision),
            line("restore (active)", back, Verb::Restore(Status::Active)),
            line("restore (suspended)", back, Verb::Restore(Status::Suspended)),
            line("restore (failed)", back, Verb::Restore(Status::Failed)),
            line("delete", "Everything that belonged to it was removed.", Verb::Delete),
        ],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tenant_goes_only_where_it_may() {
        use Status::{Active, Deleted, Deprovisioning, Failed, Provisioning, Suspended};
        use Verb::{Activate, Delete, Deprovision, Fail, Restore, Resume, Retry, Suspend};
        let verbs = [
            Activate,
            Fail,
            Retry,
            Suspend,
            Resume,
            Deprovision,
            Restore(Active),
            Restore(Suspended),
            Restore(Failed),
            Restore(Provisioning),
            Restore(Deprovisioning),
            Restore(Deleted),
            Delete,
        ];
        let table = [
            (Provisioning, Activate, Active),
            (Provisioning, Fail, Failed),
            (Active, Activate, Active),
            (Active, Suspend, Suspended),
            (Active, Resume, Active),
            (Active, Deprovision, Deprovisioning),
            (Suspended, Suspend, Suspended),
            (Suspended, Resume, Active),
            (Suspended, Deprovision, Deprovisioning),
            (Deprovisioning, Deprovision, Deprovisioning),
            (Deprovisioning, Restore(Active), Active),
            (Deprovisioning, Restore(Suspended), Suspended),
            (Deprovisioning, Restore(Failed), Failed),
            (Deprovisioning, Delete, Deleted),
            (Deleted, Delete, Deleted),
            (Failed, Fail, Failed),
            (Failed, Retry, Provisioning),
            (Failed, Deprovision, Deprovisioning),
        ];
        let all = Status::ALL.iter().flat_map(|from| verbs.iter().map(move |verb| (*from, *verb)));
        let allowed: Vec<_> = all.filter_map(|(from, verb)| Some((from, verb, from.after(verb)?))).collect();
        assert_eq!(allowed, table);
    }

    #[test]
    fn who_may_use_a_tenant_stands_in_one_table() {
        use Unusable::{Gone, NotActive};
        let all = [Asks::People, Asks::Keys, Asks::Directories];
        let suspended = Err(Unusable::Suspended);
        for (status, right) in [
            (
                Status::Provisioning,
                [Err(NotActive(Status::Provisioning)), Ok(()), Err(NotActive(Status::Provisioning))],
            ),
            (Status::Active, [Ok(()); 3]),
            (Status::Suspended, [suspended; 3]),
            (Status::Deprovisioning, [Err(NotActive(Status::Deprovisioning)); 3]),
            (Status::Deleted, [Err(NotActive(Status::Deleted)), Err(Gone), Err(Gone)]),
            (Status::Failed, [Err(NotActive(Status::Failed)), Ok(()), Err(NotActive(Status::Failed))]),
        ] {
            assert_eq!(all.map(|asks| status.admits(asks)), right, "{status}");
        }
    }
}
