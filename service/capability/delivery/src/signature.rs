//! Standard Webhooks: `v1,` and the base64 HMAC-SHA256 of `id.timestamp.body` under the decoded secret, or `v1a,` and its Ed25519
//! signature, which a receiver checks without a secret of its own.

use aws_lc_rs::hmac;
use aws_lc_rs::signature::{Ed25519KeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use entity::webhooks::states::Algorithm;
use platform::crypto::random;

/// What a symmetric secret begins with.
const SECRET: &str = "whsec_";
/// What a private key begins with: base64 of seed and public key.
const PRIVATE: &str = "whsk_";
/// What a public key begins with.
const PUBLIC: &str = "whpk_";

/// What signs: a new secret, or a new private key.
pub fn generate(algorithm: Algorithm) -> String {
    match algorithm {
        Algorithm::HmacSha256 => new_secret(),
        Algorithm::Ed25519 => {
            let seed = random::<32>();
            let public = pair(&seed).map(|pair| pair.public_key().as_ref().to_vec()).unwrap_or_default();
            format!("{PRIVATE}{}", STANDARD.encode([seed.as_slice(), &public].concat()))
        }
    }
}

/// A new symmetric secret: 256 random bits.
pub fn new_secret() -> String {
    format!("{SECRET}{}", STANDARD.encode(random::<32>()))
}

fn pair(seed: &[u8]) -> Option<Ed25519KeyPair> {
    Ed25519KeyPair::from_seed_unchecked(seed).ok()
}

/// What a receiver checks signatures with: the secret itself, or the public key of a private one.
pub fn verifier(secret: &str) -> String {
    let Some(private) = secret.strip_prefix(PRIVATE) else { return secret.to_owned() };
    let bytes = STANDARD.decode(private).unwrap_or_default();
    format!("{PUBLIC}{}", STANDARD.encode(bytes.get(32..).unwrap_or_default()))
}

/// The signature of a body; `None` if the secret isn't one.
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let content = [format!("{id}.{timestamp}.").as_bytes(), body].concat();
    if let Some(private) = secret.strip_prefix(PRIVATE) {
        let bytes = STANDARD.decode(private).ok()?;
        let signature = pair(bytes.get(..32)?)?.sign(&content);
        return Some(format!("v1a,{}", STANDARD.encode(signature.as_ref())));
    }
    let key = STANDARD.decode(secret.strip_prefix(SECRET)?).ok()?;
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), &content);
    Some(format!("v1,{}", STANDARD.encode(tag.as_ref())))
}

#[cfg(test)]
mod tests {
    use aws_lc_rs::signature::{ED25519, UnparsedPublicKey};

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

    #[test]
    fn an_asymmetric_signature_is_checked_with_the_public_key_alone() {
        let private = generate(Algorithm::Ed25519);
        let public = verifier(&private);
        let key = STANDARD.decode(public.strip_prefix("whpk_").unwrap()).unwrap();
        let signed = sign(&private, "id", 7, b"{}").unwrap();
        let signature = STANDARD.decode(signed.strip_prefix("v1a,").unwrap()).unwrap();
        let key = UnparsedPublicKey::new(&ED25519, key);
        assert!(key.verify(b"id.7.{}", &signature).is_ok());
        assert!(key.verify(b"id.8.{}", &signature).is_err());
    }
}
