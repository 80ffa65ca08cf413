//! A module or webhook receiver on loopback that can be told to misbehave.

use std::net::TcpListener;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};
use serde_json::Value;

/// One request that came.
#[derive(Clone, Debug)]
pub struct Received {
    pub path: String,
    pub id: String,
    pub timestamp: String,
    pub signature: String,
    pub body: Value,
    pub raw: Vec<u8>,
    pub media_type: String,
}

impl Received {
    /// The claims of the security event token that came, verified with the platform's published keys (RFC 8417).
    pub fn security_event(&self, keys: &Value, audience: &str) -> Value {
        assert_eq!(self.media_type, "application/secevent+jwt");
        let token = std::str::from_utf8(&self.raw).expect("a JWT");
        let header = jsonwebtoken::decode_header(token).expect("a JWT");
        assert_eq!(header.typ.as_deref(), Some("secevent+jwt"));
        let keys: jsonwebtoken::jwk::JwkSet = serde_json::from_value(keys.clone()).expect("keys");
        let key = keys.find(&header.kid.expect("a key's id")).expect("a published key");
        let key = jsonwebtoken::DecodingKey::from_jwk(key).expect("a key");
        let mut validation = jsonwebtoken::Validation::new(jsonwebtoken::Algorithm::ES256);
        validation.validate_exp = false;
        validation.required_spec_claims.clear();
        validation.set_audience(&[audience]);
        jsonwebtoken::decode(token, &key, &validation).expect("a signature of ours").claims
    }
}

/// Takes whatever is posted.
pub struct Receiver {
    pub url: String,
    pub received: Arc<Mutex<Vec<Received>>>,
    /// What it answers; 0: it hangs.
    pub answers: Arc<AtomicU16>,
    body: Arc<Mutex<String>>,
    choice: Arc<Mutex<Option<Choice>>>,
    server: ServerHandle,
}

/// What to answer the request at this place, from 0.
type Choice = Box<dyn Fn(&Received, usize) -> u16 + Send>;

impl Receiver {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let received: Arc<Mutex<Vec<Received>>> = Arc::default();
        let answers = Arc::new(AtomicU16::new(204));
        let body: Arc<Mutex<String>> = Arc::default();
        let choice: Arc<Mutex<Option<Choice>>> = Arc::default();
        let (log, status, said, chooses) = (received.clone(), answers.clone(), body.clone(), choice.clone());
        let server = HttpServer::new(move || {
            let (log, status, said, chooses) = (log.clone(), status.clone(), said.clone(), chooses.clone());
            App::new().default_service(web::to(move |request: HttpRequest, raw: web::Bytes| {
                let header = |name: &str| {
                    request
                        .headers()
                        .get(name)
                        .and_then(|value| value.to_str().ok())
                        .unwrap_or_default()
                        .to_owned()
                };
                let one = Received {
                    path: request.uri().path().to_owned(),
                    id: header("webhook-id"),
                    timestamp: header("webhook-timestamp"),
                    signature: header("webhook-signature"),
                    body: serde_json::from_slice(&raw).unwrap_or_default(),
                    raw: raw.to_vec(),
                    media_type: header("content-type"),
                };
                let mut log = log.lock().expect("a lock");
                let chosen = chooses.lock().expect("a lock").as_ref().map(|choice| choice(&one, log.len()));
                // Decided before anybody sees the request: who sees it may change the answer to the next one.
                let answer = chosen.unwrap_or_else(|| status.load(Ordering::Relaxed));
                let body = said.lock().expect("a lock").clone();
                log.push(one);
                drop(log);
                async move {
                    if answer == 0 {
                        // Longer than anybody waits.
                        tokio::time::sleep(std::time::Duration::from_secs(600)).await;
                    }
                    let status = actix_web::http::StatusCode::from_u16(answer)
                        .unwrap_or(actix_web::http::StatusCode::OK);
                    HttpResponse::build(status).body(body)
                }
            }))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("listening")
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, received, answers, body, choice, server: handle }
    }

    pub fn all(&self) -> Vec<Received> {
        self.received.lock().expect("a lock").clone()
    }

    /// Answers with this body from now on.
    pub fn say(&self, body: String) {
        *self.body.lock().expect("a lock") = body;
        self.answer(200);
    }

    /// Chooses what to answer from now on.
    pub fn choose(&self, choice: impl Fn(&Received, usize) -> u16 + Send + 'static) {
        *self.choice.lock().expect("a lock") = Some(Box::new(choice));
    }

    pub fn answer(&self, status: u16) {
        *self.choice.lock().expect("a lock") = None;
        self.answers.store(status, Ordering::Relaxed);
    }

    /// The newest body that fits.
    pub async fn until(&self, what: &str, fits: impl Fn(&Received) -> bool) -> Received {
        crate::eventually(what, async || self.all().into_iter().rev().find(|one| fits(one))).await
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}
