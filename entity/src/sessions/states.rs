//! Why sessions ended.

use crate::closed::closed;
use crate::lifecycle::lifecycle;

closed! {
    /// Why a session ended.
    pub enum Ended {
        /// The person or a module ended it.
        Revoked = "revoked",
        /// A refresh token was used twice: somebody has a copy.
        RefreshReused = "refresh_reused",
        /// The person was deactivated.
        UserDeactivated = "user_deactivated",
        /// The tenant was suspended or deleted.
        TenantStopped = "tenant_stopped",
        /// The person signed out.
        SignedOut = "signed_out",
        /// The person's identity provider ended its session.
        ProviderSignedOut = "provider_signed_out",
        /// An authorization code was used twice: somebody has a copy.
        CodeReused = "code_reused",
        /// The person has newer ones, as many as one may have.
        Superseded = "superseded",
        /// The account was made with an address that nobody had proven, and somebody else has proven it.
        AccountClaimed = "account_claimed",
    }
}

closed! {
    /// Whether a session goes on.
    pub enum SessionState {
        /// It does.
        Live = "live",
        /// Its time is over.
        Over = "over",
        /// It was ended; the row says why.
        Ended = "ended",
    }
}

lifecycle! {
    "session",
    /// What can happen to a session.
    pub enum SessionVerb of SessionState {
        /// Its refresh token is used.
        Refresh = "refresh" { Live => Live }
        /// Somebody who may do so ends it. The first reason is the one that is recorded.
        End = "end" { Live => Ended, Over => Ended, Ended => Ended }
    }
}
