//! What a run is for, where it and its steps stand, and where a deployment stands.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// What a run does.
    pub enum RunKind {
        /// Makes a tenant.
        Provision = "provision",
        /// Deprovisions it.
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
        /// All completed steps were undone.
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
        /// Nothing of it is left at Azure.
        Deleted = "deleted",
    }
}

lifecycle! {
    "run",
    /// What can happen to a run.
    pub enum RunVerb of RunStatus {
        /// Its last step is complete.
        Finish = "finish" { Running => Done }
        /// A step failed too often, or somebody aborted the run: its completed steps are now undone.
        GiveUp = "give up" { Running => Compensating, Compensating => Compensating }
        /// All completed steps were undone.
        RollBack = "roll back" { Compensating => Failed }
        /// It is no longer needed: a deletion was cancelled, or what it was repairing is deleted.
        Cancel = "cancel" { Running => Cancelled }
    }
}

lifecycle! {
    "deployment",
    /// What can happen to a deployment at Azure.
    pub enum DeploymentVerb of DeploymentStatus {
        /// Azure has started to create it.
        Deploy = "deploy" { Pending => Deploying, Deploying => Deploying }
        /// Azure has created it; its health is checked now.
        Check = "check" { Deploying => Checking, Checking => Checking }
        /// It is healthy and becomes an instance.
        Succeed = "succeed" { Checking => Succeeded, Succeeded => Succeeded }
        /// It can't be created, or takes too long.
        Fail = "fail" { Pending => Failed, Deploying => Failed, Checking => Failed, Failed => Failed }
        /// It is being removed.
        Remove = "remove" {
            Pending => Deleting, Deploying => Deleting, Checking => Deleting, Succeeded => Deleting,
            Failed => Deleting, Deleting => Deleting,
        }
        /// Nothing of it is left at Azure.
        Vanish = "be gone" {
            Pending => Deleted, Deploying => Deleted, Checking => Deleted, Succeeded => Deleted, Failed => Deleted,
            Deleting => Deleted, Deleted => Deleted,
        }
    }
}
