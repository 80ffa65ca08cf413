//! The gate in front of every handler. In this order: who calls, how often they may, which tenant, whether they may, the body in time
//! and size, whether this is a repeat; then the handler, under a deadline.

mod authenticate;
mod body;
mod target;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::{Method, StatusCode, header};
use actix_web::middleware::Next;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use platform::crypto::sha256;
use platform::tx::{Changes, IdempotencyMark};
use platform::{Actor, Ctx};
use policy_core::allows;
use tokio::time::timeout;
use uuid::Uuid;

use crate::bodies::Bodies;
use crate::caller::Caller;
use crate::credential::{Authenticator, Principal};
use crate::failures::{Acting, Attempt, FailureOf};
use crate::idempotency::{self, Start};
use crate::input::ReadBody;
use crate::journal::{Exchange, Journal, SentBody};
use crate::limits::{Allowance, Limits};
use crate::peer::Network;
use crate::problem::Dialect;
use crate::routes::{Access, CountFailures, Route};
use crate::{Code, Denied, Problem, Service, peer, strangers};

use authenticate::authenticate;
pub(crate) use target::Target;
pub use target::tenant_named;

/// What the gates of one process share.
pub(crate) struct Gatekeeper {
    pub(crate) service: Service,
    pub(crate) keys: Arc<dyn Authenticator>,
    pub(crate) scim: Arc<dyn Authenticator>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) bodies: Arc<Bodies>,
    pub(crate) journal: Arc<dyn Journal>,
}

/// The rules of one route.
pub(crate) struct Rules {
    access: Access,
    dialect: Dialect,
    pattern: &'static str,
    body_bytes_max: usize,
    failures: CountFailures,
    target: Option<Target>,
}

impl Rules {
    pub(crate) fn of(route: &Route) -> Self {
        Self {
            access: route.access,
            dialect: route.dialect,
            pattern: route.pattern,
            body_bytes_max: route.body_bytes_max,
            failures: route.failures,
            target: Target::of(route.access, route.pattern),
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
            settle(&keeper, &rules, refused.request(), Some(refused.status()));
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
    let body = http_request.extensions().get::<ReadBody>().map(|body| body.bytes.clone());
    let deadline = keeper.service.config.server.request_timeout;
    let answer = AssertUnwindSafe(next.call(request)).catch_unwind();
    let answered = timeout(deadline, answer).await;
    let ended = matches!(answered, Ok(Ok(_)));
    let response = match answered {
        Ok(Ok(Ok(response))) => response.map_into_boxed_body().into_parts().1,
        Ok(Ok(Err(error))) => HttpResponse::from_error(error),
        Ok(Err(_)) => HttpResponse::from_error(Problem::internal("the handler panicked")),
        Err(_) => {
            HttpResponse::from_error(Problem::detailed(Code::Unavailable, "The response took too long."))
        }
    };
    let may_have_changed =
        http_request.extensions().get::<Caller>().is_some_and(|caller| caller.ctx.changes.may_be_made());
    let response = if may_have_changed { truthful(response) } else { response };
    // The answer may go on for long; the body's room is others' from here on.
    http_request.extensions_mut().remove::<ReadBody>();
    note(&keeper, &rules, &http_request, body, &response, started);
    settle(&keeper, &rules, &http_request, ended.then(|| response.status()));
    let mut response = match mark {
        None => response,
        Some(mark) => idempotency::finish(&keeper.service, &mark, response).await,
    };
    if let Some(allowance) = admitted.allowance {
        allowance.write(response.headers_mut(), keeper.service.clock.now());
    }
    Ok(ServiceResponse::new(http_request, response))
}

/// The answer to a request that may have changed something: a failure doesn't say that nothing was.
fn truthful(response: HttpResponse) -> HttpResponse {
    let problem = response.error().and_then(|error| error.as_error::<Problem>());
    match problem.filter(|problem| problem.code.is_unavailable()) {
        Some(problem) => {
            let (cause, retry_after) = (problem.cause.clone(), problem.retry_after);
            HttpResponse::from_error(Problem { cause, retry_after, ..Problem::new(Code::OutcomeUnknown) })
        }
        None => response,
    }
}

/// Gives back the place that the request took, or counts its failure for the one who is known to have made it. A handler that was cut off
/// may have evaluated what it was asked: then it counts.
fn settle(keeper: &Gatekeeper, rules: &Rules, request: &HttpRequest, answered: Option<StatusCode>) {
    if rules.failures == CountFailures::Never {
        return;
    }
    let attempt = request.extensions_mut().remove::<Attempt>();
    match (attempt, answered.map(is_failure)) {
        (Some(attempt), Some(false)) => attempt.give_back(),
        (Some(attempt), Some(true) | None) => drop(attempt),
        (None, Some(true)) => {
            let address = peer::address(request, &keeper.service.config.server.trusted_proxies);
            keeper.limits.failures.count(stranger(rules, Network::of(address)));
        }
        (None, Some(false) | None) => {}
    }
}

fn is_failure(status: StatusCode) -> bool {
    matches!(
        status,
        StatusCode::BAD_REQUEST
            | StatusCode::UNAUTHORIZED
            | StatusCode::FORBIDDEN
            | StatusCode::GONE
            | StatusCode::NOT_FOUND
    )
}

/// For whom a failure of nobody in particular counts.
fn stranger(rules: &Rules, network: Network) -> FailureOf {
    match rules.failures {
        CountFailures::OfSignIn => FailureOf::SignIn(network),
        CountFailures::Never | CountFailures::OfNetwork | CountFailures::OfClient => {
            FailureOf::of(Acting::Nobody, network)
        }
    }
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
    let is_counted = matches!(rules.failures, CountFailures::OfNetwork | CountFailures::OfSignIn);
    let may_fail =
        (is_counted && service.config.rate_limit.enabled).then(|| stranger(rules, Network::of(address)));
    may_fail.map_or(Ok(()), |of| keeper.limits.failures.may(of))?;
    // Held until the body is read, or the request refused.
    let arrival = body::arrive(keeper, request, Network::of(address))?;
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let mut ctx = Ctx {
        actor: Actor::new("anonymous", ""),
        request_id,
        ip_address: address,
        idempotency: None,
        rehearsal: false,
        changes: Changes::default(),
    };
    let (principal, credential) = match authenticate(keeper, rules, request).await {
        Ok(known) => known.unzip(),
        Err(refused) => {
            // Of a tenant's credential its admin hears whatever refused it; of nobody's, that it was a wrong one.
            let status = refused.problem.code.status();
            if status == StatusCode::UNAUTHORIZED || status.is_client_error() && refused.tenant.is_some() {
                denied(service, &ctx, refused.credential, "authenticate", (rules, &refused)).await;
            }
            return Err(refused.problem);
        }
    };
    if let Some(principal) = &principal {
        ctx.actor = Actor::new(principal.kind.name(), principal.id);
    }
    if let Some(passed) = request.extensions_mut().get_mut::<Passed>() {
        passed.tenant = principal.as_ref().and_then(|principal| principal.tenant);
        passed.principal = principal.clone();
    }
    // Before anything is looked up for them: refusals cost too.
    let allowance = count(keeper, rules, principal.as_ref(), Network::of(address))?;
    let tenant = permit(service, rules, request, principal.as_ref(), &ctx).await?;
    // Only now: a body is read for those who may send one, to somebody who is there.
    let owner = body::owner(principal.as_ref(), Network::of(address));
    let body = body::read(keeper, rules, request, owner).await?;
    drop(arrival);
    let repeat = start_repeatable(service, rules, request, principal.as_ref(), &body.bytes).await?;
    if let Some(Start::Go(mark)) = &repeat {
        ctx.idempotency = Some(mark.clone());
    }
    if let (Some(of), CountFailures::OfNetwork) = (may_fail, rules.failures) {
        // Last of all: whoever sends slowly keeps no place from others.
        let attempt = keeper.limits.failures.attempt(of).await?;
        request.extensions_mut().insert(attempt);
    }
    let mut extensions = request.extensions_mut();
    extensions.insert(body);
    ctx.rehearsal = principal.as_ref().is_some_and(|principal| principal.rehearsal.is_some());
    let (limits, keys) = (keeper.limits.clone(), keeper.keys.clone());
    extensions.insert(Caller { service: service.clone(), principal, tenant, ctx, limits, keys, credential });
    Ok(Admitted { allowance, repeat })
}

/// The tenant that the path names, if the caller may do there what the route does.
async fn permit(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
    ctx: &Ctx,
) -> Result<Option<Uuid>, Problem> {
    let credential = principal.map(|principal| principal.id);
    let tenant = target::tenant(service, rules, request, principal).await;
    let named = match (&tenant, principal) {
        (Ok(Some(tenant)), _) => Some(*tenant),
        (_, Some(principal)) => principal.tenant,
        _ => None,
    };
    if let Some(passed) = request.extensions_mut().get_mut::<Passed>() {
        passed.tenant = named;
    }
    let tenant = match tenant {
        Ok(tenant) => tenant,
        Err(problem) => {
            // That something isn't there is no attempt of a stranger's worth a record.
            if let Some(principal) = principal {
                let (tenant, organization) = (principal.tenant, principal.organization);
                let refused = Denied { tenant, organization, credential, problem };
                denied(service, ctx, credential, "tenant.access", (rules, &refused)).await;
                return Err(refused.problem);
            }
            return Err(problem);
        }
    };
    if let (Access::Key(permission), Some(principal)) = (rules.access, principal)
        && !allows(principal.role, permission)
    {
        let problem = Problem::new(Code::AuthInsufficient).fact("permission", permission.name());
        let refused = Denied { tenant: named, organization: principal.organization, credential, problem };
        denied(service, ctx, credential, permission.name(), (rules, &refused)).await;
        return Err(refused.problem);
    }
    Ok(tenant)
}

async fn denied(
    service: &Service,
    ctx: &Ctx,
    credential: Option<Uuid>,
    action: &'static str,
    (rules, refused): (&Rules, &Denied),
) {
    let target = refused.told(platform::Target::new("route", rules.pattern));
    strangers::record_denied(service, ctx, credential, refused.tenant, action, target).await;
}

/// Counts the request: for a tenant's credential and its tenant, and for the address that other products' webhooks come from.
fn count(
    keeper: &Gatekeeper,
    rules: &Rules,
    principal: Option<&Principal>,
    network: Network,
) -> Result<Option<Allowance>, Problem> {
    if !keeper.service.config.rate_limit.enabled {
        return Ok(None);
    }
    match principal {
        Some(principal) => keeper.limits.count_principal(rules.access, principal),
        None if rules.pattern.starts_with("/api/webhooks/") => keeper.limits.count_webhook(network).map(Some),
        None => Ok(None),
    }
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
