//! `/oauth2/authorize`, `/oauth2/par` and `/login`: a browser comes in, and is sent to where it belongs.

use actix_web::http::{Method, StatusCode};
use actix_web::{HttpRequest, HttpResponse};
use entity::modules::module;
use entity::sessions::browser_session;
use entity::sso::states::Purpose;
use platform::db::Lookup;
use platform::refusal::Classified as _;
use serde_json::json;
use uuid::Uuid;
use web::{Access, Caller, Code, Denied, Dialect, FormText, Ids, Problem, Routes, Service};

use super::login::{bytes_of, login, login_form, login_page, waiting};
use super::pages::{self, Failed, Jar};
use super::{metadata, oauth};
use crate::error::Error;
use crate::ops::authorize::{self, Authorization, Continues, NotAuthorized};
use crate::ops::connections::{self, Connection};
use crate::ops::discovery::{self, Hints, Home, Way};
use crate::ops::kept;
use crate::ops::oidc::Wishes;
use crate::ops::parameters::{self, Parameters};
use crate::ops::sign_in::{self, Begin, Shared};

/// How long a browser is known as the one that began a sign-in.
const BROWSER_SECONDS: i64 = 3600;

pub(super) fn routes() -> Routes {
    let browser = Access::Public("a browser comes to sign in");
    let small = |route: web::Route| route.body_bytes_max(64 << 10);
    let oauth = |route: web::Route| {
        route.speaks(Dialect::OAuth).counts_failures_of_clients().body_bytes_max(64 << 10)
    };
    Routes::new()
        .add(
            Method::GET,
            "/oauth2/authorize",
            browser,
            "authorize: Authorization endpoint: sign a person in to a module (RFC 6749).",
            authorize,
        )
        .add_with(
            Method::POST,
            "/oauth2/authorize",
            browser,
            "authorize_by_form: Authorization endpoint, with parameters as a form.",
            authorize_by_form,
            small,
        )
        .add(
            Method::GET,
            "/realms/{realm}/oauth2/authorize",
            browser,
            "realm_authorize: A realm's authorization endpoint: sign a person in to a module (RFC 6749).",
            realm_authorize,
        )
        .add_with(
            Method::POST,
            "/realms/{realm}/oauth2/authorize",
            browser,
            "realm_authorize_by_form: A realm's authorization endpoint, with parameters as a form.",
            realm_authorize_by_form,
            small,
        )
        .add_with(
            Method::POST,
            "/oauth2/par",
            Access::Public("the client authenticates itself (RFC 6749, section 2.3)"),
            "push_authorization_request: Push an authorization request (RFC 9126).",
            push,
            oauth,
        )
        .add(
            Method::GET,
            "/login",
            browser,
            "login_page: Show the sign-in page, or continue to the identity provider.",
            login_page,
        )
        .add_with(
            Method::POST,
            "/login",
            browser,
            "login: Find where the person with an e-mail address signs in.",
            login,
            |route| small(route).counts_failures(),
        )
}

/// Where a request came in.
struct Door {
    issuer: String,
    /// The realm's tenant, by its slug.
    realm: Option<String>,
}

fn front(caller: &Caller) -> Door {
    Door { issuer: caller.tools().config.public_url(), realm: None }
}

async fn realm_door(caller: &Caller, ids: &Ids) -> Result<Door, Problem> {
    let (_, issuer) = metadata::realm(caller).await?;
    Ok(Door { issuer, realm: Some(ids.key("realm")?.to_owned()) })
}

pub(super) async fn authorize(
    caller: Caller,
    request: HttpRequest,
    shared: Shared,
) -> Result<HttpResponse, Problem> {
    let door = front(&caller);
    come_in(&caller, &request, &shared, door, request.query_string()).await
}

async fn authorize_by_form(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
    shared: Shared,
) -> Result<HttpResponse, Problem> {
    let door = front(&caller);
    come_in(&caller, &request, &shared, door, &form).await
}

async fn realm_authorize(
    caller: Caller,
    ids: Ids,
    request: HttpRequest,
    shared: Shared,
) -> Result<HttpResponse, Problem> {
    let door = realm_door(&caller, &ids).await?;
    come_in(&caller, &request, &shared, door, request.query_string()).await
}

async fn realm_authorize_by_form(
    caller: Caller,
    ids: Ids,
    request: HttpRequest,
    FormText(form): FormText,
    shared: Shared,
) -> Result<HttpResponse, Problem> {
    let door = realm_door(&caller, &ids).await?;
    come_in(&caller, &request, &shared, door, &form).await
}

/// What a request asks for: of its own, or as it was pushed, by that request's id.
async fn parameters(service: &Service, text: &str) -> Result<(Parameters, Option<Uuid>), Problem> {
    let own = parameters::read(text)?;
    let Some(uri) = own.get("request_uri") else { return Ok((own, None)) };
    let unknown =
        || Problem::detailed(Code::ValidationFailed, "The request_uri is unknown, already used or expired.");
    let id = uri.strip_prefix(authorize::REQUEST_URI_PREFIX).and_then(|id| Uuid::try_parse(id).ok());
    let id = id.ok_or_else(unknown)?;
    let (client, pushed) = kept::kept(service, id, true).await?.ok_or_else(unknown)?;
    // RFC 9126, section 4: pushed by this client; what else stands in the URL counts for nothing.
    if own.get("client_id") == Some(&client) { Ok((pushed, Some(id))) } else { Err(unknown()) }
}

pub(super) async fn client(service: &Service, parameters: &Parameters) -> Result<module::Model, Error> {
    let id = parameters.get("client_id").ok_or(Error::ClientUnknown)?;
    modules::client(service, id).await?.ok_or(Error::ClientUnknown)
}

async fn come_in(
    caller: &Caller,
    request: &HttpRequest,
    shared: &Shared,
    door: Door,
    text: &str,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let (mut parameters, pushed) = match parameters(service, text).await {
        Ok(read) => read,
        Err(problem) => return pages::refusal(problem),
    };
    let checked = async {
        let client = client(service, &parameters).await?;
        let asked = authorize::authorization(&client, &parameters, &door.issuer)?;
        if let Some(realm) = door.realm {
            match parameters.get("tenant") {
                Some(tenant) if *tenant != realm => {
                    let (error, description) =
                        ("invalid_request", "The tenant does not belong to this realm.");
                    return Err(NotAuthorized::Client { to: Box::new(asked), error, description });
                }
                _ => parameters.insert("tenant".to_owned(), realm),
            };
        }
        Ok::<_, NotAuthorized>((parameters, asked))
    };
    let answered = match checked.await {
        Ok((parameters, asked)) => answer(caller, request, shared, &parameters, asked).await,
        Err(NotAuthorized::Page(error)) => pages::refusal(error),
        Err(NotAuthorized::Client { to, error, description }) => send_back(&to, to.error(error, description)),
    };
    let is_an_answer = answered.as_ref().is_ok_and(|response| !response.status().is_server_error());
    if let Some(id) = pushed.filter(|_| is_an_answer) {
        kept::used(service, id).await;
    }
    answered
}

/// The browser back to the module.
fn send_back(asked: &Authorization, fields: Vec<(&'static str, String)>) -> Result<HttpResponse, Problem> {
    if asked.form_post {
        pages::post(&asked.redirect_uri, &fields)
    } else {
        Ok(pages::redirect(&asked.url(&fields)))
    }
}

/// The browser's living session, if it has one.
pub(super) async fn session(
    service: &Service,
    request: &HttpRequest,
) -> Result<Option<browser_session::Model>, Problem> {
    let Some(cookie) = Jar::Session.get(service, request) else { return Ok(None) };
    let Some(digest) = sessions::browser_digest(&cookie) else { return Ok(None) };
    let Some(tenant) = service.db.tenant_of(Lookup::BrowserSession(&digest)).await? else { return Ok(None) };
    Ok(service.db.read(tenant, async |view| sessions::find_browser(view, &digest).await).await?)
}

/// Whether the session is of where the request wants to go.
fn fits(
    session: &browser_session::Model,
    tenant: Option<Uuid>,
    hints: &Hints,
    organization: Option<Uuid>,
) -> bool {
    let connection = hints.connection.as_deref().and_then(|id| Uuid::try_parse(id).ok());
    tenant.is_none_or(|tenant| tenant == session.tenant_id)
        && organization.is_none_or(|organization| organization == session.organization_id)
        && connection.is_none_or(|connection| Some(connection) == session.connection_id)
}

async fn answer(
    caller: &Caller,
    request: &HttpRequest,
    shared: &Shared,
    parameters: &Parameters,
    asked: Authorization,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let hints = Hints::of(parameters);
    let tenant = match discovery::tenant(service, &hints).await {
        Ok(tenant) => tenant,
        Err(error) => return pages::refusal(error),
    };
    let mut organization = None;
    if let (Some(tenant), Some(name)) = (tenant, &hints.organization) {
        let find = async |view: &platform::View| tenancy::organization_named(view, name).await;
        match service.db.read(tenant, find).await {
            Ok(found) => organization = Some(found.id),
            Err(error) => return pages::refusal(error),
        }
    }
    let now = service.db.clock().now();
    let session =
        session(service, request).await?.filter(|session| fits(session, tenant, &hints, organization));
    if let Some(session) = session.as_ref().filter(|session| asked.accepts(session, now)) {
        match authorize::issue_code(service, &caller.ctx, session, &asked).await {
            Ok(code) => {
                let fields = asked.success(code);
                return send_back(&asked, fields);
            }
            Err(Error::SessionOver) => {}
            Err(error) if error.is_refusal() => {
                let of = (session.tenant_id, session.organization_id);
                return refuse(caller, &asked, Denied::from(error).at(of.0, Some(of.1))).await;
            }
            Err(error) => return Err(error.into()),
        }
    }
    if asked.wants("none") {
        return send_back(&asked, asked.error("login_required", "Nobody is signed in."));
    }
    let wishes = wishes(parameters, &asked);
    let continues = Continues::Authorize(Box::new(asked.clone()));
    // Who was here and is to prove it again is sent where they came from.
    let hints = match session.and_then(|session| session.connection_id) {
        Some(connection) if !asked.wants("select_account") && hints.connection.is_none() => {
            Hints { connection: Some(connection.to_string()), ..hints }
        }
        _ => hints,
    };
    let to = Leave { hints: &hints, continues, wishes, kept: Some((asked.client_id.as_str(), parameters)) };
    leave(caller, request, shared, to).await
}

/// Somebody who is signed in may not go on: the module is told, and the denial recorded.
async fn refuse(caller: &Caller, asked: &Authorization, denied: Denied) -> Result<HttpResponse, Problem> {
    let target = platform::Target::new("client", &asked.client_id);
    let title = denied.problem.code.title();
    match caller.recorded(Err::<HttpResponse, _>(denied), "authorization.grant", target).await {
        Ok(answer) => Ok(answer),
        Err(_) => send_back(asked, asked.error("access_denied", title)),
    }
}

pub(super) fn wishes(parameters: &Parameters, asked: &Authorization) -> Wishes {
    Wishes {
        login_hint: parameters.get("login_hint").filter(|hint| hint.len() <= 254).cloned(),
        invitation: None,
        prompt: ["login", "select_account"].into_iter().find(|one| asked.wants(one)).map(ToOwned::to_owned),
        max_age: asked.max_age,
    }
}

/// A browser that is to sign in.
pub(super) struct Leave<'a> {
    pub(super) hints: &'a Hints,
    pub(super) continues: Continues,
    pub(super) wishes: Wishes,
    /// A module's request, kept while a person reads a page.
    pub(super) kept: Option<(&'a str, &'a Parameters)>,
}

/// To the identity provider, or to the page that asks where.
pub(super) async fn leave(
    caller: &Caller,
    request: &HttpRequest,
    shared: &Shared,
    to: Leave<'_>,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    match discovery::home(service, to.hints).await {
        Ok(Home::Connection(connection)) => {
            begin(caller, request, shared, &connection, Purpose::SignIn, to.continues, to.wishes).await
        }
        Ok(Home::Choice { tenant, connections }) => {
            let find = async |view: &platform::View| tenancy::get(view).await;
            let tenant = service.db.read(tenant, find).await?;
            let waiting = match waiting(caller, &to).await {
                Ok(waiting) => waiting,
                Err(problem) => return pages::refusal(problem),
            };
            let ways: Vec<Way> =
                connections.into_iter().map(|one| Way { id: one.row.id, name: one.row.name }).collect();
            let values = json!({"tenant": tenant.name, "ways": ways, "request": waiting});
            pages::html(StatusCode::OK, "choose.html", &values)
        }
        Ok(Home::Unknown) => match waiting(caller, &to).await {
            Ok(waiting) => login_form(service, request, waiting, to.hints.login.as_deref(), None),
            Err(problem) => pages::refusal(problem),
        },
        Err(error) => pages::refusal(error),
    }
}

/// Writes the attempt down and sends the browser to the provider.
pub(super) async fn begin(
    caller: &Caller,
    request: &HttpRequest,
    shared: &Shared,
    connection: &Connection,
    purpose: Purpose,
    continues: Continues,
    wishes: Wishes,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let (browser, _) = sign_in::browser_cookie(Jar::Browser.get(service, request).as_deref());
    let begin = Begin { purpose, continues, wishes, browser: &browser };
    let begun = async {
        let bytes = sign_in::begun_bytes(&begin.continues)?;
        service.strangers.begin(&caller.ctx, bytes).map_err(Problem::from)?;
        Ok::<_, Failed>(sign_in::begin(service, shared, &caller.ctx, connection, begin).await?)
    };
    let mut response = match begun.await {
        Ok((to, _)) => pages::go(&to)?,
        Err(failed) => pages::failed(failed)?,
    };
    Jar::Browser.set(service, &mut response, &browser, BROWSER_SECONDS);
    Ok(response)
}

async fn push(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let mut parameters =
        parameters::read(&form).map_err(|error| Problem::from(error).dialect("invalid_request"))?;
    let secret = parameters.remove("client_secret");
    let id = parameters.get("client_id").cloned();
    let client = oauth::known_client(&caller, &request, id.as_deref(), secret.as_deref()).await?;
    parameters.insert("client_id".to_owned(), client.client_id.clone());
    let refused = |detail: &str| Problem::detailed(Code::ValidationFailed, detail).dialect("invalid_request");
    if parameters.contains_key("request_uri") {
        return Err(refused("A pushed request must not contain request_uri."));
    }
    match authorize::authorization(&client, &parameters, &service.config.public_url()) {
        Ok(_) => {}
        Err(NotAuthorized::Page(error)) => return Err(Problem::from(error).dialect("invalid_request")),
        Err(NotAuthorized::Client { error, description, .. }) => {
            return Err(Problem::detailed(Code::ValidationFailed, description).dialect(error));
        }
    }
    if client.public {
        // Anybody can say its id.
        service.strangers.begin(&caller.ctx, bytes_of(&parameters))?;
    }
    let id = kept::keep(service, &client.client_id, &parameters, true).await?;
    Ok(HttpResponse::Created().json(json!({
        "request_uri": format!("{}{id}", authorize::REQUEST_URI_PREFIX), "expires_in": kept::PUSHED_LIFETIME.num_seconds(),
    })))
}

/// The connection of a path, whose tenant the gate has found.
pub(super) async fn connection(caller: &Caller, ids: &Ids) -> Result<Connection, Problem> {
    let id = ids.id("connection")?;
    let tenant = caller.tenant.ok_or_else(|| Problem::new(Code::NotFound))?;
    Ok(caller.service().db.read(tenant, async |view| connections::find(view, id).await).await?)
}
