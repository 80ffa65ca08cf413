//! Where jobs and repeated requests stand, and how what was done ended.

use crate::closed::closed;

closed! {
    /// Where a job stands.
    pub enum JobStatus {
        /// It is to run, for the first time or again.
        Pending = "pending",
        /// A worker has it.
        Running = "running",
        /// It needn't run any more.
        Done = "done",
        /// It failed for good; an operator may have it run again.
        Dead = "dead",
    }
}

closed! {
    /// How what the trail tells of ended.
    pub enum Outcome {
        /// It was done.
        Success = "success",
        /// Whoever wanted it may not.
        Denied = "denied",
        /// It was allowed and not done. Nothing writes this so far; the trail's filter and its column know it.
        Failure = "failure",
    }
}

closed! {
    /// How far a request that may be repeated has come.
    pub enum IdempotencyState {
        /// It is being answered, or its process died before it did anything.
        Started = "started",
        /// What it does was committed.
        Applied = "applied",
        /// Its reply is kept, for a repeat.
        Answered = "answered",
    }
}
