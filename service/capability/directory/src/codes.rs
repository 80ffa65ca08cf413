//! The problem codes of the directory, and of the decision about people.

web::codes! {
    USER_DEACTIVATED = "user.deactivated" 403 "The user is deactivated.";
    USER_LAST_ADMIN = "user.last_admin" 409 "The tenant's last admin can't be removed.";
    USER_MANAGED = "user.managed" 409 "An identity provider manages this user.";
    USER_EXISTS = "user.exists" 409 "A user with this name already exists.";
    GROUP_EXISTS = "group.exists" 409 "A group with this name already exists.";
    DIRECTORY_BLOCKED = "directory.blocked" 503 "The directory guard blocks this removal until an admin confirms it.";
    DIRECTORY_REJECTED = "directory.rejected" 403 "An admin rejected the removal of so many users.";
    LINK_REQUIRED = "sso.link_required" 409 "A user or an invitation has this e-mail address but is not linked to this identity, or several users have the address.";
    SUBJECT_OTHER = "sso.subject_other" 409 "The account with this address is linked to another subject at the identity provider.";
    ORGANIZATION_OTHER = "sso.organization_other" 403 "The person belongs to another organization of the tenant.";
    SSO_ENFORCED = "sso.enforced" 403 "The people of this organization can sign in only through its own identity provider.";
    SSO_DOMAIN_REFUSED = "sso.domain_refused" 403 "The organization's policy does not allow addresses of this domain.";
    SSO_NOT_PROVISIONED = "sso.not_provisioned" 403 "There is no account for this person, and the organization's policy does not create one at sign-in.";
    SSO_STATE_UNKNOWN = "sso.state_unknown" 400 "This sign-in was not started here, was already finished, or took too long.";
    INVITATION_NOT_PENDING = "invitation.not_pending" 409 "The invitation is not pending.";
}
