//! `/oauth2/authorize` and `/login`: a browser comes in, and is sent to where it belongs.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use connections::Upstream;
use entity::sessions::browser_session;
use platform::refusal::Classified as _;
use uuid::Uuid;
use web::{
    Access, Caller, Code, Denied, FormText, Ids, PlatformService, Problem, Routes, Shared, TenantCaller,
};

use super::browser;
use super::leave::{Leave, client, leave, session, wishes};
use super::login::{login, login_page};
use crate::error::Error;
use crate::ops::authorize::{self, Authorization, Continues, NotAuthorized};
use crate::ops::discovery::{self, Hints};
use crate::ops::parameters::{self, Parameters};
use crate::ops::{codes, pending_requests};

pub(super) fn routes() -> Routes {
    let browser = Access::Public("browsers sign in here");
    let small = |route: web::Route| route.body_bytes_max(64 << 10);
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
struct IssuerContext {
    issuer: String,
    /// The realm's tenant, by its slug.
    realm: Option<String>,
}

fn platform_context(caller: &Caller) -> IssuerContext {
    IssuerContext { issuer: caller.tools().config.public_url(), realm: None }
}

/// The realm that the path names, and its issuer.
///
/// # Errors
/// [`Problem`]: there is none, or it is not open.
pub async fn realm(caller: &TenantCaller) -> Result<(Uuid, String), Problem> {
    let unknown = || Problem::new(Code::NOT_FOUND);
    let row = caller.read(async |view| tenancy::get(view).await).await?;
    let (realm, issuer) = tenancy::issuer_of(&row, &caller.tools().config.public_url());
    let published = matches!(row.status, tenancy::Status::Active | tenancy::Status::Suspended);
    Ok((realm.filter(|_| published).ok_or_else(unknown)?, issuer))
}

async fn realm_context(caller: &TenantCaller, ids: &Ids) -> Result<IssuerContext, Problem> {
    let (_, issuer) = realm(caller).await?;
    Ok(IssuerContext { issuer, realm: Some(ids.key("realm")?.to_owned()) })
}

pub(super) async fn authorize(
    caller: Caller,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let context = platform_context(&caller);
    start_authorization(&caller, &request, &upstream, context, request.query_string()).await
}

async fn authorize_by_form(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let context = platform_context(&caller);
    start_authorization(&caller, &request, &upstream, context, &form).await
}

async fn realm_authorize(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let context = realm_context(&caller, &ids).await?;
    start_authorization(&caller, &request, &upstream, context, request.query_string()).await
}

async fn realm_authorize_by_form(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let context = realm_context(&caller, &ids).await?;
    start_authorization(&caller, &request, &upstream, context, &form).await
}

/// What a request asks for: of its own, or as it was pushed, by that request's id.
async fn parameters(service: &PlatformService, text: &str) -> Result<(Parameters, Option<Uuid>), Problem> {
    let own = parameters::read(text)?;
    let Some(uri) = own.get("request_uri") else { return Ok((own, None)) };
    let unknown =
        || Problem::detailed(Code::VALIDATION_FAILED, "The request_uri is unknown, already used or expired.");
    let id = uri.strip_prefix(authorize::REQUEST_URI_PREFIX).and_then(|id| Uuid::try_parse(id).ok());
    let id = id.ok_or_else(unknown)?;
    let (client, pushed) = pending_requests::find(service, id, true).await?.ok_or_else(unknown)?;
    // RFC 9126, section 4: pushed by this client; what else stands in the URL counts for nothing.
    if own.get("client_id") == Some(&client) { Ok((pushed, Some(id))) } else { Err(unknown()) }
}

async fn start_authorization(
    caller: &Caller,
    request: &HttpRequest,
    upstream: &Upstream,
    context: IssuerContext,
    text: &str,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let (mut parameters, pushed) = match parameters(service, text).await {
        Ok(read) => read,
        Err(problem) => return browser::refusal(problem),
    };
    let checked = async {
        let client = client(service, &parameters).await?;
        let asked = authorize::authorization(&client, &parameters, &context.issuer)?;
        if let Some(realm) = context.realm {
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
        Ok((parameters, asked)) => answer(caller, request, upstream, &parameters, asked).await,
        Err(NotAuthorized::Page(error)) => browser::refusal(error),
        Err(NotAuthorized::Client { to, error, description }) => send_back(&to, to.error(error, description)),
    };
    let is_an_answer = answered.as_ref().is_ok_and(|response| !response.status().is_server_error());
    if let Some(id) = pushed.filter(|_| is_an_answer) {
        pending_requests::used(service, id).await;
    }
    answered
}

/// The browser back to the module.
fn send_back(asked: &Authorization, fields: Vec<(&'static str, String)>) -> Result<HttpResponse, Problem> {
    if asked.form_post {
        browser::post(&asked.redirect_uri, &fields)
    } else {
        Ok(browser::redirect(&asked.url(&fields)))
    }
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
    upstream: &Upstream,
    parameters: &Parameters,
    asked: Authorization,
) -> Result<HttpResponse, Problem> {
    let hints = Hints::of(parameters);
    let tenant = match discovery::tenant(caller.platform(), &hints).await {
        Ok(tenant) => tenant,
        Err(error) => return browser::refusal(error),
    };
    let mut organization = None;
    if let (Some(tenant), Some(name)) = (tenant, &hints.organization) {
        let find = async |view: &platform::View| tenancy::organization_named(view, name).await;
        match caller.within(tenant).read(find).await {
            Ok(found) => organization = Some(found.id),
            Err(error) => return browser::refusal(error),
        }
    }
    let now = caller.now();
    let session =
        session(caller, request).await?.filter(|(_, session)| fits(session, tenant, &hints, organization));
    if let Some((tenant, session)) = session.as_ref().filter(|(_, session)| asked.accepts(session, now)) {
        match tenant.write(async |tx| codes::grant(tx, session.id, &asked).await).await {
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
    let hints = match session.and_then(|(_, session)| session.connection_id) {
        Some(connection) if !asked.wants("select_account") && hints.connection.is_none() => {
            Hints { connection: Some(connection.to_string()), ..hints }
        }
        _ => hints,
    };
    let to = Leave { hints: &hints, continues, wishes, stored: Some((asked.client_id.as_str(), parameters)) };
    leave(caller, request, upstream, to).await
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
