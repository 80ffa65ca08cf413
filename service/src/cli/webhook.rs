//! `tenantry webhook`

use std::process::ExitCode;
use std::time::Duration;

use anyhow::{Context as _, anyhow, bail};
use clap::Subcommand;
use platform::clock::Clock;
use platform::config::Config;
use platform::http::Client;
use secrecy::ExposeSecret as _;
use serde_json::{Value, json};
use tokio::time::sleep;
use url::Url;

const EXAMPLES: &str = "Examples:
  tenantry webhook listen --forward-to http://localhost:3000/hook
  tenantry webhook listen --forward-to http://localhost:3000/hook --events 'user.*' --url https://id.example.com --key tnt_key_…

Every event is posted as an endpoint would get it, signed with the secret that is printed first; nothing is registered.
Ends by Ctrl-C. Exit codes: 0 ended, 1 the server refuses the key or is gone, 2 wrong usage.";

/// How often it is looked whether something happened.
const POLL_INTERVAL: Duration = Duration::from_millis(500);
/// The server may be away for so many looks.
const PATIENCE: u32 = 60;

#[derive(Debug, Subcommand)]
#[command(after_help = EXAMPLES)]
pub(crate) enum Webhook {
    /// Forward events to this machine as they happen.
    Listen {
        /// The URL to which events are posted.
        #[arg(long, value_name = "URL")]
        forward_to: Url,
        /// The server's URL; without it, the configured one.
        #[arg(long, value_name = "URL")]
        url: Option<Url>,
        /// A management key that may read events; without it, the configured bootstrap key.
        #[arg(long)]
        key: Option<String>,
        /// Only these events: a type such as user.created, or a prefix such as user.*
        #[arg(long)]
        events: Option<String>,
        /// Start after the event with this id instead of now.
        #[arg(long, value_name = "ID")]
        after: Option<String>,
        /// Print one JSON object per event.
        #[arg(long)]
        json: bool,
    },
}

struct Listener {
    client: Client,
    clock: Clock,
    feed: Url,
    key: String,
    to: Url,
    secret: String,
    json: bool,
}

pub(crate) async fn run(what: Webhook, config: Config) -> anyhow::Result<ExitCode> {
    let Webhook::Listen { forward_to, url, key, events, after, json } = what;
    let key = key.unwrap_or_else(|| config.secrets.bootstrap_key.expose_secret().to_owned());
    if key.is_empty() {
        bail!("--key is missing: a management key with the permission webhooks.read");
    }
    let server = match url {
        Some(url) => url,
        None => config.public_url().parse().context("server.public_url is not a URL")?,
    };
    let mut feed = server.join("/api/v1/events?limit=200").context("--url is not a base URL")?;
    if let Some(kind) = events {
        feed.query_pairs_mut().append_pair("type", &kind);
    }
    let client = Client::for_configured(&config.outbound)?;
    let secret = delivery::new_secret();
    let clock = Clock::default();
    let listener = Listener { client, clock, feed, key, to: forward_to, secret, json };
    // Known before anything is printed: what happens after the first line is news, however slow this is.
    let after = match after {
        Some(id) => id,
        None => listener.now_there().await?,
    };
    if json {
        println!("{}", json!({"secret": listener.secret}));
    } else {
        println!("Events go to {}, signed with {}", listener.to, listener.secret);
    }
    tokio::select! {
        result = listener.follow(after) => result?,
        stopped = crate::signals::asked_to_stop() => stopped?,
    }
    Ok(ExitCode::SUCCESS)
}

fn text<'a>(value: &'a Value, name: &str) -> Option<&'a str> {
    value.get(name).and_then(Value::as_str)
}

impl Listener {
    /// Follows the feed until it can't.
    async fn follow(&self, after: String) -> anyhow::Result<()> {
        let mut last = after;
        let mut away = 0;
        loop {
            match self.read(&last).await {
                Ok(events) => {
                    away = 0;
                    for event in events {
                        self.forward(&event).await;
                        last = text(&event, "id").map_or(last, ToOwned::to_owned);
                    }
                }
                Err(error)
                    if away < PATIENCE && error.downcast_ref::<platform::http::HttpError>().is_some() =>
                {
                    away += 1;
                }
                Err(error) => return Err(error),
            }
            sleep(POLL_INTERVAL).await;
        }
    }

    /// The last event that the server has published: what follows it is new. `Date` counts whole seconds and may be an old one,
    /// so it only says where to begin looking.
    async fn now_there(&self) -> anyhow::Result<String> {
        let mut last = self.a_moment_ago().await?;
        loop {
            let events = self.read(&last).await?;
            match events.last().and_then(|event| text(event, "id")) {
                Some(id) => id.clone_into(&mut last),
                None => return Ok(last),
            }
        }
    }

    /// An id from the second before this one, by the server's own clock.
    async fn a_moment_ago(&self) -> anyhow::Result<String> {
        let answer = self.ask(&self.feed).await?;
        let date = answer.headers().get("date").and_then(|date| date.to_str().ok());
        let date = date.and_then(|date| chrono::DateTime::parse_from_rfc2822(date).ok());
        let date = date.map_or(self.clock.now(), |date| date.with_timezone(&chrono::Utc));
        let milliseconds = u64::try_from(date.timestamp_millis()).unwrap_or_default();
        Ok(uuid::Builder::from_unix_timestamp_millis(milliseconds, &[0; 10]).into_uuid().to_string())
    }

    async fn ask(&self, url: &Url) -> anyhow::Result<http::Response<Vec<u8>>> {
        let request = http::Request::get(url.as_str())
            .header("authorization", format!("Bearer {}", self.key))
            .body(Vec::new())?;
        let answer = self.client.exchange(request).await?;
        if !answer.status().is_success() {
            let body: Value = serde_json::from_slice(answer.body()).unwrap_or_default();
            let why = text(&body, "detail").or(text(&body, "title")).unwrap_or_default().to_owned();
            bail!("the server answered {}: {why}", answer.status());
        }
        Ok(answer)
    }

    async fn read(&self, after: &str) -> anyhow::Result<Vec<Value>> {
        let mut url = self.feed.clone();
        url.query_pairs_mut().append_pair("after", after);
        let body: Value = serde_json::from_slice(self.ask(&url).await?.body()).unwrap_or_default();
        let items = body.get("items").and_then(Value::as_array);
        Ok(items.ok_or_else(|| anyhow!("the server's answer contains no list of events"))?.clone())
    }

    async fn forward(&self, event: &Value) {
        let mut body = event.clone();
        // The feed's own spelling; an endpoint gets the CloudEvent alone.
        if let Value::Object(body) = &mut body {
            body.remove("tenantId");
        }
        let (id, kind) = (text(event, "id").unwrap_or_default(), text(event, "type").unwrap_or_default());
        let body = body.to_string().into_bytes();
        let at = self.clock.now().timestamp();
        let headers = [
            ("content-type", "application/cloudevents+json".to_owned()),
            ("webhook-id", id.to_owned()),
            ("webhook-timestamp", at.to_string()),
            ("webhook-signature", delivery::sign(&self.secret, id, at, &body).unwrap_or_default()),
        ];
        let answer = match self.client.post(&self.to, &headers, body).await {
            Ok(answer) => answer.status.to_string(),
            Err(error) => error.to_string(),
        };
        if self.json {
            println!("{}", json!({"id": id, "type": kind, "answer": answer}));
        } else {
            println!("{kind:<28} {id} → {answer}");
        }
    }
}
