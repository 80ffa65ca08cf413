//! Whether the caller may do what the route does; and what is recorded of who may not.

use platform::Ctx;
use policy_core::allows;
use uuid::Uuid;

use super::keeper::Rules;
use crate::access::Access;
use crate::credential::Principal;
use crate::{Code, Denied, Problem, Service, strangers};

/// Refuses who lacks the route's permission.
pub(super) async fn permit(
    service: &Service,
    rules: &Rules,
    principal: Option<&Principal>,
    tenant: Option<Uuid>,
    ctx: &Ctx,
) -> Result<(), Problem> {
    let (Access::Key(permission), Some(principal)) = (rules.access, principal) else { return Ok(()) };
    if allows(principal.role, permission) {
        return Ok(());
    }
    let problem = Problem::new(Code::AUTH_INSUFFICIENT).fact("permission", permission.name());
    let (organization, credential) = (principal.organization, Some(principal.id));
    let refused = Denied { tenant: tenant.or(principal.tenant), organization, credential, problem };
    denied(service, ctx, credential, permission.name(), (rules, &refused)).await;
    Err(refused.problem)
}

/// Records an attempt that the gate refused.
pub(super) async fn denied(
    service: &Service,
    ctx: &Ctx,
    credential: Option<Uuid>,
    action: &'static str,
    (rules, refused): (&Rules, &Denied),
) {
    let target = refused.annotate(platform::Target::new("route", rules.pattern));
    strangers::record_denied(service, ctx, credential, refused.tenant, action, target).await;
}
