//! What runs beside the requests: the job worker, the outbox, and housekeeping by the clock.

use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use platform::chain;
use platform::jobs::Worker;
use platform::outbox::Dispatcher;
use tokio::sync::watch;
use tokio::time::{MissedTickBehavior, interval};
use web::{Chore, Limits, Service, When, log};

use crate::capabilities::{handlers, subscriptions};

/// How often what is over is removed, and keys are looked at.
const HOUSEKEEPING: Duration = Duration::from_secs(600);
/// How often rate limits forget, and gauges are set.
const MINUTE: Duration = Duration::from_secs(60);

/// Resolves once the process is asked to stop.
async fn stopped(mut stop: watch::Receiver<bool>) {
    // A sender that is gone asks for the same.
    let _ = stop.wait_for(|stop| *stop).await;
}

/// What runs jobs, and what leaves them behind for events.
#[derive(Debug)]
pub(crate) struct Machines(Worker, Dispatcher);

/// Puts them together.
///
/// # Errors
/// What of the configuration is wrong.
pub(crate) fn machines(service: &Service) -> anyhow::Result<Machines> {
    let config = service.config.jobs.clone();
    let dispatcher = Dispatcher::new(service.db.clone(), config.poll, subscriptions(service));
    let mut handlers = handlers(service)?;
    handlers.push(dispatcher.handler());
    Ok(Machines(Worker::new(service.db.clone(), config, handlers), dispatcher))
}

/// Runs everything until `stop` says so, then waits for running jobs.
pub(crate) async fn run(
    service: Service,
    Machines(worker, dispatcher): Machines,
    limits: Arc<Limits>,
    log: scim::Writer,
    stop: watch::Receiver<bool>,
) {
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
    service: &Service,
    stop: watch::Receiver<bool>,
) -> anyhow::Result<impl Future<Output = ()> + use<>> {
    let Machines(worker, dispatcher) = machines(service)?;
    Ok(async move {
        tokio::join!(worker.run(stopped(stop.clone())), dispatcher.run(stopped(stop)));
    })
}

/// Looks for damaged pages, a table a minute; beside the clock, for a large table takes its time.
async fn check_pages(db: platform::db::Db, stop: impl Future<Output = ()>) {
    tokio::pin!(stop);
    loop {
        tokio::select! {
            () = &mut stop => return,
            () = tokio::time::sleep(MINUTE) => log("the check of a table", db.check_slice().await),
        }
    }
}

/// What is done now and then. Each period has a clock of its own: one that takes long, or waits for somebody outside, delays no other.
async fn by_the_clock(service: Service, limits: Arc<Limits>, stop: watch::Receiver<bool>) {
    use First::{AfterAPeriod, AtOnce};
    let (mut together, mut each_minute, mut others) = (Vec::new(), Vec::new(), Vec::new());
    for chore in crate::capabilities::all().iter().flat_map(|one| one.chores().collect::<Vec<_>>()) {
        match chore.when() {
            When::Housekeeping => together.push(chore),
            When::EachMinute => each_minute.push(chore),
            When::AtOnce(period) => others.push((chore, period(&service.config), AtOnce)),
            When::AfterAPeriod(period) => others.push((chore, period(&service.config), AfterAPeriod)),
        }
    }
    together.sort_by_key(Chore::kind);
    let (service, limits, stop) = (&service, &limits, &stop);
    let others = others
        .iter()
        .map(|(chore, period, first)| every(*period, *first, stop, async || chore.run(service).await));
    tokio::join!(
        every(HOUSEKEEPING, AtOnce, stop, async || {
            one_by_one(service, &together).await;
            tracing::debug!("housekeeping done");
        }),
        every(MINUTE, AtOnce, stop, async || {
            limits.tidy();
            gauges(service).await;
            one_by_one(service, &each_minute).await;
        }),
        // A store that takes no writes is logged by the watch, once.
        every(platform::store::health::IDLE_PROBE, AtOnce, stop, async || {
            let _ = service.db.probe_if_due().await;
        }),
        join_all(others),
    );
}

async fn one_by_one(service: &Service, chores: &[Chore]) {
    for chore in chores {
        chore.run(service).await;
    }
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

#[allow(clippy::cast_precision_loss, reason = "a gauge is a float")]
async fn gauges(service: &Service) {
    match service.db.read_platform(async |view| platform::jobs::counts(view).await).await {
        Ok(counts) => {
            metrics::gauge!("tenantry_jobs", "status" => "pending").set(counts.pending as f64);
            metrics::gauge!("tenantry_jobs", "status" => "running").set(counts.running as f64);
            metrics::gauge!("tenantry_jobs", "status" => "dead").set(counts.dead as f64);
            let late = counts.oldest_due.map_or(0, |due| (service.clock.now() - due).num_seconds().max(0));
            metrics::gauge!("tenantry_jobs_oldest_due_seconds").set(late as f64);
        }
        Err(error) => tracing::warn!(error = %chain(&error), "jobs could not be counted"),
    }
}
