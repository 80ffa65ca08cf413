//! Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body` under the decoded secret.

use aws_lc_rs::hmac;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use platform::crypto::random;

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// A new secret: 256 random bits.
pub(crate) fn new_secret() -> String {
    format!("{PREFIX}{}", STANDARD.encode(random::<32>()))
}

/// The signature of a body; `None` if the secret isn't one.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let key = STANDARD.decode(secret.strip_prefix(PREFIX)?).ok()?;
    let content = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
    Some(format!("v1,{}", STANDARD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_published_vector_is_met() {
        let body =
            br#"{"type":"tenant.activated","timestamp":"2026-11-20T20:00:00Z","data":{"id":"ten_01"}}"#;
        let signed = sign(
            "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw",
            "msg_p5jXN8AQM9LWM0D4loKWxJek",
            1_795_204_800,
            body,
        );
        assert_eq!(signed.as_deref(), Some("v1,Zt8OwyHKBlYpSI1GdQEm7e6yclFhvBaOYgHyQ93ugZ4="));
    }
}
