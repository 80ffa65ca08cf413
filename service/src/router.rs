//! The list of all routes. What isn't here isn't served, and what is here is documented and guarded.

use web::Routes;

/// All routes of the service.
pub fn routes() -> Routes {
    crate::operations::routes()
        .and(audit::routes())
        .and(authz::routes())
        .and(directory::routes())
        .and(flags::routes())
        .and(inbox::routes())
        .and(invitations::routes())
        .and(mail::routes())
        .and(operators::routes())
        .and(provisioning::routes())
        .and(quota::routes())
        .and(scim::routes())
        .and(sso::routes())
        .and(tenancy::routes())
        .and(webhooks::routes())
}
