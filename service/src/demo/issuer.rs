//! A small upstream issuer on loopback: discovery, one key, tokens for whoever is asked for.

use std::net::TcpListener;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpResponse, HttpServer, rt, web};
use anyhow::anyhow;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde_json::{Value, json};

/// What its tokens are for.
pub(super) const AUDIENCE: &str = "tenantry-demo";

pub(super) struct Issuer {
    pub(super) url: String,
    key: EncodingKey,
    server: ServerHandle,
}

impl Issuer {
    pub(super) fn start() -> anyhow::Result<Self> {
        let document = EcdsaKeyPair::generate_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, &SystemRandom::new())
            .map_err(|_| anyhow!("no key could be made"))?;
        let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, document.as_ref())
            .map_err(|_| anyhow!("the key can't be read"))?;
        let point = pair.public_key().as_ref();
        let (x, y) = point
            .get(1..)
            .and_then(|point| point.split_at_checked(32))
            .ok_or_else(|| anyhow!("the key has no point"))?;
        let jwk = json!({
            "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "demo",
            "x": URL_SAFE_NO_PAD.encode(x), "y": URL_SAFE_NO_PAD.encode(y),
        });
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let discovery = json!({"issuer": url, "jwks_uri": format!("{url}/jwks")});
        let keys = json!({"keys": [jwk]});
        let server = HttpServer::new(move || {
            let (discovery, keys) = (discovery.clone(), keys.clone());
            let answer =
                |body: Value| web::get().to(move || std::future::ready(HttpResponse::Ok().json(&body)));
            App::new()
                .route("/.well-known/openid-configuration", answer(discovery))
                .route("/jwks", answer(keys))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        rt::spawn(server);
        Ok(Self { url, key: EncodingKey::from_ec_der(document.as_ref()), server: handle })
    }

    /// A signed token for a person of an organization.
    pub(super) fn token(&self, subject: &str, email: &str, organization: &str) -> anyhow::Result<String> {
        let now = platform::clock::Clock::default().now().timestamp();
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some("demo".to_owned());
        let claims = json!({
            "iss": self.url, "sub": subject, "aud": AUDIENCE, "iat": now, "exp": now + 300,
            "email": email, "email_verified": true, "org_id": organization,
        });
        Ok(encode(&header, &claims, &self.key)?)
    }

    pub(super) async fn stop(self) {
        self.server.stop(false).await;
    }
}
