//! A browser leaves for its identity provider, or reads the page that asks where that is.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use connections::{Connection, Upstream, Wishes};
use entity::modules::module;
use entity::sessions::browser_session;
use entity::sign_in::states::Purpose;
use serde_json::json;
use uuid::Uuid;
use web::{Caller, PlatformService, Problem, TenantCaller, Tools};

use super::browser::{self, Failed, Jar};
use crate::error::Error;
use crate::ops::authorize::{Authorization, Continues};
use crate::ops::discovery::{self, Hints, Home, Way};
use crate::ops::parameters::Parameters;
use crate::ops::pending_requests;
use crate::ops::sign_in::{self, Begin};

/// How long a browser is known as the one that began a sign-in.
const BROWSER_SECONDS: i64 = 3600;

/// The browser's living session, if it has one, and its tenant.
///
/// # Errors
/// [`Problem`], where the store fails.
pub async fn session(
    caller: &Caller,
    request: &HttpRequest,
) -> Result<Option<(TenantCaller, browser_session::Model)>, Problem> {
    let Some(cookie) = Jar::Session.get(caller.tools(), request) else { return Ok(None) };
    let Some(digest) = sessions::browser_digest(&cookie) else { return Ok(None) };
    let Some(tenant) = caller.at(sessions::by_browser_session(&digest)).await? else { return Ok(None) };
    let found = tenant.read(async |view| sessions::find_browser(view, &digest).await).await?;
    Ok(found.map(|session| (tenant, session)))
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
    /// A module's request, stored while a person reads a page.
    pub(super) stored: Option<(&'a str, &'a Parameters)>,
}

/// The tenant that the hints lead to, and the way in there; `None` where nobody can say.
async fn home(caller: &Caller, hints: &Hints) -> Result<Option<(TenantCaller, Home)>, Error> {
    let Some(tenant) = discovery::tenant(caller.platform(), hints).await? else { return Ok(None) };
    let tenant = caller.within(tenant);
    let home = tenant.read(async |view| discovery::home(view, hints).await).await?;
    Ok(Some((tenant, home)))
}

/// To the identity provider, or to the page that asks where.
pub(super) async fn leave(
    caller: &Caller,
    request: &HttpRequest,
    upstream: &Upstream,
    to: Leave<'_>,
) -> Result<HttpResponse, Problem> {
    match home(caller, to.hints).await {
        Ok(Some((tenant, Home::Connection(connection)))) => {
            begin(&tenant, request, upstream, &connection, Purpose::SignIn, to.continues, to.wishes).await
        }
        Ok(Some((tenant, Home::Choice(connections)))) => {
            let tenant = tenant.read(async |view| tenancy::get(view).await).await?;
            let waiting = match waiting(caller, &to).await {
                Ok(waiting) => waiting,
                Err(problem) => return browser::refusal(problem),
            };
            let ways: Vec<Way> =
                connections.into_iter().map(|one| Way { id: one.row.id, name: one.row.name }).collect();
            let values = json!({"tenant": tenant.name, "ways": ways, "request": waiting});
            browser::html(StatusCode::OK, "choose.html", &values)
        }
        Ok(None) => match waiting(caller, &to).await {
            Ok(waiting) => login_form(caller.tools(), request, waiting, to.hints.login.as_deref(), None),
            Err(problem) => browser::refusal(problem),
        },
        Err(error) => browser::refusal(error),
    }
}

/// Writes the attempt down and sends the browser to the provider.
pub(super) async fn begin(
    caller: &TenantCaller,
    request: &HttpRequest,
    upstream: &Upstream,
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
        Ok::<_, Failed>(sign_in::begin(service, upstream, &caller.ctx, connection, begin).await?)
    };
    let mut response = match begun.await {
        Ok((to, _)) => browser::go(&to)?,
        Err(failed) => browser::failed(failed)?,
    };
    Jar::Browser.set(service, &mut response, &browser, BROWSER_SECONDS);
    Ok(response)
}

async fn waiting(caller: &Caller, to: &Leave<'_>) -> Result<Option<Uuid>, Problem> {
    match to.stored {
        Some((client_id, parameters)) => {
            // The issuer is part of what was asked; the page's form comes back by another path.
            let mut parameters = parameters.clone();
            if let Continues::Authorize(asked) = &to.continues {
                parameters.insert("tnt_issuer".to_owned(), asked.issuer.clone());
            }
            caller.tools().strangers.begin(&caller.ctx, bytes_of(&parameters))?;
            Ok(Some(pending_requests::store_request(caller.platform(), client_id, &parameters, false).await?))
        }
        None => Ok(None),
    }
}

/// Bytes of a request in the store, about.
#[must_use]
pub fn bytes_of(parameters: &Parameters) -> usize {
    parameters.iter().map(|(name, value)| name.len() + value.len() + 8).sum()
}

pub(super) fn login_form(
    tools: &Tools,
    request: &HttpRequest,
    waiting: Option<Uuid>,
    email: Option<&str>,
    message: Option<&str>,
) -> Result<HttpResponse, Problem> {
    let known = Jar::Tenants.get(tools, request).unwrap_or_default();
    let known: Vec<&str> = known.split('.').filter(|slug| web::is_slug(slug)).take(5).collect();
    let values = json!({"request": waiting, "email": email, "tenants": known, "message": message});
    browser::html(StatusCode::OK, "login.html", &values)
}

/// The client that a request names.
pub(super) async fn client(
    service: &PlatformService,
    parameters: &Parameters,
) -> Result<module::Model, Error> {
    let id = parameters.get("client_id").ok_or(Error::ClientUnknown)?;
    modules::client(service, id).await?.ok_or(Error::ClientUnknown)
}
