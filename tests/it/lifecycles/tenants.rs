//! Tenants: made, cut off, let in again, unmade.

use std::time::Duration;

use entity::provisioning::run;
use entity::tenancy::status::{Status, Verb};
use platform::View;
use sea_orm::QueryOrder as _;
use serde_json::json;
use tests::{TenantView, TestApp, status};

use super::runs::{open, waiting_tenant};
use super::*;

/// What somebody does, or lets happen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Act {
    /// Lets its provisioning get through.
    Activate,
    /// Gives its provisioning up.
    Fail,
    Retry,
    Suspend,
    /// Lets it in, or takes its deletion back.
    Resume,
    Deprovision,
    /// Lets the time go by in which its deletion can be taken back.
    Delete,
}

struct Tenants(TestApp, &'static [Act]);

struct Tenant {
    id: String,
    instance: String,
}

impl Tenant {
    fn path(&self, rest: &str) -> String {
        format!("/api/v1/tenants/{}{rest}", self.id)
    }
}

impl Tenants {
    async fn start(acts: &'static [Act]) -> Self {
        let app = TestApp::with(|config| {
            config.rate_limit.enabled = false;
            config.jobs.at_once = 16;
            let settings = config.section_mut::<provisioning::Settings>();
            settings.wait = Duration::from_millis(100);
            settings.recycle_period = Duration::from_secs(3600);
        })
        .await;
        Self(app, acts)
    }

    async fn post(&self, tenant: &Tenant, what: &str) -> Reply {
        self.0.operator.post(&tenant.path(what), json!({})).await
    }

    /// What it was before its deletion began.
    async fn was(&self, tenant: &Tenant) -> Option<Status> {
        let latest =
            async |view: &View| view.one(view.select::<run::Entity>().order_by_desc(run::Column::Id)).await;
        let id = tenant.id.parse().expect("an id");
        let latest = self.0.running.service.db.read(id, latest).await.expect("the store answers");
        Status::parse(latest?.parameters["status"].as_str()?)
    }
}

/// Where it stands; while it is being unmade, what it was before.
type State = (Status, Option<Status>);

impl Story for Tenants {
    type State = State;
    type Verb = Act;
    type One = Tenant;

    fn states(&self) -> Vec<State> {
        let deprovisioning = [Status::Active, Status::Suspended, Status::Failed];
        let deprovisioning = deprovisioning.map(|was| (Status::Deprovisioning, Some(was)));
        let others = Status::ALL.iter().filter(|status| **status != Status::Deprovisioning);
        others.map(|status| (*status, None)).chain(deprovisioning).collect()
    }

    fn verbs(&self) -> Vec<Act> {
        self.1.to_vec()
    }

    fn after(&self, (state, was): State, act: Act) -> Option<State> {
        let verb = match (act, was) {
            (Act::Activate, _) => Verb::Activate,
            (Act::Fail, _) => Verb::Fail,
            // Where a run is under way, it is nothing but "look again now".
            (Act::Retry, _) if matches!(state, Status::Provisioning | Status::Deprovisioning) => {
                return Some((state, was));
            }
            (Act::Retry, _) => Verb::Retry,
            (Act::Suspend, _) => Verb::Suspend,
            (Act::Resume, Some(was)) => Verb::Restore(was),
            (Act::Resume, None) => Verb::Resume,
            (Act::Deprovision, _) => Verb::Deprovision,
            (Act::Delete, _) => Verb::Delete,
        };
        let is = state.after(verb)?;
        // A tenant that is gone is no tenant whose deletion could be asked for.
        Some((is, (is == Status::Deprovisioning).then_some(was.unwrap_or(state))))
    }

    async fn make(&self, (state, was): State) -> Tenant {
        let operator = &self.0.operator;
        let name = format!("t{}", platform::ids::new().simple());
        let (instance, id) = waiting_tenant(operator, &name, json!({})).await;
        let tenant = Tenant { id, instance };
        let until = async |wanted: Status| drop(status(operator, &tenant.id, wanted.as_str()).await);
        match was.unwrap_or(state) {
            Status::Provisioning => return tenant,
            Status::Failed => {
                self.post(&tenant, "/rollback").await.expect(202);
                until(Status::Failed).await;
            }
            Status::Active | Status::Suspended | Status::Deprovisioning | Status::Deleted => {
                open(operator, &tenant.instance).await.expect(200);
                until(Status::Active).await;
            }
        }
        if was.unwrap_or(state) == Status::Suspended {
            self.post(&tenant, "/suspend").await.expect(200);
        }
        if state == Status::Deprovisioning {
            operator.delete(&tenant.path("")).await.expect(202);
        }
        if state == Status::Deleted {
            operator.delete(&tenant.path("?purge=true")).await.expect(202);
            until(Status::Deleted).await;
        }
        tenant
    }

    async fn act(&self, tenant: &Tenant, act: Act) -> bool {
        let reply = match act {
            Act::Activate => open(&self.0.operator, &tenant.instance).await,
            Act::Fail => self.post(tenant, "/rollback").await,
            Act::Retry => self.post(tenant, "/retry").await,
            Act::Suspend => self.post(tenant, "/suspend").await,
            Act::Resume => self.post(tenant, "/resume").await,
            Act::Deprovision => self.0.operator.delete(&tenant.path("")).await,
            Act::Delete => {
                self.0.clock.advance(chrono::TimeDelta::hours(2));
                let waits = self.state(tenant).await.0 == Status::Deprovisioning;
                if waits { self.post(tenant, "/retry").await } else { self.0.operator.get("/health").await }
            }
        };
        done(&reply)
    }

    async fn state(&self, tenant: &Tenant) -> State {
        let shown: TenantView = self.0.operator.get(&tenant.path("")).await.found();
        let state = Status::parse(&shown.status).expect("a state");
        let was = if state == Status::Deprovisioning { self.was(tenant).await } else { None };
        (state, was)
    }

    async fn is_at_rest(&self, tenant: &Tenant) {
        self.0.is_worked_on(&tenant.id).await;
    }

    fn answer(&self, act: Act) -> Answer {
        match act {
            Act::Activate | Act::Fail | Act::Delete => Answer::SaysNothing,
            _ => Answer::Tells,
        }
    }
}

const ASKED: &[Act] = &[Act::Activate, Act::Fail, Act::Retry, Act::Suspend, Act::Resume, Act::Deprovision];

#[actix_web::test]
async fn a_tenant_goes_where_its_table_says() {
    let story = Tenants::start(ASKED).await;
    walk(&story, 6).await;
    story.0.stop().await;
}

/// The clock is everybody's: one after the other.
#[actix_web::test]
async fn a_tenant_whose_time_is_over_is_deleted_if_it_was_to_be() {
    let story = Tenants::start(&[Act::Delete]).await;
    walk(&story, 1).await;
    story.0.stop().await;
}

#[actix_web::test]
async fn a_tenant_that_is_told_two_things_at_once_is_where_an_order_leads() {
    let story = Tenants::start(ASKED).await;
    race_all(&story, ASKED, 2).await;
    story.0.stop().await;
}
