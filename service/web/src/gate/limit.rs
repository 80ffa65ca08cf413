//! How often somebody may call, and how often fail.

use actix_web::dev::ServiceRequest;
use actix_web::http::StatusCode;
use actix_web::{HttpMessage as _, HttpRequest};

use super::keeper::{Gatekeeper, Rules};
use crate::access::CountFailures;
use crate::credential::Principal;
use crate::failures::{Acting, Attempt, FailureOf};
use crate::limits::Allowance;
use crate::peer::Network;
use crate::{Problem, peer};

/// Refuses whoever failed too often already. Answers for whom a failure counts, if it does.
pub(super) fn may_fail(
    keeper: &Gatekeeper,
    rules: &Rules,
    network: Network,
) -> Result<Option<FailureOf>, Problem> {
    let is_counted = matches!(rules.failures, CountFailures::OfNetwork | CountFailures::OfSignIn);
    let may_fail = (is_counted && keeper.service.config.rate_limit.enabled).then(|| stranger(rules, network));
    may_fail.map_or(Ok(()), |of| keeper.limits.failures.may(of))?;
    Ok(may_fail)
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

/// Counts the request: for a tenant's credential and its tenant, and for the address that other products' webhooks come from.
pub(super) fn count(
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

/// Takes the place of an attempt that may fail, where the route counts them before its handler runs.
pub(super) async fn attempt(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &ServiceRequest,
    may_fail: Option<FailureOf>,
) -> Result<(), Problem> {
    if let (Some(of), CountFailures::OfNetwork) = (may_fail, rules.failures) {
        let attempt = keeper.limits.failures.attempt(of).await?;
        request.extensions_mut().insert(attempt);
    }
    Ok(())
}

/// Gives back the place that the request took, or counts its failure for the one who is known to have made it. A handler that was cut off
/// may have evaluated what it was asked: then it counts.
pub(super) fn record_result(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &HttpRequest,
    answered: Option<StatusCode>,
) {
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
