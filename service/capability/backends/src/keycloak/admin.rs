//! Keycloak's Admin REST API: a token of the service account, and requests with it.

use chrono::TimeDelta;
use http::{Method, Request, Response, StatusCode};
use platform::http::tokens::{Token, forget, token};
use platform::http::{Failure, Outside};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;

use crate::settings;

/// Seconds that a token is taken to live where Keycloak doesn't say.
const LIFETIME: i64 = 60;

pub(super) struct Admin<'a> {
    pub(super) settings: &'a settings::Keycloak,
    pub(super) outside: &'a Outside,
}

/// What Keycloak says went wrong: `errorMessage`, or OAuth's `error`.
fn message(answer: &Response<Value>) -> Option<String> {
    let body = answer.body();
    let text =
        ["errorMessage", "error_description", "error"].iter().find_map(|name| body.get(*name)?.as_str());
    text.map(ToOwned::to_owned)
}

impl Admin<'_> {
    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.settings.url.trim_end_matches('/'))
    }

    fn token_url(&self) -> String {
        self.url(&format!("/realms/{}/protocol/openid-connect/token", self.settings.admin_realm))
    }

    async fn fetch(&self) -> Result<Token, Failure> {
        let form = url::form_urlencoded::Serializer::new(String::new())
            .append_pair("grant_type", "client_credentials")
            .append_pair("client_id", &self.settings.client_id)
            .append_pair("client_secret", self.settings.client_secret.expose_secret())
            .finish();
        let request =
            Request::post(self.token_url()).header("content-type", "application/x-www-form-urlencoded");
        let request = request.body(form.into_bytes()).map_err(Failure::permanent)?;
        let (parts, body) = self.outside.send(request).await?.into_parts();
        let answer = Response::from_parts(parts, serde_json::from_slice(&body).unwrap_or(Value::Null));
        let text = answer.body().get("access_token").and_then(Value::as_str);
        match text {
            Some(text) if answer.status().is_success() => Ok(Token {
                text: Zeroizing::new(text.to_owned()),
                lifetime: TimeDelta::seconds(
                    answer.body().get("expires_in").and_then(Value::as_i64).unwrap_or(LIFETIME),
                ),
            }),
            _ => Err(Failure::of("Keycloak's token endpoint", &answer, message(&answer))),
        }
    }

    /// Sends a request; 404 and 409 are answers, other refusals are failures.
    pub(super) async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Response<Value>, Failure> {
        let url = self.token_url();
        let credentials = self.credentials(&url);
        let mut renewed = false;
        loop {
            let bearer = token(&credentials, self.outside.now(), async || self.fetch().await).await?;
            let request = Request::builder().method(method.clone()).uri(self.url(path));
            let request = request.header("authorization", format!("Bearer {}", *bearer));
            let answer = self.outside.json(request, body).await?;
            let status = answer.status();
            // The rights to a realm that was made after the token are not in it yet.
            if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) && !renewed {
                renewed = true;
                forget(&credentials);
                continue;
            }
            if status.is_success() || matches!(status, StatusCode::NOT_FOUND | StatusCode::CONFLICT) {
                return Ok(answer);
            }
            if status == StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE {
                // An ordinary token names the roles in every realm that its client made.
                return Err(Failure::later(
                    "Keycloak refuses our token as too large: switch \"Always use lightweight access token\" on for the client",
                ));
            }
            return Err(Failure::of("Keycloak", &answer, message(&answer)));
        }
    }

    /// What is there, if it is.
    pub(super) async fn get(&self, path: &str) -> Result<Option<Value>, Failure> {
        let answer = self.send(Method::GET, path, None).await?;
        Ok((answer.status() != StatusCode::NOT_FOUND).then(|| answer.into_body()))
    }

    /// A realm, if it is there. A token that was made before the realm has no rights to it and sees its name only: then it is asked
    /// again with a new one.
    pub(super) async fn realm(&self, path: &str) -> Result<Option<Value>, Failure> {
        let found = self.get(path).await?;
        if found.as_ref().is_none_or(|found| found.get("attributes").is_some()) {
            return Ok(found);
        }
        self.forget_token();
        self.get(path).await
    }

    fn forget_token(&self) {
        let url = self.token_url();
        forget(&self.credentials(&url));
    }

    fn credentials<'b>(&'b self, url: &'b str) -> [&'b str; 3] {
        [url, &self.settings.client_id, self.settings.client_secret.expose_secret()]
    }

    /// A list; empty where what it is a list of isn't there.
    pub(super) async fn list(&self, path: &str) -> Result<Vec<Value>, Failure> {
        match self.get(path).await? {
            Some(Value::Array(list)) => Ok(list),
            _ => Ok(Vec::new()),
        }
    }

    /// Makes something, unless it is there.
    pub(super) async fn create(&self, path: &str, body: &Value) -> Result<(), Failure> {
        let answer = self.send(Method::POST, path, Some(body)).await?;
        match answer.status() {
            StatusCode::NOT_FOUND => Err(Failure::of("Keycloak", &answer, message(&answer))),
            _ => Ok(()),
        }
    }

    /// Removes something, unless it is gone.
    pub(super) async fn delete(&self, path: &str) -> Result<(), Failure> {
        self.send(Method::DELETE, path, None).await.map(drop)
    }
}
