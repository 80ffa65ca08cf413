//! The tenant's data, copied by the hook that the operator has set.

use entity::tenancy::tenant;
use http::{Request, StatusCode};
use platform::View;
use secrecy::ExposeSecret as _;
use serde_json::json;
use tenancy::Place;

use super::End;
use crate::error::Error;
use crate::model::StepError;
use crate::settings::Settings;
use crate::steps::{Attempt, Learnt, NOTHING, Step, Undo};

pub(in crate::steps) const STEP: Step = Step {
    name: "copy",
    does: "has `provisioning.copy_hook_url` copy the tenant's data",
    waits_for: Some("the copy hook"),
    away: Some(|attempt, tenant| Box::pin(ask(attempt, tenant, Action::Copy))),
    commit: NOTHING,
    undo: Undo::Away(|attempt, tenant| Box::pin(ask(attempt, tenant, Action::Discard))),
};

/// What the hook is asked for.
#[derive(Clone, Copy)]
enum Action {
    Copy,
    Discard,
}

impl Action {
    fn as_str(self) -> &'static str {
        match self {
            Action::Copy => "copy",
            Action::Discard => "discard",
        }
    }
}

/// Has the data copied, or the copy discarded. The same run asks with the same id, however often.
async fn ask(attempt: &Attempt<'_>, tenant: &tenant::Model, action: Action) -> Result<Learnt, StepError> {
    let settings = attempt.service.config.section::<Settings>();
    let action = action.as_str();
    if settings.copy_hook_url.is_empty() {
        return Ok(Learnt::default());
    }
    let here = Place::of(tenant);
    let (from, to) = attempt.places(tenant)?.unwrap_or_else(|| (here.clone(), here));
    let realms =
        [End::From, End::To].map(|end| attempt.run.parameters.get(end.realm()).cloned().unwrap_or_default());
    let shown = async |view: &View, place: &Place| {
        let endpoint = match place.instance {
            Some(id) => tenancy::instance(view, id).await.ok().and_then(|row| row.endpoint),
            None => None,
        };
        json!({"id": place.instance, "endpoint": endpoint, "region": place.region, "isolation": place.isolation})
    };
    let both = async |view: &View| Ok::<_, Error>((shown(view, &from).await, shown(view, &to).await));
    let (mut from, mut to) = attempt.service.db.read(tenant.id, both).await?;
    for (end, realm) in [&mut from, &mut to].into_iter().zip(realms) {
        if let Some(end) = end.as_object_mut().filter(|_| !realm.is_null()) {
            end.insert("identity".to_owned(), realm);
        }
    }
    let body = json!({
        "action": action, "runId": attempt.run.id, "tenantId": tenant.id, "tenantSlug": tenant.slug,
        "from": from, "to": to,
    })
    .to_string()
    .into_bytes();
    let id = format!("{}-{action}", attempt.run.id);
    let at = attempt.outside.now().timestamp();
    let secret = settings.copy_hook_secret.expose_secret();
    let signature = delivery::sign(secret, &id, at, &body).ok_or_else(|| StepError::Permanent {
        why: "provisioning.copy_hook_secret is not a webhook secret (whsec_…)".to_owned(),
    })?;
    let request = Request::post(&settings.copy_hook_url)
        .header("content-type", "application/json")
        .header("webhook-id", id)
        .header("webhook-timestamp", at.to_string())
        .header("webhook-signature", signature)
        .body(body);
    let request = request.map_err(|error| StepError::Permanent { why: error.to_string() })?;
    let answer = attempt.outside.send(request).await.map_err(platform::http::Failure::from)?;
    match answer.status() {
        StatusCode::ACCEPTED => Err(StepError::Pending {
            after: attempt.pause(),
            why: "the copy hook, which is still at it".to_owned(),
        }),
        status if status.is_success() => Ok(Learnt::default()),
        status => Err(StepError::Transient {
            after: None,
            why: format!("the copy hook answered {}", status.as_u16()),
        }),
    }
}
