//! What identity providers sent and got, told to whoever keeps it. Keeping it must not delay the answer.

use std::time::Duration;

use actix_web::web::Bytes;

use crate::credential::Principal;

/// One request and its answer.
#[derive(Clone, Debug)]
pub struct Exchange {
    /// Who sent it.
    pub principal: Principal,
    /// `X-Request-Id`
    pub request_id: Option<String>,
    /// The method.
    pub method: String,
    /// Path and query.
    pub target: String,
    /// What came.
    pub request_body: Bytes,
    /// What went, if it was kept with [`SentBody`].
    pub response_body: Bytes,
    /// The answer's status.
    pub status: u16,
    /// `scimType`
    pub dialect_code: Option<&'static str>,
    /// Why it was refused.
    pub detail: Option<String>,
    /// How long the answer took.
    pub elapsed: Duration,
}

/// The answer's body, put by a handler into the request's extensions for the journal. Cheap: the bytes are shared.
#[derive(Clone, Debug)]
pub struct SentBody(pub Bytes);

/// Keeps exchanges.
pub trait Journal: Send + Sync {
    /// Takes one; returns at once.
    fn log(&self, exchange: Exchange);
}
