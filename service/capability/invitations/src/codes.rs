//! The problem codes of invitations and requests to join.

web::codes! {
    INVITATION_PENDING = "invitation.pending" 409 "An invitation for this address is already pending.";
    INVITATION_DIRECTORY_MANAGED = "invitation.directory_managed" 409 "An identity provider manages this directory through SCIM: add people there.";
    INVITATION_MEMBER = "invitation.member" 409 "The person with this address is already a member.";
    INVITATION_LIMITED = "invitation.limited" 429 "The limit for invitations of this kind within 24 hours is reached.";
    INVITATION_OTHER_ADDRESS = "invitation.other_address" 403 "The invitation is for another address than that of the person who is signed in.";
    JOIN_DOMAIN_UNVERIFIED = "join.domain_unverified" 409 "The organization has not verified this domain.";
    JOIN_REQUEST_DECIDED = "join.decided" 409 "The request to join was already decided.";
    INVITATION_UNKNOWN = "invitation.unknown" 404 "There is no such invitation.";
}
