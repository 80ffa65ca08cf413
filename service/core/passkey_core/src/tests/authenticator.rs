//! An authenticator in memory: one P-256 key that answers both ceremonies as a browser would send it.

use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Flags of authenticator data (section 6.1): somebody was there; they were verified; a key follows.
pub(super) const PRESENT: u8 = 0x01;
pub(super) const VERIFIED: u8 = 0x04;
const KEY_FOLLOWS: u8 = 0x40;

/// One credential of one host.
pub(super) struct Authenticator {
    key: EcdsaKeyPair,
    id: [u8; 16],
    host: &'static str,
    pub(super) origin: &'static str,
    pub(super) flags: u8,
    pub(super) counter: u32,
}

impl Authenticator {
    pub(super) fn new(id: u8, host: &'static str, origin: &'static str) -> Self {
        let key = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
        Self { key, id: [id; 16], host, origin, flags: PRESENT | VERIFIED, counter: 1 }
    }

    fn client_data(&self, kind: &str, options: &Value) -> String {
        let challenge = &options["publicKey"]["challenge"];
        json!({"type": kind, "challenge": challenge, "origin": self.origin, "crossOrigin": false}).to_string()
    }

    fn data(&self, flags: u8) -> Vec<u8> {
        let host = digest(&SHA256, self.host.as_bytes());
        [host.as_ref(), &[flags], &self.counter.to_be_bytes()].concat()
    }

    fn answer<T: DeserializeOwned>(&self, response: &Value) -> T {
        let id = URL_SAFE_NO_PAD.encode(self.id);
        let credential =
            json!({"id": id, "rawId": id, "type": "public-key", "response": response, "extensions": {}});
        serde_json::from_value(credential).unwrap()
    }

    /// What `navigator.credentials.create` answers: the key without an attestation (sections 6.5.1 and 8.7).
    pub(super) fn create<T: DeserializeOwned>(&self, options: &Value) -> T {
        let point = self.key.public_key().as_ref();
        let (x, y) = (&point[1..33], &point[33..65]);
        // COSE (RFC 9053, section 7.1): {kty: EC2, alg: ES256, crv: P-256, x, y}
        let cose = [&[0xa5, 1, 2, 3, 0x26, 0x20, 1, 0x21, 0x58, 32][..], x, &[0x22, 0x58, 32], y].concat();
        let credential = [&[0; 16][..], &[0, 16], &self.id, &cose].concat();
        let data = [self.data(self.flags | KEY_FOLLOWS), credential].concat();
        let length = u8::try_from(data.len()).unwrap();
        // CBOR: {"fmt": "none", "attStmt": {}, "authData": data}
        let object = [b"\xa3\x63fmt\x64none\x67attStmt\xa0\x68authData\x58", &[length][..], &data].concat();
        self.answer(&json!({
            "attestationObject": URL_SAFE_NO_PAD.encode(object),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(self.client_data("webauthn.create", options)),
        }))
    }

    /// What `navigator.credentials.get` answers.
    pub(super) fn get<T: DeserializeOwned>(&self, options: &Value) -> T {
        let client_data = self.client_data("webauthn.get", options);
        let data = self.data(self.flags);
        let signed = [&data[..], digest(&SHA256, client_data.as_bytes()).as_ref()].concat();
        let signature = self.key.sign(&SystemRandom::new(), &signed).unwrap();
        self.answer(&json!({
            "authenticatorData": URL_SAFE_NO_PAD.encode(data),
            "clientDataJSON": URL_SAFE_NO_PAD.encode(client_data),
            "signature": URL_SAFE_NO_PAD.encode(signature.as_ref()),
        }))
    }
}
