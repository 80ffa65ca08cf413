//! A double of Zitadel's Connect JSON wire: organizations, their metadata, users. Checked against the vendor's own client by
//! `zitadel_check.py`. What its people and their admins do there is in `zitadel/people.rs`.

mod people;

use std::collections::{BTreeMap, BTreeSet};
use std::net::TcpListener;
use std::sync::{Arc, Mutex, MutexGuard};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use jsonwebtoken::EncodingKey;
use serde_json::{Value, json};

pub use self::people::Happens;
use self::people::User;

const TOKEN: &str = "zitadel-token";
/// The key by which the target signs what it posts.
const SIGNING_KEY: &str = "a-signing-key";
/// The project whose roles are granted.
const PROJECT: &str = "project-1";

/// A running double.
pub struct Zitadel {
    pub url: String,
    state: State,
    key: EncodingKey,
    server: ServerHandle,
}

type State = Arc<Mutex<World>>;

#[derive(Default)]
struct World {
    url: String,
    /// Its published keys.
    keys: Value,
    organizations: BTreeMap<String, Organization>,
    asked: Vec<(String, Value)>,
    /// Events so far.
    events: u64,
    /// Orgs of which it says nothing.
    silent: BTreeSet<String>,
}

struct Organization {
    name: String,
    active: bool,
    metadata: BTreeMap<String, String>,
    users: BTreeMap<String, User>,
}

impl Zitadel {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (key, jwk) = crate::make_key("z1");
        let world = World { url: url.clone(), keys: json!({"keys": [jwk]}), ..World::default() };
        let state: State = Arc::new(Mutex::new(world));
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
        Self { url, state, key, server: handle }
    }

    /// Points a configuration at this double, or at what stands before it.
    pub fn configure(&self, config: &mut platform::config::Config, url: &str) {
        let settings = &mut config.section_mut::<backends::Settings>().zitadel;
        settings.url = url.to_owned();
        settings.token = secrecy::SecretString::from(TOKEN);
        settings.audience = PROJECT.to_owned();
        settings.webhook_secret = secrecy::SecretString::from(SIGNING_KEY);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.state.lock().expect("a lock")
    }

    /// An org that somebody else made.
    pub fn add(&self, id: &str, name: &str) {
        let organization = Organization {
            name: name.to_owned(),
            active: true,
            metadata: BTreeMap::new(),
            users: BTreeMap::new(),
        };
        self.world().organizations.insert(id.to_owned(), organization);
    }

    /// A user of an org, in a state as Zitadel names it.
    pub fn user(&self, organization: &str, id: &str, state: &'static str) {
        let mut world = self.world();
        let users = &mut world.organizations.get_mut(organization).expect("an org").users;
        users.entry(id.to_owned()).or_default().state = state;
    }

    /// Whether an org is active; `None`: there is none.
    pub fn is_active(&self, id: &str) -> Option<bool> {
        self.world().organizations.get(id).map(|organization| organization.active)
    }

    /// Switches an org on or off, as somebody at Zitadel's own console would.
    pub fn set_active(&self, id: &str, active: bool) {
        self.world().organizations.get_mut(id).expect("an org").active = active;
    }

    /// From now on whoever asks about this org is told to come again.
    pub fn silence(&self, id: &str) {
        self.world().silent.insert(id.to_owned());
    }

    /// It is asked about again.
    pub fn speak(&self, id: &str) {
        self.world().silent.remove(id);
    }

    /// Ids of all orgs.
    pub fn organizations(&self) -> Vec<String> {
        self.world().organizations.keys().cloned().collect()
    }

    /// What was asked: procedure and body.
    pub fn asked(&self) -> Vec<(String, Value)> {
        self.world().asked.clone()
    }

    /// Waits until an org was compared once more from the beginning to the end. The next listing may be of a comparison that began before,
    /// and one is through when another one lists.
    pub async fn is_compared_again(&self, organization: &str) {
        let listed = || {
            let asked = self.asked();
            let lists = asked.iter().filter(|(procedure, _)| procedure == "ListUsers");
            lists.filter(|(_, body)| lists_from_the_start(body, organization)).count()
        };
        let before = listed();
        crate::eventually("a comparison", async || (listed() >= before + 3).then_some(())).await;
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

fn refused(status: u16, code: &str, message: &str) -> HttpResponse {
    HttpResponse::build(StatusCode::from_u16(status).expect("a status"))
        .json(json!({"code": code, "message": message}))
}

fn details(id: &str) -> Value {
    json!({"sequence": "1", "changeDate": "2026-11-21T12:00:00Z", "resourceOwner": id})
}

impl World {
    fn add(&mut self, body: &Value) -> HttpResponse {
        let name = body["name"].as_str().unwrap_or_default();
        if name.is_empty() || name.len() > 200 {
            return refused(400, "invalid_argument", "invalid AddOrganizationRequest.Name");
        }
        let id = body["organizationId"]
            .as_str()
            .map_or_else(|| (self.organizations.len() + 1).to_string(), ToOwned::to_owned);
        let taken =
            self.organizations.contains_key(&id) || self.organizations.values().any(|one| one.name == name);
        if taken {
            return refused(
                409,
                "already_exists",
                "Organisation already exists (Errors.Org.AlreadyExisting)",
            );
        }
        let mut users = BTreeMap::new();
        let mut admins = Vec::new();
        for (number, admin) in body["admins"].as_array().into_iter().flatten().enumerate() {
            let user = format!("{id}-admin-{number}");
            admins.push(json!({"userId": user, "emailCode": null}));
            users.insert(user, User::invited(&admin["human"]));
        }
        let made = Organization { name: name.to_owned(), active: true, metadata: BTreeMap::new(), users };
        self.organizations.insert(id.clone(), made);
        HttpResponse::Ok()
            .json(json!({"details": details(&id), "organizationId": id, "createdAdmins": admins}))
    }

    fn list(&self, body: &Value) -> HttpResponse {
        let mut wanted = body["queries"].as_array().into_iter().flatten();
        let id = wanted.find_map(|query| query["idQuery"]["id"].as_str());
        let found = self.organizations.iter().filter(|(one, _)| id.is_none_or(|id| id == one.as_str()));
        let shown = found.map(|(id, organization)| {
            let state = if organization.active { "ORGANIZATION_STATE_ACTIVE" } else { "ORGANIZATION_STATE_INACTIVE" };
            json!({"id": id, "details": details(id), "state": state, "name": organization.name, "primaryDomain": format!("{id}.example")})
        });
        let result: Vec<Value> = shown.collect();
        HttpResponse::Ok()
            .json(json!({"details": {"totalResult": result.len().to_string()}, "result": result}))
    }

    fn users(&self, body: &Value) -> HttpResponse {
        let mut wanted = body["queries"].as_array().into_iter().flatten();
        let id = wanted
            .find_map(|query| query["organizationIdQuery"]["organizationId"].as_str())
            .unwrap_or_default();
        let offset = body["query"]["offset"].as_str().and_then(|text| text.parse().ok()).unwrap_or(0);
        let limit =
            body["query"]["limit"].as_u64().and_then(|limit| usize::try_from(limit).ok()).unwrap_or(100);
        let users =
            self.organizations.get(id).map(|organization| organization.users.clone()).unwrap_or_default();
        let shown = users.iter().skip(offset).take(limit).map(|(id, user)| {
            let state = user.state;
            json!({"userId": id, "details": details(id), "state": state, "username": id, "human": {"userId": id, "state": state}})
        });
        let result: Vec<Value> = shown.collect();
        HttpResponse::Ok()
            .json(json!({"details": {"totalResult": users.len().to_string()}, "result": result}))
    }

    fn one(&mut self, procedure: &str, body: &Value) -> HttpResponse {
        let id = body["organizationId"].as_str().unwrap_or_default().to_owned();
        if procedure == "DeleteOrganization" && self.organizations.remove(&id).is_some() {
            return HttpResponse::Ok().json(json!({"deletionDate": "2026-11-21T12:00:00Z"}));
        }
        let Some(found) = self.organizations.get_mut(&id) else {
            return refused(404, "not_found", "Organisation not found (Errors.Org.NotFound)");
        };
        match procedure {
            "ActivateOrganization" | "DeactivateOrganization" => {
                let wanted = procedure == "ActivateOrganization";
                if found.active == wanted {
                    return refused(400, "failed_precondition", "Organisation is in this state already");
                }
                found.active = wanted;
                HttpResponse::Ok().json(json!({"changeDate": "2026-11-21T12:00:00Z"}))
            }
            "SetOrganizationMetadata" => {
                for one in body["metadata"].as_array().into_iter().flatten() {
                    let text = |name: &str| one[name].as_str().unwrap_or_default().to_owned();
                    found.metadata.insert(text("key"), text("value"));
                }
                HttpResponse::Ok().json(json!({"setDate": "2026-11-21T12:00:00Z"}))
            }
            _ => {
                let list: Vec<Value> =
                    found.metadata.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
                HttpResponse::Ok()
                    .json(json!({"pagination": {"totalResult": list.len().to_string()}, "metadata": list}))
            }
        }
    }
}

/// Whether a request asks for the first page of this org's people.
fn lists_from_the_start(body: &Value, id: &str) -> bool {
    let queries = body["queries"].as_array().map(Vec::as_slice).unwrap_or_default();
    body["query"]["offset"] == "0"
        && queries.iter().any(|query| query["organizationIdQuery"]["organizationId"] == id)
}

/// Whether a request names this org.
fn is_about(body: &Value, id: &str) -> bool {
    let queries = body["queries"].as_array().map(Vec::as_slice).unwrap_or_default();
    body["organizationId"] == id || queries.iter().any(|query| query["idQuery"]["id"] == id)
}

async fn serve(request: HttpRequest, raw: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let mut world = state.lock().expect("a lock");
    if request.path() == "/.well-known/openid-configuration" {
        let url = &world.url;
        return HttpResponse::Ok().json(json!({"issuer": url, "jwks_uri": format!("{url}/oauth/v2/keys"), "token_endpoint": format!("{url}/oauth/v2/token")}));
    }
    if request.path() == "/oauth/v2/keys" {
        return HttpResponse::Ok().json(&world.keys);
    }
    let bearer = request.headers().get("authorization").and_then(|value| value.to_str().ok());
    if bearer != Some(&format!("Bearer {TOKEN}")) {
        return refused(401, "unauthenticated", "auth header missing");
    }
    let Ok(body) = serde_json::from_slice::<Value>(&raw) else {
        return refused(400, "invalid_argument", "the body can't be read");
    };
    let procedure = request.path().rsplit('/').next().unwrap_or_default().to_owned();
    world.asked.push((procedure.clone(), body.clone()));
    if world.silent.iter().any(|id| is_about(&body, id)) {
        return refused(503, "unavailable", "try again later");
    }
    match procedure.as_str() {
        "AddOrganization" => world.add(&body),
        "ListOrganizations" => world.list(&body),
        "ListUsers" => world.users(&body),
        "DeleteOrganization"
        | "ActivateOrganization"
        | "DeactivateOrganization"
        | "SetOrganizationMetadata"
        | "ListOrganizationMetadata" => world.one(&procedure, &body),
        _ => refused(404, "unimplemented", "there is no such procedure"),
    }
}
