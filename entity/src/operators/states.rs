//! How operators come in.

use crate::closed::closed;

closed! {
    /// How an operator came in.
    pub enum SignInMethod {
        /// By a passkey.
        Passkey = "passkey",
        /// By a recovery code: for an hour, to enrol a passkey.
        RecoveryCode = "recovery_code",
        /// By a password, where they are switched on.
        Password = "password",
    }
}

closed! {
    /// Which of WebAuthn's two ceremonies it is.
    pub enum CeremonyKind {
        /// A passkey is made.
        Register = "register",
        /// One is used.
        Authenticate = "authenticate",
    }
}

closed! {
    /// What an operator may do: roles of the platform that people have.
    pub enum OperatorRole {
        /// Everything.
        Operator = "operator",
        /// Reads everything, changes nothing.
        Auditor = "auditor",
    }
}

impl From<OperatorRole> for policy_core::Role {
    fn from(role: OperatorRole) -> Self {
        match role {
            OperatorRole::Operator => Self::Operator,
            OperatorRole::Auditor => Self::Auditor,
        }
    }
}
