//! `/login`: where somebody belongs is asked, chosen, or found by an address.

use std::sync::Arc;

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, HttpResponse};
use connections::{Upstream, Wishes};
use platform::crypto::sha256;
use serde_json::json;
use uuid::Uuid;
use web::{Caller, FormText, PlatformService, Problem, Shared};

use super::browser;
use super::leave::{Leave, client, leave, login_form, session, wishes};
use crate::ops::authorize::{self, Authorization, Continues};
use crate::ops::discovery::{self, Hints};
use crate::ops::parameters::{self, Parameters};
use crate::ops::{links, pending_requests};

/// A request that waits, with what was asked.
async fn waited(
    service: &PlatformService,
    parameters: &Parameters,
) -> Result<Option<(Parameters, Authorization, String)>, Problem> {
    let Some(id) = parameters.get("request") else { return Ok(None) };
    let over = || Problem::new(directory::codes::SSO_STATE_UNKNOWN);
    let id = Uuid::try_parse(id).map_err(|_| over())?;
    let (client_id, stored) = pending_requests::find(service, id, false).await?.ok_or_else(over)?;
    let issuer = stored.get("tnt_issuer").cloned().unwrap_or_else(|| service.config.public_url());
    let client = client(service, &stored).await?;
    match authorize::authorization(&client, &stored, &issuer) {
        Ok(asked) => Ok(Some((stored, asked, client_id))),
        Err(_) => Err(over()),
    }
}

/// On to where the hints lead; with the request that waits, if one does.
async fn go_on(
    (caller, request, upstream): (&Caller, &HttpRequest, &Upstream),
    hints: &Hints,
    wishes: Wishes,
    waited: Option<&(Parameters, Authorization, String)>,
) -> Result<HttpResponse, Problem> {
    let (continues, stored) = match waited {
        Some((stored, asked, client_id)) => {
            (Continues::Authorize(Box::new(asked.clone())), Some((client_id.as_str(), stored)))
        }
        None => (Continues::Home, None),
    };
    leave(caller, request, upstream, Leave { hints, continues, wishes, stored }).await
}

pub(super) async fn login_page(
    caller: Caller,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let parameters = match parameters::read(request.query_string()) {
        Ok(parameters) => parameters,
        Err(error) => return browser::refusal(error),
    };
    let mut hints = Hints::of(&parameters);
    let waited = match waited(service, &parameters).await {
        Ok(waited) => waited,
        Err(problem) if problem.is_refusal() => return browser::refusal(problem),
        Err(problem) => return Err(problem),
    };
    let hinted = hints.tenant.is_some() || hints.connection.is_some() || hints.domain.is_some();
    if !hinted {
        let waiting = parameters.get("request").and_then(|id| Uuid::try_parse(id).ok());
        if waiting.is_none()
            && let Some((tenant, session)) = session(&caller, &request).await?
        {
            return super::callback::signed_in(&tenant, &session).await;
        }
        return login_form(service, &request, waiting, hints.login.as_deref(), None);
    }
    let wishes = match &waited {
        Some((stored, asked, _)) => {
            // A realm's request stays in its realm, whatever the page's links say.
            if let Some(tenant) = stored.get("tenant") {
                hints.tenant = Some(tenant.clone());
            }
            wishes(stored, asked)
        }
        None => Wishes {
            login_hint: hints.login.clone(),
            invitation: parameters.get("invitation").map(|token| sha256(token.as_bytes()).to_vec()),
            ..Wishes::default()
        },
    };
    go_on((&caller, &request, &upstream), &hints, wishes, waited.as_ref()).await
}

pub(super) async fn login(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let parameters = parameters::read(&form)?;
    let waiting = parameters.get("request").and_then(|id| Uuid::try_parse(id).ok());
    let email = parameters
        .get("email")
        .map(|email| email.trim().to_owned())
        .filter(|email| identity_core::is_email(email));
    let Some(email) = email else {
        let message = "This is not a valid e-mail address.";
        return login_form(service, &request, waiting, None, Some(message));
    };
    let hints = Hints { login: Some(email.clone()), ..Hints::default() };
    if discovery::tenant(service, &hints).await?.is_none() {
        // Whoever types somebody's address here learns nothing of where they work; who reads the address' mail does.
        links::ask(service, &caller.ctx, email.clone(), waiting).await?;
        let values = json!({"email": email});
        return browser::html(StatusCode::OK, "links_sent.html", &values);
    }
    let wishes = Wishes { login_hint: Some(email), ..Wishes::default() };
    match waited(service, &parameters).await {
        Ok(waited) => go_on((&caller, &request, &upstream), &hints, wishes, waited.as_ref()).await,
        Err(problem) if problem.is_refusal() => browser::refusal(problem),
        Err(problem) => Err(problem),
    }
}
