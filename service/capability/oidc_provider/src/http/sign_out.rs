//! `/oauth2/logout` (OpenID Connect RP-Initiated Logout 1.0) and `/oauth2/userinfo`.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use connections::{Kind, Upstream, post_logout_redirect_uri, saml};
use entity::modules::module;
use entity::sessions::browser_session;
use platform::{Tx, View};
use serde_json::json;
use sessions::{Ended, IdTokenHint, Keyring};
use sign_in::browser::{self, Jar};
use sign_in::{Parameters, list, read_parameters, session, upstream_of};
use tokio::time::timeout;
use url::Url;
use uuid::Uuid;
use web::{
    Access, Caller, Code, Dialect, FormText, PlatformService, Problem, Routes, Shared, TenantCaller,
    TenantService, Tools,
};

use super::tokens::person;
use crate::ops::tokens;
use crate::pages::{sign_out_page, signed_out};

pub(super) fn routes() -> Routes {
    let browser = Access::Public("browsers sign out here");
    let bearer = Access::Public("the access token is the credential (RFC 6750)");
    Routes::new()
        .add(
            Method::GET,
            "/oauth2/logout",
            browser,
            "logout: Sign out of all modules (OpenID Connect RP-Initiated Logout).",
            logout,
        )
        .add_with(
            Method::POST,
            "/oauth2/logout",
            browser,
            "logout_by_form: Sign out of all modules, with parameters as a form.",
            logout_by_form,
            |route| route.body_bytes_max(64 << 10),
        )
        // Not counted as failures: nobody finds a signed token by trying, and a module asks for all of its people from one address.
        .add_with(
            Method::GET,
            "/oauth2/userinfo",
            bearer,
            "userinfo: Get claims about the person of an access token (OpenID Connect Core, section 5.3).",
            userinfo,
            |route| route.speaks(Dialect::OAuth),
        )
        .add_with(
            Method::POST,
            "/oauth2/userinfo",
            bearer,
            "userinfo_by_post: Get claims about the person of an access token, by POST.",
            userinfo_by_post,
            |route| route.speaks(Dialect::OAuth).body_bytes_max(16 << 10),
        )
}

/// How long the provider may take to sign somebody out before they are forgotten here.
const AFTERWARDS_SECONDS: i64 = 600;
/// How long a person who signs out waits for the way to the provider's logout.
const UPSTREAM_TIMEOUT: Duration = Duration::from_secs(5);
/// Browsers keep cookies of 4 KiB.
const AFTERWARDS_BYTES_MAX: usize = 2000;

type Keys = Shared<Arc<Keyring>>;

async fn logout(
    caller: Caller,
    request: HttpRequest,
    keys: Keys,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    match read_parameters(request.query_string()) {
        Ok(parameters) => sign_out(&caller, &request, &keys, &upstream, parameters, false).await,
        Err(error) => browser::refusal(error),
    }
}

async fn logout_by_form(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
    keys: Keys,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    match read_parameters(&form) {
        Ok(parameters) => {
            let confirmed = parameters.contains_key("confirmed");
            sign_out(&caller, &request, &keys, &upstream, parameters, confirmed).await
        }
        Err(error) => browser::refusal(error),
    }
}

/// Where the browser may go afterwards: a registered address of the client whose ID token or id came, and nowhere else.
async fn afterwards(
    service: &PlatformService,
    parameters: &Parameters,
    hint: Option<&IdTokenHint>,
) -> Result<(Option<module::Model>, Option<String>), Problem> {
    let id = match (hint, parameters.get("client_id")) {
        (Some(hint), Some(id)) if hint.aud != *id => {
            return Err(Problem::detailed(
                Code::VALIDATION_FAILED,
                "The ID token was issued to another client.",
            ));
        }
        (Some(hint), _) => Some(&hint.aud),
        (None, id) => id,
    };
    let client = match id {
        Some(id) => modules::client(service, id).await?,
        None => None,
    };
    let Some(wanted) = parameters.get("post_logout_redirect_uri") else { return Ok((client, None)) };
    let allowed = client.as_ref().map(|client| list(&client.post_logout_redirect_uris));
    if !allowed.is_some_and(|allowed| allowed.contains(wanted)) {
        return Err(Problem::new(sign_in::codes::REDIRECT_REFUSED));
    }
    let mut url = Url::parse(wanted).map_err(|_| Problem::new(sign_in::codes::REDIRECT_REFUSED))?;
    if let Some(state) = parameters.get("state") {
        url.query_pairs_mut().append_pair("state", state);
    }
    Ok((client, Some(url.into())))
}

async fn sign_out(
    caller: &Caller,
    request: &HttpRequest,
    keys: &Keyring,
    upstream: &Upstream,
    parameters: Parameters,
    confirmed: bool,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let hint = match parameters.get("id_token_hint") {
        Some(token) => match sessions::verify_id_token(service, keys, token).await? {
            Some(hint) => Some(hint),
            None => {
                return browser::refusal(Problem::detailed(
                    Code::VALIDATION_FAILED,
                    "The ID token was not issued by this service.",
                ));
            }
        },
        None => None,
    };
    let to = match afterwards(service, &parameters, hint.as_ref()).await {
        Ok((_, to)) => to,
        Err(problem) => return browser::refusal(problem),
    };
    let own = session(caller, request).await?;
    // The hint says whose session the module means; the browser's cookie, whether it is here.
    let named = match &hint {
        Some(hint) => {
            let find = async |view: &View| match sessions::find(view, hint.sid).await? {
                Some(found) => match found.browser_session_id {
                    Some(id) => sessions::browser(view, id).await,
                    None => Ok(None),
                },
                None => Ok(None),
            };
            let tenant = caller.within(hint.tenant_id);
            tenant.read(find).await?.map(|session| (tenant, session))
        }
        None => None,
    };
    let ending = match (named, own) {
        (Some(named), _) => Some(named),
        // Without a token nobody but the person at the browser may end their session: they are asked.
        (None, Some(own)) if confirmed && hint.is_none() => Some(own),
        (None, Some(_)) if hint.is_none() => {
            return Ok(sign_out_page(&parameters)?);
        }
        _ => None,
    };
    let mut response = match ending {
        Some((tenant, ending)) => end(&tenant, upstream, &ending, to).await?,
        None => match to {
            Some(to) => browser::redirect(&to),
            None => signed_out(&[], None)?,
        },
    };
    Jar::Session.clear(service, &mut response);
    Ok(response)
}

/// Ends the session with all its modules; then the provider's, if the connection says so.
async fn end(
    caller: &TenantCaller,
    upstream: &Upstream,
    ending: &browser_session::Model,
    to: Option<String>,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let mut frames = Vec::new();
    let find = async |view: &View| sessions::sessions_of_browser(view, ending.id).await;
    let opened = caller.read(find).await?;
    let clients: BTreeSet<&str> = opened.iter().map(|one| one.client_id.as_str()).collect();
    for id in clients {
        let uri =
            modules::client(caller.platform(), id).await?.and_then(|client| client.frontchannel_logout_uri);
        let Some(uri) = uri.and_then(|uri| Url::parse(&uri).ok()) else { continue };
        for one in opened.iter().filter(|one| one.client_id == id) {
            let mut uri = uri.clone();
            let issuer = one.token_issuer.clone().unwrap_or_else(|| service.config.public_url());
            uri.query_pairs_mut().append_pair("iss", &issuer).append_pair("sid", &one.id.to_string());
            frames.push(uri.to_string());
        }
    }
    let provider = match timeout(UPSTREAM_TIMEOUT, provider_logout(service, upstream, ending)).await {
        Ok(Ok(provider)) => provider,
        // The store: asked again, everything is done. Nothing else keeps a person signed in who wants to go.
        Ok(Err(problem)) if problem.code == Code::UNAVAILABLE => return Err(problem),
        Ok(Err(problem)) => {
            tracing::warn!(%problem, cause = problem.cause, "the user was not redirected to the provider's logout");
            None
        }
        Err(_) => None,
    };
    let (to, back) = match provider {
        Some((connection, url)) => (Some(url), to.map(|to| (connection, to))),
        None => (to, None),
    };
    let mut response = leave(&frames, to)?;
    if let Some((connection, to)) = back.filter(|(_, to)| to.len() <= AFTERWARDS_BYTES_MAX) {
        let sealed = service.envelope.seal("afterwards", connection.as_bytes(), to.as_bytes())?;
        Jar::Afterwards.set(service, &mut response, &URL_SAFE_NO_PAD.encode(sealed), AFTERWARDS_SECONDS);
    }
    // Last: with the session the way to the modules and to the provider is gone.
    let work = async |tx: &mut Tx| sessions::end_browser(tx, ending, Ended::SignedOut).await;
    caller.write(work).await?;
    Ok(response)
}

/// The person comes back from the provider's logout: on to where their module wanted them.
pub(super) fn come_back(
    tools: &Tools,
    request: &HttpRequest,
    connection: Uuid,
) -> Result<HttpResponse, Problem> {
    let stored = Jar::Afterwards.get(tools, request).and_then(|stored| URL_SAFE_NO_PAD.decode(stored).ok());
    // Opened only if it was sealed here, for this connection: nobody else's cookie leads anywhere.
    let to = stored.and_then(|stored| tools.envelope.open("afterwards", connection.as_bytes(), &stored).ok());
    let mut response = leave(&[], to.and_then(|to| String::from_utf8(to.to_vec()).ok()))?;
    Jar::Afterwards.clear(tools, &mut response);
    Ok(response)
}

/// Sends the browser on, once it has loaded the modules' own logouts.
fn leave(frames: &[String], to: Option<String>) -> Result<HttpResponse, Problem> {
    match to {
        Some(to) if frames.is_empty() => Ok(browser::redirect(&to)),
        to => Ok(signed_out(frames, to.as_deref())?),
    }
}

/// The way to the provider's own logout, if the connection goes there; and the connection.
async fn provider_logout(
    service: &TenantService,
    upstream: &Upstream,
    ending: &browser_session::Model,
) -> Result<Option<(Uuid, String)>, Problem> {
    let (Some(id), Some(stored)) = (ending.connection_id, upstream_of(service, ending)) else {
        return Ok(None);
    };
    let find = async |view: &View| connections::find_optional(view, id).await;
    let Some(connection) = service.db.read(find).await? else { return Ok(None) };
    match &connection.kind {
        Kind::Oidc(settings) if settings.sign_out_upstream => {
            let Some(mut url) = upstream.providers.end_session(service, &connection, settings).await else {
                return Ok(None);
            };
            url.query_pairs_mut()
                .append_pair("id_token_hint", &stored)
                .append_pair("client_id", &settings.client_id)
                .append_pair("post_logout_redirect_uri", &post_logout_redirect_uri(service, id));
            Ok(Some((id, url.into())))
        }
        Kind::Saml(settings, _) if settings.sign_out_upstream => {
            let sid = ending.upstream_sid.as_deref();
            let url = saml::logout_request(service, &upstream.saml, &connection, &stored, sid).await?;
            Ok(url.map(|url| (id, url)))
        }
        _ => Ok(None),
    }
}

async fn userinfo(caller: Caller, request: HttpRequest, keys: Keys) -> Result<HttpResponse, Problem> {
    about(&caller, &request, &keys).await
}

async fn userinfo_by_post(caller: Caller, request: HttpRequest, keys: Keys) -> Result<HttpResponse, Problem> {
    about(&caller, &request, &keys).await
}

async fn about(caller: &Caller, request: &HttpRequest, keys: &Keyring) -> Result<HttpResponse, Problem> {
    let invalid = || Problem::new(Code::AUTH_INVALID).dialect("invalid_token");
    let bearer = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let (scheme, token) = bearer.and_then(|text| text.split_once(' ')).ok_or_else(invalid)?;
    if !scheme.eq_ignore_ascii_case("bearer") {
        return Err(invalid());
    }
    let found = person(caller, keys, token.trim()).await?;
    let (claims, user, verified) = found.ok_or_else(invalid)?;
    if !claims.scope.split(' ').any(|scope| scope == "openid") {
        return Err(Problem::new(Code::AUTH_INSUFFICIENT).dialect("insufficient_scope"));
    }
    let mut body = tokens::user_claims(&user, &claims.scope, verified);
    body.insert("sub".to_owned(), claims.sub.into());
    body.insert("tenant_id".to_owned(), claims.tenant_id.to_string().into());
    body.insert("org_id".to_owned(), claims.org_id.to_string().into());
    body.insert("roles".to_owned(), json!([user.role]));
    Ok(HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "no-store")).json(body))
}
