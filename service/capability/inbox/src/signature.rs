//! `t=…,v1=…`: how Stripe and Zitadel sign, an HMAC-SHA256 in hexadecimal over `{t}.{raw body}`. Pure.

use aws_lc_rs::hmac;
use secrecy::{ExposeSecret as _, SecretString};

use crate::error::Error;

/// Seconds that a timestamp may be away from now, to either side.
const TOLERANCE_SECONDS: u64 = 300;
/// Signatures of one header that are looked at: two secrets, and some that we don't know.
const SIGNATURES_MAX: usize = 10;

/// Verifies a body. Any signature by any of the secrets will do: both sides rotate.
///
/// # Errors
/// [`Error::Unconfigured`], [`Error::SignatureWrong`], [`Error::TimestampRefused`].
pub(crate) fn verify(
    header: Option<&str>,
    secrets: &[&SecretString],
    body: &[u8],
    now: i64,
) -> Result<(), Error> {
    let secrets: Vec<&str> =
        secrets.iter().map(|secret| secret.expose_secret()).filter(|secret| !secret.is_empty()).collect();
    if secrets.is_empty() {
        return Err(Error::Unconfigured);
    }
    let header = header.ok_or(Error::SignatureWrong)?;
    let parts = || header.split(',').filter_map(|part| part.trim().split_once('='));
    let mut times = parts().filter(|(name, _)| *name == "t").map(|(_, value)| value);
    // Two times would leave open which one was signed.
    let (Some(time), None) = (times.next(), times.next()) else { return Err(Error::SignatureWrong) };
    let signed = [time.as_bytes(), b".", body].concat();
    let good = parts().filter(|(name, _)| *name == "v1").take(SIGNATURES_MAX).any(|(_, signature)| {
        let Some(tag) = unhex(signature) else { return false };
        secrets.iter().any(|secret| {
            hmac::verify(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &signed, &tag).is_ok()
        })
    });
    if !good {
        return Err(Error::SignatureWrong);
    }
    let time: i64 = time.parse().map_err(|_| Error::SignatureWrong)?;
    if now.abs_diff(time) > TOLERANCE_SECONDS {
        return Err(Error::TimestampRefused);
    }
    Ok(())
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    if !text.is_ascii() || text.len() != 64 {
        return None;
    }
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(text.get(at..at + 2)?, 16).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    const BODY: &[u8] = br#"{"id":"evt_1"}"#;

    fn sign(secret: &str, time: i64, body: &[u8]) -> String {
        let signed = [time.to_string().as_bytes(), b".", body].concat();
        let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()), &signed);
        platform::crypto::hex(tag.as_ref())
    }

    fn code(header: Option<&str>, now: i64) -> Option<&'static str> {
        let (one, next) = (SecretString::from("whsec_one"), SecretString::from("whsec_next"));
        verify(header, &[&one, &next], BODY, now).err().map(Error::code)
    }

    #[test]
    fn only_a_fresh_signature_by_one_of_the_secrets_is_taken() {
        let now = 1_795_000_000;
        let good = format!("t={now},v1={}", sign("whsec_one", now, BODY));
        assert_eq!(code(Some(&good), now), None);
        assert_eq!(code(Some(&good), now + 300), None);
        let rotated =
            format!("t={now},v1={},v1={},v0=x", sign("other", now, BODY), sign("whsec_next", now, BODY));
        assert_eq!(code(Some(&rotated), now), None);
        let wrong = Some("inbox.signature_wrong");
        for header in [
            format!("t={now},v1={}", sign("other", now, BODY)),
            format!("t={now},v1={}", sign("whsec_one", now, b"{}")),
            format!("t={now},v0={}", sign("whsec_one", now, BODY)),
            format!("t={},v1={}", now + 1, sign("whsec_one", now, BODY)),
            format!("t={now},t={now},v1={}", sign("whsec_one", now, BODY)),
            format!("v1={}", sign("whsec_one", now, BODY)),
            format!("t={now},v1=€{}", "0".repeat(61)),
            String::new(),
        ] {
            assert_eq!(code(Some(&header), now), wrong, "{header}");
        }
        assert_eq!(code(None, now), wrong);
        let stale = Some("inbox.timestamp_refused");
        assert_eq!(code(Some(&good), now + 301), stale);
        assert_eq!(code(Some(&good), now - 301), stale);
        assert_eq!(verify(Some(&good), &[], BODY, now).err().map(Error::code), Some("inbox.unconfigured"));
    }
}
