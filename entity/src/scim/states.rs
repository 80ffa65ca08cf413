//! What a token is and how strict, where the copy of one that makes a dry run stands, and what an extension extends.

use sea_orm::prelude::{DateTimeUtc, Uuid};

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// What an identity provider sends.
    pub enum TokenKind {
        /// The token itself.
        Bearer = "bearer",
        /// A short-lived token, which it gets for the client's secret or key by OAuth 2.
        Client = "client",
    }
}

closed! {
    /// How strictly the requests of a token are read.
    pub enum TokenProfile {
        /// What real clients send is tolerated.
        Compat = "compat",
        /// As the RFCs say.
        Rfc = "rfc",
    }
}

closed! {
    /// Where the copy stands on which a token makes its dry run.
    pub enum DryRunStatus {
        /// It is being made: requests wait for it.
        Preparing = "preparing",
        /// Requests work on it.
        Ready = "ready",
    }
}

closed! {
    /// Whose attributes an extension declares; spelled as SCIM does.
    pub enum ResourceType {
        /// Users'.
        User = "User",
        /// Groups'.
        Group = "Group",
    }
}

closed! {
    /// Whether a SCIM token counts.
    pub enum TokenState {
        /// It counts.
        Live = "live",
        /// It counts for a while yet: another follows it.
        Replaced = "replaced",
        /// Its time is over.
        Over = "over",
        /// Somebody took it back.
        Revoked = "revoked",
    }
}

impl TokenState {
    /// Of a token that was revoked then, ends then, and is followed by that one.
    #[must_use]
    pub fn of(
        revoked_at: Option<DateTimeUtc>,
        expires_at: Option<DateTimeUtc>,
        replaced_by: Option<Uuid>,
        now: DateTimeUtc,
    ) -> Self {
        match (revoked_at, expires_at, replaced_by) {
            (Some(_), ..) => Self::Revoked,
            (None, Some(end), _) if end <= now => Self::Over,
            (None, _, Some(_)) => Self::Replaced,
            (None, _, None) => Self::Live,
        }
    }
}

lifecycle! {
    "SCIM token",
    /// What can happen to a SCIM token.
    pub enum TokenVerb of TokenState {
        /// A directory authenticates with it.
        Use = "use" { Live => Live, Replaced => Replaced }
        /// A successor is created. A token that has expired stays expired.
        Rotate = "rotate" { Live => Replaced, Replaced => Replaced, Over => Over }
        /// Somebody revokes it.
        Revoke = "revoke" { Live => Revoked, Replaced => Revoked, Over => Revoked, Revoked => Revoked }
    }
}
