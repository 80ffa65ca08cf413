//! What a capability brings to the service: its routes, its settings, the codes of its problems, the jobs that it runs, the events that it
//! emits and hears, how long its rows stay, what it does by the clock, and what can be wrong with it in an installation. Each crate says it
//! in one value, in its `capability.rs`; the service is the list of them.

use std::rc::Rc;
use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::config::{Config, Declaration, Section};
use platform::event::EventType;
use platform::jobs::Handler;
use platform::outbox::{Hears, Subscriber, Subscription};
use platform::retention::{Expiry, Often, Retained, SWEPT_AT_ONCE};
use platform::{Ctx, DbError, PlatformTx, Work as _};

use crate::{Code, PlatformService, Problem, Routes, Service, Tools};

/// Sweeps of one kind at one time.
const SWEEPS_MAX: usize = 200;

/// When something is done by the clock.
#[derive(Clone, Copy, Debug)]
pub enum When {
    /// With what is over: every ten minutes, one after the other, first at the start.
    Housekeeping,
    /// Every minute, one after the other, first at the start.
    EachMinute,
    /// In this period, by a clock of its own, first at the start.
    AtOnce(fn(&Config) -> Duration),
    /// In this period, by a clock of its own, first after one period.
    AfterAPeriod(fn(&Config) -> Duration),
}

/// What kind of thing is done; of those that are done together the first kind comes first.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Rows go whose time is over: short, and nothing else waits for it.
    Sweep,
    /// Anything else: it may ask somebody outside.
    Other,
}

/// Something that is done by the clock. What fails is logged, holds up nothing else, and is tried again next time.
#[derive(Clone)]
pub struct Chore {
    what: &'static str,
    when: When,
    kind: Kind,
    run: Rc<dyn Fn(Service) -> LocalBoxFuture<'static, ()>>,
}

impl std::fmt::Debug for Chore {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chore").field("what", &self.what).field("when", &self.when).finish_non_exhaustive()
    }
}

impl Chore {
    /// What is done; of a removal that a table's retention asks for, the table.
    pub fn what(&self) -> &'static str {
        self.what
    }

    /// When it is done.
    pub fn when(&self) -> When {
        self.when
    }

    /// What kind of thing it is.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// Does it, once.
    pub async fn run(&self, service: &Service) {
        (self.run)(service.clone()).await;
    }
}

/// What the doctor found of one part: how it is, or what is wrong and how to mend it.
#[derive(Clone, Debug)]
pub struct Finding {
    /// The part.
    pub part: String,
    /// How it is; an error is what is wrong.
    pub is: Result<String, String>,
}

impl Finding {
    /// Of a part.
    pub fn of(part: impl Into<String>, is: Result<String, String>) -> Self {
        Self { part: part.into(), is }
    }
}

type Subscribes = Box<dyn Fn(&Tools) -> Box<dyn Subscriber>>;
type Jobs = Box<dyn Fn(&Service) -> Result<Vec<Handler>, String>>;
type Checks = Box<dyn Fn(PlatformService) -> LocalBoxFuture<'static, Vec<Finding>>>;

/// What a capability brings.
pub struct Capability {
    routes: fn() -> Routes,
    sections: Vec<Declaration>,
    problems: Vec<Code>,
    jobs: Option<Jobs>,
    emits: Vec<EventType>,
    subscribers: Vec<(Hears, Subscribes)>,
    retained: Vec<Retained>,
    chores: Vec<Chore>,
    checks: Option<Checks>,
}

impl std::fmt::Debug for Capability {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Capability").field("chores", &self.chores).finish_non_exhaustive()
    }
}

impl Capability {
    /// One that brings these routes.
    pub fn new(routes: fn() -> Routes) -> Self {
        Self {
            routes,
            sections: Vec::new(),
            problems: Vec::new(),
            jobs: None,
            emits: Vec::new(),
            subscribers: Vec::new(),
            retained: Vec::new(),
            chores: Vec::new(),
            checks: None,
        }
    }

    /// Settings that it reads, or that a crate below reads that has no value of its own.
    #[must_use]
    pub fn settings<S: Section>(mut self) -> Self {
        self.sections.push(Declaration::of::<S>());
        self
    }

    /// The codes of problems that it owns: what [`codes!`](crate::codes) declares in its `codes.rs`.
    #[must_use]
    pub fn problems(mut self, codes: &[Code]) -> Self {
        self.problems.extend(codes);
        self
    }

    /// The handlers of its jobs. An error is what of the configuration is wrong.
    #[must_use]
    pub fn jobs(mut self, jobs: impl Fn(&Service) -> Result<Vec<Handler>, String> + 'static) -> Self {
        self.jobs = Some(Box::new(jobs));
        self
    }

    /// Types of events that it emits: the `EVENTS` of the module that declares them.
    #[must_use]
    pub fn emits(mut self, types: &[EventType]) -> Self {
        self.emits.extend(types);
        self
    }

    /// One who hears events of these types.
    #[must_use]
    pub fn hears(
        mut self,
        types: impl Into<Vec<EventType>>,
        subscriber: impl Fn(&Tools) -> Box<dyn Subscriber> + 'static,
    ) -> Self {
        self.subscribers.push((Hears::Types(types.into()), Box::new(subscriber)));
        self
    }

    /// One who hears all events.
    #[must_use]
    pub fn hears_all(mut self, subscriber: impl Fn(&Tools) -> Box<dyn Subscriber> + 'static) -> Self {
        self.subscribers.push((Hears::All, Box::new(subscriber)));
        self
    }

    /// Something that is done by the clock; `what` names it where it fails.
    #[must_use]
    pub fn chore<T, E: Into<Problem>, F: Future<Output = Result<T, E>> + 'static>(
        mut self,
        when: When,
        what: &'static str,
        work: impl Fn(Service) -> F + 'static,
    ) -> Self {
        let run = move |service: Service| work(service).map(move |done| log(what, done)).boxed_local();
        self.chores.push(Chore { what, when, kind: Kind::Other, run: Rc::new(run) });
        self
    }

    /// How long the rows of its tables stay, each table once. Those that end by a moment are removed by sweeps that are made here.
    #[must_use]
    pub fn retains(mut self, tables: impl IntoIterator<Item = Retained>) -> Self {
        for table in tables {
            self.chores.extend(table.expiries().map(|expiry| removal(table.table(), expiry)));
            self.retained.push(table);
        }
        self
    }

    /// Rows that end by more than a moment: what is done with so many in one transaction, and how many they were. The retention of their
    /// table names it.
    #[must_use]
    pub fn sweep<E: From<DbError> + Into<Problem>>(
        mut self,
        when: When,
        what: &'static str,
        work: impl AsyncFn(&mut PlatformTx, &Service) -> Result<u64, E> + Clone + 'static,
    ) -> Self {
        let run = move |service: Service| {
            let work = work.clone();
            async move { swept(&service, what, async |tx| work(tx, &service).await).await }.boxed_local()
        };
        self.chores.push(Chore { what, when, kind: Kind::Sweep, run: Rc::new(run) });
        self
    }

    /// What the doctor looks at.
    #[must_use]
    pub fn checks<F: Future<Output = Vec<Finding>> + 'static>(
        mut self,
        checks: impl Fn(PlatformService) -> F + 'static,
    ) -> Self {
        self.checks = Some(Box::new(move |service| checks(service).boxed_local()));
        self
    }

    /// Makes its routes.
    pub fn routes(&self) -> Routes {
        (self.routes)()
    }

    /// Settings that are read.
    pub fn sections(&self) -> impl Iterator<Item = Declaration> {
        self.sections.iter().copied()
    }

    /// Makes the handlers of its jobs.
    ///
    /// # Errors
    /// What of the configuration is wrong.
    pub fn handlers(&self, service: &Service) -> Result<Vec<Handler>, String> {
        self.jobs.as_ref().map_or(Ok(Vec::new()), |jobs| jobs(service))
    }

    /// The codes of problems that it owns.
    pub fn problem_codes(&self) -> impl Iterator<Item = Code> {
        self.problems.iter().copied()
    }

    /// The types of events that it emits.
    pub fn event_types(&self) -> impl Iterator<Item = EventType> {
        self.emits.iter().copied()
    }

    /// Makes those who hear events.
    pub fn subscriptions(&self, service: &Service) -> impl Iterator<Item = Subscription> {
        self.subscribers
            .iter()
            .map(|(hears, make)| Subscription { hears: hears.clone(), subscriber: make(service) })
    }

    /// How long the rows of its tables stay.
    pub fn retained(&self) -> impl Iterator<Item = &Retained> {
        self.retained.iter()
    }

    /// What is done by the clock.
    pub fn chores(&self) -> impl Iterator<Item = Chore> {
        self.chores.iter().cloned()
    }

    /// Looks at what can be wrong.
    pub async fn findings(&self, service: &Service) -> Vec<Finding> {
        match &self.checks {
            Some(checks) => checks(PlatformService::clone(service)).await,
            None => Vec::new(),
        }
    }
}

/// The sweep of what is over of a table.
fn removal(table: &'static str, expiry: Expiry) -> Chore {
    let when = match expiry.often() {
        Often::Housekeeping => When::Housekeeping,
        Often::EachMinute => When::EachMinute,
    };
    let run = move |service: Service| {
        async move {
            let work = async |tx: &mut PlatformTx| expiry.remove(tx, table, &service.config).await;
            swept(&service, &format!("the sweep of {table}"), work).await;
        }
        .boxed_local()
    };
    Chore { what: table, when, kind: Kind::Sweep, run: Rc::new(run) }
}

/// Logs what failed.
pub fn log<T>(what: &str, result: Result<T, impl Into<Problem>>) {
    if let Err(error) = result {
        let problem: Problem = error.into();
        tracing::warn!(%problem, cause = problem.cause, "{what} failed");
    }
}

/// Removes one kind of what is over. Each sweep is a bounded transaction of its own, made again as often as there is that much: the
/// tables stay bounded however much comes in, and whoever writes meanwhile waits for one sweep at most.
pub async fn swept<E: From<DbError> + Into<Problem>>(
    service: &PlatformService,
    what: &str,
    sweep: impl AsyncFn(&mut PlatformTx) -> Result<u64, E>,
) {
    for _ in 0..SWEEPS_MAX {
        let work = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            sweep(tx).await
        };
        match service.db.write(&Ctx::system("housekeeping"), work).await {
            Ok(removed) if removed >= SWEPT_AT_ONCE => tracing::debug!(what, removed, "swept"),
            other => return log(what, other),
        }
    }
}
