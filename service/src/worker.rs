//! What runs beside the requests: the job worker, the outbox, and housekeeping by the clock.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use platform::jobs::{Handler, Worker, sweep};
use platform::outbox::{Dispatcher, Subscriber};
use platform::{Ctx, PlatformTx, Work as _, chain};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use web::{Limits, Problem, Service};

use crate::security_events::SignedEvents;

/// How often what is over is removed, and keys are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// Sweeps of one housekeeping.
const SWEEPS_MAX: usize = 200;
/// How often what modules should have is compared with what they have; once at the start.
const FLAGS: Duration = Duration::from_secs(900);
/// How often rate limits forget, and gauges are set.
const MINUTE: Duration = Duration::from_secs(60);

/// The handlers of all jobs.
pub(crate) fn handlers(service: &Service, transport: mail::Transport) -> Vec<Handler> {
    let mut all = flags::handlers(service);
    all.push(mail::handler(service, transport));
    all.extend(provisioning::handlers(service));
    all.extend(webhooks::handlers(service, Rc::new(SignedEvents::default())));
    all.extend(inbox::handlers(service));
    all.extend(invitations::handlers(service));
    all.extend(scim::handlers(service));
    all.extend(sso::handlers(service));
    all
}

/// Who hears events.
pub(crate) fn subscribers(service: &Service) -> Vec<Box<dyn Subscriber>> {
    vec![
        Box::new(webhooks::SinkHears::new(service)),
        Box::new(flags::FlagsChanged),
        Box::new(invitations::Arrivals),
        Box::new(webhooks::Fanout),
        Box::new(sso::SessionsEnded),
        Box::new(provisioning::RoomCame),
        Box::new(provisioning::BackendFollows),
    ]
}

/// Resolves once the process is asked to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// Runs everything until `stop` says so, then waits for running jobs.
pub(crate) async fn run(
    service: Service,
    transport: mail::Transport,
    limits: Arc<Limits>,
    log: scim::Writer,
    stop: watch::Receiver<bool>,
) {
    let config = service.config.jobs.clone();
    let worker = Worker::new(service.db.clone(), config.clone(), handlers(&service, transport));
    let dispatcher = Dispatcher::new(service.db.clone(), config.poll, subscribers(&service));
    tokio::join!(
        worker.run(stopped(stop.clone())),
        dispatcher.run(stopped(stop.clone())),
        log.run(stopped(stop.clone())),
        by_the_clock(service, limits, stop),
    );
}

/// Runs jobs and tells events until `stop` says so: what a command needs whose server isn't there.
pub(crate) fn jobs_only(
    service: Service,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<impl Future<Output = ()>> {
    let transport = mail::Transport::new(&service.config.smtp).map_err(|problem| anyhow::anyhow!(problem))?;
    Ok(async move {
        let config = service.config.jobs.clone();
        let worker = Worker::new(service.db.clone(), config.clone(), handlers(&service, transport));
        let dispatcher = Dispatcher::new(service.db.clone(), config.poll, subscribers(&service));
        tokio::join!(worker.run(stopped(stop.clone())), dispatcher.run(stopped(stop)));
    })
}

async fn by_the_clock(service: Service, limits: Arc<Limits>, stop: watch::Receiver<bool>) {
    let every = |period: Duration| {
        let mut ticks = interval(period.max(Duration::from_secs(1)));
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        ticks
    };
    let (mut long, mut short) = (every(HOUSEKEEPING), every(MINUTE));
    let mut health = every(service.config.instances.health_check);
    let mut flags = every(FLAGS);
    let mut drift = every(service.config.provisioning.drift_check);
    let mut zitadel = every(service.config.identity.zitadel.reconcile);
    // The first comes at once; backends need not be compared whenever a process starts.
    drift.tick().await;
    zitadel.tick().await;
    let end = stopped(stop);
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = long.tick() => {
                log("housekeeping", housekeeping(&service).await);
            }
            _ = short.tick() => {
                limits.tidy();
                gauges(&service).await;
                log("reservations", minutely(&service).await);
            }
            _ = health.tick() => log("health checks", provisioning::check_instances(&service).await),
            _ = zitadel.tick() => log("Zitadel's comparison", inbox::reconcile(&service).await),
            _ = flags.tick() => log("the flags' reconciliation", flags::reconcile(&service).await),
            _ = drift.tick() => log("drift checks", provisioning::check_drift(&service).await),
        }
    }
}

fn log(what: &str, result: Result<(), Problem>) {
    if let Err(problem) = result {
        tracing::warn!(%problem, cause = problem.cause, "{what} failed");
    }
}

async fn minutely(service: &Service) -> Result<(), Problem> {
    let work = async |tx: &mut PlatformTx| quota::sweep(tx).await;
    service.db.write_platform(&Ctx::system("quota"), work).await?;
    Ok(())
}

/// Removes what is over, a bounded number of rows of each kind.
async fn swept(tx: &mut PlatformTx, service: &Service) -> Result<u64, Problem> {
    tx.housekeeping();
    let mut removed = sweep(tx).await? + webhooks::sweep(tx).await?;
    removed += scim::sweep(tx).await? + operators::sweep(tx).await?;
    inbox::sweep(tx).await?;
    Ok(removed + sso::sweep(tx, service).await? + sessions::sweep(tx).await?)
}

async fn housekeeping(service: &Service) -> Result<(), Problem> {
    let ctx = Ctx::system("housekeeping");
    let mut removed = 0;
    // As often as there is that much: the tables stay bounded however much comes in.
    for _ in 0..SWEEPS_MAX {
        let swept =
            service.db.write_platform(&ctx, async |tx: &mut PlatformTx| swept(tx, service).await).await?;
        removed += swept;
        if swept < platform::jobs::SWEPT_AT_ONCE {
            break;
        }
    }
    let sample = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        quota::sample(tx, service).await
    };
    service.db.write_platform(&ctx, sample).await?;
    invitations::sweep(service).await?;
    scim::warn(service).await?;
    sso::warn(service).await?;
    sso::recheck_domains(service).await?;
    let age = service.config.tokens.key_rotation;
    let work = async |tx: &mut PlatformTx| sessions::rotate(tx, &service.envelope, age).await;
    let made = service.db.write_platform(&ctx, work).await?;
    tracing::debug!(removed, keys_made = made, "housekeeping done");
    Ok(())
}

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
async fn gauges(service: &Service) {
    match service.db.read_platform(async |view| platform::jobs::counts(view).await).await {
        Ok(counts) => {
            metrics::gauge!("tenantry_jobs", "status" => "pending").set(counts.pending as f64);
            metrics::gauge!("tenantry_jobs", "status" => "running").set(counts.running as f64);
            metrics::gauge!("tenantry_jobs", "status" => "dead").set(counts.dead as f64);
            let late =
                counts.oldest_due.map_or(0, |due| (service.db.clock().now() - due).num_seconds().max(0));
            metrics::gauge!("tenantry_jobs_oldest_due_seconds").set(late as f64);
        }
        Err(error) => tracing::warn!(error = %chain(&error), "jobs could not be counted"),
    }
}
