//! Runs: finished, given up, rolled back, cancelled. What each kind of run can be told differs: a deletion is retried until it succeeds, and a tenant that
//! is being made is not taken back.

use std::time::Duration;

use entity::provisioning::states::{RunKind, RunStatus, RunVerb};
use serde_json::{Value, json};
use tests::{TenantView, TestApp, Zitadel, eventually, status};

use super::*;

struct Runs<'a> {
    app: &'a TestApp,
    zitadel: &'a Zitadel,
    kind: RunKind,
}

struct Run {
    tenant: String,
    /// The instance that it needs.
    instance: String,
    id: String,
}

impl Run {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}{rest}", self.tenant)
    }
}

impl Runs<'_> {
    async fn post(&self, run: &Run, what: &str) -> Reply {
        self.app.operator.post(&run.path(what), json!({})).await
    }

    /// Its tenant's latest run, once it stands so.
    async fn latest(&self, run: &Run, stands: impl Fn(&tests::Run) -> bool) -> String {
        eventually("the run to stand there", async || {
            let latest = self.app.operator.run(&run.tenant).await;
            stands(&latest).then_some(latest.id)
        })
        .await
    }

    /// A tenant that waits for its instance. Nobody hears of its org at the identity backend any more: what is undone rests there.
    async fn waiting(&self) -> Run {
        let operator = &self.app.operator;
        let name = format!("r{}", platform::ids::new().simple());
        let (instance, tenant) = waiting_tenant(operator, &name, json!({"backend": "zitadel"})).await;
        let mut run = Run { tenant, instance, id: String::new() };
        run.id = self.latest(&run, |latest| latest.steps[4].waits_for.is_some()).await;
        self.zitadel.silence(&run.tenant);
        run
    }

    /// The same, made.
    async fn made(&self) -> Run {
        let run = self.waiting().await;
        open(&self.app.operator, &run.instance).await;
        status(&self.app.operator, &run.tenant, "active").await;
        self.zitadel.speak(&run.tenant);
        run
    }

    async fn make_provision(&self, state: RunStatus) -> Run {
        if state == RunStatus::Done {
            return self.made().await;
        }
        let run = self.waiting().await;
        match state {
            RunStatus::Running => {}
            RunStatus::Compensating => drop(self.post(&run, "/rollback").await.expect(202)),
            RunStatus::Failed => {
                self.zitadel.speak(&run.tenant);
                self.post(&run, "/rollback").await.expect(202);
                status(&self.app.operator, &run.tenant, "failed").await;
            }
            RunStatus::Done | RunStatus::Cancelled => panic!("no such run"),
        }
        run
    }

    async fn make_deprovision(&self, state: RunStatus) -> Run {
        let mut run = self.made().await;
        self.app.operator.delete(&run.path("")).await.expect(202);
        run.id = self.latest(&run, |latest| latest.steps[1].waits_for.is_some()).await;
        match state {
            RunStatus::Running => {}
            RunStatus::Done => {
                self.app.operator.delete(&run.path("?purge=true")).await.expect(202);
                status(&self.app.operator, &run.tenant, "deleted").await;
            }
            RunStatus::Cancelled => drop(self.post(&run, "/resume").await.expect(200)),
            RunStatus::Compensating | RunStatus::Failed => panic!("no such run"),
        }
        run
    }

    async fn make_repair(&self, state: RunStatus) -> Run {
        let mut run = self.made().await;
        self.zitadel.silence(&run.tenant);
        self.post(&run, "/repair").await.expect(202);
        run.id = self.latest(&run, |latest| latest.steps[0].error.is_some()).await;
        match state {
            RunStatus::Running => {}
            RunStatus::Done => {
                self.act(&run, RunVerb::Finish).await;
                self.latest(&run, |latest| latest.status == "done").await;
            }
            RunStatus::Failed => {
                self.post(&run, "/rollback").await.expect(202);
                self.latest(&run, |latest| latest.status == "failed").await;
            }
            RunStatus::Cancelled => drop(self.act(&run, RunVerb::Cancel).await),
            RunStatus::Compensating => panic!("nothing of it is undone outside"),
        }
        run
    }
}

impl Story for Runs<'_> {
    type State = RunStatus;
    type Verb = RunVerb;
    type One = Run;

    fn states(&self) -> Vec<RunStatus> {
        use RunStatus::{Cancelled, Compensating, Done, Failed, Running};
        match self.kind {
            RunKind::Provision => vec![Running, Compensating, Done, Failed],
            RunKind::Deprovision => vec![Running, Done, Cancelled],
            // Nothing of it is undone outside: it doesn't rest while it is undone.
            RunKind::Repair => vec![Running, Done, Failed, Cancelled],
            RunKind::Move => Vec::new(),
        }
    }

    fn verbs(&self) -> Vec<RunVerb> {
        RunVerb::ALL.to_vec()
    }

    /// The table, for runs of this kind.
    fn after(&self, state: RunStatus, verb: RunVerb) -> Option<RunStatus> {
        match (self.kind, verb) {
            (RunKind::Provision, RunVerb::Cancel) | (RunKind::Deprovision, RunVerb::GiveUp) => None,
            (RunKind::Repair, RunVerb::GiveUp) => state.after(verb)?.after(RunVerb::RollBack),
            _ => state.after(verb),
        }
    }

    async fn make(&self, state: RunStatus) -> Run {
        match self.kind {
            RunKind::Provision => self.make_provision(state).await,
            RunKind::Deprovision => self.make_deprovision(state).await,
            RunKind::Repair => self.make_repair(state).await,
            RunKind::Move => panic!("nobody asks"),
        }
    }

    async fn act(&self, run: &Run, verb: RunVerb) -> bool {
        let reply = match (verb, self.kind) {
            (RunVerb::GiveUp, _) => self.post(run, "/rollback").await,
            (RunVerb::Cancel, RunKind::Repair) => self.app.operator.delete(&run.path("")).await,
            (RunVerb::Cancel, _) => self.post(run, "/resume").await,
            // There is what it waits for.
            (RunVerb::Finish, RunKind::Provision) => open(&self.app.operator, &run.instance).await,
            (RunVerb::Finish, RunKind::Deprovision) => {
                self.app.operator.delete(&run.path("?purge=true")).await
            }
            (RunVerb::Finish, _) => {
                self.zitadel.speak(&run.tenant);
                self.post(run, "/retry").await
            }
            // What was in the way of undoing it is gone; the next attempt finds that.
            (RunVerb::RollBack, RunKind::Provision) => {
                self.zitadel.speak(&run.tenant);
                self.app.operator.get("/health").await
            }
            (RunVerb::RollBack, _) => self.app.operator.get("/health").await,
        };
        done(&reply)
    }

    async fn state(&self, run: &Run) -> RunStatus {
        let all: Vec<tests::Run> = self.app.operator.get(&run.path("/runs?limit=200")).await.items();
        let open = |one: &&tests::Run| matches!(one.status.as_str(), "running" | "compensating");
        assert!(all.iter().filter(open).count() <= 1, "{all:?}");
        let one = all.iter().find(|one| one.id == run.id).expect("the run");
        RunStatus::parse(&one.status).expect("a state")
    }

    async fn is_at_rest(&self, run: &Run) {
        self.app.is_worked_on(&run.tenant).await;
    }

    /// Only who gives up is told of the run itself; a repair that is given up is undone at once.
    fn answer(&self, verb: RunVerb) -> Answer {
        match verb {
            RunVerb::GiveUp if self.kind != RunKind::Repair => Answer::Tells,
            _ => Answer::SaysNothing,
        }
    }
}

/// Registers an instance that takes nobody yet, and makes a tenant that waits for it; answers both.
pub(super) async fn waiting_tenant(operator: &Client, name: &str, identity: Value) -> (String, String) {
    let registered = json!({"name": name, "mode": "dedicated", "region": name});
    let instance = format!("/api/v1/instances/{}", operator.instance(registered).await);
    operator.patch(&instance, json!({"status": "offline"})).await.expect(200);
    let tenant = json!({
        "slug": name, "name": name, "plan": "pro", "region": name, "identity": identity,
        "instance": {"driver": "pool", "mode": "dedicated"},
    });
    let made: TenantView = operator.post("/api/v1/tenants", tenant).await.accepted();
    (instance, made.id)
}

/// The instance takes tenants from now on.
pub(super) async fn open(operator: &Client, instance: &str) -> Reply {
    operator.patch(instance, json!({"status": "active"})).await
}

async fn stage() -> (TestApp, Zitadel) {
    let zitadel = Zitadel::start();
    let app = TestApp::with(|config| {
        config.rate_limit.enabled = false;
        config.jobs.at_once = 16;
        config.section_mut::<provisioning::Retries>().provisioning_attempts_max = 1_000;
        let settings = config.section_mut::<provisioning::Settings>();
        settings.wait = Duration::from_millis(100);
        settings.recycle_period = Duration::from_secs(3600);
        zitadel.configure(config, &zitadel.url);
    })
    .await;
    (app, zitadel)
}

const KINDS: [RunKind; 3] = [RunKind::Provision, RunKind::Deprovision, RunKind::Repair];

#[actix_web::test]
async fn a_run_goes_where_its_table_says() {
    let (app, zitadel) = stage().await;
    for kind in KINDS {
        walk(&Runs { app: &app, zitadel: &zitadel, kind }, 6).await;
    }
    app.stop().await;
    zitadel.stop().await;
}

#[actix_web::test]
async fn a_run_that_is_told_two_things_at_once_does_one_of_them() {
    let (app, zitadel) = stage().await;
    for kind in KINDS {
        race_all(&Runs { app: &app, zitadel: &zitadel, kind }, RunVerb::ALL, 2).await;
    }
    app.stop().await;
    zitadel.stop().await;
}
