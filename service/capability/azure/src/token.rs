//! A bearer token for the Resource Manager: by client secret, workload identity or managed identity.

use chrono::TimeDelta;
use http::{Request, Response};
use platform::http::tokens::{Token, forget, token};
use platform::http::{Failure, Outside};
use secrecy::ExposeSecret as _;
use secrecy::zeroize::Zeroizing;
use serde_json::Value;
use url::form_urlencoded::Serializer;

use crate::settings::Settings;

/// The metadata service of a virtual machine.
const METADATA: &str = "http://169.254.169.254/metadata/identity/oauth2/token";

fn credentials(settings: &Settings) -> [&str; 6] {
    [
        &settings.authority_url,
        &settings.credential,
        &settings.tenant_id,
        &settings.client_id,
        settings.client_secret.expose_secret(),
        &settings.identity_endpoint,
    ]
}

/// The token, remembered while it is good.
pub(crate) async fn bearer(settings: &Settings, outside: &Outside) -> Result<Zeroizing<String>, Failure> {
    token(&credentials(settings), outside.now(), async || fetch(settings, outside).await).await
}

/// Forgets it: the Resource Manager refused it.
pub(crate) fn refused(settings: &Settings) {
    forget(&credentials(settings));
}

async fn fetch(settings: &Settings, outside: &Outside) -> Result<Token, Failure> {
    let request = match settings.credential.as_str() {
        "managed_identity" => managed(settings),
        kind => by_client(settings, kind == "workload_identity").await?,
    };
    let (parts, body) = outside.send(request.map_err(Failure::permanent)?).await?.into_parts();
    let answer = Response::from_parts(parts, serde_json::from_slice(&body).unwrap_or(Value::Null));
    let status = answer.status().as_u16();
    let text = answer.body().get("access_token").and_then(Value::as_str);
    let (Some(text), true) = (text, answer.status().is_success()) else {
        let message = answer.body().get("error_description").and_then(Value::as_str).map(ToOwned::to_owned);
        let failure = Failure::of("the token endpoint", &answer, message);
        // The metadata service answers 404 and 410 while it comes up.
        let starting = settings.credential == "managed_identity" && matches!(status, 404 | 410);
        return Err(Failure { permanent: failure.permanent && !starting, ..failure });
    };
    let number = |name: &str| {
        let value = answer.body().get(name)?;
        value.as_i64().or_else(|| value.as_str()?.parse().ok())
    };
    // A managed identity says when it ends, by its own clock; that is surer than how long it lives.
    let until = number("expires_on").and_then(|seconds| chrono::DateTime::from_timestamp(seconds, 0));
    let lifetime = until.map(|until| until - outside.now());
    let lifetime = lifetime.unwrap_or_else(|| TimeDelta::seconds(number("expires_in").unwrap_or(300)));
    Ok(Token { text: Zeroizing::new(text.to_owned()), lifetime })
}

fn scope(settings: &Settings) -> &str {
    settings.management_url.trim_end_matches('/')
}

fn managed(settings: &Settings) -> http::Result<Request<Vec<u8>>> {
    let app_service = !settings.identity_endpoint.is_empty();
    let mut query = Serializer::new(String::new());
    query.append_pair("api-version", if app_service { "2019-08-01" } else { "2018-02-01" });
    query.append_pair("resource", scope(settings));
    if !settings.client_id.is_empty() {
        query.append_pair("client_id", &settings.client_id);
    }
    let base = if app_service { settings.identity_endpoint.as_str() } else { METADATA };
    let request = Request::get(format!("{base}?{}", query.finish()));
    let request = if app_service {
        request.header("x-identity-header", settings.identity_header.expose_secret())
    } else {
        request.header("metadata", "true")
    };
    request.body(Vec::new())
}

async fn by_client(settings: &Settings, federated: bool) -> Result<http::Result<Request<Vec<u8>>>, Failure> {
    let mut form = Serializer::new(String::new());
    form.append_pair("grant_type", "client_credentials");
    form.append_pair("client_id", &settings.client_id);
    form.append_pair("scope", &format!("{}/.default", scope(settings)));
    if federated {
        // The file is replaced by whoever mounts it.
        let path = &settings.federated_token_file;
        let text = tokio::fs::read_to_string(path).await;
        let text = text.map_err(|error| Failure::later(format!("azure.federated_token_file: {error}")))?;
        form.append_pair("client_assertion_type", "urn:ietf:params:oauth:client-assertion-type:jwt-bearer");
        form.append_pair("client_assertion", text.trim());
    } else {
        form.append_pair("client_secret", settings.client_secret.expose_secret());
    }
    let base = settings.authority_url.trim_end_matches('/');
    let request = Request::post(format!("{base}/{}/oauth2/v2.0/token", settings.tenant_id));
    let request = request.header("content-type", "application/x-www-form-urlencoded");
    Ok(request.body(form.finish().into_bytes()))
}
