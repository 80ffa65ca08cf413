//! The gate in front of every handler. In this order: the body in time and size, who calls, which tenant, whether they
//! may, how often, whether this is a repeat; then the handler, under a deadline.

use std::net::IpAddr;
use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::cookie::{Cookie, SameSite, time::Duration};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use platform::crypto::sha256;
use platform::db::Lookup;
use platform::tx::IdempotencyMark;
use platform::{Actor, Ctx, Target};
use policy_core::allows;
use tokio::time::timeout;
use uuid::Uuid;

use crate::caller::{Authenticator, Caller, Credential, Principal};
use crate::extract::strict_uuid;
use crate::idempotency::{self, Start};
use crate::input::{ReadBody, is_slug};
use crate::journal::{Exchange, Journal, SentBody};
use crate::limits::{Allowance, Limits, Window};
use crate::problem::Dialect;
use crate::routes::{Access, Route};
use crate::{Code, Problem, Service, peer};

/// What the gates of one process share.
pub(crate) struct Gatekeeper {
    pub(crate) service: Service,
    pub(crate) keys: Arc<dyn Authenticator>,
    pub(crate) scim: Arc<dyn Authenticator>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) journal: Arc<dyn Journal>,
}

/// The rules of one route.
pub(crate) struct Rules {
    access: Access,
    dialect: Dialect,
    pattern: &'static str,
    body_bytes_max: usize,
    counts_failures: bool,
}

impl Rules {
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            access: route.access,
            dialect: route.dialect,
            pattern: route.pattern,
            body_bytes_max: route.body_bytes_max,
            counts_failures: route.counts_failures,
        }
    }
}

/// The request's id, put there by the edge.
#[derive(Clone, Debug)]
pub(crate) struct RequestId(pub(crate) String);

/// What the edge needs to know when the answer passes it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Passed {
    pub(crate) dialect: Dialect,
    pub(crate) tenant: Option<Uuid>,
    pub(crate) principal: Option<Principal>,
}

pub(crate) async fn method_not_allowed(
    request: HttpRequest,
    allow: String,
    dialect: Dialect,
) -> HttpResponse {
    request.extensions_mut().insert(Passed { dialect, ..Passed::default() });
    let mut response = HttpResponse::from_error(Problem::new(Code::MethodNotAllowed));
    if let Ok(value) = header::HeaderValue::from_str(&allow) {
        response.headers_mut().insert(header::ALLOW, value);
    }
    response
}

/// Lets a request pass to its handler, or not.
pub(crate) async fn pass<B: MessageBody + 'static>(
    rules: Arc<Rules>,
    mut request: ServiceRequest,
    next: Next<B>,
) -> Result<ServiceResponse<BoxBody>, actix_web::Error> {
    request.extensions_mut().insert(Passed { dialect: rules.dialect, ..Passed::default() });
    let Some(keeper) = request.app_data::<web::Data<Gatekeeper>>().cloned() else {
        return Ok(refuse(request, Problem::internal("no gatekeeper")));
    };
    let started = Instant::now();
    let admitted = match admit(&keeper, &rules, &mut request).await {
        Ok(admitted) => admitted,
        Err(problem) => {
            let refused = refuse(request, problem);
            note(&keeper, &rules, refused.request(), None, refused.response(), started);
            return Ok(refused);
        }
    };
    let mark = match admitted.repeat {
        Some(Start::Repeat(response)) => return Ok(ServiceResponse::new(request.into_parts().0, response)),
        Some(Start::Go(mark)) => Some(mark),
        None => None,
    };
    let http_request = request.request().clone();
    let body = http_request.extensions().get::<ReadBody>().map(|body| body.0.clone());
    let deadline = keeper.service.config.server.request_timeout;
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
    let response = match timeout(deadline, answer).await {
        Ok(Ok(Ok(response))) => response.map_into_boxed_body().into_parts().1,
        Ok(Ok(Err(error))) => HttpResponse::from_error(error),
        Ok(Err(_)) => HttpResponse::from_error(Problem::internal("the handler panicked")),
        Err(_) => HttpResponse::from_error(Problem::detailed(Code::Unavailable, "The answer took too long.")),
    };
    note(&keeper, &rules, &http_request, body, &response, started);
    let failed = matches!(
        response.status(),
        StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::GONE
            | StatusCode::NOT_FOUND
    );
    if rules.counts_failures && failed {
        keeper.limits.failed(peer::address(&http_request, &keeper.service.config.server.trusted_proxies));
    }
    let mut response = match mark {
        None => response,
        Some(mark) => match idempotency::finish(&keeper.service, &mark, response).await {
            Ok(response) => response,
            Err(problem) => HttpResponse::from_error(problem),
        },
    };
    if let Some(allowance) = admitted.allowance {
        allowance.write(response.headers_mut(), keeper.service.db.clock().now());
    }
    Ok(ServiceResponse::new(http_request, response))
}

/// Tells the journal, which keeps a body only if it is there as a whole: a stream isn't gathered for it.
fn note(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &HttpRequest,
    body: Option<Bytes>,
    response: &HttpResponse,
    started: Instant,
) {
    if rules.access != Access::Scim {
        return;
    }
    let extensions = request.extensions();
    let Some(principal) = extensions.get::<Passed>().and_then(|passed| passed.principal.clone()) else {
        return;
    };
    let problem = response.error().and_then(|error| error.as_error::<Problem>());
    keeper.journal.note(Exchange {
        principal,
        request_id: extensions.get::<RequestId>().map(|id| id.0.clone()),
        method: request.method().to_string(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        request_body: body.unwrap_or_default(),
        response_body: extensions.get::<SentBody>().map(|body| body.0.clone()).unwrap_or_default(),
        status: problem.map_or(response.status(), |problem| problem.code.status()).as_u16(),
        dialect_code: problem.and_then(|problem| problem.dialect_code),
        detail: problem.map(|problem| problem.detail.clone()),
        elapsed: started.elapsed(),
    });
}

fn refuse(request: ServiceRequest, problem: Problem) -> ServiceResponse<BoxBody> {
    // Not `into_response`: that forgets the error, which the edge renders.
    ServiceResponse::new(request.into_parts().0, HttpResponse::from_error(problem))
}

struct Admitted {
    allowance: Option<Allowance>,
    repeat: Option<Start>,
}

async fn admit(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &mut ServiceRequest,
) -> Result<Admitted, Problem> {
    let service = &keeper.service;
    let address = peer::address(request.request(), &service.config.server.trusted_proxies);
    if rules.counts_failures && service.config.rate_limit.enabled {
        keeper.limits.may_fail(address)?;
    }
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let mut ctx = Ctx {
        actor: Actor::new("anonymous", ""),
        request_id,
        ip_address: address,
        idempotency: None,
        rehearsal: false,
    };
    let (principal, credential) = match authenticate(keeper, rules, request).await {
        Ok(known) => known.unzip(),
        Err(problem) => {
            if problem.code.status() == StatusCode::UNAUTHORIZED && keeper.limits.failed(address) {
                denied(service, &ctx, None, "authenticate", rules).await;
            }
            return Err(problem);
        }
    };
    if let Some(principal) = &principal {
        ctx.actor = Actor::new(principal.kind, principal.id);
    }
    let tenant = tenant(service, rules, request, principal.as_ref()).await;
    let named = match (&tenant, &principal) {
        (Ok(Some(tenant)), _) => Some(*tenant),
        (_, Some(principal)) => principal.tenant,
        _ => None,
    };
    if let Some(passed) = request.extensions_mut().get_mut::<Passed>() {
        passed.tenant = named;
        passed.principal = principal.clone();
    }
    let tenant = match tenant {
        Ok(tenant) => tenant,
        Err(problem) => {
            denied(service, &ctx, principal.and_then(|principal| principal.tenant), "tenant.access", rules)
                .await;
            return Err(problem);
        }
    };
    if let (Access::Key(permission), Some(principal)) = (rules.access, &principal)
        && !allows(principal.role, permission)
    {
        denied(service, &ctx, named, permission.name(), rules).await;
        return Err(Problem::new(Code::AuthInsufficient).fact("permission", permission.name()));
    }
    let allowance = match &principal {
        Some(principal) => count(keeper, rules, principal)?,
        None => count_webhooks(keeper, rules, address)?,
    };
    // Only now: a body is read for those who may send one.
    let body = read_body(service, rules, request).await?;
    let repeat = start_repeatable(service, rules, request, principal.as_ref(), &body).await?;
    if let Some(Start::Go(mark)) = &repeat {
        ctx.idempotency = Some(mark.clone());
    }
    let mut extensions = request.extensions_mut();
    extensions.insert(ReadBody(body));
    ctx.rehearsal = principal.as_ref().is_some_and(|principal| principal.rehearsal.is_some());
    let limits = keeper.limits.clone();
    extensions.insert(Caller { service: service.clone(), principal, tenant, ctx, limits, credential });
    Ok(Admitted { allowance, repeat })
}

async fn denied(service: &Service, ctx: &Ctx, tenant: Option<Uuid>, action: &'static str, rules: &Rules) {
    let recorded = service.db.record_denied(ctx, tenant, action, Target::new("route", rules.pattern)).await;
    if let Err(error) = recorded {
        tracing::error!(error = %platform::chain(&error), "a denied attempt could not be recorded");
    }
}

async fn authenticate(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &ServiceRequest,
) -> Result<Option<(Principal, Arc<Credential>)>, Problem> {
    let authenticator = match rules.access {
        Access::Public(_) => return Ok(None),
        Access::Key(_) => &keeper.keys,
        Access::Scim => &keeper.scim,
    };
    let mut headers = request.headers().get_all(header::AUTHORIZATION);
    if let (Access::Key(_), false) = (rules.access, request.headers().contains_key(header::AUTHORIZATION))
        && let Some(cookie) = request
            .cookie(&operator_cookie(&keeper.service))
            .or_else(|| request.cookie(&session_cookie(&keeper.service)))
    {
        // A cookie comes by itself: only from our own pages may it change anything.
        let reads = matches!(*request.method(), Method::GET | Method::HEAD);
        if !reads && !is_from_own_page(&keeper.service, request.request()) {
            return Err(Problem::detailed(Code::AuthInsufficient, "The request comes from another site."));
        }
        let credential = Credential::new(authenticator, cookie.value());
        let principal = authenticator.authenticate(&keeper.service, cookie.value()).await?;
        return Ok(Some((principal, credential)));
    }
    let (Some(value), None) = (headers.next(), headers.next()) else {
        return Err(Problem::new(Code::AuthRequired));
    };
    let text = value.to_str().map_err(|_| Problem::new(Code::AuthInvalid))?;
    let bearer = match text.split_once(' ') {
        Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => bearer.trim(),
        _ => return Err(Problem::new(Code::AuthInvalid)),
    };
    if bearer.is_empty() || bearer.len() > 1024 {
        return Err(Problem::new(Code::AuthInvalid));
    }
    let principal = authenticator.authenticate(&keeper.service, bearer).await?;
    let address = peer::address(request.request(), &keeper.service.config.server.trusted_proxies);
    if !principal.may_come_from(address) {
        return Err(Problem::new(Code::AuthInvalid));
    }
    Ok(Some((principal, Credential::new(authenticator, bearer))))
}

/// Whether a browser sent the request from one of our own pages. A form on a page that sends no referrer has the origin `null`;
/// there `Sec-Fetch-Site` says it, which no script can set (Fetch Metadata, section 2.4).
pub fn is_from_own_page(service: &Service, request: &HttpRequest) -> bool {
    let value = |name: &str| request.headers().get(name).and_then(|value| value.to_str().ok());
    value("sec-fetch-site") == Some("same-origin")
        || value("origin").is_some_and(|origin| origin == service.config.public_url())
}

/// The name of operators' cookie.
pub fn operator_cookie(service: &Service) -> String {
    cookie_name(service, "tnt_operator")
}

/// The name of the cookie of people whom an identity provider signed in.
pub fn session_cookie(service: &Service) -> String {
    cookie_name(service, "tnt_session")
}

/// With `__Host-` a cookie belongs to this host alone: no neighbour can plant one (RFC 6265bis, section 4.1.3.2).
pub fn cookie_name(service: &Service, name: &str) -> String {
    let prefix = if service.config.public_url().starts_with("https://") { "__Host-" } else { "" };
    format!("{prefix}{name}")
}

/// Sets a cookie of our own pages, out of scripts' reach; with 0 seconds the browser forgets it.
pub fn set_cookie(
    service: &Service,
    response: &mut HttpResponse,
    (name, value): (String, &str),
    same_site: SameSite,
    seconds: i64,
) {
    let cookie = Cookie::build(name, value.to_owned())
        .path("/")
        .http_only(true)
        .secure(service.config.public_url().starts_with("https://"))
        .same_site(same_site)
        .max_age(Duration::seconds(seconds))
        .finish();
    // Only a cookie that can't be written fails, and these can.
    let _ = response.add_cookie(&cookie);
}

/// The tenant that the path names, if it names one. Another tenant's id is answered as one that doesn't exist.
async fn tenant(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
) -> Result<Option<Uuid>, Problem> {
    if !rules.pattern.contains("{tenant}") {
        return Ok(None);
    }
    let name = request.match_info().get("tenant").unwrap_or_default();
    let found = match strict_uuid(name) {
        Some(id) => Some(id),
        None if is_slug(name) => service.db.tenant_of(Lookup::TenantSlug(name)).await?,
        None => None,
    };
    let allowed = |id: &Uuid| principal.is_none_or(|principal| principal.tenant.is_none_or(|own| own == *id));
    found.filter(allowed).map(Some).ok_or_else(|| Problem::new(Code::NotFound))
}

fn count(keeper: &Gatekeeper, rules: &Rules, principal: &Principal) -> Result<Option<Allowance>, Problem> {
    let Some(multiplier) = principal.rate_multiplier.filter(|_| keeper.service.config.rate_limit.enabled)
    else {
        return Ok(None);
    };
    let window = if rules.access == Access::Scim { Window::Scim } else { Window::Api };
    keeper.limits.count(window, principal.id, multiplier).map(Some)
}

/// Other products' webhooks are counted by their address.
fn count_webhooks(
    keeper: &Gatekeeper,
    rules: &Rules,
    address: Option<IpAddr>,
) -> Result<Option<Allowance>, Problem> {
    let counted = rules.pattern.starts_with("/api/webhooks/") && keeper.service.config.rate_limit.enabled;
    let Some(address) = address.filter(|_| counted) else { return Ok(None) };
    let digest = platform::crypto::sha256(address.to_string().as_bytes());
    let key = Uuid::from_slice(digest.get(..16).unwrap_or_default()).unwrap_or_default();
    keeper.limits.count(Window::Webhooks, key, 1).map(Some)
}

async fn read_body(
    service: &Service,
    rules: &Rules,
    request: &mut ServiceRequest,
) -> Result<web::Bytes, Problem> {
    let encoding = request.headers().get(header::CONTENT_ENCODING);
    if encoding.is_some_and(|encoding| !encoding.as_bytes().eq_ignore_ascii_case(b"identity")) {
        return Err(Problem::detailed(Code::MediaType, "Compressed bodies are not taken."));
    }
    let length =
        request.headers().get(header::CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: usize| length > rules.body_bytes_max) {
        return Err(too_large(rules));
    }
    let payload = request.extract::<web::Payload>().await.map_err(Problem::internal)?;
    let read = payload.to_bytes_limited(rules.body_bytes_max);
    match timeout(service.config.server.body_timeout, read).await {
        Err(_) => Err(Problem::new(Code::BodyTimeout)),
        Ok(Err(_)) => Err(too_large(rules)),
        Ok(Ok(Err(_))) => Err(Problem::detailed(Code::BodyMalformed, "The body broke off.")),
        Ok(Ok(Ok(bytes))) => Ok(bytes),
    }
}

fn too_large(rules: &Rules) -> Problem {
    Problem::detailed(Code::BodyTooLarge, format!("The body has more than {} bytes.", rules.body_bytes_max))
}

async fn start_repeatable(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
    body: &[u8],
) -> Result<Option<Start>, Problem> {
    let (Access::Key(_), Some(principal), &Method::POST) = (rules.access, principal, request.method()) else {
        return Ok(None);
    };
    let Some(header) = request.headers().get("idempotency-key") else { return Ok(None) };
    let mark = IdempotencyMark { principal: principal.id.to_string(), key: idempotency::key(header)? };
    let target = request.uri().to_string();
    let fingerprint = sha256(&[rules.pattern.as_bytes(), &[0], target.as_bytes(), &[0], body].concat());
    idempotency::start(service, mark, fingerprint).await.map(Some)
}
