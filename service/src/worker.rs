//! What runs beside the requests: the job worker, the outbox, and housekeeping by the clock.

use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use platform::jobs::{self, Handler, SWEPT_AT_ONCE, Worker};
use platform::outbox::{Dispatcher, Subscriber};
use platform::{Ctx, DbError, PlatformTx, Work as _, chain};
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use web::{Limits, Problem, Service};

use crate::security_events::SignedEvents;

/// How often what is over is removed, and keys are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// Sweeps of one kind in one housekeeping.
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
        Box::new(webhooks::Fanout),
        Box::new(sso::SessionsEnded),
        Box::new(provisioning::CapacityAvailable),
        Box::new(provisioning::BackendFollows),
    ]
}

/// Resolves once the process is asked to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What runs jobs, and what leaves them behind for events.
fn machines(service: &Service, transport: mail::Transport) -> (Worker, Dispatcher) {
    let config = service.config.jobs.clone();
    let dispatcher = Dispatcher::new(service.db.clone(), config.poll, subscribers(service));
    let mut handlers = handlers(service, transport);
    handlers.push(dispatcher.handler());
    (Worker::new(service.db.clone(), config, handlers), dispatcher)
}

/// Runs everything until `stop` says so, then waits for running jobs.
pub(crate) async fn run(
    service: Service,
    transport: mail::Transport,
    limits: Arc<Limits>,
    log: scim::Writer,
    stop: watch::Receiver<bool>,
) {
    let (worker, dispatcher) = machines(&service, transport);
    tokio::join!(
        worker.run(stopped(stop.clone())),
        dispatcher.run(stopped(stop.clone())),
        log.run(stopped(stop.clone())),
        check_pages(service.db.clone(), stopped(stop.clone())),
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
        let (worker, dispatcher) = machines(&service, transport);
        tokio::join!(worker.run(stopped(stop.clone())), dispatcher.run(stopped(stop)));
    })
}

/// Looks for damaged pages, a table a minute; beside the clock, for a large table takes its time.
async fn check_pages(db: platform::db::Db, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(MINUTE) => log("the check of a table", db.check_slice().await.map_err(Problem::from)),
        }
    }
}

/// What is done now and then. Each has a clock of its own: one that takes long, or waits for somebody outside, delays no other.
async fn by_the_clock(service: Service, limits: Arc<Limits>, stop: watch::Receiver<bool>) {
    use First::{AfterAPeriod, AtOnce};
    let (config, service, limits) = (service.config.clone(), &service, &limits);
    tokio::join!(
        every(HOUSEKEEPING, AtOnce, &stop, async || housekeeping(service).await),
        every(MINUTE, AtOnce, &stop, async || {
            limits.tidy();
            gauges(service).await;
            log("reservations", minutely(service).await);
        }),
        // A store that takes no writes is logged by the watch, once.
        every(platform::store::health::IDLE_PROBE, AtOnce, &stop, async || {
            let _ = service.db.probe_if_due().await;
        }),
        every(config.instances.health_check, AtOnce, &stop, async || {
            log("health checks", provisioning::check_instances(service).await);
        }),
        every(FLAGS, AtOnce, &stop, async || {
            log("the flags' reconciliation", flags::reconcile(service).await);
        }),
        // Backends need not be compared whenever a process starts.
        every(config.identity.zitadel.reconcile, AfterAPeriod, &stop, async || {
            log("Zitadel's comparison", inbox::reconcile(service).await);
        }),
        every(config.provisioning.drift_check, AfterAPeriod, &stop, async || {
            log("drift checks", provisioning::check_drift(service).await);
        }),
    );
}

/// When something is done for the first time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum First {
    AtOnce,
    AfterAPeriod,
}

async fn every(period: Duration, first: First, stop: &watch::Receiver<bool>, work: impl AsyncFn()) {
    let mut ticks = interval(period.max(Duration::from_secs(1)));
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    if first == First::AfterAPeriod {
        ticks.tick().await;
    }
    let end = stopped(stop.clone());
    tokio::pin!(end);
    loop {
        tokio::select! {
            () = &mut end => return,
            _ = ticks.tick() => work().await,
        }
    }
}

fn log<T>(what: &str, result: Result<T, impl Into<Problem>>) {
    if let Err(error) = result {
        let problem: Problem = error.into();
        tracing::warn!(%problem, cause = problem.cause, "{what} failed");
    }
}

async fn minutely(service: &Service) -> Result<(), Problem> {
    let work = async |tx: &mut PlatformTx| quota::sweep(tx).await;
    service.db.write_platform(&Ctx::system("quota"), work).await?;
    swept(service, "the sweep of begun sign-ins", async |tx| sso::sweep_begun(tx).await).await;
    Ok(())
}

/// Removes one kind of what is over. Each sweep is a bounded transaction of its own, made again as often as there is that much: the
/// tables stay bounded however much comes in, and whoever writes meanwhile waits for one sweep at most.
async fn swept<E: From<DbError> + Into<Problem>>(
    service: &Service,
    what: &str,
    sweep: impl AsyncFn(&mut PlatformTx) -> Result<u64, E>,
) {
    for _ in 0..SWEEPS_MAX {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            sweep(tx).await
        };
        match service.db.write_platform(&Ctx::system("housekeeping"), work).await {
            Ok(removed) if removed >= SWEPT_AT_ONCE => tracing::debug!(what, removed, "swept"),
            other => return log(what, other),
        }
    }
}

/// What is over goes, what is to be said is said, keys are made. What fails holds up nothing else, and is tried again next time.
async fn housekeeping(service: &Service) {
    swept(service, "the sweep of jobs", async |tx| jobs::sweep(tx).await).await;
    swept(service, "the sweep of events", async |tx| jobs::sweep_events(tx).await).await;
    swept(service, "the sweep of replies", async |tx| jobs::sweep_replies(tx).await).await;
    swept(service, "the sweep of deliveries", async |tx| webhooks::sweep(tx).await).await;
    swept(service, "the sweep of SCIM", async |tx| scim::sweep(tx).await).await;
    match service.db.read_platform(async |view| scim::too_many(view).await).await {
        Ok(many) => swept(service, "the sweep of requests", async |tx| scim::trim(tx, &many).await).await,
        Err(error) => log::<()>("the sweep of requests", Err(error)),
    }
    swept(service, "the sweep of operators", async |tx| operators::sweep(tx).await).await;
    swept(service, "the sweep of the inbox", async |tx| inbox::sweep(tx).await).await;
    swept(service, "the sweep of mail", async |tx| mail::sweep(tx).await).await;
    swept(service, "the sweep of allowances", async |tx| platform::rules::sweep(tx).await).await;
    swept(service, "the sweep of batches", async |tx| invitations::sweep_batches(tx).await).await;
    swept(service, "the sweep of sign-ins", async |tx| sso::sweep(tx, service).await).await;
    swept(service, "the sweep of sessions", async |tx| sessions::sweep(tx).await).await;
    let ctx = Ctx::system("housekeeping");
    let sample = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        quota::sample(tx, service).await
    };
    log("the quotas' history", service.db.write_platform(&ctx, sample).await);
    log("the end of invitations", invitations::sweep(service).await);
    log("warnings of tokens", scim::warn(service).await);
    log("warnings of connections", sso::warn(service).await);
    log("proofs of domains", sso::recheck_domains(service).await);
    let age = service.config.tokens.key_rotation;
    let rotate = async |tx: &mut PlatformTx| sessions::rotate(tx, &service.envelope, age).await;
    log("signing keys", service.db.write_platform(&ctx, rotate).await);
    tracing::debug!("housekeeping done");
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
