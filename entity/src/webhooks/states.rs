//! Where a delivery stands, and what receivers want bodies and signatures to be.

use crate::closed::closed;

closed! {
    /// Where a delivery stands.
    pub enum DeliveryStatus {
        /// It is to be tried, for the first time or again.
        Pending = "pending",
        /// The receiver took it.
        Delivered = "delivered",
        /// It isn't tried any more, unless somebody asks for it.
        Dead = "dead",
    }
}

closed! {
    /// What an endpoint gets.
    pub enum Format {
        /// Events, after Standard Webhooks.
        Webhook = "webhook",
        /// Security event tokens (RFC 9967), of changes of users, groups and sessions only.
        Set = "set",
    }
}

closed! {
    /// How an endpoint's bodies are signed.
    pub enum Algorithm {
        /// With a secret that the receiver has too.
        HmacSha256 = "hmac-sha256",
        /// With a private key: the receiver needs no secret.
        Ed25519 = "ed25519",
    }
}
