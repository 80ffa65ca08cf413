//! Deployments at the double: validated, forecast, begun, cancelled, removed.

use actix_web::HttpResponse;
use actix_web::http::{Method, StatusCode};
use serde_json::{Value, json};

use super::{About, Deployment, Gate, LOOKS, SUBSCRIPTION, World, error};

impl World {
    pub(super) fn deployment(
        &mut self,
        method: &Method,
        group_name: &str,
        name: &str,
        verb: &str,
        body: &Value,
    ) -> HttpResponse {
        let shows = self.groups.get_mut(group_name).is_some_and(|group| shows_by_now(&mut group.unseen));
        if !shows {
            return error(404, "ResourceGroupNotFound", "The resource group could not be found.");
        }
        if !verb.is_empty() && verb != "cancel" {
            return self.preflight(group_name, verb, body);
        }
        let style = self.roll() % 3;
        self.look(group_name);
        let Some(group) = self.groups.get_mut(group_name) else {
            return error(404, "ResourceGroupNotFound", "The resource group could not be found.");
        };
        let going = group.going.is_some();
        let shows = |found: &mut Deployment| shows_by_now(&mut found.unseen);
        if *method == Method::GET && !group.deployments.get_mut(name).is_none_or(shows) {
            return error(404, "DeploymentNotFound", "The deployment could not be found.");
        }
        match (method, verb, group.deployments.get_mut(name)) {
            (&Method::POST, "cancel", Some(found)) if found.state == "Running" => {
                found.state = "Canceled";
                HttpResponse::NoContent().finish()
            }
            (&Method::POST, "cancel", Some(_)) => {
                error(409, "DeploymentCannotBeCancelled", "The deployment is not running.")
            }
            (&Method::PUT, _, _) if going => {
                error(409, "ResourceGroupBeingDeleted", "The resource group is being deleted.")
            }
            (&Method::PUT, _, Some(found)) if found.state == "Running" => {
                error(409, "DeploymentActive", "The deployment with this name is active.")
            }
            (&Method::PUT, _, found) => {
                let status = if found.is_some() { StatusCode::OK } else { StatusCode::CREATED };
                let lost = found.is_none() && self.lag > 0;
                let made =
                    Deployment { body: body.clone(), looks: LOOKS, state: "Running", unseen: self.lag };
                group.deployments.insert(name.to_owned(), made);
                self.begin_in(group_name);
                self.bodies.push(body.clone());
                if lost {
                    return error(500, "InternalServerError", "The server encountered an error.");
                }
                self.operation_begun(group_name, name, status, style)
            }
            (_, _, None) => error(404, "DeploymentNotFound", "The deployment could not be found."),
            (&Method::DELETE, _, Some(_)) => {
                group.deployments.remove(name);
                HttpResponse::NoContent().finish()
            }
            (&Method::HEAD, ..) => HttpResponse::NoContent().finish(),
            _ => HttpResponse::Ok().json(self.shown(group_name, name)),
        }
    }

    /// Validation and forecast.
    fn preflight(&mut self, group_name: &str, verb: &str, body: &Value) -> HttpResponse {
        if body.pointer("/properties/template/resources").is_none() {
            return error(400, "InvalidTemplate", "There is no template.");
        }
        let group = group_name.to_owned();
        let about = if verb == "validate" { About::Validation(group) } else { About::WhatIf(group) };
        // Sometimes answered at once, sometimes later.
        let at_once = verb == "validate" && self.roll().is_multiple_of(2);
        if at_once && !self.is_shut(group_name, Gate::Validation) {
            return HttpResponse::Ok().json(json!({"properties": {"provisioningState": "Succeeded"}}));
        }
        let id = self.begin(about);
        HttpResponse::Accepted()
            .append_header((
                "location",
                format!("/subscriptions/{SUBSCRIPTION}/operationresults/{id}?api-version=2026-06-01"),
            ))
            .append_header(("retry-after-ms", "10"))
            .finish()
    }

    /// The answer to a deployment that has begun, in one of three styles.
    fn operation_begun(
        &mut self,
        group_name: &str,
        name: &str,
        status: StatusCode,
        style: u64,
    ) -> HttpResponse {
        let shown = self.shown(group_name, name);
        let id = self.begin(About::Deployment(group_name.to_owned(), name.to_owned()));
        let mut answer = HttpResponse::build(status);
        match style {
            0 => {
                answer.append_header((
                    "azure-asyncoperation",
                    format!(
                        "{}/subscriptions/{SUBSCRIPTION}/operationstatuses/{id}?api-version=2026-06-01",
                        self.url
                    ),
                ));
            }
            1 if status == StatusCode::CREATED => {
                answer.append_header((
                    "location",
                    format!(
                        "{}/subscriptions/{SUBSCRIPTION}/operationresults/{id}?api-version=2026-06-01",
                        self.url
                    ),
                ));
            }
            _ => {}
        }
        answer.append_header(("x-ms-retry-after-ms", "10")).json(shown)
    }

    pub(super) fn shown(&self, group: &str, name: &str) -> Value {
        let Some(found) = self.groups.get(group).and_then(|group| group.deployments.get(name)) else {
            return Value::Null;
        };
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}");
        let mut properties = json!({
            "provisioningState": if found.state == "Running" { "Accepted" } else { found.state },
            "mode": found.body["properties"]["mode"], "correlationId": "00000000-0000-0000-0000-00000000beef",
            "timestamp": "2026-11-21T12:00:00Z", "duration": "PT1S", "templateHash": "1",
        });
        if found.state == "Succeeded" {
            let app = format!("{path}/providers/Microsoft.App/containerApps/app");
            properties["outputs"] = json!({
                "endpoint": {"type": "String", "value": format!("{}/apps/{group}", self.url)},
                "containerAppId": {"type": "String", "value": app},
            });
            properties["outputResources"] = json!([{"id": app}]);
        }
        if matches!(found.state, "Failed" | "Canceled") {
            properties["error"] = failure(found.state);
        }
        json!({
            "id": format!("{path}/providers/Microsoft.Resources/deployments/{name}"), "name": name,
            "type": "Microsoft.Resources/deployments", "properties": properties,
        })
    }
}

/// One look at what was written: whether it is shown by now.
fn shows_by_now(unseen: &mut u32) -> bool {
    let shows = *unseen == 0;
    *unseen = unseen.saturating_sub(1);
    shows
}

/// As a failed deployment says it: the reason is JSON in a text of a detail.
pub(super) fn failure(state: &str) -> Value {
    if state == "Canceled" {
        return json!({"code": "DeploymentCanceled", "message": "The deployment was canceled."});
    }
    let inner = json!({"error": {"code": "MaxNumberOfRegionalEnvironmentsInSubExceeded", "message": "The subscription can have no more environments."}});
    json!({
        "code": "DeploymentFailed", "message": "At least one resource deployment operation failed.",
        "details": [{"code": "Conflict", "message": inner.to_string()}],
    })
}
