//! Resource groups at the double.

use std::collections::BTreeMap;

use actix_web::HttpResponse;
use actix_web::http::Method;
use serde_json::{Value, json};

use super::{About, Gate, Group, LOOKS, SUBSCRIPTION, World, error};

impl World {
    pub(super) fn group(&mut self, method: &Method, name: &str, body: &Value) -> HttpResponse {
        self.look(name);
        if self.is_shut(name, Gate::Group) {
            return error(503, "ServerBusy", "The server is busy.");
        }
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
        match (method, self.groups.get_mut(name)) {
            (&Method::PUT, Some(group)) if group.going.is_some() => {
                error(409, "ResourceGroupBeingDeleted", "The resource group is being deleted.")
            }
            (&Method::PUT, found) => {
                if body["location"].as_str().is_none() {
                    return error(400, "LocationRequired", "The location property is required.");
                }
                let new = found.is_none();
                match found {
                    Some(group) => group.body = body.clone(),
                    None => {
                        let group = Group {
                            body: body.clone(),
                            going: None,
                            deployments: BTreeMap::new(),
                            health: 0,
                            unseen: self.lag,
                        };
                        self.groups.insert(name.to_owned(), group);
                    }
                }
                let answer = shown_group(&path, name, body, "Succeeded");
                if new { HttpResponse::Created().json(answer) } else { HttpResponse::Ok().json(answer) }
            }
            (_, None) => error(404, "ResourceGroupNotFound", "The resource group could not be found."),
            (&Method::HEAD, _) => HttpResponse::NoContent().finish(),
            (&Method::DELETE, Some(group)) => {
                group.going.get_or_insert(LOOKS);
                let id = self.begin(About::Removal(name.to_owned()));
                HttpResponse::Accepted()
                    .append_header((
                        "location",
                        format!(
                            "{}/subscriptions/{SUBSCRIPTION}/operationresults/{id}?api-version=2025-04-01",
                            self.url
                        ),
                    ))
                    .append_header(("x-ms-retry-after-ms", "10"))
                    .finish()
            }
            (_, Some(group)) => {
                let state = if group.going.is_some() { "Deleting" } else { "Succeeded" };
                HttpResponse::Ok().json(shown_group(&path, name, &group.body, state))
            }
        }
    }

    pub(super) fn list(&self) -> HttpResponse {
        let shown = |(name, group): (&String, &Group)| {
            let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{name}");
            shown_group(
                &path,
                name,
                &group.body,
                if group.going.is_some() { "Deleting" } else { "Succeeded" },
            )
        };
        let tagged =
            self.groups.iter().filter(|(_, group)| group.body["tags"]["tenantry-deployment"].is_string());
        HttpResponse::Ok().json(json!({"value": tagged.map(shown).collect::<Vec<_>>()}))
    }
}

fn shown_group(path: &str, name: &str, body: &Value, state: &str) -> Value {
    json!({
        "id": path, "name": name, "type": "Microsoft.Resources/resourceGroups", "location": body["location"],
        "tags": body["tags"], "properties": {"provisioningState": state},
    })
}
