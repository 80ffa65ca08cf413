//! `/invitations/accept`: the page, its form, and the same as an API.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use entity::invitations::states::InvitationKind;
use platform::Target;
use serde::Deserialize;
use serde_json::json;
use utoipa::ToSchema;
use web::{Access, Body, Caller, Denied, Form, Input, Problem, Query, Routes};

use super::Invitation;
use crate::accept::{self, Acceptor, Found};
use crate::error::NotAccepted;

const PAGE: &str = "/invitations/accept";
const API: &str = "/api/v1/invitations/accept";

pub(super) fn routes() -> Routes {
    let token = Access::Public("the invitation's token is the credential");
    let guarded = |route: web::Route| route.counts_failures().body_bytes_max(16 << 10);
    Routes::new()
        .add_with(
            Method::GET,
            PAGE,
            token,
            "invitation_page: Show the page of an invitation; nothing is changed.",
            invitation_page,
            guarded,
        )
        .add_with(
            Method::POST,
            PAGE,
            token,
            "accept_invitation_page: Accept an invitation by the form on its page.",
            accept_by_page,
            guarded,
        )
        .add_with(
            Method::POST,
            API,
            token,
            "accept_invitation: Accept an invitation.",
            accept_by_api,
            guarded,
        )
}

/// Which invitation.
#[derive(Debug, Deserialize)]
pub(crate) struct WithToken {
    #[serde(default)]
    token: String,
}

impl Input for WithToken {}

/// The acceptance of an invitation.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Acceptance {
    /// The token from the invitation's link.
    token: String,
    /// The name that the person wants to be shown.
    #[schema(max_length = 200)]
    display_name: Option<String>,
}

impl Input for Acceptance {}

impl Acceptance {
    /// The name, fit to be kept.
    fn name(&self) -> Result<Option<String>, Problem> {
        let Some(name) = self.display_name.as_deref().map(str::trim).filter(|name| !name.is_empty()) else {
            return Ok(None);
        };
        let fits = name.chars().count() <= 200 && !name.chars().any(char::is_control);
        if fits {
            Ok(Some(name.to_owned()))
        } else {
            Err(Problem::invalid("/displayName", "at most 200 characters"))
        }
    }
}

fn refusal(problem: &Problem) -> Result<HttpResponse, Problem> {
    Ok(pages::refusal(problem, "Ask whoever invited you for a new one.")?)
}

async fn invitation_page(
    caller: Caller,
    Query(query): Query<WithToken>,
    _: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let Found { row, tenant, sso } =
        match accept::find_open(&caller, &query.token).await.map_err(Problem::from) {
            Ok(found) => found,
            Err(problem) if problem.is_refusal() => return refusal(&problem),
            Err(problem) => return Err(problem),
        };
    let expires_at = row.expires_at.format("%-d %B %Y, %H:%M UTC").to_string();
    let values = json!({
        "tenant": tenant.name, "inviter": row.inviter, "email": row.email, "role": row.role, "message": row.message,
        "token": query.token, "expires_at": expires_at, "kind": row.kind, "sso": sso,
    });
    Ok(crate::pages::invitation(&values)?)
}

/// The browser's session, if it has one.
fn session(caller: &Caller, request: &HttpRequest) -> Option<String> {
    let cookie = request.cookie(&web::session_cookie(caller.tools()))?;
    Some(cookie.value().to_owned())
}

/// Records what was refused. The way to the identity provider is no refusal.
async fn recorded<T>(caller: &Caller, accepted: Result<T, NotAccepted>) -> Result<T, Problem> {
    match accepted.map_err(Denied::from) {
        Err(denied) if denied.problem.code == directory::codes::SSO_ENFORCED => Err(denied.problem),
        other => caller.recorded(other, "invitation.accept", Target::new("invitation", "token")).await,
    }
}

async fn accept_by_page(
    caller: Caller,
    request: HttpRequest,
    Form(input): Form<Acceptance>,
) -> Result<HttpResponse, Problem> {
    let session = session(&caller, &request);
    let accepted = match input.name() {
        Ok(display_name) => {
            let acceptor = Acceptor { token: &input.token, display_name, session: session.as_deref() };
            let accepted = accept::accept(&caller, acceptor).await;
            recorded(&caller, accepted).await
        }
        Err(problem) => Err(problem),
    };
    match accepted {
        Ok((row, tenant)) => {
            let asked = row.kind == InvitationKind::Request;
            let values = json!({"tenant": tenant.name, "role": row.role, "asked": asked});
            Ok(crate::pages::accepted(&values)?)
        }
        Err(problem) if problem.is_refusal() => refusal(&problem),
        Err(problem) => Err(problem),
    }
}

async fn accept_by_api(
    caller: Caller,
    request: HttpRequest,
    Body(input): Body<Acceptance>,
) -> Result<actix_web::web::Json<Invitation>, Problem> {
    let session = session(&caller, &request);
    let acceptor = Acceptor { token: &input.token, display_name: input.name()?, session: session.as_deref() };
    let accepted = accept::accept(&caller, acceptor).await;
    let (row, _) = recorded(&caller, accepted).await?;
    Ok(actix_web::web::Json(Invitation::at(row, caller.now())))
}
