//! An upstream issuer whose tokens can be wrong in every way.

use std::collections::BTreeMap;
use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::http::StatusCode;
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
    /// How it misbehaves when somebody signs in.
    pub mischief: Arc<Mutex<Mischief>>,
    server: ServerHandle,
}

type Edit = Box<dyn Fn(&mut Value) + Send>;
type Forge = Box<dyn Fn(&Value) -> String + Send>;
type Pairs = Vec<(String, String)>;
type EditPairs = Box<dyn Fn(&mut Pairs) + Send>;

/// How a sign-in at the issuer goes wrong; as it stands by default, it doesn't.
#[derive(Default)]
pub struct Mischief {
    /// Changes the ID token's claims.
    pub claims: Option<Edit>,
    /// Makes the whole ID token.
    pub token: Option<Forge>,
    /// Changes the discovery document.
    pub discovery: Option<Edit>,
    /// Changes what goes back by the browser.
    pub answer: Option<EditPairs>,
    /// The token endpoint answers with this status and nothing else.
    pub token_status: Option<u16>,
    /// Keys that are published instead.
    pub keys: Option<Value>,
}

#[derive(Clone)]
struct State {
    url: String,
    keys: Value,
    key: EncodingKey,
    fetches: Arc<AtomicUsize>,
    mischief: Arc<Mutex<Mischief>>,
    /// What each code was asked with: client id and nonce.
    codes: Arc<Mutex<BTreeMap<String, (String, String)>>>,
}

impl State {
    fn discovery(&self) -> Value {
        let url = &self.url;
        let mut document = json!({
            "issuer": url, "jwks_uri": format!("{url}/jwks"), "authorization_endpoint": format!("{url}/authorize"),
            "token_endpoint": format!("{url}/token"), "response_types_supported": ["code"],
            "subject_types_supported": ["public"], "id_token_signing_alg_values_supported": ["ES256"],
        });
        if let Some(edit) = &self.mischief.lock().expect("a lock").discovery {
            edit(&mut document);
        }
        document
    }

    fn keys(&self) -> Value {
        self.fetches.fetch_add(1, Ordering::Relaxed);
        self.mischief.lock().expect("a lock").keys.clone().unwrap_or_else(|| self.keys.clone())
    }

    fn authorize(&self, query: &BTreeMap<String, String>) -> HttpResponse {
        let get = |name: &str| query.get(name).cloned().unwrap_or_default();
        let code = uuid::Uuid::now_v7().to_string();
        self.codes.lock().expect("a lock").insert(code.clone(), (get("client_id"), get("nonce")));
        let mut answer = vec![("code".to_owned(), code), ("state".to_owned(), get("state"))];
        if let Some(edit) = &self.mischief.lock().expect("a lock").answer {
            edit(&mut answer);
        }
        let to = url::Url::parse_with_params(&get("redirect_uri"), answer).expect("a URL");
        HttpResponse::Found().insert_header(("location", to.as_str())).finish()
    }

    fn token(&self, form: &BTreeMap<String, String>) -> HttpResponse {
        let code = form.get("code").cloned().unwrap_or_default();
        let Some((client, nonce)) = self.codes.lock().expect("a lock").remove(&code) else {
            return HttpResponse::BadRequest().json(json!({"error": "invalid_grant"}));
        };
        let now = platform::clock::Clock::default().now().timestamp();
        let mut claims = json!({
            "iss": self.url, "sub": "alice", "aud": client, "iat": now, "exp": now + 300, "nonce": nonce,
            "email": "alice@corp.example", "email_verified": true, "name": "Alice",
        });
        let mischief = self.mischief.lock().expect("a lock");
        if let Some(status) = mischief.token_status.and_then(|status| StatusCode::from_u16(status).ok()) {
            return HttpResponse::build(status).body("<h1>Oops</h1>");
        }
        if let Some(edit) = &mischief.claims {
            edit(&mut claims);
        }
        let id_token = match &mischief.token {
            Some(make) => make(&claims),
            None => {
                let mut header = Header::new(Algorithm::ES256);
                header.kid = Some("k1".to_owned());
                encode(&header, &claims, &self.key).expect("a token")
            }
        };
        HttpResponse::Ok().json(
            json!({"access_token": "at", "token_type": "Bearer", "expires_in": 60, "id_token": id_token}),
        )
    }
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
        let keys = json!({"keys": [jwk, {"kty": "oct", "kid": "sym", "k": "c2VjcmV0"}]});
        let (fetches, mischief): (Arc<AtomicUsize>, Arc<Mutex<Mischief>>) = Default::default();
        let state = State {
            url: url.clone(),
            keys,
            key: key.clone(),
            fetches: fetches.clone(),
            mischief: mischief.clone(),
            codes: Arc::default(),
        };
        type Parameters = web::Query<BTreeMap<String, String>>;
        let server = HttpServer::new(move || {
            let [one, two, three, four] = std::array::from_fn(|_| state.clone());
            let ready = std::future::ready::<HttpResponse>;
            App::new()
                .route(
                    "/.well-known/openid-configuration",
                    web::get().to(move || ready(HttpResponse::Ok().json(one.discovery()))),
                )
                .route("/jwks", web::get().to(move || ready(HttpResponse::Ok().json(two.keys()))))
                .route("/authorize", web::get().to(move |query: Parameters| ready(three.authorize(&query))))
                .route(
                    "/token",
                    web::post().to(move |form: web::Form<BTreeMap<String, String>>| ready(four.token(&form))),
                )
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("listening")
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, key, fetches, mischief, server: handle }
    }

    /// Changes how it misbehaves.
    pub fn misbehave(&self, change: impl FnOnce(&mut Mischief)) {
        let mut mischief = self.mischief.lock().expect("a lock");
        *mischief = Mischief::default();
        change(&mut mischief);
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
        self.sign_with(kid, None, claims)
    }

    fn sign_with(&self, kid: &str, crit: Option<Vec<String>>, claims: &Value) -> String {
        let header = Header { kid: Some(kid.to_owned()), crit, ..Header::new(Algorithm::ES256) };
        encode(&header, claims, &self.key).expect("a token")
    }

    /// For who understands this extension only.
    pub fn sign_demanding(&self, extension: &str, claims: &Value) -> String {
        self.sign_with("k1", Some(vec![extension.to_owned()]), claims)
    }

    pub fn token(&self, subject: &str, organization: &str) -> String {
        self.sign(&self.claims(subject, organization))
    }

    /// Registers itself.
    pub async fn register(&self, operator: &crate::Client) {
        operator.post("/api/v1/issuers", json!({"issuer": self.url, "audience": AUDIENCE})).await.expect(201);
    }

    /// As one whose tokens name the tenant in this claim.
    pub async fn register_by(&self, operator: &crate::Client, claim: &str) {
        let body = json!({"issuer": self.url, "audience": AUDIENCE, "tenantClaim": claim});
        operator.post("/api/v1/issuers", body).await.expect(201);
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}
