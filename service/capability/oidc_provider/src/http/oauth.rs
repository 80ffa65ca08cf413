//! `/oauth2/*` and the discovery documents. Refusals are RFC 6749's.

use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use connections::Upstream;
use entity::modules::module;
use entity::sessions::session;
use exchange::{Asked, By, Error, JwksCache, TenantMaker, audience, may_introspect};
use keys::Keys;
use platform::Target;
use platform::refusal::Classified as _;
use policy_core::{Permission, allows};
use serde::Deserialize;
use serde_json::{Value, json};
use sessions::{ClientCredentials, ClientGrant, Keyring};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Acting, Caller, Code, Dialect, Form, Problem, Routes, Shared};

use super::tokens::{introspected, redeem, refresh, revoked};
use crate::ops::tokens;

/// RFC 8693
pub(super) const TOKEN_EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
/// RFC 7523
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
const ACCESS_TOKEN: &str = "urn:ietf:params:oauth:token-type:access_token";

pub(super) fn routes() -> Routes {
    let client = Access::Public("the client authenticates itself (RFC 6749, section 2.3)");
    let oauth = |route: web::Route| {
        route.speaks(Dialect::OAuth).counts_failures_of_clients().body_bytes_max(64 << 10)
    };
    Routes::new()
        .add_with(
            Method::POST,
            "/oauth2/token",
            client,
            "token: Token endpoint: code, refresh, client credentials, token exchange (RFC 6749, RFC 8693).",
            token,
            oauth,
        )
        .add_with(
            Method::POST,
            "/oauth2/introspect",
            client,
            "introspect: Introspect a token (RFC 7662).",
            introspect,
            oauth,
        )
        .add_with(
            Method::POST,
            "/oauth2/revoke",
            client,
            "revoke: Revoke a token and end its session (RFC 7009).",
            revoke,
            oauth,
        )
}

/// A token request. Unknown parameters are ignored (RFC 6749, section 3.2).
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct TokenInput {
    grant_type: String,
    code: Option<String>,
    redirect_uri: Option<String>,
    code_verifier: Option<String>,
    refresh_token: Option<String>,
    subject_token: Option<String>,
    subject_token_type: Option<String>,
    audience: Option<String>,
    tenant: Option<String>,
    organization: Option<String>,
    connection: Option<Uuid>,
    client_id: Option<String>,
    client_secret: Option<String>,
    client_assertion: Option<String>,
    client_assertion_type: Option<String>,
    scope: Option<String>,
}

/// Who grants clients their tokens.
type Grants = Shared<Arc<dyn ClientGrant>>;

/// A token to introspect or to revoke.
#[derive(Debug, Deserialize, ToSchema)]
pub(crate) struct OneToken {
    token: String,
    client_id: Option<String>,
    client_secret: Option<String>,
}

fn refuse(error: &'static str, detail: &str) -> Problem {
    Problem::detailed(Code::BODY_MALFORMED, detail).dialect(error)
}

fn unauthenticated() -> Problem {
    Problem::new(Code::AUTH_INVALID).dialect("invalid_client")
}

/// Id and secret of HTTP Basic, if the request has it.
fn basic(request: &HttpRequest) -> Result<Option<(String, String)>, Problem> {
    let authorization = request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let basic = authorization
        .and_then(|text| text.split_once(' '))
        .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("basic"));
    let Some((_, encoded)) = basic else { return Ok(None) };
    let pair = STANDARD.decode(encoded.trim()).ok().and_then(|bytes| String::from_utf8(bytes).ok());
    let pair = pair.ok_or_else(unauthenticated)?;
    let (id, secret) = pair.split_once(':').ok_or_else(unauthenticated)?;
    // RFC 6749, section 2.3.1: both are form-encoded before they are joined. Ours hold nothing that encoding would change, so
    // a client that leaves it out is understood too.
    let pair = (form_decoded(id), form_decoded(secret));
    // Postgres can't be asked about a NUL; nobody has one in their id.
    if pair.0.contains('\0') { Err(unauthenticated()) } else { Ok(Some(pair)) }
}

fn form_decoded(text: &str) -> String {
    let encoded = format!("v={text}");
    let value = url::form_urlencoded::parse(encoded.as_bytes()).next();
    value.map(|(_, value)| value.into_owned()).unwrap_or_default()
}

/// A client asks for a token of its own: an identity provider, for SCIM.
async fn client_credentials(
    caller: &Caller,
    request: &HttpRequest,
    input: TokenInput,
    grants: &dyn ClientGrant,
) -> Result<HttpResponse, Problem> {
    if input.client_assertion.is_some() && input.client_assertion_type.as_deref() != Some(JWT_BEARER) {
        return Err(refuse("invalid_request", "`client_assertion_type` must be that of RFC 7523."));
    }
    let (client_id, client_secret) = match basic(request)? {
        Some(_) if input.client_secret.is_some() || input.client_assertion.is_some() => {
            return Err(refuse(
                "invalid_request",
                "The client must not use more than one authentication method.",
            ));
        }
        Some((id, secret)) => (Some(id), Some(secret)),
        None => (input.client_id, input.client_secret),
    };
    let (assertion, scope) = (input.client_assertion, input.scope);
    let claimed = match client_id.as_deref().and_then(|id| Uuid::try_parse(id).ok()) {
        Some(id) => grants.knows(caller, id).await?.then_some(id),
        None => None,
    };
    caller.acts_as(request, claimed.map_or(Acting::Nobody, Acting::Claimed)).await?;
    let credentials = ClientCredentials { client_id, client_secret, assertion, scope };
    let granted = grants.grant(caller, credentials).await?;
    Ok(answer(&json!({
        "access_token": granted.access_token, "token_type": "Bearer", "expires_in": granted.expires_in,
        "scope": granted.scope,
    })))
}

/// The client, if it authenticated; `None` if it didn't try.
async fn client(
    caller: &Caller,
    request: &HttpRequest,
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<Option<module::Model>, Problem> {
    let (id, secret) = match (basic(request)?, id, secret) {
        (Some(pair), None, None) => pair,
        // Some say their id in the body too; it must be the same.
        (Some(pair), Some(id), None) if pair.0 == id => pair,
        (None, Some(id), Some(secret)) => (id.to_owned(), secret.to_owned()),
        (Some(_), _, Some(_)) => {
            return Err(refuse(
                "invalid_request",
                "The client must not use more than one authentication method.",
            ));
        }
        _ => {
            caller.acts_as(request, Acting::Nobody).await?;
            return Ok(None);
        }
    };
    // A wrong secret counts for the client and where it comes from; what a client does that proved itself, for the client alone: through a
    // module's callback comes everybody.
    let found = modules::client(caller.platform(), &id).await?;
    let claimed = found.as_ref().map_or(Acting::Nobody, |found| Acting::Claimed(found.id));
    caller.acts_as(request, claimed).await?;
    let found = found.ok_or_else(unauthenticated)?;
    if !modules::is_secret_of(caller.platform(), &found, &secret).await? {
        return Err(unauthenticated());
    }
    caller.acts_as(request, Acting::Proven(found.id)).await?;
    Ok(Some(found))
}

/// Who acts: an authenticated client, a public one by its id alone (its tokens are its proof), or nobody who said.
async fn acting_client(
    caller: &Caller,
    request: &HttpRequest,
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<Option<module::Model>, Problem> {
    match (client(caller, request, id, secret).await?, id) {
        (None, Some(id)) => Ok(modules::client(caller.platform(), id).await?.filter(|client| client.public)),
        (client, _) => Ok(client),
    }
}

/// The client, authenticated; a public one by its id alone (RFC 6749, section 2.3).
pub(super) async fn known_client(
    caller: &Caller,
    request: &HttpRequest,
    id: Option<&str>,
    secret: Option<&str>,
) -> Result<module::Model, Problem> {
    acting_client(caller, request, id, secret).await?.ok_or_else(unauthenticated)
}

/// A session that a client opened is that client's; one that a key opened needs only its refresh token.
fn may_use(session: &session::Model, client: Option<&module::Model>) -> bool {
    session.client_id.starts_with("key:")
        || client.is_some_and(|client| client.client_id == session.client_id)
}

fn answer(body: &Value) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "no-store"))
        .insert_header(("Pragma", "no-cache"))
        .json(body)
}

fn handed_out(pair: tokens::Pair) -> HttpResponse {
    let mut body = json!({
        "access_token": pair.access.token, "token_type": "Bearer", "expires_in": pair.access.expires_in,
        "refresh_token": pair.refresh_token,
    });
    if let Value::Object(body) = &mut body {
        body.extend(pair.id_token.map(|token| ("id_token".to_owned(), token.into())));
        if !pair.scope.is_empty() {
            body.insert("scope".to_owned(), pair.scope.into());
        }
    }
    answer(&body)
}

/// RFC 6749, section 4.1.3, with RFC 7636.
async fn authorization_code(
    caller: &Caller,
    request: &HttpRequest,
    input: TokenInput,
    keys: &Keyring,
) -> Result<HttpResponse, Problem> {
    let client =
        known_client(caller, request, input.client_id.as_deref(), input.client_secret.as_deref()).await?;
    let missing = |name: &str| refuse("invalid_request", &format!("`{name}` is missing."));
    let code = input.code.as_deref().ok_or_else(|| missing("code"))?;
    let redirect_uri = input.redirect_uri.as_deref().ok_or_else(|| missing("redirect_uri"))?;
    let verifier = input.code_verifier.as_deref().ok_or_else(|| missing("code_verifier"))?;
    let parts = (code, redirect_uri, verifier);
    Ok(handed_out(redeem(caller, keys, parts, &client.client_id).await?))
}

async fn token(
    caller: Caller,
    request: HttpRequest,
    Form(input): Form<TokenInput>,
    (cache, keys, grants): (Shared<Arc<JwksCache>>, Shared<Arc<Keyring>>, Grants),
    (upstream, makes): (Shared<Arc<Upstream>>, Shared<Arc<dyn TenantMaker>>),
) -> Result<HttpResponse, Problem> {
    if input.grant_type == "client_credentials" {
        return client_credentials(&caller, &request, input, grants.as_ref()).await;
    }
    if input.grant_type == "authorization_code" {
        return authorization_code(&caller, &request, input, &keys).await;
    }
    let client =
        acting_client(&caller, &request, input.client_id.as_deref(), input.client_secret.as_deref()).await?;
    let service = caller.platform();
    match input.grant_type.as_str() {
        "refresh_token" => {
            let token = input
                .refresh_token
                .ok_or_else(|| refuse("invalid_request", "`refresh_token` is missing."))?;
            let may = |session: &session::Model| may_use(session, client.as_ref());
            Ok(handed_out(refresh(&caller, &keys, &token, may).await?))
        }
        TOKEN_EXCHANGE => {
            let client = client.ok_or_else(unauthenticated)?;
            let token = input
                .subject_token
                .ok_or_else(|| refuse("invalid_request", "`subject_token` is missing."))?;
            if input.subject_token_type.is_none() {
                return Err(refuse("invalid_request", "`subject_token_type` is missing."));
            }
            let audience = audience(input.audience.as_deref(), By::Module(&client), "", &[]);
            let audience = audience.ok_or(Error::AudienceOther);
            let asked = audience.map(|audience| Asked { client_id: client.client_id, audience });
            let attempt = async {
                let named = (input.tenant.as_ref(), input.organization.as_ref(), input.connection);
                let hints = exchange::subject_hints(service, named).await?;
                let identity = exchange::verify(service, (&cache, &upstream.providers), &token, &hints)
                    .await
                    .map_err(|error| match error.is_refusal() {
                        true => Problem::from(error).dialect("invalid_grant"),
                        false => error.into(),
                    })?;
                exchange::exchange(&caller, &**makes, &keys, (&identity, &hints), asked).await
            };
            let target = Target::new("sso", "exchange");
            let done = caller.recorded(attempt.await, "sso.exchange", target).await?;
            Ok(answer(&json!({
                "access_token": done.access.token, "issued_token_type": ACCESS_TOKEN, "token_type": "Bearer",
                "expires_in": done.access.expires_in, "refresh_token": done.refresh_token,
            })))
        }
        _ => Err(refuse("unsupported_grant_type", "The grant type is not supported.")),
    }
}

async fn introspect(
    caller: Caller,
    request: HttpRequest,
    Form(input): Form<OneToken>,
    keys: Shared<Arc<Keyring>>,
    management: Shared<Arc<Keys>>,
) -> Result<HttpResponse, Problem> {
    let client =
        client(&caller, &request, input.client_id.as_deref(), input.client_secret.as_deref()).await?;
    let mut by_key = None;
    if client.is_none() {
        let authorization =
            request.headers().get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let bearer = authorization
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"));
        let (_, bearer) = bearer.ok_or_else(unauthenticated)?;
        let known = caller.recognise(&**management, bearer.trim()).await;
        // A store or a queue that is busy is no wrong credential.
        let principal = known.map_err(|denied| match denied.problem.is_refusal() {
            true => unauthenticated(),
            false => denied.problem,
        })?;
        if !allows(principal.role, Permission::SsoExchange) {
            return Err(Problem::new(Code::AUTH_INSUFFICIENT));
        }
        by_key = Some(By::Key(principal.role));
    }
    let by = client.as_ref().map(By::Module).or(by_key).ok_or_else(unauthenticated)?;
    let platform = caller.tools().config.public_url();
    let claims = introspected(&caller, &keys, &input.token).await?.map(|(_, claims)| claims);
    // What is another's is as if it weren't there (RFC 7662, section 2.2).
    let Some(claims) = claims.filter(|claims| may_introspect(by, claims, &platform)) else {
        return Ok(answer(&json!({"active": false})));
    };
    let mut body = serde_json::to_value(&claims).map_err(Problem::internal)?;
    if let Value::Object(body) = &mut body {
        body.insert("active".to_owned(), true.into());
        body.insert("token_type".to_owned(), "Bearer".into());
    }
    Ok(answer(&body))
}

async fn revoke(
    caller: Caller,
    request: HttpRequest,
    Form(input): Form<OneToken>,
    keys: Shared<Arc<Keyring>>,
) -> Result<HttpResponse, Problem> {
    let client =
        acting_client(&caller, &request, input.client_id.as_deref(), input.client_secret.as_deref()).await?;
    let may = |session: &session::Model| may_use(session, client.as_ref());
    revoked(&caller, &keys, &input.token, may).await?;
    Ok(HttpResponse::Ok().finish())
}
