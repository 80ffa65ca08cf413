//! What a browser gets: pages, cookies, and the two ways to send it on.

use actix_web::cookie::SameSite;
use actix_web::http::{StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use connections::saml::Go;
use connections::{Refused, ResponsibleParty};
use platform::Timestamp;
use serde::Serialize;
use serde_json::json;
use web::{Problem, Tools};

use crate::error::Error;
use crate::ops::outcome;
use crate::pages;

/// A page.
pub(super) fn html(
    status: StatusCode,
    name: &'static str,
    values: &impl Serialize,
) -> Result<HttpResponse, Problem> {
    Ok(pages::html(status, name, values)?)
}

/// A form that posts itself; without scripts, by a button.
pub(super) fn post(action: &str, fields: &[(&'static str, String)]) -> Result<HttpResponse, Problem> {
    Ok(pages::post(action, fields)?)
}

/// 303, so that a form's POST isn't repeated elsewhere.
#[must_use]
pub fn redirect(to: &str) -> HttpResponse {
    HttpResponse::SeeOther().insert_header((header::LOCATION, to)).finish()
}

/// Sends the browser on.
pub(super) fn go(to: &Go) -> Result<HttpResponse, Problem> {
    match to {
        Go::Redirect(url) => Ok(redirect(url)),
        Go::Post { action, fields } => post(action, fields),
    }
}

/// A sign-in that failed, or what has no trace, as its page tells it.
#[derive(Debug)]
pub struct Failed {
    /// For support.
    pub code: Option<String>,
    /// What it is to the outside.
    pub problem: Problem,
    /// Why, where a reason is known.
    pub refused: Option<Refused>,
}

impl From<outcome::Failed> for Failed {
    fn from(failed: outcome::Failed) -> Self {
        Self { code: failed.code, problem: failed.error.into(), refused: failed.refused }
    }
}

impl From<Problem> for Failed {
    fn from(problem: Problem) -> Self {
        Self { code: None, problem, refused: None }
    }
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Problem::from(error).into()
    }
}

/// The page of a sign-in that failed: what the person can do, and the code under which support finds the rest.
///
/// # Errors
/// [`Problem`], where it is ours.
pub fn failed(failed: Failed) -> Result<HttpResponse, Problem> {
    let problem = failed.problem;
    let status = problem.code.status();
    if status.is_server_error() && failed.refused.is_none() {
        return Err(problem);
    }
    let by_person =
        failed.refused.as_ref().is_some_and(|refused| refused.responsible_party == ResponsibleParty::Person);
    let advice = match &failed.refused {
        Some(refused) if by_person => refused.how.clone(),
        Some(_) => {
            "Give your administrator this code: it shows what went wrong and how to fix it.".to_owned()
        }
        None => problem.detail.clone(),
    };
    let values = json!({
        "title": problem.code.title(), "detail": advice, "problem": problem.code.name(), "code": failed.code,
    });
    html(status, "sign_in_failed.html", &values)
}

/// The same, for what has no trace.
///
/// # Errors
/// [`Problem`], where it is ours.
pub fn refusal(refused: impl Into<Problem>) -> Result<HttpResponse, Problem> {
    failed(refused.into().into())
}

/// Which cookies there are.
#[derive(Clone, Copy, Debug)]
pub enum Jar {
    /// The browser that begins sign-ins.
    Browser,
    /// The browser's session.
    Session,
    /// Tenants that this browser's people signed in to: for the chooser. No secret.
    Tenants,
    /// Where the person goes when the provider has signed them out too; sealed.
    Afterwards,
}

impl Jar {
    fn name(self, tools: &Tools) -> String {
        match self {
            Jar::Browser => web::cookie_name(tools, "tnt_browser"),
            Jar::Session => web::session_cookie(tools),
            Jar::Tenants => web::cookie_name(tools, "tnt_tenants"),
            Jar::Afterwards => web::cookie_name(tools, "tnt_afterwards"),
        }
    }

    /// What the browser sent.
    #[must_use]
    pub fn get(self, tools: &Tools, request: &HttpRequest) -> Option<String> {
        request.cookie(&self.name(tools)).map(|cookie| cookie.value().to_owned())
    }

    /// Gives it to the browser, for so long.
    pub fn set(self, tools: &Tools, response: &mut HttpResponse, value: &str, seconds: i64) {
        // Lax: it comes with the identity provider's redirect, and with no form of anybody else's.
        web::set_cookie(tools, response, (self.name(tools), value), SameSite::Lax, seconds);
    }

    /// Takes it from the browser.
    pub fn clear(self, tools: &Tools, response: &mut HttpResponse) {
        self.set(tools, response, "", 0);
    }
}

/// Seconds from now until then.
pub(super) fn seconds_until(tools: &Tools, then: Timestamp) -> i64 {
    (then - tools.clock.now()).num_seconds().max(0)
}

/// What the browser calls itself.
pub(super) fn agent(request: &HttpRequest) -> Option<String> {
    request.headers().get(header::USER_AGENT).and_then(|value| value.to_str().ok()).map(ToOwned::to_owned)
}
