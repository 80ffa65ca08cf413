//! The problem codes of the inbox.

web::codes! {
    INBOX_SIGNATURE_WRONG = "inbox.signature_wrong" 401 "The webhook's signature is wrong.";
    INBOX_TIMESTAMP_REFUSED = "inbox.timestamp_refused" 400 "The webhook's timestamp is too far from the current time.";
    INBOX_UNCONFIGURED = "inbox.unconfigured" 503 "No secret is configured for this webhook.";
}
