//! The link that begins a test of a connection: a key, sealed for it, that opens for an hour.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use platform::DbError;
use web::Tools;

use super::connections::Connection;

/// How long a link opens a test.
const LIFETIME: TimeDelta = TimeDelta::hours(1);
const PURPOSE: &str = "connection_test";

/// The link that begins a test of this connection, for an hour.
pub(crate) fn link(tools: &Tools, one: &Connection) -> Result<String, DbError> {
    let until = (tools.clock.now() + LIFETIME).timestamp();
    let key = tools.envelope.seal(PURPOSE, one.row.id.as_bytes(), &until.to_be_bytes())?;
    let key = URL_SAFE_NO_PAD.encode(key);
    Ok(format!("{}/sso/test/{}?key={key}", tools.config.public_url(), one.row.id))
}

/// Whether a link's key still opens a test of this connection.
#[must_use]
pub fn opens_test(tools: &Tools, one: &Connection, key: Option<&String>) -> bool {
    let key = key.and_then(|key| URL_SAFE_NO_PAD.decode(key).ok()).unwrap_or_default();
    let until = tools.envelope.open(PURPOSE, one.row.id.as_bytes(), &key).ok();
    let until = until.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()).map(i64::from_be_bytes);
    until.is_some_and(|until| until > tools.clock.now().timestamp())
}
