//! Where an attempt to sign in stands, and what it is for.

use crate::closed::closed;

closed! {
    /// Where an attempt to sign in stands.
    pub enum SignInStatus {
        /// The browser was sent to the provider.
        Started = "started",
        /// It came back.
        Answered = "answered",
        /// The person must prove that an account is theirs.
        Proving = "proving",
        /// Over: signed in, or tested.
        Succeeded = "succeeded",
        /// Over, with a reason.
        Failed = "failed",
    }
}

impl SignInStatus {
    /// Whether the attempt can still go on or end.
    #[must_use]
    pub const fn is_open(self) -> bool {
        match self {
            Self::Started | Self::Answered | Self::Proving => true,
            Self::Succeeded | Self::Failed => false,
        }
    }
}

closed! {
    /// What an attempt to sign in is for.
    pub enum Purpose {
        /// Somebody wants to come in.
        SignIn = "sign_in",
        /// An admin tries a connection: what the provider says is shown and forgotten.
        Test = "test",
    }
}
