//! Events, their receivers, and mail.

use serde::Deserialize;
use serde_json::Value;

/// An event (CloudEvents 1.0).
#[derive(Clone, Debug, Deserialize)]
pub struct Event {
    pub id: String,
    #[serde(rename = "type")]
    pub kind: String,
    pub sequence: String,
    pub data: Value,
}

/// A receiver of events, with the secret that is shown once.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WebhookEndpoint {
    pub id: String,
    pub url: String,
    pub event_types: Vec<String>,
    pub secret: Option<String>,
    pub public_key: Option<String>,
    pub failures: i64,
    pub paused_until: Option<String>,
    pub disabled_at: Option<String>,
    pub disabled_reason: Option<String>,
}

/// A delivery of an event to a receiver.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Delivery {
    pub id: String,
    pub event_id: String,
    pub event_type: String,
    pub status: String,
    pub attempts: i64,
    pub last_error: Option<String>,
    pub response_status: Option<i64>,
}

/// A delivery with all its attempts.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeliveryLog {
    pub status: String,
    pub log: Vec<Attempt>,
    pub request_body: Value,
}

/// An attempt to deliver.
#[derive(Clone, Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Attempt {
    pub error: Option<String>,
    pub response_status: Option<i64>,
    pub response_body: Option<String>,
}

/// What is answered to whoever tells of something.
#[derive(Debug, Deserialize)]
pub struct Receipt {
    pub received: bool,
    pub duplicate: bool,
}

/// A mail, as its tenant's admin sees it.
#[derive(Clone, Debug, Deserialize)]
pub struct Mail {
    pub id: String,
    pub recipient: String,
    pub status: String,
    pub reason: Option<String>,
}

/// An address that gets no mail.
#[derive(Debug, Deserialize)]
pub struct Suppression {
    pub reason: String,
}

/// A mail that was recorded instead of sent.
#[derive(Clone, Debug, Deserialize)]
pub struct RecordedMail {
    pub id: String,
    pub recipient: String,
    pub template: String,
    pub locale: String,
    pub subject: String,
    pub text: String,
    pub html: String,
    pub links: Vec<String>,
}

impl RecordedMail {
    /// Whether it is made from this template, and for this address.
    pub fn is_for(&self, template: &str, recipient: &str) -> bool {
        self.template == template && self.recipient == recipient
    }

    /// The code at the end of its subject.
    pub fn code(&self) -> String {
        self.subject.rsplit(' ').next().unwrap_or_default().to_owned()
    }
}
