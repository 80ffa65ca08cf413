//! Where a mail stands, and why an address gets none.

use crate::closed::closed;

closed! {
    /// Where a mail stands.
    pub enum MailStatus {
        /// It is to be sent.
        Queued = "queued",
        /// The relay took it.
        Sent = "sent",
        /// There is no relay: it can only be read here.
        Stored = "stored",
        /// Its address gets no mail.
        Suppressed = "suppressed",
        /// The relay didn't take it; somebody may have it tried again.
        Failed = "failed",
        /// It was sent, and came back.
        Bounced = "bounced",
    }
}

closed! {
    /// Why an address gets no mail.
    pub enum SuppressionReason {
        /// There is no such box.
        HardBounce = "hard_bounce",
        /// Its reader called a mail unwanted.
        Complaint = "complaint",
        /// An operator said so.
        Manual = "manual",
    }
}
