//! A passkey without a browser: as much of an authenticator as WebAuthn's two ceremonies ask for (Web Authentication Level 3, section 6).
//! The unit tests of `passkey_core` include this file.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Its holder is present (section 6.1, flags).
pub const PRESENT: u8 = 0b0000_0001;
/// Its holder is verified.
pub const VERIFIED: u8 = 0b0000_0100;
/// A new credential comes with it.
const ATTESTED: u8 = 0b0100_0000;

/// An authenticator with one passkey, for one origin.
pub struct Authenticator {
    /// Where the browser is.
    pub origin: url::Url,
    /// For which host the passkey is.
    host: String,
    key: EcdsaKeyPair,
    /// The credential's id.
    pub id: Vec<u8>,
    /// What is said of its holder.
    pub flags: u8,
    /// How often it was used; 0: it doesn't count.
    pub counter: u32,
}

fn encoded(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

impl Authenticator {
    /// One for the pages of this URL.
    pub fn new(origin: &str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).expect("a key");
        let mut id = vec![0; 16];
        aws_lc_rs::rand::fill(&mut id).expect("randomness");
        let origin: url::Url = origin.parse().expect("a URL");
        let host = origin.host_str().expect("a host").to_owned();
        Self { origin, host, key, id, flags: PRESENT | VERIFIED, counter: 0 }
    }

    /// What the browser collects for the signature.
    fn client_data(&self, kind: &str, options: &Value) -> Vec<u8> {
        let (origin, challenge) =
            (self.origin.origin().ascii_serialization(), &options["publicKey"]["challenge"]);
        json!({"type": kind, "challenge": challenge, "origin": origin, "crossOrigin": false})
            .to_string()
            .into_bytes()
    }

    /// The authenticator's data: for whom, how, and the counter.
    fn data(&self, flags: u8) -> Vec<u8> {
        let host = digest(&SHA256, self.host.as_bytes());
        [host.as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    /// Answers `navigator.credentials.create`.
    pub fn create(&self, options: &Value) -> Value {
        // COSE: an elliptic curve key of P-256 for ES256.
        let point = &self.key.public_key().as_ref()[1..];
        let (x, y) = point.split_at(32);
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32], x, &[0x22, 0x58, 32], y].concat();
        let length = u16::try_from(self.id.len()).expect("a short id").to_be_bytes();
        let data = [&self.data(self.flags | ATTESTED), &[0; 16][..], &length, &self.id, &cose].concat();
        // CBOR: {"fmt": "none", "attStmt": {}, "authData": data}
        let length = u8::try_from(data.len()).expect("short data");
        let attestation =
            [&b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58"[..], &[length], &data].concat();
        let client_data = self.client_data("webauthn.create", options);
        self.credential(
            json!({"attestationObject": encoded(attestation), "clientDataJSON": encoded(client_data)}),
        )
    }

    /// Answers `navigator.credentials.get`.
    pub fn get(&self, options: &Value) -> Value {
        let (data, client_data) = (self.data(self.flags), self.client_data("webauthn.get", options));
        let signed = [&data, digest(&SHA256, &client_data).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).expect("a signature");
        self.credential(json!({
            "authenticatorData": encoded(data), "clientDataJSON": encoded(client_data), "signature": encoded(signature),
            "userHandle": null,
        }))
    }

    fn credential(&self, response: Value) -> Value {
        let id = encoded(&self.id);
        json!({"id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {}})
    }
}
