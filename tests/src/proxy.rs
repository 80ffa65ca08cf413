//! What stands between us and a product outside, and loses answers.

use std::net::TcpListener;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, web};

/// How a request goes wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Mishap {
    /// It arrives and has its effect; the answer doesn't come.
    AnswerLost,
    /// It doesn't arrive.
    RequestLost,
    /// It is answered 503 without effect.
    Unavailable,
    /// It takes a while to arrive.
    Slow,
}

/// Forwards everything to one place.
pub struct Proxy {
    pub url: String,
    /// What was asked: method and path.
    pub asked: Arc<Mutex<Vec<String>>>,
    mishap: Arc<Mutex<Option<(usize, Mishap)>>>,
    count: Arc<AtomicUsize>,
    server: ServerHandle,
}

#[derive(Clone)]
struct State {
    target: String,
    asked: Arc<Mutex<Vec<String>>>,
    mishap: Arc<Mutex<Option<(usize, Mishap)>>>,
    count: Arc<AtomicUsize>,
}

impl Proxy {
    /// In front of `target`.
    pub fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let state = State {
            target: target.to_owned(),
            asked: Arc::default(),
            mishap: Arc::default(),
            count: Arc::default(),
        };
        let (asked, mishap, count) = (state.asked.clone(), state.mishap.clone(), state.count.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(web::Data::new(state.clone()))
                .app_data(web::PayloadConfig::new(1 << 24))
                .default_service(web::to(forward))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)
        .expect("it listens")
        .run();
        let handle = server.handle();
        actix_web::rt::spawn(server);
        Self { url, asked, mishap, count, server: handle }
    }

    /// From now on the `number`th request, from 1, goes wrong.
    pub fn upset(&self, number: usize, mishap: Mishap) {
        self.count.store(0, Ordering::SeqCst);
        *self.mishap.lock().expect("a lock") = Some((number, mishap));
    }

    /// How many requests came since it was upset.
    pub fn count(&self) -> usize {
        self.count.load(Ordering::SeqCst)
    }

    pub async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// The connection breaks before anything of the answer could be used.
pub(crate) fn broken() -> HttpResponse {
    let nothing = futures_util::stream::once(async { Err::<web::Bytes, _>(std::io::Error::other("lost")) });
    HttpResponse::Ok().streaming(nothing)
}

async fn forward(request: HttpRequest, body: web::Bytes, state: web::Data<State>) -> HttpResponse {
    let number = state.count.fetch_add(1, Ordering::SeqCst) + 1;
    state.asked.lock().expect("a lock").push(format!("{} {}", request.method(), request.path()));
    let mishap =
        state.mishap.lock().expect("a lock").filter(|(at, _)| *at == number).map(|(_, mishap)| mishap);
    match mishap {
        Some(Mishap::RequestLost) => return broken(),
        Some(Mishap::Unavailable) => return HttpResponse::ServiceUnavailable().finish(),
        Some(Mishap::Slow) => tokio::time::sleep(std::time::Duration::from_millis(700)).await,
        _ => {}
    }
    let method = reqwest::Method::from_bytes(request.method().as_str().as_bytes()).expect("a method");
    let mut onward =
        crate::app::http().request(method, format!("{}{}", state.target, request.uri())).body(body);
    for name in
        ["authorization", "content-type", "accept", "connect-protocol-version", "x-ms-client-request-id"]
    {
        if let Some(value) = request.headers().get(name) {
            onward = onward.header(name, value.as_bytes());
        }
    }
    let Ok(answer) = onward.send().await else { return HttpResponse::BadGateway().finish() };
    let status = actix_web::http::StatusCode::from_u16(answer.status().as_u16()).expect("a status");
    let mut response = HttpResponse::build(status);
    for (name, value) in answer.headers() {
        if !matches!(name.as_str(), "transfer-encoding" | "content-length" | "connection") {
            response.append_header((name.as_str(), value.as_bytes()));
        }
    }
    let bytes = answer.bytes().await.unwrap_or_default();
    if mishap == Some(Mishap::AnswerLost) { broken() } else { response.body(bytes) }
}
