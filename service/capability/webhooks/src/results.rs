//! What a round of deliveries came to is written: rows, the log of attempts, how the receiver is.

use ::delivery::{Health, Schedule, Verdict};
use entity::webhooks::states::DeliveryStatus;
use entity::webhooks::{attempt, delivery, endpoint};
use platform::{Ctx, DbError, PlatformTx, Target, Timestamp, Work as _, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use uuid::Uuid;
use web::PlatformService;

use crate::store::{self, FailedAttempt};

/// How one attempt went.
pub(crate) struct Attempted {
    pub(crate) row: delivery::Model,
    pub(crate) at: Timestamp,
    pub(crate) milliseconds: i64,
    pub(crate) status: Option<u16>,
    pub(crate) said: Option<String>,
    pub(crate) outcome: Outcome,
}

/// What an attempt came to.
pub(crate) enum Outcome {
    /// There was nothing to be said.
    Nothing,
    /// Nothing was sent: the event waits for a replica whose version can read it.
    Unreadable,
    /// The receiver was asked.
    Asked(Verdict),
}

/// Why a delivery waits whose event only a newer version can read.
const UNREADABLE: &str =
    "a newer version of the service wrote the event; it waits for a replica that can read it";

impl Attempted {
    /// What the receiver made of it, if it was asked.
    pub(crate) fn verdict(&self) -> Option<&Verdict> {
        match &self.outcome {
            Outcome::Asked(verdict) => Some(verdict),
            Outcome::Nothing | Outcome::Unreadable => None,
        }
    }

    /// Whether a failure says something about the receiver: the same delivery failing again does not, unless it is the probe. One that waited
    /// for a newer version was not sent before.
    pub(crate) fn counts(&self, failures: i64) -> bool {
        self.row.attempts == 0 || self.row.unreadable || Schedule::is_probing(failures)
    }
}

platform::events! {
    /// The service disabled a webhook endpoint: it failed for five days, or answered 410 (Gone).
    pub(crate) struct EndpointDisabled = "webhook_endpoint.disabled" {
        endpoint_id: Uuid,
        url: String,
        reason: String,
    }
}

pub(crate) async fn record_results(
    service: &PlatformService,
    endpoint: Uuid,
    done: Vec<Attempted>,
) -> Result<(), DbError> {
    let schedule = Schedule::of(service.config.section::<::delivery::Settings>());
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        // The endpoint before its deliveries, as whoever deletes it locks them: the other way round each would wait for the other.
        health(tx, schedule, endpoint, &done).await?;
        delivered(tx, &done).await?;
        for one in &done {
            undelivered(tx, schedule, one).await?;
        }
        tx.insert_all(done.iter().filter_map(logged).collect()).await
    };
    service.db.write(&Ctx::system("webhooks"), work).await
}

fn logged(one: &Attempted) -> Option<attempt::Model> {
    let error = match &one.outcome {
        Outcome::Nothing => return None,
        Outcome::Unreadable => Some(UNREADABLE.to_owned()),
        Outcome::Asked(Verdict::Delivered) => None,
        Outcome::Asked(Verdict::Gone) => Some("answered 410 (Gone)".to_owned()),
        Outcome::Asked(Verdict::Failed { why, .. } | Verdict::Permanent(why)) => Some(why.clone()),
    };
    Some(attempt::Model {
        delivery_id: one.row.id,
        id: ids::new(),
        at: one.at,
        milliseconds: one.milliseconds,
        response_status: one.status.map(i64::from),
        // Postgres' text takes no NUL.
        response_body: one.said.as_ref().map(|said| said.replace('\0', "\u{fffd}")),
        error,
    })
}

/// All that were taken, a statement for each status.
async fn delivered(tx: &PlatformTx, done: &[Attempted]) -> Result<(), DbError> {
    let taken = || done.iter().filter(|one| one.verdict() == Some(&Verdict::Delivered));
    let statuses: std::collections::BTreeSet<u16> = taken().filter_map(|one| one.status).collect();
    for status in statuses {
        let ids: Vec<Uuid> = taken().filter(|one| one.status == Some(status)).map(|one| one.row.id).collect();
        store::record_delivered(tx, status, &ids).await?;
    }
    Ok(())
}

async fn undelivered(tx: &PlatformTx, schedule: Schedule, one: &Attempted) -> Result<(), DbError> {
    let attempts = u32::try_from(one.row.attempts + 1).unwrap_or(u32::MAX);
    let (next, why) = match &one.outcome {
        Outcome::Asked(Verdict::Delivered) => return Ok(()),
        Outcome::Nothing => return tx.delete(one.row.clone()).await,
        Outcome::Unreadable => (schedule.delay(attempts, None), UNREADABLE),
        Outcome::Asked(Verdict::Failed { why, after }) => (schedule.delay(attempts, *after), why.as_str()),
        // It stays, for the case that the endpoint is enabled again.
        Outcome::Asked(Verdict::Gone) => (Some(chrono::TimeDelta::zero()), "answered 410 (Gone)"),
        Outcome::Asked(Verdict::Permanent(why)) => (None, why.as_str()),
    };
    let status = if next.is_some() { DeliveryStatus::Pending } else { DeliveryStatus::Dead };
    let attempt = FailedAttempt {
        delivery: one.row.id,
        status,
        next_attempt_at: one.at.max(tx.now()) + next.unwrap_or_default(),
        response_status: one.status,
        why,
        unreadable: matches!(one.outcome, Outcome::Unreadable),
    };
    store::record_failed(tx, attempt).await?;
    if status == DeliveryStatus::Dead {
        metrics::counter!("tenantry_webhook_dead_total").increment(1);
    }
    Ok(())
}

/// Whether the receiver takes anything at all: five failures in a row and it is left alone, days of them and it is given up.
async fn health(
    tx: &mut PlatformTx,
    schedule: Schedule,
    endpoint: Uuid,
    done: &[Attempted],
) -> Result<(), DbError> {
    let verdicts = || done.iter().filter_map(Attempted::verdict);
    let Some(latest) = done.iter().filter(|one| one.verdict().is_some()).map(|one| one.at).max() else {
        return Ok(());
    };
    let found = tx.platform::<endpoint::Entity>().filter(endpoint::Column::Id.eq(endpoint));
    let Some(before) = tx.lock(found).await? else { return Ok(()) };
    let succeeded = verdicts().any(|verdict| *verdict == Verdict::Delivered);
    let at_the_end = done.iter().rev().filter(|one| one.verdict().is_some());
    let at_the_end = at_the_end.take_while(|one| one.verdict() != Some(&Verdict::Delivered));
    let failed: Vec<&Attempted> = at_the_end.collect();
    let was = Health {
        failures: before.failures,
        failing_since: before.failing_since,
        paused_until: before.paused_until,
    };
    let so_far = if succeeded { 0 } else { was.failures };
    let counted = failed.iter().filter(|one| one.counts(so_far)).count();
    let is =
        if failed.is_empty() { Health::default() } else { was.after(schedule, succeeded, counted, latest) };
    let Health { failures, failing_since, paused_until } = is;
    let row = endpoint::Model { failures, failing_since, paused_until, ..before };
    let gone = verdicts().any(|verdict| *verdict == Verdict::Gone);
    let too_long = row.failing_since.is_some_and(|since| tx.now() - since > schedule.given_up());
    let reason = match (gone, too_long) {
        (true, _) => Some("it answered 410 (Gone)"),
        (_, true) => Some("it has failed for five days"),
        _ => None,
    };
    match reason {
        Some(reason) => disable(tx, row, reason, tx.now()).await,
        None if is == was => Ok(()),
        None => tx.update(row).await,
    }
}

/// Given up, with a notice: the trail, an event for the other endpoints, the endpoint itself says why.
async fn disable(
    tx: &mut PlatformTx,
    row: endpoint::Model,
    reason: &str,
    now: Timestamp,
) -> Result<(), DbError> {
    tracing::warn!(endpoint = %row.id, reason, "a webhook endpoint is disabled");
    tx.record(
        "webhook_endpoint.disable",
        Target::new("webhook_endpoint", row.id).with(json!({"reason": reason})),
    );
    tx.emit(&EndpointDisabled { endpoint_id: row.id, url: row.url.clone(), reason: reason.to_owned() });
    let row = endpoint::Model {
        disabled_at: Some(now),
        disabled_reason: Some(reason.to_owned()),
        version: row.version + 1,
        updated_at: now,
        ..row
    };
    tx.update(row).await
}
