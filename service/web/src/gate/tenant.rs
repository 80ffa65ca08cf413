//! Whose tenant a path is about. Asked before a body is read: what is sent to nobody isn't taken in.

use actix_web::HttpMessage as _;
use actix_web::dev::ServiceRequest;
use platform::Ctx;
use uuid::Uuid;

use super::keeper::{Passed, Rules};
use super::permit::denied;
use crate::access::Target;
use crate::credential::Principal;
use crate::extract::strict_uuid;
use crate::named::{by_slug, tenant_named};
use crate::{Code, Denied, Problem, Service};

/// The tenant that the path names, if it names one. A known caller's attempt on another's leaves a record.
pub(super) async fn tenant(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
    ctx: &Ctx,
) -> Result<Option<Uuid>, Problem> {
    let tenant = find(service, rules.target, request, principal).await;
    let own = principal.and_then(|principal| principal.tenant);
    if let Some(passed) = request.extensions_mut().get_mut::<Passed>() {
        passed.tenant = tenant.as_ref().ok().copied().flatten().or(own);
    }
    match (tenant, principal) {
        (Ok(tenant), _) => Ok(tenant),
        (Err(problem), Some(principal)) => {
            let (organization, credential) = (principal.organization, Some(principal.id));
            let refused = Denied { tenant: own, organization, credential, problem };
            denied(service, ctx, credential, "tenant.access", (rules, &refused)).await;
            Err(refused.problem)
        }
        // That something isn't there is no attempt of a stranger's worth a record.
        (Err(problem), None) => Err(problem),
    }
}

/// Another tenant's id is answered as one that doesn't exist.
async fn find(
    service: &Service,
    target: Option<Target>,
    request: &ServiceRequest,
    principal: Option<&Principal>,
) -> Result<Option<Uuid>, Problem> {
    let word = |name: &str| request.match_info().get(name).unwrap_or_default();
    let found = match target {
        None => return Ok(None),
        Some(Target::Tenant) => tenant_named(service, word("tenant")).await?,
        Some(Target::Realm) => by_slug(service, word("realm")).await?,
        Some(Target::Other(parameter, lookup)) => match strict_uuid(word(parameter)) {
            Some(id) => service.db.tenant_of(lookup(id)).await?,
            None => None,
        },
    };
    let allowed = |id: &Uuid| principal.is_none_or(|principal| principal.tenant.is_none_or(|own| own == *id));
    found.filter(allowed).map(Some).ok_or_else(|| Problem::new(Code::NOT_FOUND))
}
