//! A sink for all events: NATS JetStream.

use super::*;

/// A NATS server with JetStream, started by `tests/nats`.
struct Nats {
    port: u16,
    folder: tempfile::TempDir,
    child: Option<tokio::process::Child>,
}

impl Nats {
    fn new() -> Self {
        Self { port: tests::free_port(), folder: tempfile::tempdir().expect("a folder"), child: None }
    }

    async fn start(&mut self) {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/nats");
        let mut command = tokio::process::Command::new(script);
        command.arg(self.port.to_string()).arg(self.folder.path()).kill_on_drop(true);
        command.stdout(std::process::Stdio::null()).stderr(std::process::Stdio::null());
        self.child = Some(command.spawn().expect("tests/nats runs"));
        eventually("NATS", async || tokio::net::TcpStream::connect(("127.0.0.1", self.port)).await.ok())
            .await;
    }

    async fn stop(&mut self) {
        if let Some(mut child) = self.child.take() {
            child.kill().await.expect("killed");
        }
    }

    /// What the stream holds: (subject, Nats-Msg-Id, event).
    async fn stored(&self) -> Vec<(String, String, Value)> {
        let client = async_nats::connect(format!("nats://127.0.0.1:{}", self.port)).await.expect("NATS");
        let stream = async_nats::jetstream::new(client).get_stream("TENANTRY").await.expect("the stream");
        let consumer = stream
            .create_consumer(async_nats::jetstream::consumer::pull::OrderedConfig::default())
            .await
            .expect("a consumer");
        let count = stream.cached_info().state.messages;
        let mut messages = consumer.messages().await.expect("messages").take(count as usize);
        let mut stored = Vec::new();
        while let Some(message) = messages.next().await {
            let message = message.expect("a message");
            let id = message
                .headers
                .as_ref()
                .and_then(|headers| headers.get("Nats-Msg-Id"))
                .map(ToString::to_string);
            let event = serde_json::from_slice(&message.payload).expect("JSON");
            stored.push((message.subject.to_string(), id.unwrap_or_default(), event));
        }
        stored
    }
}

#[actix_web::test]
async fn jetstream_gets_every_event_once_in_order_also_after_it_was_away() {
    let mut nats = Nats::new();
    nats.start().await;
    let url = format!("nats://127.0.0.1:{}", nats.port);
    let app = TestApp::with(|config| config.section_mut::<webhooks::Nats>().url = url.into()).await;
    let acme = app.tenant("acme").await;
    acme.user("ann").await;
    let all = async |name: &str| {
        eventually(&format!("{name} on JetStream"), async || {
            let stored = nats.stored().await;
            stored.iter().any(|(_, _, event)| event["data"]["userName"] == name).then_some(stored)
        })
        .await
    };
    let stored = all("ann").await;
    let (subject, id, event) = stored.last().unwrap();
    assert_eq!((subject.as_str(), event["id"].as_str()), ("tenantry.events.user.created", Some(id.as_str())));
    assert_eq!(event["tenantid"], acme.id.as_str());
    nats.stop().await;
    for number in 0..20 {
        acme.user(&format!("away{number}")).await;
    }
    nats.start().await;
    app.clock.advance(TimeDelta::minutes(2));
    acme.user("back").await;
    let stored = eventually("all on JetStream", async || {
        app.clock.advance(TimeDelta::seconds(5));
        let stored = nats.stored().await;
        stored.iter().any(|(_, _, event)| event["data"]["userName"] == "back").then_some(stored)
    })
    .await;
    let wanted: Vec<Value> = app.events().await.into_iter().map(|event| json!(event.id)).collect();
    let got: Vec<Value> = stored.into_iter().map(|(_, id, _)| json!(id)).collect();
    assert_eq!(got, wanted, "each once, in the feed's order");
    app.stop().await;
}
