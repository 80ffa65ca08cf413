//! An upstream issuer whose tokens can be wrong in every way.

use std::net::TcpListener;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, web};
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

pub const AUDIENCE: &str = "tenantry-test";

/// A small issuer on loopback.
pub struct Issuer {
    pub url: String,
    pub key: EncodingKey,
    /// How often its keys were asked for.
    pub fetches: Arc<AtomicUsize>,
    server: ServerHandle,
}

pub fn make_key(kid: &str) -> (EncodingKey, Value) {
    let document =
        EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new()).expect("a key");
    let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref()).expect("a key");
    let point = &pair.public_key().as_ref()[1..];
    let (x, y) = (URL_SAFE_NO_PAD.encode(&point[..32]), URL_SAFE_NO_PAD.encode(&point[32..]));
    let jwk = json!({"kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": kid, "x": x, "y": y});
    (EncodingKey::from_ec_der(document.as_ref()), jwk)
}

impl Issuer {
    pub fn start() -> Self {
        let (key, jwk) = make_key("k1");
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let keys = json!({"keys": [jwk, {"kty": "oct", "kid": "sym", "k": "c2VjcmV0"}]});
        let fetches = Arc::new(AtomicUsize::new(0));
        let counter = fetches.clone();
        let server = HttpServer::new(move || {
            let (discovery, keys, counter) = (discovery.clone(), keys.clone(), counter.clone());
            App::new()
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(move || std::future::ready(HttpResponse::Ok().json(&discovery))),
                )
                .route(
                    "/jwks",
                    web::get().to(move || {
                        counter.fetch_add(1, Ordering::Relaxed);
                        std::future::ready(HttpResponse::Ok().json(&keys))
                    }),
                )
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("listening")
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, key, fetches, server: handle }
    }

    /// Claims that are right.
    pub fn claims(&self, subject: &str, organization: &str) -> Value {
        let now = platform::clock::Clock::default().now().timestamp();
        json!({
            "iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "nbf": now, "exp": now + 300,
            "email": format!("{subject}@example.com"), "email_verified": true, "name": subject, "org_id": organization,
        })
    }

    pub fn sign(&self, claims: &Value) -> String {
        self.sign_as("k1", claims)
    }

    pub fn sign_as(&self, kid: &str, claims: &Value) -> String {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(kid.to_owned());
        encode(&header, claims, &self.key).expect("a token")
    }

    pub fn token(&self, subject: &str, organization: &str) -> String {
        self.sign(&self.claims(subject, organization))
    }

    /// Registers itself.
    pub async fn register(&self, operator: &crate::Client) {
        operator.post("/api/v1/issuers", json!({"issuer": self.url, "audience": AUDIENCE})).await.expect(201);
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}
