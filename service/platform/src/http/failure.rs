//! How a request to a product outside went wrong, and whether trying again can help.

use std::time::Duration;

use serde_json::Value;

use super::{HttpError, retry_after};

/// Characters of an answer's message that are kept.
const MESSAGE_MAX: usize = 400;

/// What went wrong outside.
#[derive(Debug)]
pub struct Failure {
    /// In words; shown to operators, never a secret.
    pub reason: String,
    /// Whether trying again can't help.
    pub permanent: bool,
    /// When to try again, if the other side said.
    pub after: Option<Duration>,
    /// Whether the other side only asks for patience.
    pub throttled: bool,
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.reason)
    }
}

impl std::error::Error for Failure {}

impl Failure {
    /// Trying again may help.
    pub fn later(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), permanent: false, after: None, throttled: false }
    }

    /// Trying again can't help.
    pub fn permanent(reason: impl ToString) -> Self {
        Self { reason: reason.to_string(), permanent: true, after: None, throttled: false }
    }

    /// Something of ours can't be made because this is in its place.
    pub fn not_ours(what: impl std::fmt::Display) -> Self {
        Self::permanent(format!("{what} already exists and was not created by this service"))
    }

    /// What an answer's status says: throttling, faults of the other side, credentials that somebody may mend, and conflicts
    /// with what is under way pass; other refusals don't. `message` is the other side's own.
    pub fn of(what: &str, answer: &http::Response<Value>, message: Option<String>) -> Self {
        let status = answer.status().as_u16();
        let message = message.unwrap_or_default().chars().take(MESSAGE_MAX).collect::<String>();
        let separator = if message.is_empty() { "" } else { ": " };
        Self {
            reason: format!("{what} answered {status}{separator}{message}"),
            permanent: !(matches!(status, 401 | 403 | 408 | 409 | 429) || status >= 500),
            after: retry_after(answer.headers()),
            throttled: status == 429,
        }
    }
}

impl From<HttpError> for Failure {
    fn from(error: HttpError) -> Self {
        let permanent = matches!(error, HttpError::Refused(_) | HttpError::Impossible(_));
        Self { reason: error.to_string(), permanent, after: None, throttled: false }
    }
}
