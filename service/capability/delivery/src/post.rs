//! Where something may be sent, and how it is sent.

use platform::http::{Answer, HttpError};
use platform::refusal::{FieldError, Invalid};
use url::Url;
use web::Tools;

use crate::error::Error;
use crate::signature::sign;

/// Refuses a URL that the service would not go to.
///
/// # Errors
/// [`Error::Invalid`] and [`Error::UrlRefused`], at `pointer`; [`Error::Internal`] if it couldn't be looked at.
pub fn check_url(tools: &Tools, pointer: &str, text: &str) -> Result<Url, Error> {
    let url = Url::parse(text).map_err(|_| Invalid::at(pointer, "must be an absolute URL"))?;
    match tools.http.check(&url) {
        Ok(()) => Ok(url),
        Err(HttpError::Refused(why)) => {
            Err(Error::UrlRefused(FieldError { pointer: pointer.to_owned(), detail: why.to_owned() }))
        }
        Err(error) => Err(Error::Internal(error.to_string())),
    }
}

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
