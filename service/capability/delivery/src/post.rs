//! How something is sent.

use platform::http::{Answer, HttpError};
use url::Url;
use web::Tools;

use crate::signature::sign;

/// Posts a body, signed after Standard Webhooks by each secret: the new one, and while it is rotated the old one.
///
/// # Errors
/// What kept it from being answered.
pub async fn post(
    tools: &Tools,
    url: &Url,
    secrets: &[String],
    id: &str,
    media_type: &str,
    body: Vec<u8>,
) -> Result<Answer, HttpError> {
    let timestamp = tools.clock.now().timestamp();
    let signatures: Vec<String> =
        secrets.iter().filter_map(|secret| sign(secret, id, timestamp, &body)).collect();
    let headers = [
        ("content-type", media_type.to_owned()),
        ("webhook-id", id.to_owned()),
        ("webhook-timestamp", timestamp.to_string()),
        ("webhook-signature", signatures.join(" ")),
    ];
    tools.http.post(url, &headers, body).await
}
