//! Pushes leave. A module is a queue and a lane: a run takes the tenants that it has not confirmed, several at once, and writes what came of
//! it together. One snapshot has one version and one `webhook-id` over all attempts. A module that fails whatever it gets is left alone for
//! a while, then asked with one push whether it is back; it is told until it confirms.

use std::time::Duration;

use chrono::TimeDelta;
use delivery::{Health, Queue, QueueState, Schedule, Verdict, verdict, work_off};
use entity::flags::push;
use entity::modules::module;
use entity::modules::states::PushProfile;
use entity::tenancy::tenant;
use flags_core::Context;
use futures_util::StreamExt as _;
use platform::jobs::{Backoff, Handler, JobError};
use platform::{Ctx, DbError, PlatformTx, PlatformView, Timestamp, Work as _, crash_point};
use sea_orm::sea_query::{Expr, ExprTrait as _};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde_json::{Value, json};
use url::Url;
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::error::Error;
use crate::evaluation::{self, Own};
use crate::jobs::push_flags::PushFlags;
use crate::refresh::{content, digest, refresh};
use crate::store;

/// Tenants of one round.
const ROUND: u64 = 100;
/// Pushes to one module at once.
const AT_ONCE: usize = 8;
/// No delay between attempts is longer: a module that comes back is served within this time.
const DELAY_MAX: Duration = Duration::from_secs(600);
/// The largest version that a module may say it has of its own: one later than that is the largest integer which every reader of JSON has
/// exactly (RFC 8259, section 6).
pub(crate) const VERSION_MAX: i64 = (1 << 53) - 2;

pub(crate) fn handler(service: &PlatformService) -> Handler {
    let service = service.clone();
    Handler::new(Backoff::default(), move |job: PushFlags, _| {
        let pusher = Pusher { service: service.clone(), module: job.module };
        async move { work_off(&pusher).await }
    })
}

/// One tenant's flags for the module.
struct Due {
    row: push::Model,
    body: Value,
}

/// What is due for a module.
struct Round {
    module: module::Model,
    due: Vec<Due>,
    /// Tenants for whom something changed that was not written down: what a schedule or a hand at the store did.
    stale: Vec<tenant::Model>,
}

struct Pusher {
    service: PlatformService,
    module: Uuid,
}

impl Queue for Pusher {
    type Round = Round;

    async fn state(&self) -> Result<QueueState<Round>, JobError> {
        Ok(state(&self.service, self.module).await?)
    }

    async fn work(&self, round: Round) -> Result<(), JobError> {
        if !round.stale.is_empty() {
            let refresh_stale = async |tx: &mut PlatformTx| {
                tx.housekeeping();
                refresh(tx, std::slice::from_ref(&round.module), &round.stale).await
            };
            self.service.db.write(&Ctx::system("flags"), refresh_stale).await?;
        }
        let done = send(&self.service, &round).await?;
        if done.is_empty() { Ok(()) } else { Ok(record_results(&self.service, round.module.id, done).await?) }
    }

    async fn wake(&self, at: Option<Timestamp>) -> Result<(), JobError> {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            tx.enqueue_at(&PushFlags { module: self.module, at }, at);
            Ok::<_, DbError>(())
        };
        Ok(self.service.db.write(&Ctx::system("flags"), work).await?)
    }
}

/// What a module has not confirmed.
pub(crate) fn unconfirmed() -> Expr {
    Expr::col(push::Column::ConfirmedVersion).lt(Expr::col(push::Column::Version))
}

async fn state(service: &PlatformService, id: Uuid) -> Result<QueueState<Round>, Error> {
    use push::Column;
    let read = async |view: &PlatformView| {
        let Some(module) = modules::module(view, id).await? else { return Ok(QueueState::Nothing) };
        if let Some(until) = module.paused_until.filter(|until| *until > view.now()) {
            return Ok(QueueState::Rest(until));
        }
        let waiting = || view.across::<push::Entity>().filter(Column::ModuleId.eq(id)).filter(unconfirmed());
        let now = Column::NextAttemptAt.is_null().or(Column::NextAttemptAt.lte(view.now()));
        let limit = if Schedule::is_probing(module.failures) { 1 } else { ROUND };
        let rows = waiting().filter(now).order_by_asc(Column::Attempts).order_by_asc(Column::TenantId);
        let rows = view.all(rows.limit(limit)).await?;
        let mut round = Round { module, due: Vec::new(), stale: Vec::new() };
        fill(view, &mut round, rows).await?;
        if !round.due.is_empty() || !round.stale.is_empty() {
            return Ok(QueueState::Round(round));
        }
        let next = waiting().select_only().column(Column::NextAttemptAt);
        let next = next.filter(Column::NextAttemptAt.gt(view.now()));
        let next = next.order_by_asc(Column::NextAttemptAt).limit(1);
        let next = view.tuples::<_, Timestamp>(next).await?.into_iter().next();
        Ok::<_, Error>(next.map_or(QueueState::Nothing, QueueState::Rest))
    };
    service.db.read(read).await
}

async fn fill(view: &PlatformView, round: &mut Round, rows: Vec<push::Model>) -> Result<(), Error> {
    if rows.is_empty() {
        return Ok(());
    }
    let ids: Vec<Uuid> = rows.iter().map(|row| row.tenant_id).collect();
    let flags = evaluation::definitions(view).await?;
    let own = evaluation::own_of(view, &ids).await?;
    let tenants = tenancy::of_ids(view, &ids).await?;
    let nothing = Own::new();
    let mut rows: std::collections::HashMap<Uuid, push::Model> =
        rows.into_iter().map(|row| (row.tenant_id, row)).collect();
    for tenant in tenants {
        let Some(row) = rows.remove(&tenant.id) else { continue };
        let own = own.get(&tenant.id).unwrap_or(&nothing);
        let context = evaluation::context(&tenant, &Context::new());
        let evaluated = evaluation::evaluate(&flags, own, &context, view.now())?;
        let mut body = content(round.module.profile, &tenant, &evaluated);
        if digest(&body) != row.digest {
            round.stale.push(tenant);
            continue;
        }
        if let Value::Object(body) = &mut body {
            body.insert("version".to_owned(), row.version.into());
            if round.module.profile == PushProfile::Tenantry {
                body.insert("sentAt".to_owned(), json!(view.now()));
            }
        }
        round.due.push(Due { row, body });
    }
    Ok(())
}

/// What came of a push.
struct Pushed {
    row: push::Model,
    verdict: Verdict,
    /// The version that the module says it has, if it says one.
    applied: Option<Value>,
}

async fn send(tools: &Tools, round: &Round) -> Result<Vec<Pushed>, JobError> {
    let secret = [modules::webhook_secret(tools, &round.module)?];
    let url = Url::parse(&format!("{}/api/internal/feature-flags/apply", round.module.base_url))
        .map_err(|_| JobError::Fail("the module's URL can't be read".to_owned()))?;
    let failures = std::cell::Cell::new(round.module.failures);
    let (url, secret, failures) = (&url, &secret, &failures);
    let sent = round.due.iter().map(|due| async move {
        if failures.get() > round.module.failures && Schedule::is_probing(failures.get()) {
            return None;
        }
        let (module, tenant) = (round.module.id.simple(), due.row.tenant_id.simple());
        // One id for one snapshot: a repeat after a lost answer is known as such.
        let id = format!("flags-{module}-{tenant}-{}", due.row.version);
        crash_point!("flags.before_push");
        let body = due.body.to_string().into_bytes();
        let answer = delivery::post(tools, url, secret, &id, "application/json", body).await;
        crash_point!("flags.after_push");
        let said = answer.as_ref().ok().map(|answer| answer.beginning.as_str()).unwrap_or_default();
        let said: Value = serde_json::from_str(said).unwrap_or_default();
        let verdict = verdict(&answer);
        failures.set(if verdict == Verdict::Delivered { 0 } else { failures.get() + 1 });
        let own = said.get("version").filter(|one| one.is_i64());
        let applied = said.get("appliedVersion").filter(|one| !one.is_null()).or(own).cloned();
        Some(Pushed { row: due.row.clone(), verdict, applied })
    });
    let sent: Vec<_> = futures_util::stream::iter(sent).buffer_unordered(AT_ONCE).collect().await;
    Ok(sent.into_iter().flatten().collect())
}

async fn record_results(service: &PlatformService, module: Uuid, done: Vec<Pushed>) -> Result<(), DbError> {
    let settings = service.config.section::<delivery::Settings>();
    let schedule = Schedule::of(settings);
    let backoff = Backoff { base: Duration::from_millis(settings.retry_base_ms), max: DELAY_MAX };
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        // The module before its pushes, as whoever deletes it locks them: the other way round each would wait for the other.
        health(tx, schedule, module, &done).await?;
        for one in &done {
            record_result(tx, one, &backoff).await?;
        }
        Ok(())
    };
    service.db.write(&Ctx::system("flags"), work).await
}

async fn record_result(tx: &PlatformTx, one: &Pushed, backoff: &Backoff) -> Result<(), DbError> {
    let (row, version) = (&one.row, one.row.version);
    let why = match (&one.verdict, &one.applied) {
        (Verdict::Delivered, None) => return store::confirm_pushed(tx, row).await,
        (Verdict::Delivered, Some(said)) => match said.as_i64() {
            Some(applied) if applied == version => return store::confirm_pushed(tx, row).await,
            // It has a later one: of a store that was put back to a backup since. Ours must become the latest again.
            Some(applied) if (version..=VERSION_MAX).contains(&applied) => {
                return store::raise_above(tx, row, applied).await;
            }
            _ => {
                let said: String = said.to_string().chars().take(100).collect();
                format!("the module says that it has version {said}")
            }
        },
        (Verdict::Gone, _) => "answered 410".to_owned(),
        (Verdict::Failed { why, .. } | Verdict::Permanent(why), _) => why.clone(),
    };
    let asked = if let Verdict::Failed { after, .. } = &one.verdict { *after } else { None };
    let attempt = u32::try_from(row.attempts + 1).unwrap_or(u32::MAX);
    let asked = asked.and_then(|asked| TimeDelta::from_std(asked.min(DELAY_MAX)).ok()).unwrap_or_default();
    let at = tx.now() + backoff.delay(attempt).max(asked);
    store::record_failure(tx, row, at, why).await
}

async fn health(
    tx: &mut PlatformTx,
    schedule: Schedule,
    module: Uuid,
    done: &[Pushed],
) -> Result<(), DbError> {
    let taken = done.iter().any(|one| one.verdict == Verdict::Delivered);
    let now = tx.now();
    let next = |was: Health| match taken {
        true => Health::default(),
        false => was.after(schedule, false, done.len(), now),
    };
    modules::record_health(tx, module, next).await
}
