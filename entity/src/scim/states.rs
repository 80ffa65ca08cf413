//! What a token is and how strict, where the copy of one that rehearses stands, and what an extension extends.

use crate::closed::closed;

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
    /// Where the copy stands on which a token rehearses.
    pub enum RehearsalStatus {
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
