//! An authenticator in software: makes a passkey without an attestation (WebAuthn Level 3, section 8.7).

use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

use super::*;

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

pub(super) async fn passkeys() {
    let port = tests::free_port();
    let origin = format!("http://localhost:{port}");
    let public = origin.clone();
    let app = stage(move |config| {
        config.server.listen = format!("127.0.0.1:{port}").parse().expect("an address");
        config.server.public_url = public;
    })
    .await;
    let made = app
        .operator
        .post("/api/v1/operators", json!({"email": "o@example.com", "name": "O"}))
        .await
        .expect(201);
    let token = |made: &Value| {
        let url = made["enrollmentUrl"].as_str().expect("a link").to_owned();
        url.split_once("token=").expect("a token").1.to_owned()
    };
    let begin = "/operator/enroll/begin";
    let anyone = app.anyone();
    let answer = async |token: &str, begun: Value| {
        let credential = register(&begun["options"], &origin);
        json!({"token": token, "ceremony": begun["ceremony"], "credential": credential})
    };
    // The first one makes a row to copy.
    let first = token(&made);
    let begun = anyone.post(begin, json!({"token": first})).await.expect(200);
    anyone.post("/operator/enroll/finish", answer(&first, begun).await).await.expect(200);
    fill!(&app, platform, passkey_row, 19, |row, at| passkey_row::Model {
        id: new_id(),
        credential_id: vec![u8::try_from(at).expect("few"); 16],
        ..row
    });
    // A link is used once, however many ceremonies began with it; and the twentieth passkey is the last.
    let again = app
        .operator
        .post(&format!("/api/v1/operators/{}/enroll", made["id"].as_str().expect("an id")), json!({}))
        .await
        .expect(200);
    let second = token(&again);
    let mut asked = Vec::new();
    for _ in 0..WIDE {
        let begun = anyone.post(begin, json!({"token": second})).await.expect(200);
        asked.push(("/operator/enroll/finish".to_owned(), answer(&second, begun).await));
    }
    let replies = at_once(&anyone, Method::POST, asked).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 200).count(), 1, "{:?}", replies.first());
    assert_eq!(rows!(&app, platform, passkey_row), 20);
    let again = app
        .operator
        .post(&format!("/api/v1/operators/{}/enroll", made["id"].as_str().expect("an id")), json!({}))
        .await
        .expect(200);
    anyone.post(begin, json!({"token": token(&again)})).await.refused(403, "quota.exceeded");
    app.stop().await;
}
