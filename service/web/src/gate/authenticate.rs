//! Who calls: by a bearer credential, or by the cookie of one of our own pages.

use std::sync::Arc;

use actix_web::dev::ServiceRequest;
use actix_web::http::{Method, StatusCode, header};
use platform::Ctx;

use super::keeper::{Gatekeeper, Rules};
use super::permit::denied;
use crate::access::Access;
use crate::cookies::{is_from_own_page, operator_cookie, session_cookie};
use crate::credential::{Credential, Principal};
use crate::{Code, Denied, Problem, peer};

/// Bytes of a bearer credential.
const BEARER_MAX: usize = 1024;

/// Who calls; nobody on a public route. Who shows a wrong credential is refused, which leaves a record.
pub(super) async fn authenticate(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &ServiceRequest,
    ctx: &Ctx,
) -> Result<Option<(Principal, Arc<Credential>)>, Problem> {
    let refused = match recognise(keeper, rules, request).await {
        Ok(known) => return Ok(known),
        Err(refused) => refused,
    };
    // Of a tenant's credential its admin hears whatever refused it; of nobody's, that it was a wrong one.
    let status = refused.problem.code.status();
    if status == StatusCode::UNAUTHORIZED || status.is_client_error() && refused.tenant.is_some() {
        denied(&keeper.service, ctx, refused.credential, "authenticate", (rules, &refused)).await;
    }
    Err(refused.problem)
}

async fn recognise(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &ServiceRequest,
) -> Result<Option<(Principal, Arc<Credential>)>, Denied> {
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
            return Err(
                Problem::detailed(Code::AUTH_INSUFFICIENT, "The request comes from another site.").into()
            );
        }
        let credential = Credential::new(authenticator, cookie.value());
        let principal = authenticator.authenticate(&keeper.service, cookie.value()).await?;
        return Ok(Some((principal, credential)));
    }
    let (Some(value), None) = (headers.next(), headers.next()) else {
        return Err(Problem::new(Code::AUTH_REQUIRED).into());
    };
    let text = value.to_str().map_err(|_| Problem::new(Code::AUTH_INVALID))?;
    let bearer = match text.split_once(' ') {
        Some((scheme, bearer)) if scheme.eq_ignore_ascii_case("bearer") => bearer.trim(),
        _ => return Err(Problem::new(Code::AUTH_INVALID).into()),
    };
    if bearer.is_empty() || bearer.len() > BEARER_MAX {
        return Err(Problem::new(Code::AUTH_INVALID).into());
    }
    let principal = authenticator.authenticate(&keeper.service, bearer).await?;
    let address = peer::address(request.request(), &keeper.service.config.server.trusted_proxies);
    if !principal.may_come_from(address) {
        let (tenant, organization, credential) =
            (principal.tenant, principal.organization, Some(principal.id));
        return Err(Denied { tenant, organization, credential, problem: Problem::new(Code::AUTH_INVALID) });
    }
    Ok(Some((principal, Credential::new(authenticator, bearer))))
}
