//! A deployment is taken on by one look at a time: group, validation, forecast, deployment, health.

use std::time::Duration;

use chrono::TimeDelta;
use entity::provisioning::deployment;
use entity::provisioning::states::{DeploymentStatus, DeploymentVerb};
use http::{Method, Request, Response, StatusCode};
use platform::http::{Failure, Outside};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::manager::{DEPLOYMENTS, Manager, RESOURCES, TAG, refused};
use crate::operation::{self, Follow, State};
use crate::settings::Settings;
use crate::{refusal, template};

/// How a look ended.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Progress {
    /// Look again after this; in words, what is waited for.
    Wait(Duration, String),
    /// Through.
    Done,
    /// It can't be: everything is to be removed.
    Failed(String),
}

/// The operation that is being followed, as the row keeps it.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Operation {
    pub(crate) what: What,
    pub(crate) follow: Follow,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum What {
    Validate,
    Forecast,
    Deploy,
    Delete,
}

impl Operation {
    pub(crate) fn of(row: &deployment::Model) -> Option<Self> {
        serde_json::from_value(row.operation.clone()?).ok()
    }

    pub(crate) fn store_in(self, row: &mut deployment::Model) {
        row.operation = serde_json::to_value(self).ok();
    }
}

struct Deployer<'a> {
    manager: Manager<'a>,
    health_path: &'a str,
}

/// Does what can be done now and records in `row` how far it came; the caller stores the row.
///
/// # Errors
/// [`Failure`]: nothing was found out, try again.
pub async fn advance(
    (settings, health_path): (&Settings, &str),
    outside: &Outside,
    row: &mut deployment::Model,
) -> Result<Progress, Failure> {
    let deployer = Deployer { manager: Manager { settings, outside }, health_path };
    let age = outside.now() - row.created_at;
    let late = age > TimeDelta::from_std(settings.deployment_timeout).unwrap_or(TimeDelta::hours(1));
    let under_way = matches!(
        row.status,
        DeploymentStatus::Pending | DeploymentStatus::Deploying | DeploymentStatus::Checking
    );
    if late && under_way {
        // Cancelling a deployment that is through, or was never begun, is refused: the removal takes care of either.
        let path = format!("{}/cancel", deployer.manager.deployment(row));
        deployer.manager.send(Method::POST, (&path, DEPLOYMENTS), None).await?;
        return Ok(Progress::Failed(format!(
            "it took longer than {} s",
            settings.deployment_timeout.as_secs()
        )));
    }
    match row.status {
        DeploymentStatus::Pending => deployer.prepare(row).await,
        DeploymentStatus::Deploying => deployer.deploying(row).await,
        DeploymentStatus::Checking => deployer.check(row).await,
        DeploymentStatus::Succeeded => Ok(Progress::Done),
        DeploymentStatus::Failed | DeploymentStatus::Deleting | DeploymentStatus::Deleted => {
            Ok(Progress::Failed(row.error.clone().unwrap_or_else(|| row.status.to_string())))
        }
    }
}

impl Deployer<'_> {
    fn wait(&self, after: Option<Duration>, why: &str) -> Progress {
        Progress::Wait(after.unwrap_or(self.manager.settings.poll), why.to_owned())
    }

    /// Group, validation, forecast, deployment: each once, and again after a crash, which changes nothing.
    async fn prepare(&self, row: &mut deployment::Model) -> Result<Progress, Failure> {
        let body = template::deployment(self.manager.settings, self.health_path, row)?;
        match Operation::of(row) {
            None => {
                if let Some(refusal) = self.group(row).await? {
                    return Ok(refusal);
                }
                // An earlier attempt may have come further than it could note.
                if let Some(found) = self.manager.get(&self.manager.deployment(row), DEPLOYMENTS).await?
                    && self.took_up(row, &found)
                {
                    return Ok(self.wait(Some(Duration::ZERO), "the deployment"));
                }
                self.forecast(row, What::Validate, "validate", &body).await
            }
            Some(Operation { what: What::Validate, follow }) => match self.poll(row, &follow).await? {
                State::Running(after) => Ok(self.wait(after, "the validation")),
                State::Succeeded => self.forecast(row, What::Forecast, "whatIf", &body).await,
                State::Failed(why) | State::Canceled(why) => Ok(Progress::Failed(why)),
            },
            Some(Operation { follow, .. }) => match self.poll(row, &follow).await? {
                State::Running(after) => Ok(self.wait(after, "the forecast")),
                State::Succeeded => self.deploy(row, &body).await,
                State::Failed(why) | State::Canceled(why) => Ok(Progress::Failed(why)),
            },
        }
    }

    /// Makes the resource group; a group of this name with another's tag is never deployed into.
    async fn group(&self, row: &mut deployment::Model) -> Result<Option<Progress>, Failure> {
        let path = self.manager.group(row);
        if let Some(found) = self.manager.get(&path, RESOURCES).await? {
            let tag = found.body().pointer(&format!("/tags/{TAG}")).and_then(Value::as_str);
            if tag != Some(&row.id.to_string()) {
                let taken = Failure::not_ours(format!("a resource group called {}", row.resource_group));
                return Ok(Some(Progress::Failed(taken.reason)));
            }
        }
        let answer = self.manager.send(Method::PUT, (&path, RESOURCES), Some(&template::group(row))).await?;
        if answer.status().is_success() { Ok(None) } else { self.failed(row, &answer).map(Some) }
    }

    /// A refusal that trying again can't mend ends the deployment; another is tried again. A group that was made a moment ago isn't known
    /// everywhere yet, or somebody removed it: it is made again, as long as the deployment has time.
    fn failed(&self, row: &mut deployment::Model, answer: &Response<Value>) -> Result<Progress, Failure> {
        if refusal::code(answer.body()) == Some("ResourceGroupNotFound") {
            row.operation = None;
            return Ok(self.wait(None, "the resource group"));
        }
        let failure = refused(answer);
        if failure.permanent { Ok(Progress::Failed(failure.reason)) } else { Err(failure) }
    }

    /// Asks what would be: `validate` or `whatIf`.
    async fn forecast(
        &self,
        row: &mut deployment::Model,
        what: What,
        verb: &str,
        body: &Value,
    ) -> Result<Progress, Failure> {
        let path = format!("{}/{verb}", self.manager.deployment(row));
        let answer = self.manager.send(Method::POST, (&path, DEPLOYMENTS), Some(body)).await?;
        if !answer.status().is_success() {
            return self.failed(row, &answer);
        }
        if let Some(error) = answer.body().get("error").filter(|error| !error.is_null()) {
            return Ok(Progress::Failed(refusal::describe(error).unwrap_or_else(|| "refused".to_owned())));
        }
        let (follow, state) = operation::begun(&answer);
        if let Follow::Resource = follow
            && let Some(why) = destroys(answer.body())
        {
            return Ok(Progress::Failed(why));
        }
        Operation { what, follow }.store_in(row);
        match state {
            State::Running(after) => Ok(self.wait(after, verb)),
            State::Succeeded => Ok(self.wait(Some(Duration::ZERO), verb)),
            State::Failed(why) | State::Canceled(why) => Ok(Progress::Failed(why)),
        }
    }

    /// Polls what is followed. One whose address is gone is judged by the deployment itself.
    async fn poll(&self, row: &deployment::Model, follow: &Follow) -> Result<State, Failure> {
        let url = match follow {
            // Answered at once.
            Follow::Resource => return Ok(State::Succeeded),
            Follow::AsyncOperation(url) | Follow::Location(url) => url,
        };
        let answer = self.manager.follow(url).await?;
        // An address that is gone, or that answers with the operation's own failure: the deployment itself has the last word.
        if matches!(answer.status(), StatusCode::NOT_FOUND | StatusCode::CONFLICT) {
            let found = self.manager.get(&self.manager.deployment(row), DEPLOYMENTS).await?;
            return Ok(found.map_or(State::Succeeded, |found| operation::polled(&Follow::Resource, &found)));
        }
        if !answer.status().is_success() {
            let failure = refused(&answer);
            return if failure.permanent { Ok(State::Failed(failure.reason)) } else { Err(failure) };
        }
        if let Some(why) = destroys(answer.body()) {
            return Ok(State::Failed(why));
        }
        Ok(operation::polled(follow, &answer))
    }

    async fn deploy(&self, row: &mut deployment::Model, body: &Value) -> Result<Progress, Failure> {
        let path = self.manager.deployment(row);
        let answer = self.manager.send(Method::PUT, (&path, DEPLOYMENTS), Some(body)).await?;
        // One of this name is running: an earlier attempt's, whose answer was lost.
        if answer.status() == StatusCode::CONFLICT && refusal::code(answer.body()) == Some("DeploymentActive")
        {
            row.go(DeploymentVerb::Deploy);
            Operation { what: What::Deploy, follow: Follow::Resource }.store_in(row);
            return Ok(self.wait(None, "the deployment"));
        }
        if !answer.status().is_success() {
            return self.failed(row, &answer);
        }
        let (follow, state) = operation::begun(&answer);
        row.go(DeploymentVerb::Deploy);
        Operation { what: What::Deploy, follow }.store_in(row);
        let after = if let State::Running(after) = state { after } else { Some(Duration::ZERO) };
        Ok(self.wait(after, "the deployment"))
    }

    /// Goes on with a deployment that is there: running, or through.
    fn took_up(&self, row: &mut deployment::Model, found: &Response<Value>) -> bool {
        let goes_on =
            matches!(operation::polled(&Follow::Resource, found), State::Running(_) | State::Succeeded);
        if goes_on {
            row.go(DeploymentVerb::Deploy);
            Operation { what: What::Deploy, follow: Follow::Resource }.store_in(row);
        }
        goes_on
    }

    async fn deploying(&self, row: &mut deployment::Model) -> Result<Progress, Failure> {
        let follow = Operation::of(row).map_or(Follow::Resource, |operation| operation.follow);
        if !matches!(follow, Follow::Resource) {
            match self.poll(row, &follow).await? {
                State::Running(after) => return Ok(self.wait(after, "the deployment")),
                State::Failed(why) | State::Canceled(why) => return Ok(Progress::Failed(why)),
                State::Succeeded => {}
            }
        }
        // The last word, and the outputs, are the deployment's own.
        let Some(found) = self.manager.get(&self.manager.deployment(row), DEPLOYMENTS).await? else {
            // What was written a moment ago isn't shown everywhere yet. One that is really gone is given up when its time is over.
            return Ok(self.wait(None, "the deployment, which isn't shown"));
        };
        match operation::polled(&Follow::Resource, &found) {
            State::Running(after) => Ok(self.wait(after, "the deployment")),
            State::Failed(why) | State::Canceled(why) => Ok(Progress::Failed(why)),
            State::Succeeded => {
                let outputs = found.body().pointer("/properties/outputs").cloned();
                row.outputs = outputs.unwrap_or_else(|| json!({}));
                row.go(DeploymentVerb::Check);
                row.operation = None;
                self.check(row).await
            }
        }
    }

    async fn check(&self, row: &mut deployment::Model) -> Result<Progress, Failure> {
        let endpoint = row.outputs.pointer("/endpoint/value").and_then(Value::as_str);
        let Some(endpoint) = endpoint else {
            return Ok(Progress::Failed("the deployment has no output called endpoint".to_owned()));
        };
        let url = format!("{}{}", endpoint.trim_end_matches('/'), self.health_path);
        let answer = self.manager.outside.json(Request::get(url), None).await;
        match answer {
            Ok(answer) if answer.status().is_success() => {
                row.go(DeploymentVerb::Succeed);
                Ok(Progress::Done)
            }
            Ok(answer) => {
                Ok(self
                    .wait(None, &format!("the instance's health: it answers {}", answer.status().as_u16())))
            }
            Err(error) => Ok(self.wait(None, &format!("the instance's health: {error}"))),
        }
    }
}

/// A forecast that would delete something is not of a new instance.
fn destroys(body: &Value) -> Option<String> {
    let changes = body.pointer("/properties/changes").or_else(|| body.get("changes"))?.as_array()?;
    let deleted = changes.iter().find(|change| change["changeType"] == "Delete")?;
    Some(format!("the deployment would delete {}", deleted["resourceId"].as_str().unwrap_or("a resource")))
}
