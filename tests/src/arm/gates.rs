//! Where things rest at the double until a test lets them go on.

use std::collections::BTreeSet;

use super::{Arm, World};

/// What doesn't go on while it is shut.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Gate {
    /// Validation and forecast are under way.
    Validation,
    /// Deployments run.
    Deployment,
    /// Apps answer 503.
    Health,
    /// Whoever asks for the group is told to come again.
    Group,
    /// The group is being removed.
    Removal,
}

impl Arm {
    /// In groups that are made from now on these are shut.
    pub fn shut_ahead(&self, gates: &[Gate]) {
        self.world().shut_ahead = gates.iter().copied().collect();
    }

    pub fn shut(&self, group: &str, gate: Gate) {
        let mut world = self.world();
        let ahead = world.shut_ahead.clone();
        world.shut.entry(group.to_owned()).or_insert(ahead).insert(gate);
    }

    pub fn open(&self, group: &str, gate: Gate) {
        let mut world = self.world();
        let ahead = world.shut_ahead.clone();
        world.shut.entry(group.to_owned()).or_insert(ahead).remove(&gate);
    }

    /// Nothing is shut any more.
    pub fn open_all(&self) {
        let mut world = self.world();
        world.shut_ahead.clear();
        world.shut.clear();
    }

    /// What is to be deployed into this group is refused by its validation.
    pub fn refuse(&self, group: &str) {
        self.world().refused.insert(group.to_owned());
    }

    /// Somebody removed the group, and all that was in it.
    pub fn remove(&self, group: &str) {
        self.world().groups.remove(group);
    }
}

impl World {
    pub(super) fn is_shut(&self, group: &str, gate: Gate) -> bool {
        let shut: &BTreeSet<Gate> = self.shut.get(group).unwrap_or(&self.shut_ahead);
        shut.contains(&gate)
    }
}
