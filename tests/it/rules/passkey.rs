//! An authenticator in software: makes a passkey without an attestation (WebAuthn Level 3, section 8.7).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// The credential that answers these options, for a page of `origin` on localhost.
pub(super) fn register(options: &Value, origin: &str) -> Value {
    let challenge = options["publicKey"]["challenge"].as_str().expect("a challenge");
    let client =
        json!({"type": "webauthn.create", "challenge": challenge, "origin": origin, "crossOrigin": false});
    let id: [u8; 16] = platform::crypto::random();
    let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
    let point = key.public_key().as_ref();
    let (x, y) = point[1..].split_at(32);
    // A COSE key: EC2, ES256, P-256.
    let cose = [&[0xa5, 0x01, 0x02, 0x03, 0x26, 0x20, 0x01, 0x21, 0x58, 0x20][..], x, &[0x22, 0x58, 0x20], y]
        .concat();
    // The person was there and verified, and a credential is attached; the counter and the model are zero.
    let data =
        [&platform::crypto::sha256(b"localhost")[..], &[0x45], &[0; 4], &[0; 16], &[0, 16], &id, &cose]
            .concat();
    let length = u8::try_from(data.len()).expect("short");
    let attestation = [
        &[0xa3, 0x63][..],
        b"fmt",
        &[0x64],
        b"none",
        &[0x67],
        b"attStmt",
        &[0xa0, 0x68],
        b"authData",
        &[0x58, length],
        &data,
    ]
    .concat();
    let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
    json!({
        "id": text(&id), "rawId": text(&id), "type": "public-key", "extensions": {},
        "response": {
            "attestationObject": text(&attestation),
            "clientDataJSON": text(client.to_string().as_bytes()),
        },
    })
}
