//! Long-running operations at the double.

use actix_web::HttpResponse;
use serde_json::json;

use super::deployments::failure;
use super::{About, Gate, SUBSCRIPTION, World, error};

impl World {
    /// The resource of an operation in the styles of `Azure-AsyncOperation` and `Location`.
    pub(super) fn operation(&mut self, id: u64, statuses: bool) -> HttpResponse {
        let Some((looks, about)) = self.operations.get_mut(&id).map(|(looks, about)| {
            *looks = looks.saturating_sub(1);
            (*looks, about.clone())
        }) else {
            return error(404, "NotFound", "The operation is not known.");
        };
        let later = |world: &Self| {
            HttpResponse::Accepted()
                .append_header((
                    "location",
                    format!(
                        "{}/subscriptions/{SUBSCRIPTION}/operationresults/{id}?api-version=2025-04-01",
                        world.url
                    ),
                ))
                .append_header(("retry-after-ms", "10"))
                .finish()
        };
        match about {
            About::Validation(group) if self.refused.contains(&group) => {
                error(400, "InvalidTemplateDeployment", "The template deployment is not valid.")
            }
            About::Validation(group) | About::WhatIf(group)
                if looks > 0 || self.is_shut(&group, Gate::Validation) =>
            {
                later(self)
            }
            About::Validation(_) => {
                HttpResponse::Ok().json(json!({"properties": {"provisioningState": "Succeeded"}}))
            }
            About::WhatIf(_) => {
                HttpResponse::Ok().json(json!({"status": "Succeeded", "properties": {"changes": [
                    {"resourceId": "/x", "changeType": "Create"},
                ]}}))
            }
            About::Removal(name) => {
                self.look(&name);
                if self.groups.get(&name).is_some_and(|group| group.going.is_some()) {
                    return later(self);
                }
                HttpResponse::Ok().finish()
            }
            About::Deployment(group, name) => {
                self.look(&group);
                let shown = self.shown(&group, &name);
                let state = self
                    .groups
                    .get(&group)
                    .and_then(|group| group.deployments.get(&name))
                    .map(|one| one.state);
                match (statuses, state) {
                    (_, None) => error(404, "NotFound", "The operation is not known."),
                    (true, Some(state @ ("Failed" | "Canceled"))) => {
                        HttpResponse::Ok().json(json!({"status": state, "error": failure(state)}))
                    }
                    (true, Some(state)) => HttpResponse::Ok().json(json!({"status": state})),
                    (false, Some("Running")) => later(self),
                    (false, Some("Failed")) => {
                        HttpResponse::Conflict().json(json!({"error": failure("Failed")}))
                    }
                    (false, Some(_)) => HttpResponse::Ok().json(shown),
                }
            }
        }
    }
}
