//! An event as the outside gets it: a CloudEvent (1.0.2, structured mode), which is a Standard Webhooks payload too (`type`, `timestamp`,
//! `data`). The same in deliveries, in the stream and in the sink.

use entity::platform::outbox_event;
use serde_json::{Map, Value, json};
use web::Tools;

/// The media type of one event.
pub(crate) const MEDIA_TYPE: &str = "application/cloudevents+json";

/// Where an event type's schema is.
pub(crate) fn schema_url(tools: &Tools, kind: &str) -> String {
    format!("{}/api/v1/event-types/{kind}", tools.config.public_url())
}

/// The envelope. Extension attributes are lower-case, as CloudEvents wants them: `tenantid`, `sequence` (sortable as text), `requestid`.
pub(crate) fn envelope(tools: &Tools, event: &outbox_event::Model) -> Map<String, Value> {
    let fields = json!({
        "specversion": "1.0",
        "id": event.id,
        "source": tools.config.public_url(),
        "type": event.r#type,
        "time": event.occurred_at,
        "timestamp": event.occurred_at,
        "datacontenttype": "application/json",
        "dataschema": schema_url(tools, &event.r#type),
        "data": event.data,
    });
    let Value::Object(mut envelope) = fields else { return Map::new() };
    if let Some(tenant) = event.tenant_id {
        envelope.insert("tenantid".to_owned(), json!(tenant));
    }
    if let Some(sequence) = event.sequence {
        envelope.insert("sequence".to_owned(), json!(format!("{sequence:020}")));
    }
    if let Some(request) = &event.request_id {
        envelope.insert("requestid".to_owned(), json!(request));
    }
    envelope
}
