//! What a run is for, where it and its steps stand, and where a deployment stands.

use crate::closed::closed;

closed! {
    /// What a run does.
    pub enum RunKind {
        /// Makes a tenant.
        Provision = "provision",
        /// Unmakes it.
        Deprovision = "deprovision",
        /// Takes it to another instance.
        Move = "move",
        /// Makes what drifted as it should be.
        Repair = "repair",
    }
}

closed! {
    /// Where a run stands.
    pub enum RunStatus {
        /// Its steps are being done.
        Running = "running",
        /// It was given up, and what was done is being undone.
        Compensating = "compensating",
        /// All steps are done.
        Done = "done",
        /// Everything is undone.
        Failed = "failed",
        /// It was ended before it was through, and nothing is undone.
        Cancelled = "cancelled",
    }
}

closed! {
    /// Where a step stands.
    pub enum StepStatus {
        /// It was never begun.
        Pending = "pending",
        /// It was begun, and may have had an effect.
        Running = "running",
        /// It is through.
        Done = "done",
        /// An attempt failed.
        Failed = "failed",
        /// It is undone.
        Compensated = "compensated",
    }
}

closed! {
    /// Where a deployment stands.
    pub enum DeploymentStatus {
        /// Its group, validation or forecast is under way.
        Pending = "pending",
        /// It is being made.
        Deploying = "deploying",
        /// It is made, and its health is being asked.
        Checking = "checking",
        /// It is an instance.
        Succeeded = "succeeded",
        /// It can't be: everything is to be removed.
        Failed = "failed",
        /// It is being removed.
        Deleting = "deleting",
        /// Nothing of it is there.
        Deleted = "deleted",
    }
}
