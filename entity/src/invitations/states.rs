//! Where invitations, batches and requests to join stand, and what a domain's people may do.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// Where a batch of invitations stands.
    pub enum BatchStatus {
        /// Lines of it are still to be answered.
        Running = "running",
        /// All lines have been answered.
        Done = "done",
    }
}

closed! {
    /// What became of a line of a batch.
    pub enum LineStatus {
        /// Nothing yet.
        Waiting = "waiting",
        /// The person is invited.
        Invited = "invited",
        /// The line has a code that says why not.
        Refused = "refused",
    }
}

closed! {
    /// What people with a proven address of a domain may do.
    pub enum JoinMode {
        /// They join.
        Auto = "auto",
        /// They ask, and an admin decides.
        Request = "request",
    }
}

closed! {
    /// Where a request to join stands.
    pub enum JoinRequestStatus {
        /// Nobody has decided.
        Pending = "pending",
        /// The person was let in.
        Approved = "approved",
        /// The person was not.
        Declined = "declined",
    }
}

closed! {
    /// Where an invitation stands.
    pub enum InvitationStatus {
        /// It can be accepted until its end; after that it is over, even before somebody marks it.
        Pending = "pending",
        /// The person came.
        Accepted = "accepted",
        /// Somebody took it back.
        Revoked = "revoked",
        /// It was marked as over.
        Expired = "expired",
    }
}

closed! {
    /// Who wanted an invitation.
    pub enum InvitationKind {
        /// Somebody invited the person.
        Personal = "personal",
        /// The person asked, and their domain's rule lets them join.
        Join = "join",
        /// The person asked, and their domain's rule lets them ask an admin.
        Request = "request",
    }
}

lifecycle! {
    "invitation",
    /// What can happen to an invitation. One that has expired can't be accepted, even before it is marked as expired.
    pub enum InvitationVerb of InvitationStatus {
        /// The invited person accepts it before it expires.
        Accept = "accept" { Pending => Accepted }
        /// It is sent again, with a new token and a new expiry.
        Resend = "resend" { Pending => Pending, Expired => Pending }
        /// Somebody revokes it, or the directory removes the person.
        Revoke = "revoke" { Pending => Revoked, Expired => Revoked }
        /// It expires.
        Expire = "expire" { Pending => Expired }
    }
}

lifecycle! {
    "request to join",
    /// What can happen to a request to join.
    pub enum JoinRequestVerb of JoinRequestStatus {
        /// An admin approves the request.
        Approve = "approve" { Pending => Approved }
        /// An admin declines the request.
        Decline = "decline" { Pending => Declined }
    }
}
