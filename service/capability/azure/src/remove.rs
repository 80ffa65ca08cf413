//! A deployment is taken back: its resource group goes, and everything in it.

use std::time::Duration;

use entity::provisioning::deployment;
use entity::provisioning::states::DeploymentVerb;
use http::{Method, StatusCode};
use platform::http::{Failure, Outside};
use serde_json::Value;

use crate::deploy::{Operation, Progress, What};
use crate::manager::{DEPLOYMENTS, Manager, RESOURCES, TAG, refused};
use crate::operation::{self, Follow, State};
use crate::settings::Settings;

/// Does what can be done now towards the deployment's absence and notes in `row` how far it came; the caller stores the row.
///
/// # Errors
/// [`Failure`]: nothing was found out, try again.
pub async fn remove(
    settings: &Settings,
    outside: &Outside,
    row: &mut deployment::Model,
) -> Result<Progress, Failure> {
    let manager = Manager { settings, outside };
    let path = manager.group(row);
    let begun = Operation::of(row).filter(|operation| operation.what == What::Delete);
    if let Some(Operation { follow: Follow::Location(url) | Follow::AsyncOperation(url), .. }) = &begun {
        let answer = manager.follow(url).await?;
        let gone = answer.status() == StatusCode::NOT_FOUND;
        if !gone && !answer.status().is_success() {
            return Err(refused(&answer));
        }
        let follow = begun.map_or(Follow::Resource, |operation| operation.follow);
        if !gone && let State::Running(after) = operation::polled(&follow, &answer) {
            return Ok(Progress::Wait(after.unwrap_or(settings.poll), "the removal".to_owned()));
        }
    }
    let Some(found) = manager.get(&path, RESOURCES).await? else {
        row.go(DeploymentVerb::Vanish);
        row.operation = None;
        return Ok(Progress::Done);
    };
    let tag = found.body().pointer(&format!("/tags/{TAG}")).and_then(Value::as_str);
    if tag != Some(&row.id.to_string()) {
        // Somebody else's of the same name: nothing of ours is there.
        row.go(DeploymentVerb::Vanish);
        return Ok(Progress::Done);
    }
    row.go(DeploymentVerb::Remove);
    // A running deployment would go on making things while the group goes.
    let cancel = format!("{}/cancel", manager.deployment(row));
    manager.send(Method::POST, (&cancel, DEPLOYMENTS), None).await?;
    let answer = manager.send(Method::DELETE, (&path, RESOURCES), None).await?;
    let soon = Duration::ZERO;
    match answer.status() {
        StatusCode::NOT_FOUND => Ok(Progress::Wait(soon, "the removal".to_owned())),
        status if status.is_success() => {
            let (follow, state) = operation::begun(&answer);
            Operation { what: What::Delete, follow }.store_in(row);
            let after = if let State::Running(after) = state { after.unwrap_or(settings.poll) } else { soon };
            Ok(Progress::Wait(after, "the removal".to_owned()))
        }
        _ => Err(refused(&answer)),
    }
}
