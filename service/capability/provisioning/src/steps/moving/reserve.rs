//! A place where the tenant goes.

use entity::provisioning::run;
use entity::tenancy::tenant;
use platform::{DbError, Target, Tx, Work};
use serde_json::Value;
use tenancy::Place;

use super::End;
use crate::deployments::{self, Own};
use crate::model::StepError;
use crate::scale_out;
use crate::steps::instance::forget_own;
use crate::steps::{Attempt, Learnt, Step, Undo, store};

/// What the run has of it being done.
const RESERVED: &str = "reserved";

pub(in crate::steps) const STEP: Step = Step {
    name: "reserve",
    does: "reserves a place on an instance, or has one created",
    waits_for: Some("capacity on an instance, or Azure"),
    away: Some(|attempt, tenant| Box::pin(find(attempt, tenant))),
    commit: |attempt, tx, learnt| Box::pin(reserve(attempt, tx, learnt)),
    undo: Undo::Both(
        |attempt, tenant| Box::pin(remove(attempt, tenant)),
        |attempt, tx| Box::pin(give_back(attempt, tx)),
    ),
};

/// Finds where the tenant goes, unless an instance was named.
async fn find(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    match attempt.places(tenant)? {
        Some((_, to)) if to.instance.is_none() => attempt.find_capacity(tenant, &to).await,
        _ => Ok(Learnt::default()),
    }
}

/// Takes a place where the tenant goes, and says in the run where that is.
async fn reserve(attempt: &Attempt<'_>, tx: &mut Tx, learnt: &Learnt) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    let Some((_, place)) = attempt.places(&tenant)? else { return Ok(()) };
    let Some(mut run) = marked(attempt, tx, RESERVED, Mark::Set).await? else { return Ok(()) };
    let named = place.instance.or(learnt.instance);
    let taken = match named {
        Some(id) => tenancy::take_place(tx, id).await?.then_some(id),
        None => tenancy::take_capacity(tx, &place, tenant.instance_id).await?,
    };
    let id = match (taken, named) {
        (Some(id), _) => id,
        (None, Some(_)) => {
            return Err(StepError::Permanent {
                why: "the instance has no capacity left or isn't active".to_owned(),
            });
        }
        // Somebody else took the last place meanwhile.
        (None, None) => return Err(attempt.no_capacity(&place)),
    };
    let place = Place { instance: Some(id), ..place };
    store(&mut run, End::To.place(), &place);
    tx.update(run).await?;
    tx.record("tenant.reserve_place", Target::new("instance", id));
    Ok(scale_out::ahead(tx, attempt.service, id).await?)
}

/// Takes back what was made for the tenant to move to.
async fn remove(attempt: &Attempt<'_>, tenant: &tenant::Model) -> Result<Learnt, StepError> {
    if let Some((_, place)) = attempt.places(tenant)?.filter(|(_, place)| place.is_own()) {
        let own = Own { tenant: tenant.id, moves: attempt.moves(), place: &place };
        deployments::remove_own(attempt.service, &attempt.outside, &own).await?;
    }
    Ok(Learnt::default())
}

async fn give_back(attempt: &Attempt<'_>, tx: &mut Tx) -> Result<(), StepError> {
    let tenant = tenancy::get(tx).await?;
    if let Some((_, to)) = attempt.places(&tenant)?
        && let Some(run) = marked(attempt, tx, RESERVED, Mark::Cleared).await?
        && let Some(id) = to.instance
    {
        tx.update(run).await?;
        tenancy::give_place(tx, id).await?;
    }
    let own = format!("{}:{}", azure::tenant_purpose(tenant.id), attempt.run.id);
    forget_own(tx, own).await
}

/// A mark in the run of what must happen once only, however often its step is done.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Mark {
    Set,
    Cleared,
}

/// The run, locked, with the mark; `None`: it was so before.
pub(super) async fn marked(
    attempt: &Attempt<'_>,
    tx: &Tx,
    name: &str,
    mark: Mark,
) -> Result<Option<run::Model>, DbError> {
    let Some(mut row) = attempt.locked_run(tx).await? else { return Ok(None) };
    let is_set = row.parameters.get(name) == Some(&Value::Bool(true));
    store(&mut row, name, &(mark == Mark::Set));
    Ok((is_set != (mark == Mark::Set)).then_some(row))
}
