//! A mail is made.

use entity::mail::message;
use platform::{Tx, Work, ids};
use serde::{Deserialize, Serialize};
use web::{Problem, Service};

use crate::jobs::SendMail;
use crate::templates;

/// A mail to be made.
#[derive(Debug)]
pub struct NewMail<'a, V> {
    /// A folder under `templates/mail`.
    pub template: &'static str,
    /// To whom.
    pub recipient: &'a str,
    /// A second mail with this key is not made.
    pub dedupe_key: String,
    /// What the template needs.
    pub values: V,
}

/// What is sealed.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Content {
    pub(crate) text: String,
    pub(crate) html: String,
}

/// Renders and stores a mail, and leaves the job that sends it.
///
/// # Errors
/// `internal`.
pub async fn enqueue<V: Serialize>(
    tx: &mut Tx,
    service: &Service,
    new: NewMail<'_, V>,
) -> Result<(), Problem> {
    let (subject, text, html) = templates::mail(new.template, &new.values)?;
    let id = ids::new();
    let content = serde_json::to_vec(&Content { text, html }).map_err(Problem::internal)?;
    let row = message::Model {
        tenant_id: tx.tenant(),
        id,
        dedupe_key: new.dedupe_key,
        template: new.template.to_owned(),
        recipient: new.recipient.to_owned(),
        subject,
        content: service.envelope.seal("mail", id.as_bytes(), &content)?,
        status: "queued".to_owned(),
        created_at: tx.now(),
        sent_at: None,
    };
    if tx.insert_unless_there(row).await? {
        tx.enqueue(&SendMail { tenant: tx.tenant(), id });
    }
    Ok(())
}
