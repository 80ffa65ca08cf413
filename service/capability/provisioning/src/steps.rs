//! The steps of runs. Each is a row of its kind's table and has a file of its own, with what it does beside what undoes it; both are
//! idempotent. What goes outside comes first; what is stored comes last, in one transaction with the record that the step is done.

mod activate;
mod directory;
mod finish;
mod flags;
mod identity;
mod instance;
mod invitations;
mod moving;
mod organization;
mod owner;
mod quotas;
mod recycle;
mod slug;
mod suspend_access;

use std::time::Duration;

use entity::provisioning::{run, step};
use entity::tenancy::tenant;
use futures_util::future::LocalBoxFuture;
use platform::http::Outside;
use platform::{DbError, Tx};
use sea_orm::{ColumnTrait as _, QueryFilter as _};
use serde::Serialize;
use serde_json::json;
use uuid::Uuid;
use web::Service;

use crate::error::Error;
use crate::model::{Kind, StepError};
use crate::settings::Settings;

pub(crate) use identity::forget as forget_issuer;
pub(crate) use instance::PLACED;
pub(crate) use moving::{End, Realm};

/// What a step does outside the tenant's transaction, or what undoes that there.
pub(crate) type Away =
    for<'a> fn(&'a Attempt<'a>, &'a tenant::Model) -> LocalBoxFuture<'a, Result<Learnt, StepError>>;
/// What a step does in the transaction that records it as done.
pub(crate) type Commit =
    for<'a> fn(&'a Attempt<'a>, &'a mut Tx, &'a Learnt) -> LocalBoxFuture<'a, Result<(), StepError>>;
/// What undoes a step in the transaction that records it as compensated.
pub(crate) type Back = for<'a> fn(&'a Attempt<'a>, &'a mut Tx) -> LocalBoxFuture<'a, Result<(), StepError>>;
/// What is recorded of a run that failed, with its end.
pub(crate) type Failed = for<'a> fn(&'a mut Tx) -> LocalBoxFuture<'a, Result<(), Error>>;

/// A step: one row of a run's table. A part that is forgotten doesn't compile.
#[derive(Clone, Copy, Debug)]
pub struct Step {
    /// Once released, it stays: runs in the store refer to it.
    pub name: &'static str,
    /// What it does, for the documentation.
    pub does: &'static str,
    /// What it may have to wait for, for the documentation.
    pub waits_for: Option<&'static str>,
    /// What goes outside. `None`: what the step does commits with its record, or had no effect.
    pub(crate) away: Option<Away>,
    pub(crate) commit: Commit,
    pub(crate) undo: Undo,
}

/// How a step is undone.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Undo {
    /// It isn't, because of this.
    Nothing(&'static str),
    /// In the tenant's transaction only.
    Here(Back),
    /// Outside only.
    Away(Away),
    /// Outside first.
    Both(Away, Back),
}

/// What becomes of a run whose step fails too often.
#[derive(Clone, Copy, Debug)]
pub(crate) enum OnFailure {
    /// It is tried until it succeeds.
    Persist,
    /// What was begun is undone in reverse, and then this is recorded.
    Compensate(Failed),
}

/// What runs of a kind do.
#[derive(Clone, Copy, Debug)]
pub struct Table {
    /// In order.
    pub steps: &'static [Step],
    /// What becomes of a run whose step fails too often, for the documentation.
    pub when_it_fails: &'static str,
    pub(crate) on_failure: OnFailure,
}

const PROVISION: Table = Table {
    steps: &[
        slug::RESERVE,
        identity::MAKE,
        organization::MAKE,
        quotas::SET,
        instance::PLACE,
        flags::PUSH,
        owner::INVITE,
        activate::STEP,
    ],
    when_it_fails: "tried `jobs.provisioning_attempts_max` times, then undone in reverse: the tenant is `failed`",
    on_failure: OnFailure::Compensate(|tx| Box::pin(activate::failed(tx))),
};

const DEPROVISION: Table = Table {
    steps: &[
        suspend_access::STEP,
        recycle::WAIT,
        invitations::REVOKE,
        directory::REMOVE,
        instance::REMOVE,
        quotas::REMOVE,
        identity::REMOVE,
        finish::PROVE,
    ],
    when_it_fails: "tried until it succeeds",
    on_failure: OnFailure::Persist,
};

// Health before the switch: nobody is sent to an instance that isn't healthy.
const MOVE: Table = Table {
    steps: &[
        moving::reserve::STEP,
        moving::realm::STEP,
        moving::drain::STEP,
        moving::copy::STEP,
        moving::verify::STEP,
        moving::switch::STEP,
        moving::release::STEP,
    ],
    when_it_fails: "undone in reverse: the tenant stays where it was",
    on_failure: OnFailure::Compensate(|tx| Box::pin(moving::failed(tx))),
};

const REPAIR: Table = Table {
    steps: &[identity::REPAIR, quotas::REPAIR, flags::REPAIR],
    when_it_fails: "recorded; what was repaired is retained",
    on_failure: OnFailure::Compensate(|_| Box::pin(async { Ok(()) })),
};

/// What runs of a kind do, as it is stored.
pub trait Steps {
    /// Its table.
    fn table(self) -> &'static Table;

    /// Its steps, in order.
    fn steps(self) -> &'static [Step]
    where
        Self: Sized,
    {
        self.table().steps
    }
}

impl Steps for Kind {
    fn table(self) -> &'static Table {
        match self {
            Kind::Provision => &PROVISION,
            Kind::Deprovision => &DEPROVISION,
            Kind::Move => &MOVE,
            Kind::Repair => &REPAIR,
        }
    }
}

/// Whether a run of this kind is given up when a step fails too often, or when somebody asks for it.
pub(crate) fn gives_up(kind: Kind) -> bool {
    match kind.table().on_failure {
        OnFailure::Persist => false,
        OnFailure::Compensate(_) => true,
    }
}

/// The name of the step that waits until a deletion can't be taken back any more.
pub const RECYCLE: &str = recycle::WAIT.name;

/// Whether a deletion whose next step this is can still be taken back.
pub(crate) fn can_be_taken_back(next: &str) -> bool {
    [suspend_access::STEP.name, RECYCLE].contains(&next)
}

/// What a step works on.
pub(crate) struct Attempt<'a> {
    pub(crate) service: &'a Service,
    pub(crate) run: &'a run::Model,
    pub(crate) row: &'a step::Model,
    pub(crate) outside: Outside,
}

/// What a step found out outside, for its transaction.
#[derive(Clone, Debug, Default)]
pub(crate) struct Learnt {
    pub(crate) identity: Option<backends::Made>,
    pub(crate) instance: Option<Uuid>,
}

impl Attempt<'_> {
    /// How long to wait before looking again.
    fn pause(&self) -> Duration {
        self.service.config.section::<Settings>().wait
    }

    async fn locked_run(&self, tx: &Tx) -> Result<Option<run::Model>, DbError> {
        let select = tx.select::<run::Entity>().filter(run::Column::Id.eq(self.run.id));
        tx.lock(select).await
    }
}

/// The part of a step that has nothing to do.
const NOTHING: Commit = |_, _, _| Box::pin(async { Ok(()) });

/// How the steps of a deletion are undone.
const NEVER_GIVEN_UP: Undo = Undo::Nothing("a deletion is retried until it succeeds");

/// Stores something in the run's parameters.
fn store(run: &mut run::Model, name: &str, value: &impl Serialize) {
    if let Some(parameters) = run.parameters.as_object_mut() {
        parameters.insert(name.to_owned(), json!(value));
    }
}

impl Step {
    /// Why nothing undoes it; `None`: something does. For the documentation.
    pub fn stays_because(&self) -> Option<&'static str> {
        match self.undo {
            Undo::Nothing(why) => Some(why),
            Undo::Here(_) | Undo::Away(_) | Undo::Both(..) => None,
        }
    }

    /// What the step does outside the tenant's transaction.
    pub(crate) async fn go_outside(
        &self,
        attempt: &Attempt<'_>,
        tenant: &tenant::Model,
    ) -> Result<Learnt, StepError> {
        match self.away {
            Some(away) => away(attempt, tenant).await,
            None => Ok(Learnt::default()),
        }
    }

    /// What undoes the step outside the tenant's transaction.
    pub(crate) async fn undo_outside(
        &self,
        attempt: &Attempt<'_>,
        tenant: &tenant::Model,
    ) -> Result<(), StepError> {
        match self.undo {
            Undo::Away(away) | Undo::Both(away, _) => away(attempt, tenant).await.map(drop),
            Undo::Nothing(_) | Undo::Here(_) => Ok(()),
        }
    }

    /// What undoes the step in the transaction that records it as compensated.
    pub(crate) async fn undo_here(&self, attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
        match self.undo {
            Undo::Here(back) | Undo::Both(_, back) => back(attempt, tx).await,
            Undo::Nothing(_) | Undo::Away(_) => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn a_name_is_one_steps_of_its_table() {
        for kind in Kind::ALL.iter().copied() {
            let names: BTreeSet<&str> = kind.steps().iter().map(|step| step.name).collect();
            assert_eq!(names.len(), kind.steps().len(), "{kind:?}");
        }
    }

    #[test]
    fn what_goes_outside_is_undone_where_a_run_is_given_up() {
        for kind in Kind::ALL.iter().copied().filter(|kind| gives_up(*kind)) {
            for step in kind.steps() {
                let comes_back = matches!(step.undo, Undo::Away(_) | Undo::Both(..));
                let says_why = matches!(step.undo, Undo::Nothing(why) if !why.is_empty());
                assert!(step.away.is_none() || comes_back || says_why, "{kind:?}: {}", step.name);
            }
        }
    }
}
