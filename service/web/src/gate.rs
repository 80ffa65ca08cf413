//! The gate in front of every handler. In this order: who calls, how often they may, which tenant, whether they may, the body in time
//! and size, whether this is a repeat; then the handler, under a deadline.

mod authenticate;
mod body;
mod journal;
mod keeper;
mod limit;
mod permit;
mod repeat;
mod tenant;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Instant;

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::header;
use actix_web::middleware::Next;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, web};
use futures_util::FutureExt as _;
use platform::tx::Changes;
use platform::{Actor, Ctx};
use tokio::time::timeout;

use crate::caller::Caller;
use crate::input::ReadBody;
use crate::limits::Allowance;
use crate::peer::Network;
use crate::problem::Dialect;
use crate::{Code, Problem, peer};

use authenticate::authenticate;
pub(crate) use keeper::{Gatekeeper, Passed, RequestId, Rules};
use permit::permit;
use repeat::Start;

pub(crate) async fn method_not_allowed(
    request: HttpRequest,
    allow: String,
    dialect: Dialect,
) -> HttpResponse {
    request.extensions_mut().insert(Passed { dialect, ..Passed::default() });
    let mut response = HttpResponse::from_error(Problem::new(Code::METHOD_NOT_ALLOWED));
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
            limit::record_result(&keeper, &rules, refused.request(), Some(refused.status()));
            journal::log(&keeper, &rules, refused.request(), None, refused.response(), started);
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
            HttpResponse::from_error(Problem::detailed(Code::UNAVAILABLE, "The response took too long."))
        }
    };
    let may_have_changed =
        http_request.extensions().get::<Caller>().is_some_and(|caller| caller.ctx.changes.may_be_made());
    let response = if may_have_changed { truthful(response) } else { response };
    // The answer may go on for long; the body's room is others' from here on.
    http_request.extensions_mut().remove::<ReadBody>();
    journal::log(&keeper, &rules, &http_request, body, &response, started);
    limit::record_result(&keeper, &rules, &http_request, ended.then(|| response.status()));
    let mut response = match mark {
        None => response,
        Some(mark) => repeat::finish(&keeper.service, &mark, response).await,
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
            HttpResponse::from_error(Problem { cause, retry_after, ..Problem::new(Code::OUTCOME_UNKNOWN) })
        }
        None => response,
    }
}

fn refuse(request: ServiceRequest, problem: Problem) -> ServiceResponse<BoxBody> {
    // Not `into_response`: that forgets the error, which the edge renders.
    ServiceResponse::new(request.into_parts().0, HttpResponse::from_error(problem))
}

struct Admitted {
    allowance: Option<Allowance>,
    repeat: Option<Start>,
}

/// The steps, in the order in which they refuse.
async fn admit(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &mut ServiceRequest,
) -> Result<Admitted, Problem> {
    let service = &keeper.service;
    let address = peer::address(request.request(), &service.config.server.trusted_proxies);
    let network = Network::of(address);
    let may_fail = limit::may_fail(keeper, rules, network)?;
    // Held until the body is read, or the request refused.
    let upload = body::begin_upload(keeper, request, network)?;
    let request_id = request.extensions().get::<RequestId>().map(|id| id.0.clone());
    let mut ctx = Ctx {
        actor: Actor::new("anonymous", ""),
        request_id,
        ip_address: address,
        idempotency: None,
        dry_run: false,
        changes: Changes::default(),
    };
    let (principal, credential) = authenticate(keeper, rules, request, &ctx).await?.unzip();
    if let Some(principal) = &principal {
        ctx.actor = Actor::new(principal.kind.name(), principal.id);
    }
    if let Some(passed) = request.extensions_mut().get_mut::<Passed>() {
        passed.tenant = principal.as_ref().and_then(|principal| principal.tenant);
        passed.principal = principal.clone();
    }
    // Before anything is looked up for them: refusals cost too.
    let allowance = limit::count(keeper, rules, principal.as_ref(), network)?;
    let tenant = tenant::tenant(service, rules, request, principal.as_ref(), &ctx).await?;
    permit(service, rules, principal.as_ref(), tenant, &ctx).await?;
    // Only now: a body is read for those who may send one, to somebody who is there.
    let owner = body::owner(principal.as_ref(), network);
    let body = body::read(keeper, rules, request, owner).await?;
    drop(upload);
    let repeat = repeat::begin(service, rules, request, principal.as_ref(), &body.bytes).await?;
    if let Some(Start::Go(mark)) = &repeat {
        ctx.idempotency = Some(mark.clone());
    }
    // Last of all: whoever sends slowly keeps no place from others.
    limit::attempt(keeper, rules, request, may_fail).await?;
    let mut extensions = request.extensions_mut();
    extensions.insert(body);
    ctx.dry_run = principal.as_ref().is_some_and(|principal| principal.dry_run.is_some());
    let (limits, keys) = (keeper.limits.clone(), keeper.keys.clone());
    extensions.insert(Caller { service: service.clone(), principal, tenant, ctx, limits, keys, credential });
    Ok(Admitted { allowance, repeat })
}
