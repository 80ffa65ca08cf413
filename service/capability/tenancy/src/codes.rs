//! The problem codes of tenants, organizations, plans and instances, and of looking a tenant up.

web::codes! {
    PLAN_UNKNOWN = "tenant.plan_unknown" 400 "There is no such plan.";
    ORGANIZATION_SLUG_TAKEN = "organization.slug_taken" 409 "Another organization already has this slug.";
    ORGANIZATION_NOT_EMPTY = "organization.not_empty" 409 "The organization still has users, groups or tokens.";
    ORGANIZATION_DEFAULT = "organization.default" 409 "The default organization can't be deleted.";
    INSTANCE_IN_USE = "instance.in_use" 409 "The instance still hosts tenants.";
    TENANT_UNKNOWN = "sso.tenant_unknown" 404 "No tenant is known for this organization.";
    PLAN_IN_USE = "plan.in_use" 409 "Tenants still have this plan.";
    PLAN_EXISTS = "plan.exists" 409 "A plan with this key already exists.";
}
