//! Events on NATS JetStream, where it is configured: `tenantry.events.<type>`, in the order in which they were told, each with its id as
//! `Nats-Msg-Id`, so that what is published twice is stored once. Acknowledged first, then noted.

use std::rc::Rc;
use std::time::Duration;

use async_nats::HeaderMap;
use async_nats::jetstream::{self, Context, stream};
use entity::platform::outbox_event;
use entity::webhooks::sink;
use futures_util::FutureExt as _;
use futures_util::future::LocalBoxFuture;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, outside};
use platform::outbox::Subscriber;
use platform::{Ctx, DbError, PlatformTx, PlatformView, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use web::{PlatformService, Tools};

use crate::envelope::{self, envelope};
use crate::settings::Nats;
use crate::store;

/// The stream, made where it is missing, and what it takes.
const STREAM: &str = "TENANTRY";
const SUBJECTS: &str = "tenantry.events";
/// So long the server remembers ids, where we make the stream.
const DUPLICATES: Duration = Duration::from_secs(3600);
/// Events published before their acknowledgements are waited for.
const BATCH: u64 = 256;
/// Time for a connection, and for an acknowledgement.
const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes what the sink has not got yet.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
pub(crate) struct Fill {}

impl Job for Fill {
    const KIND: &'static str = "events.sink";
    const CLASS: Class = Class::Delivery;
    // Until the server is back.
    const ATTEMPTS_MAX: u32 = 100_000;

    fn lane(&self) -> Option<String> {
        Some("nats".to_owned())
    }

    fn dedupe_key(&self) -> Option<String> {
        Some("nats".to_owned())
    }
}

/// Hears of every event, where a sink is configured.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SinkSubscriber {
    configured: bool,
}

impl SinkSubscriber {
    /// Hears for what the configuration names.
    pub(crate) fn new(tools: &Tools) -> Self {
        Self { configured: !tools.config.section::<Nats>().url.expose_secret().is_empty() }
    }
}

impl Subscriber for SinkSubscriber {
    fn on_events<'a>(
        &'a self,
        tx: &'a mut PlatformTx,
        _: &'a [&'a outbox_event::Model],
    ) -> LocalBoxFuture<'a, Result<(), DbError>> {
        async move {
            if self.configured {
                tx.enqueue(&Fill {});
            }
            Ok(())
        }
        .boxed_local()
    }
}

/// Runs [`Fill`]; the connection stays.
pub(crate) fn handler(service: &PlatformService) -> Handler {
    let (service, connection) = (service.clone(), Rc::new(OnceCell::new()));
    let backoff = Backoff { base: Duration::from_secs(1), max: Duration::from_secs(60) };
    Handler::new(backoff, move |_: Fill, _| fill(service.clone(), connection.clone()))
}

/// Asks the sink for a sign of life; `None`: there is none configured.
///
/// # Errors
/// Why there is none.
pub(crate) async fn ping(tools: &Tools) -> Option<Result<(), String>> {
    if tools.config.section::<Nats>().url.expose_secret().is_empty() {
        return None;
    }
    Some(connect(tools).await.map(drop))
}

async fn connect(tools: &Tools) -> Result<Context, String> {
    let options = async_nats::ConnectOptions::new().name("tenantry").connection_timeout(PATIENCE);
    let url = tools.config.section::<Nats>().url.expose_secret();
    // The error doesn't name the URL, which may hold a password.
    let client = options.connect(url).await.map_err(|error| error.kind().to_string())?;
    let mut context = jetstream::new(client);
    context.set_timeout(PATIENCE);
    let stream = stream::Config {
        name: STREAM.to_owned(),
        subjects: vec![format!("{SUBJECTS}.>")],
        duplicate_window: DUPLICATES,
        ..Default::default()
    };
    context.get_or_create_stream(stream).await.map_err(|error| error.to_string())?;
    Ok(context)
}

async fn fill(service: PlatformService, connection: Rc<OnceCell<Context>>) -> Result<(), JobError> {
    let context = outside(connection.get_or_try_init(|| connect(&service))).await.map_err(JobError::retry)?;
    loop {
        let unseen = async |view: &PlatformView| {
            let state =
                view.one(view.platform::<sink::Entity>().filter(sink::Column::Name.eq("nats"))).await?;
            let after = state.map_or(0, |state| state.sequence);
            let select =
                view.across::<outbox_event::Entity>().filter(outbox_event::Column::Sequence.gt(after));
            view.all(select.order_by_asc(outbox_event::Column::Sequence).limit(BATCH)).await
        };
        let events = service.db.read(unseen).await?;
        let Some(last) = events.last().and_then(|event| event.sequence) else { return Ok(()) };
        let mut acknowledgements = Vec::with_capacity(events.len());
        for event in &events {
            let mut headers = HeaderMap::new();
            headers.insert("Nats-Msg-Id", event.id.to_string());
            headers.insert("Content-Type", envelope::MEDIA_TYPE);
            let body = serde_json::Value::Object(envelope(&service, event)).to_string();
            let subject = format!("{SUBJECTS}.{}", event.r#type);
            let sent = outside(context.publish_with_headers(subject, headers, body.into())).await;
            acknowledgements.push(sent.map_err(JobError::retry)?);
        }
        for acknowledgement in acknowledgements {
            outside(acknowledgement.into_future()).await.map_err(JobError::retry)?;
        }
        crash_point!("sink.acknowledged");
        let store_position = async |tx: &mut PlatformTx| {
            tx.housekeeping();
            store::record_sunk(tx, last).await
        };
        service.db.write(&Ctx::system("sink"), store_position).await?;
        if (events.len() as u64) < BATCH {
            return Ok(());
        }
    }
}
