//! Requests to the Resource Manager.

use entity::provisioning::deployment;
use http::{Method, Request, Response, StatusCode};
use platform::http::{Failure, Outside};
use platform::ids;
use serde_json::Value;
use url::Url;

use crate::settings::Settings;
use crate::{refusal, token};

/// Of resource groups.
pub(crate) const RESOURCES: &str = "2025-04-01";
/// Of deployments.
pub(crate) const DEPLOYMENTS: &str = "2026-06-01";
/// The tag that names what a resource group belongs to.
pub(crate) const TAG: &str = "tenantry-deployment";
/// Pages of resource groups that are read.
const PAGES_MAX: usize = 100;

/// Whether there is an Azure to talk to.
pub fn is_configured(settings: &Settings) -> bool {
    !settings.subscription_id.is_empty()
}

/// The Resource Manager, with our credentials.
#[derive(Debug)]
pub struct Manager<'a> {
    pub(crate) settings: &'a Settings,
    pub(crate) outside: &'a Outside,
}

/// A resource group of ours that no deployment knows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Orphan {
    /// Its name.
    pub resource_group: String,
    /// The deployment that its tag names.
    pub deployment: String,
}

impl<'a> Manager<'a> {
    /// The Resource Manager that `settings` name, asked by `outside`.
    pub fn new(settings: &'a Settings, outside: &'a Outside) -> Self {
        Self { settings, outside }
    }

    fn base(&self) -> &str {
        self.settings.management_url.trim_end_matches('/')
    }

    /// Path of a resource group.
    pub(crate) fn group(&self, row: &deployment::Model) -> String {
        format!("/subscriptions/{}/resourcegroups/{}", self.settings.subscription_id, row.resource_group)
    }

    /// Path of a deployment.
    pub(crate) fn deployment(&self, row: &deployment::Model) -> String {
        format!("{}/providers/Microsoft.Resources/deployments/{}", self.group(row), row.name)
    }

    /// Sends a request; answers whatever the status, but the credentials' own refusal.
    pub(crate) async fn send(
        &self,
        method: Method,
        (path, version): (&str, &str),
        body: Option<&Value>,
    ) -> Result<Response<Value>, Failure> {
        self.to(method, &format!("{}{path}?api-version={version}", self.base()), body).await
    }

    /// Asks a URL that an earlier answer named; only one of the Resource Manager itself, or our token would leave it.
    pub(crate) async fn follow(&self, url: &str) -> Result<Response<Value>, Failure> {
        let base = Url::parse(self.base()).map_err(Failure::permanent)?;
        // Relative ones are seen in Azure's own examples.
        let url = base.join(url).map_err(|_| Failure::permanent("an operation's URL can't be read"))?;
        if url.origin() != base.origin() {
            return Err(Failure::permanent("an operation's URL points away from the Resource Manager"));
        }
        self.to(Method::GET, url.as_str(), None).await
    }

    async fn to(&self, method: Method, url: &str, body: Option<&Value>) -> Result<Response<Value>, Failure> {
        let bearer = token::bearer(self.settings, self.outside).await?;
        let request = Request::builder().method(method).uri(url);
        let request = request.header("authorization", format!("Bearer {}", *bearer));
        let request = request.header("x-ms-client-request-id", ids::new().to_string());
        let answer = self.outside.json(request, body).await?;
        if answer.status() == StatusCode::UNAUTHORIZED {
            token::refused(self.settings);
            return Err(refused(&answer));
        }
        Ok(answer)
    }

    /// What is there, if it is.
    pub(crate) async fn get(&self, path: &str, version: &str) -> Result<Option<Response<Value>>, Failure> {
        let answer = self.send(Method::GET, (path, version), None).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Ok(None),
            status if status.is_success() => Ok(Some(answer)),
            _ => Err(refused(&answer)),
        }
    }
}

/// A refusal as a failure, with everything that it says.
pub(crate) fn refused(answer: &Response<Value>) -> Failure {
    Failure::of("Azure", answer, refusal::describe(answer.body()))
}

/// Resource groups that carry our tag and that `known` doesn't know.
pub async fn orphans(
    settings: &Settings,
    outside: &Outside,
    known: impl Fn(&str) -> bool,
) -> Result<Vec<Orphan>, Failure> {
    let manager = Manager { settings, outside };
    let filter: String =
        url::form_urlencoded::byte_serialize(format!("tagName eq '{TAG}'").as_bytes()).collect();
    let first = format!(
        "{}/subscriptions/{}/resourcegroups?api-version={RESOURCES}&$filter={filter}",
        manager.base(),
        settings.subscription_id
    );
    let (mut next, mut found) = (Some(first), Vec::new());
    for _ in 0..PAGES_MAX {
        let Some(url) = next.take() else { return Ok(found) };
        let answer = manager.follow(&url).await?;
        if !answer.status().is_success() {
            return Err(refused(&answer));
        }
        let body = answer.into_body();
        for group in body.get("value").and_then(Value::as_array).into_iter().flatten() {
            let text =
                |pointer: &str| group.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
            let deployment = text(&format!("/tags/{TAG}"));
            // A group that is going away is nobody's concern.
            if !known(&deployment) && text("/properties/provisioningState") != "Deleting" {
                found.push(Orphan { resource_group: text("/name"), deployment });
            }
        }
        next = body.get("nextLink").and_then(Value::as_str).map(ToOwned::to_owned);
    }
    Err(Failure::permanent("there are more resource groups than are read"))
}

/// Asks for a sign of life, with the credentials that runs use.
pub async fn ping(settings: &Settings, outside: &Outside) -> Result<(), Failure> {
    let manager = Manager { settings, outside };
    let path = format!("/subscriptions/{}/resourcegroups", settings.subscription_id);
    let found = manager.get(&path, RESOURCES).await?;
    found.map(drop).ok_or_else(|| Failure::permanent("there is no such subscription"))
}
