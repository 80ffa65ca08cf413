//! A double of the Azure Resource Manager's wire: tokens, resource groups, deployments as long-running operations in all three
//! styles, throttling, conflicts, faults, lost answers. Checked against Microsoft's own clients by `arm_client.py`.
//!
//! Time is counted in looks: an operation is through when it was asked about often enough.

mod deployments;
mod gates;
mod groups;
mod operations;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::dev::ServerHandle;
use actix_web::http::{Method, StatusCode};
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::{Value, json};

pub use gates::Gate;

/// The subscription of the double.
pub const SUBSCRIPTION: &str = "00000000-0000-0000-0000-00000000cafe";
/// Looks until an operation is through.
const LOOKS: u32 = 2;
/// Answers that never come at all, in the life of a double: each of them costs whoever waits as long as it is willing to.
const SILENCES: u32 = 24;

/// A running double.
pub struct Arm {
    pub url: String,
    state: State,
    server: ServerHandle,
}

type State = Arc<Mutex<World>>;

#[derive(Default)]
struct World {
    url: String,
    groups: BTreeMap<String, Group>,
    /// Long-running operations: looks left, and what they are about.
    operations: BTreeMap<u64, (u32, About)>,
    next: u64,
    /// Per thousand requests that go wrong.
    chaos: u64,
    seed: u64,
    /// Answers that never came.
    silences: u32,
    /// Groups whose deployment fails.
    failing: BTreeSet<String>,
    /// Of the groups into which something is deployed, one in so many fails; 0: none.
    fails_each: usize,
    /// Looks at an app's health that fail first.
    sick: u32,
    /// Looks for which what was written isn't shown: the Resource Manager's replicas lag behind each other.
    lag: u32,
    tokens: u64,
    /// Tokens up to this one are refused.
    revoked: u64,
    said: Vec<(u16, String)>,
    bodies: Vec<Value>,
    /// Deployments that were begun, by group.
    begun: BTreeMap<String, u32>,
    asked_tokens: Vec<String>,
    /// What is shut, by group; of others, what is shut there.
    shut: BTreeMap<String, BTreeSet<Gate>>,
    shut_ahead: BTreeSet<Gate>,
    /// Groups whose validation is refused.
    refused: BTreeSet<String>,
}

#[derive(Clone)]
enum About {
    Deployment(String, String),
    Validation(String),
    WhatIf(String),
    Removal(String),
}

struct Group {
    body: Value,
    /// Looks until it is gone.
    going: Option<u32>,
    deployments: BTreeMap<String, Deployment>,
    health: u32,
    unseen: u32,
}

struct Deployment {
    body: Value,
    looks: u32,
    state: &'static str,
    unseen: u32,
}

impl Arm {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state: State = Arc::new(Mutex::new(World { url: url.clone(), seed: 42, ..World::default() }));
        let shared = state.clone();
        let server = HttpServer::new(move || {
            App::new().app_data(web::Data::new(shared.clone())).default_service(web::to(serve))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("it listens")
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, state, server: handle }
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.state.lock().expect("a lock")
    }

    /// So many of a thousand requests go wrong from now on.
    pub fn misbehave(&self, per_thousand: u64) {
        self.world().chaos = per_thousand;
    }

    /// The deployment in this group fails.
    pub fn fail(&self, group: &str) {
        self.world().failing.insert(group.to_owned());
    }

    /// From now on the deployment fails in each `number`th group that sees its first one.
    pub fn fail_each(&self, number: usize) {
        self.world().fails_each = number;
    }

    /// Apps answer 503 for so many looks.
    pub fn sick(&self, looks: u32) {
        self.world().sick = looks;
    }

    /// What is written from now on isn't shown for so many looks, and who first deploys into a group hears nothing of it.
    pub fn lag(&self, looks: u32) {
        self.world().lag = looks;
    }

    /// No token that was given so far is taken any more.
    pub fn revoke_tokens(&self) {
        let mut world = self.world();
        world.revoked = world.tokens;
    }

    /// A group that somebody else made.
    pub fn add_group(&self, name: &str, tags: Value) {
        let body = json!({"location": "westeurope", "tags": tags});
        let group = Group { body, going: None, deployments: BTreeMap::new(), health: 0, unseen: 0 };
        self.world().groups.insert(name.to_owned(), group);
    }

    /// Names of all groups.
    pub fn groups(&self) -> Vec<String> {
        self.world().groups.keys().cloned().collect()
    }

    /// States of a group's deployments.
    pub fn states(&self, group: &str) -> Vec<&'static str> {
        let world = self.world();
        world
            .groups
            .get(group)
            .map(|group| group.deployments.values().map(|one| one.state).collect())
            .unwrap_or_default()
    }

    /// How often a deployment was begun in a group.
    pub fn begun(&self, group: &str) -> u32 {
        self.world().begun.get(group).copied().unwrap_or_default()
    }

    /// Bodies of deployments that came.
    pub fn bodies(&self) -> Vec<Value> {
        self.world().bodies.clone()
    }

    /// What was answered: status, and method with path.
    pub fn said(&self) -> Vec<(u16, String)> {
        self.world().said.clone()
    }

    /// What token endpoints were asked.
    pub fn asked_tokens(&self) -> Vec<String> {
        self.world().asked_tokens.clone()
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

fn error(status: u16, code: &str, message: &str) -> HttpResponse {
    let status = StatusCode::from_u16(status).expect("a status");
    HttpResponse::build(status)
        .append_header(("x-ms-request-id", "00000000-1111-2222-3333-444444444444"))
        .json(json!({"error": {"code": code, "message": message}}))
}

impl World {
    /// A number from a small generator: the same mishaps in each run.
    fn roll(&mut self) -> u64 {
        self.seed ^= self.seed << 13;
        self.seed ^= self.seed >> 7;
        self.seed ^= self.seed << 17;
        self.seed
    }

    /// What goes wrong with a request, if anything does.
    fn mishap(&mut self) -> Option<u64> {
        if self.roll() % 1000 >= self.chaos {
            return None;
        }
        let which = self.roll() % 6;
        if which == 5 {
            self.silences += 1;
        }
        Some(if self.silences > SILENCES { which.min(4) } else { which })
    }

    /// A deployment is begun in a group.
    fn begin_in(&mut self, group: &str) {
        let times = self.begun.entry(group.to_owned()).or_default();
        *times += 1;
        let is_first = *times == 1;
        if is_first && self.fails_each > 0 && self.begun.len().is_multiple_of(self.fails_each) {
            self.failing.insert(group.to_owned());
        }
    }

    fn begin(&mut self, about: About) -> u64 {
        self.next += 1;
        self.operations.insert(self.next, (LOOKS, about));
        self.next
    }

    fn token(&mut self) -> HttpResponse {
        self.tokens += 1;
        let token = format!("arm-token-{}", self.tokens);
        HttpResponse::Ok().json(json!({"access_token": token, "expires_in": 3600, "token_type": "Bearer"}))
    }

    fn is_known(&self, request: &HttpRequest) -> bool {
        let header = request.headers().get("authorization").and_then(|value| value.to_str().ok());
        let number = header.and_then(|text| text.strip_prefix("Bearer arm-token-")?.parse::<u64>().ok());
        number.is_some_and(|number| number > self.revoked && number <= self.tokens)
    }

    /// One look at a group's deployments and removals: both go on by being looked at.
    fn look(&mut self, name: &str) {
        let failing = self.failing.contains(name);
        let [runs_on, stays] = [Gate::Deployment, Gate::Removal].map(|gate| self.is_shut(name, gate));
        let Some(group) = self.groups.get_mut(name) else { return };
        for deployment in group.deployments.values_mut().filter(|one| one.state == "Running") {
            deployment.looks = deployment.looks.saturating_sub(1);
            if deployment.looks == 0 && !runs_on {
                deployment.state = if failing { "Failed" } else { "Succeeded" };
            }
        }
        let gone = group.going.as_mut().is_some_and(|looks| {
            *looks = looks.saturating_sub(1);
            *looks == 0 && !stays
        });
        if gone {
            self.groups.remove(name);
        }
    }

    fn app(&mut self, group: &str) -> HttpResponse {
        let sick = self.sick;
        let is_shut = self.is_shut(group, Gate::Health);
        match self.groups.get_mut(group) {
            None => HttpResponse::NotFound().finish(),
            Some(found) if is_shut || found.health < sick => {
                found.health += 1;
                HttpResponse::ServiceUnavailable().finish()
            }
            Some(_) => HttpResponse::Ok().finish(),
        }
    }

    fn container_app(&self, group: &str, name: &str) -> HttpResponse {
        let Some(found) = self.groups.get(group) else {
            return error(404, "ResourceGroupNotFound", "The resource group could not be found.");
        };
        let path = format!("/subscriptions/{SUBSCRIPTION}/resourceGroups/{group}/providers/Microsoft.App");
        HttpResponse::Ok().json(json!({
            "id": format!("{path}/containerApps/{name}"), "name": name, "type": "Microsoft.App/containerApps",
            "location": found.body["location"], "tags": found.body["tags"],
            "properties": {
                "provisioningState": "Succeeded", "runningStatus": "Running",
                "managedEnvironmentId": format!("{path}/managedEnvironments/{name}-env"),
                "configuration": {"ingress": {"fqdn": "app.example", "external": true, "targetPort": 8080}},
                "template": {"containers": [{"name": "instance", "image": "x"}], "scale": {"minReplicas": 1, "maxReplicas": 10}},
            },
        }))
    }

    fn answer(&mut self, request: &HttpRequest, body: &Value) -> HttpResponse {
        let path = request.path().to_owned();
        let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
        if let ["apps", group, ..] = parts.as_slice() {
            return self.app(group);
        }
        if !self.is_known(request) {
            return error(401, "ExpiredAuthenticationToken", "The access token expiry is in the past.");
        }
        if !request.query_string().contains("api-version=") {
            return error(400, "MissingApiVersionParameter", "The api-version query parameter is required.");
        }
        let lower: Vec<String> = parts.iter().map(|part| part.to_lowercase()).collect();
        let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
        let method = request.method().clone();
        match (lower.as_slice(), parts.as_slice()) {
            (["subscriptions", _, "resourcegroups"], _) => self.list(),
            (["subscriptions", _, "resourcegroups", _], [.., group]) => self.group(&method, group, body),
            (["subscriptions", _, "operationstatuses", id], _) => {
                self.operation(id.parse().unwrap_or_default(), true)
            }
            (["subscriptions", _, "operationresults", id], _) => {
                self.operation(id.parse().unwrap_or_default(), false)
            }
            (
                [
                    "subscriptions",
                    _,
                    "resourcegroups",
                    _,
                    "providers",
                    "microsoft.resources",
                    "deployments",
                    _,
                    verb @ ..,
                ],
                [_, _, _, group, _, _, _, name, ..],
            ) => {
                let verb = verb.first().copied().unwrap_or_default();
                self.deployment(&method, group, name, verb, body)
            }
            (
                ["subscriptions", _, "resourcegroups", _, "providers", "microsoft.app", "containerapps", _],
                [_, _, _, group, .., name],
            ) => self.container_app(group, name),
            _ => error(404, "ResourceNotFound", "There is no such resource."),
        }
    }
}

async fn serve(request: HttpRequest, raw: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let path = request.path().to_owned();
    let body: Value = serde_json::from_slice(&raw).unwrap_or_default();
    if path.ends_with("/oauth2/v2.0/token") || path == "/identity" {
        let mut world = state.lock().expect("a lock");
        let headers = ["x-identity-header", "metadata"].map(|name| {
            let value = request.headers().get(name).and_then(|value| value.to_str().ok());
            format!("{name}={}", value.unwrap_or_default())
        });
        let said = format!(
            "{} {path} {} {} {}",
            request.method(),
            request.query_string(),
            String::from_utf8_lossy(&raw),
            headers.join(" ")
        );
        world.asked_tokens.push(said);
        return world.token();
    }
    let mishap = state.lock().expect("a lock").mishap();
    let is_write = matches!(*request.method(), Method::PUT | Method::POST | Method::DELETE);
    let throttled = || {
        let mut answer = HttpResponse::TooManyRequests();
        answer.append_header(("x-ms-retry-after-ms", "20"));
        answer.append_header(("x-ms-ratelimit-remaining-subscription-writes", "0"));
        answer
            .json(json!({"error": {"code": "TooManyRequests", "message": "The request is being throttled."}}))
    };
    let answer = match mishap {
        Some(0) => throttled(),
        Some(1) => error(500, "InternalServerError", "The server encountered an error."),
        Some(2) if is_write => error(409, "Conflict", "Another operation is in progress."),
        Some(2) => error(503, "ServerBusy", "The server is busy."),
        Some(3) => return crate::proxy::broken(),
        mishap => {
            let answer = state.lock().expect("a lock").answer(&request, &body);
            match mishap {
                // It had its effect, and nobody hears of it.
                Some(4) => return crate::proxy::broken(),
                // The same, and the connection stays until whoever waits hangs up.
                Some(_) => std::future::pending().await,
                None => answer,
            }
        }
    };
    let said = (answer.status().as_u16(), format!("{} {path}", request.method()));
    state.lock().expect("a lock").said.push(said);
    answer
}
