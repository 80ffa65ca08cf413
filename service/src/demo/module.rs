//! A small module on loopback that takes pushes.

use std::net::TcpListener;
use std::time::Duration;

use actix_web::dev::ServerHandle;
use actix_web::{App, HttpRequest, HttpResponse, HttpServer, rt, web};
use anyhow::anyhow;
use serde_json::Value;
use tokio::sync::broadcast;
use tokio::time::timeout;

pub(super) struct Module {
    pub(super) url: String,
    pushes: broadcast::Sender<Value>,
    server: ServerHandle,
}

impl Module {
    pub(super) fn start() -> anyhow::Result<Self> {
        let (pushes, _) = broadcast::channel(64);
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let url = format!("http://{}", listener.local_addr()?);
        let sender = pushes.clone();
        let server = HttpServer::new(move || {
            let sender = sender.clone();
            let take = move |request: HttpRequest, body: web::Json<Value>| {
                let signed = request.headers().contains_key("webhook-signature");
                if signed {
                    let _ = sender.send(body.into_inner());
                }
                std::future::ready(
                    if signed { HttpResponse::NoContent() } else { HttpResponse::Unauthorized() }.finish(),
                )
            };
            App::new().route("/api/internal/feature-flags/apply", web::post().to(take))
        })
        .workers(1)
        .disable_signals()
        .listen(listener)?
        .run();
        let handle = server.handle();
        rt::spawn(server);
        Ok(Self { url, pushes, server: handle })
    }

    pub(super) fn listen(&self) -> broadcast::Receiver<Value> {
        self.pushes.subscribe()
    }

    pub(super) async fn stop(self) {
        self.server.stop(false).await;
    }
}

/// The first push that fits.
pub(super) async fn pushed(
    pushes: &mut broadcast::Receiver<Value>,
    fits: impl Fn(&Value) -> bool,
) -> anyhow::Result<Value> {
    let waiting = async {
        loop {
            let push = pushes.recv().await?;
            if fits(&push) {
                return Ok::<_, anyhow::Error>(push);
            }
        }
    };
    timeout(Duration::from_secs(10), waiting)
        .await
        .map_err(|_| anyhow!("no push was received within ten seconds"))?
}
