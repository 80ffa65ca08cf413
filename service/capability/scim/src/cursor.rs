//! Where a list goes on: cursors (RFC 9865), which are sealed and bound to their query, and walks by index, which are
//! remembered so that somebody else's removals shift nothing under the walker.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use directory::{Mark, Start};
use entity::ids::OrganizationId;
use moka::sync::Cache;
use platform::Timestamp;
use platform::crypto::sha256;
use scim_core::discovery::CURSOR_SECONDS;
use scim_core::{ErrorType, ScimError};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::Tools;

use crate::error::Error;

/// How long a walk by index is remembered after its last step.
const WALK_REMEMBERED: Duration = Duration::from_secs(600);
/// Bytes of the steps that are remembered at once, of all organizations.
const WALKS_BYTES_MAX: u64 = 16 << 20;
/// Bytes of a step beside the value by which the list is sorted.
const STEP_BYTES: usize = 128;

/// A list: who asks, and for what.
#[derive(Clone, Debug)]
pub(crate) struct Query {
    /// The credential.
    pub(crate) principal: Uuid,
    digest: [u8; 32],
}

impl Query {
    pub(crate) fn new(principal: Uuid, organization: OrganizationId, parts: &[Option<&str>]) -> Self {
        let mut text = organization.to_string();
        for part in parts {
            text.push('\0');
            text.push_str(part.unwrap_or_default());
        }
        Self { principal, digest: sha256(text.as_bytes()) }
    }
}

/// What a cursor holds.
#[derive(Debug, Serialize, Deserialize)]
struct Inside {
    mark: Mark,
    before: u64,
    count: u64,
    until: i64,
    digest: Vec<u8>,
}

const PURPOSE: &str = "scim_cursor";

fn invalid(kind: ErrorType, detail: &str) -> Error {
    ScimError::new(kind, detail).into()
}

/// The cursor of the page behind `mark`.
///
/// # Errors
/// [`Error::Internal`], [`Error::Store`]
pub(crate) fn seal(
    tools: &Tools,
    query: &Query,
    mark: Mark,
    before: u64,
    count: u64,
) -> Result<String, Error> {
    let lifetime = i64::try_from(CURSOR_SECONDS).unwrap_or(0);
    let until = tools.clock.now().timestamp().saturating_add(lifetime);
    let inside = Inside { mark, before, count, until, digest: query.digest.to_vec() };
    let plain = serde_json::to_vec(&inside).map_err(Error::internal)?;
    let sealed = tools.envelope.seal(PURPOSE, query.principal.as_bytes(), &plain)?;
    Ok(URL_SAFE_NO_PAD.encode(sealed))
}

/// Where a cursor's page begins, and how many it has. A cursor of another token, query or organization is as unknown as a
/// forged one.
///
/// # Errors
/// [`Error::Protocol`]: `invalidCursor`, `expiredCursor`.
pub(crate) fn open(
    tools: &Tools,
    query: &Query,
    cursor: &str,
    now: Timestamp,
) -> Result<(Start, u64), Error> {
    let unknown = || invalid(ErrorType::InvalidCursor, "The cursor does not belong to this query.");
    let sealed = URL_SAFE_NO_PAD.decode(cursor).map_err(|_| unknown())?;
    let plain = tools.envelope.open(PURPOSE, query.principal.as_bytes(), &sealed).map_err(|_| unknown())?;
    let inside: Inside = serde_json::from_slice(&plain).map_err(|_| unknown())?;
    if inside.digest != query.digest {
        return Err(unknown());
    }
    if inside.until <= now.timestamp() {
        return Err(invalid(
            ErrorType::ExpiredCursor,
            "The cursor has expired: start again from the first page.",
        ));
    }
    Ok((Start::Behind(inside.before, inside.mark), inside.count))
}

/// Steps of walks by index.
#[derive(Debug)]
pub struct Walks {
    steps: Cache<(Uuid, [u8; 32], u64), Mark>,
}

impl Default for Walks {
    fn default() -> Self {
        let steps = Cache::builder().max_capacity(WALKS_BYTES_MAX).weigher(|_, mark: &Mark| {
            let value = serde_json::to_string(mark).map_or(0, |text| text.len());
            u32::try_from(STEP_BYTES + value).unwrap_or(u32::MAX)
        });
        Self { steps: steps.time_to_idle(WALK_REMEMBERED).build() }
    }
}

impl Walks {
    /// Where the page at `start` (from 1) begins: behind the last row of the page before it, if that page was asked for
    /// here, and at an offset otherwise.
    pub(crate) fn start(&self, query: &Query, start: u64) -> Start {
        match self.steps.get(&(query.principal, query.digest, start)) {
            Some(mark) if start > 1 => Start::Behind(start - 1, mark),
            _ => Start::Offset(start - 1),
        }
    }

    /// Remembers the row before which the page at `next` begins.
    pub(crate) fn step(&self, query: &Query, next: u64, mark: Mark) {
        self.steps.insert((query.principal, query.digest, next), mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn walks_are_remembered_up_to_16_mib() {
        let walks = Walks::default();
        let query = Query::new(Uuid::nil(), OrganizationId(Uuid::nil()), &[]);
        let long = serde_json::json!({"id": Uuid::nil(), "key": "x".repeat(4_096)});
        let mark: Mark = serde_json::from_value(long).unwrap();
        for next in 0..5_000 {
            walks.step(&query, next, mark.clone());
        }
        walks.steps.run_pending_tasks();
        assert_eq!(WALKS_BYTES_MAX, 16 << 20);
        assert!((1..=WALKS_BYTES_MAX).contains(&walks.steps.weighted_size()));
        assert!(walks.steps.entry_count() < 4_000);
    }
}
