//! Deployments at Azure. What happens to one is the Resource Manager's doing, or comes of somebody who gives the tenant up; each cell has
//! its cause, and the double rests where it is told to.

use entity::provisioning::deployment;
use entity::provisioning::states::{DeploymentStatus, DeploymentVerb};
use platform::PlatformView;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::json;
use tests::{Arm, Gate, TenantView, TestApp, eventually, status};

use super::*;
use crate::azure::private;

struct Deployments {
    app: TestApp,
    arm: Arm,
    verbs: Vec<DeploymentVerb>,
}

struct Deployment {
    tenant: String,
    group: String,
}

impl Deployments {
    async fn start(verbs: impl IntoIterator<Item = DeploymentVerb>) -> Self {
        let arm = Arm::start();
        arm.shut_ahead(&[Gate::Validation, Gate::Deployment, Gate::Health, Gate::Removal]);
        let app = TestApp::with(|config| {
            arm.configure(config);
            config.rate_limit.enabled = false;
            config.jobs.at_once = 16;
            config.section_mut::<provisioning::Retries>().provisioning_attempts_max = 1_000;
        })
        .await;
        Self { app, arm, verbs: verbs.into_iter().collect() }
    }

    async fn stop(self) {
        self.app.stop().await;
        self.arm.stop().await;
    }

    async fn tenant(&self, one: &Deployment) -> TenantView {
        self.app.operator.tenant(&one.tenant).await
    }

    /// Somebody looks again now, where a run is under way.
    async fn hurry(&self, one: &Deployment) {
        let open = matches!(self.tenant(one).await.status.as_str(), "provisioning" | "deprovisioning");
        if open {
            self.app.operator.post(&format!("/api/v1/tenants/{}/retry", one.tenant), json!({})).await;
        }
    }

    /// Nobody wants it any more.
    async fn give_up(&self, one: &Deployment) {
        self.arm.open(&one.group, Gate::Group);
        let path = format!("/api/v1/tenants/{}", one.tenant);
        let reply = match self.tenant(one).await.status.as_str() {
            "provisioning" => self.app.operator.post(&format!("{path}/rollback"), json!({})).await,
            _ => self.app.operator.delete(&format!("{path}?purge=true")).await,
        };
        done(&reply);
        self.hurry(one).await;
    }

    async fn until(&self, one: &Deployment, wanted: DeploymentStatus) {
        eventually(&format!("it to be {wanted}"), async || (self.state(one).await == wanted).then_some(()))
            .await;
    }

    /// How its tenant ends once nothing holds Azure back. What thirty callers at once left may be a run that waits for its turn by
    /// the schedule, so somebody goes on looking.
    async fn end(&self, one: &Deployment) -> String {
        let mut looks = 0;
        eventually("it to end well or clean", async || {
            if looks % 50 == 0 {
                self.hurry(one).await;
            }
            looks += 1;
            let is = self.tenant(one).await.status;
            matches!(is.as_str(), "active" | "failed" | "deleted").then_some(is)
        })
        .await
    }

    /// It takes too long, is refused, or fails: and what is there is not removed yet.
    async fn fail(&self, one: &Deployment, before: DeploymentStatus) {
        self.arm.shut(&one.group, Gate::Group);
        match before {
            DeploymentStatus::Pending => self.arm.refuse(&one.group),
            DeploymentStatus::Deploying => {
                self.arm.fail(&one.group);
                self.arm.open(&one.group, Gate::Deployment);
            }
            _ => self.app.clock.advance(chrono::TimeDelta::days(1)),
        }
        self.hurry(one).await;
    }

    /// In the end there is a group for each tenant that is made, and none for any other.
    async fn require_order(&self) {
        self.arm.open_all();
        let all: Vec<TenantView> = self.app.operator.get("/api/v1/tenants?limit=200").await.items();
        let mut wanted = Vec::new();
        for tenant in all {
            let group = format!("tenantry-{}", tenant.id.replace('-', ""));
            let one = Deployment { tenant: tenant.id, group };
            if self.end(&one).await == "active" {
                wanted.push(one.group);
            }
        }
        wanted.sort();
        assert_eq!(self.arm.groups(), wanted);
        let all: Vec<tests::Deployment> =
            self.app.operator.get("/api/v1/deployments?limit=200").await.items();
        assert_eq!(all.iter().filter(|one| one.status == "succeeded").count(), wanted.len());
        assert!(all.iter().all(|one| matches!(one.status.as_str(), "succeeded" | "deleted")), "{all:?}");
    }
}

impl Story for Deployments {
    type State = DeploymentStatus;
    type Verb = DeploymentVerb;
    type One = Deployment;

    fn states(&self) -> Vec<DeploymentStatus> {
        DeploymentStatus::ALL.to_vec()
    }

    fn verbs(&self) -> Vec<DeploymentVerb> {
        self.verbs.clone()
    }

    fn after(&self, state: DeploymentStatus, verb: DeploymentVerb) -> Option<DeploymentStatus> {
        state.after(verb)
    }

    async fn make(&self, state: DeploymentStatus) -> Deployment {
        use DeploymentStatus::{Checking, Deleted, Deleting, Deploying, Failed, Pending, Succeeded};
        let slug = format!("d{}", platform::ids::new().simple());
        let made: TenantView = self.app.operator.post("/api/v1/tenants", private(&slug)).await.accepted();
        let tenant = made.id;
        let group = format!("tenantry-{}", tenant.replace('-', ""));
        let one = Deployment { tenant, group };
        eventually("its group", async || self.arm.groups().contains(&one.group).then_some(())).await;
        self.until(&one, Pending).await;
        let (validated, deployed) = match state {
            Pending => (false, false),
            Deploying | Failed => (true, false),
            Checking | Succeeded | Deleting | Deleted => (true, true),
        };
        if validated {
            self.arm.open(&one.group, Gate::Validation);
            self.until(&one, Deploying).await;
        }
        if deployed {
            self.arm.open(&one.group, Gate::Deployment);
            self.until(&one, Checking).await;
        }
        match state {
            Pending | Deploying | Checking => {}
            Succeeded => {
                self.arm.open(&one.group, Gate::Health);
                status(&self.app.operator, &one.tenant, "active").await;
            }
            Failed => self.fail(&one, Deploying).await,
            Deleting => self.give_up(&one).await,
            Deleted => {
                self.arm.open(&one.group, Gate::Removal);
                self.give_up(&one).await;
                status(&self.app.operator, &one.tenant, "failed").await;
            }
        }
        self.until(&one, state).await;
        one
    }

    async fn act(&self, one: &Deployment, verb: DeploymentVerb) -> bool {
        let before = self.state(one).await;
        match verb {
            DeploymentVerb::Deploy => self.arm.open(&one.group, Gate::Validation),
            DeploymentVerb::Check => self.arm.open(&one.group, Gate::Deployment),
            DeploymentVerb::Succeed => self.arm.open(&one.group, Gate::Health),
            DeploymentVerb::Fail => self.fail(one, before).await,
            DeploymentVerb::Remove => self.give_up(one).await,
            DeploymentVerb::Vanish => {
                self.arm.remove(&one.group);
                self.give_up(one).await;
            }
        }
        if before != DeploymentStatus::Failed {
            self.hurry(one).await;
        }
        true
    }

    async fn state(&self, one: &Deployment) -> DeploymentStatus {
        let purpose = format!("tenant:{}", one.tenant);
        let find = async |view: &PlatformView| {
            let all = view.platform::<deployment::Entity>();
            view.all(all.filter(deployment::Column::Purpose.eq(purpose))).await
        };
        let own = self.app.running.service.db.read_platform(find).await.expect("the store answers");
        assert!(own.len() <= 1, "one for each tenant: {own:?}");
        own.first().map_or(DeploymentStatus::Pending, |row| row.status)
    }

    /// Its run looks again and again at a gate of the double that is shut, so there is no end to wait for.
    async fn is_at_rest(&self, _: &Deployment) {
        tokio::time::sleep(10 * LOOK).await;
    }

    fn answer(&self, _: DeploymentVerb) -> Answer {
        Answer::SaysNothing
    }
}

#[actix_web::test]
async fn a_deployment_goes_where_its_table_says() {
    let others = DeploymentVerb::ALL.iter().copied().filter(|verb| *verb != DeploymentVerb::Fail);
    let story = Deployments::start(others).await;
    walk(&story, 6).await;
    story.require_order().await;
    story.stop().await;
}

/// One that is being checked fails by the clock, which is everybody's: one after the other.
#[actix_web::test]
async fn a_deployment_fails_where_its_table_says() {
    let story = Deployments::start([DeploymentVerb::Fail]).await;
    walk(&story, 1).await;
    story.require_order().await;
    story.stop().await;
}

#[actix_web::test]
async fn what_azure_does_while_the_tenant_is_given_up_leaves_one_group_or_none() {
    let story = Deployments::start(DeploymentVerb::ALL.iter().copied()).await;
    race_all(&story, DeploymentVerb::ALL, 1).await;
    story.require_order().await;
    story.stop().await;
}
