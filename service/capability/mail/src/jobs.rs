//! A mail leaves. At least once: a process that dies between the server's answer and our commit sends it again, with the
//! same Message-ID.

use std::time::Duration;

use chrono::TimeDelta;
use entity::mail::states::{MailStatus, SuppressionReason};
use entity::mail::{branding, message, suppression};
use identity_core::fold;
use lettre::Message;
use lettre::address::{Address, Envelope};
use lettre::message::{Mailbox, MultiPart};
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::{Ctx, DbError, PlatformView, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::{PlatformService, Service, TenantService};

use crate::templates::Rendered;
use crate::transport::Transport;
use crate::{bounces, store};

/// Sends one mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    pub(crate) tenant: Uuid,
    pub(crate) id: Uuid,
}

impl Job for SendMail {
    const KIND: &'static str = "mail.send";
    const CLASS: Class = Class::Mail;
    // Two days of a relay that is down: at most a quarter of an hour between attempts.
    const ATTEMPTS_MAX: u32 = 200;
}

/// Runs [`SendMail`].
pub(crate) fn handler(service: &Service, transport: Transport) -> Handler {
    let service = service.clone();
    let backoff = Backoff { base: Duration::from_secs(2), max: Duration::from_secs(900) };
    Handler::new(backoff, move |job: SendMail, run| send(service.clone(), transport.clone(), job, run))
}

/// What of the store a mail's departure asks for.
struct Departing {
    row: message::Model,
    branding: Option<branding::Model>,
    suppressed: Option<suppression::Model>,
}

async fn read(service: &PlatformService, job: &SendMail) -> Result<Option<Departing>, DbError> {
    let read = async |view: &PlatformView| {
        let row = view.across::<message::Entity>().filter(message::Column::TenantId.eq(job.tenant));
        let Some(row) = view.one(row.filter(message::Column::Id.eq(job.id))).await? else { return Ok(None) };
        let branding = view.across::<branding::Entity>().filter(branding::Column::TenantId.eq(job.tenant));
        let branding = view.one(branding).await?;
        let suppressed = view.platform::<suppression::Entity>();
        let suppressed = suppressed.filter(suppression::Column::AddressKey.eq(fold(&row.recipient)));
        let suppressed = view.one(suppressed).await?;
        Ok(Some(Departing { row, branding, suppressed }))
    };
    service.db.read(read).await
}

async fn send(service: Service, transport: Transport, job: SendMail, run: JobRun) -> Result<(), JobError> {
    let Some(Departing { row, branding, suppressed }) = read(&service, &job).await? else { return Ok(()) };
    let tenant = service.of(job.tenant);
    match row.status {
        // One that failed for good is tried again when somebody retries its job.
        MailStatus::Queued | MailStatus::Failed => {}
        MailStatus::Sent | MailStatus::Stored | MailStatus::Suppressed | MailStatus::Bounced => return Ok(()),
    }
    if let Some(suppressed) = suppressed {
        let reason = suppressed.reason.as_str();
        return Ok(record_outcome(&tenant, &job, MailStatus::Suppressed, Some(reason)).await?);
    }
    if !transport.is_connected() {
        return Ok(record_outcome(&tenant, &job, MailStatus::Stored, None).await?);
    }
    let to: Address =
        row.recipient.parse().map_err(|_| JobError::Fail("the recipient is not an address".to_owned()))?;
    if let Some(pause) = transport.pause(to.domain()) {
        return Ok(later(&tenant, &job, pause).await?);
    }
    let plain = service.envelope.open("mail", row.id.as_bytes(), &row.content)?;
    let content: Rendered =
        serde_json::from_slice(&plain).map_err(|_| JobError::Fail("unreadable content".to_owned()))?;
    let mail = compose(&transport.from, to, branding, &row, content)?;
    let envelope: Envelope = mail.envelope().clone();
    let raw = transport.sign(mail.formatted()).map_err(JobError::Fail)?;
    crash_point!("mail.before_send");
    if let Err(error) = transport.send(&envelope, &raw).await {
        let text = error.to_string();
        // 5xx: the relay will never take it. 5.1.x: because there is no such box (RFC 3463, section 3.2).
        if error.is_permanent() {
            if text.contains("5.1.") {
                let reason = SuppressionReason::HardBounce;
                bounces::suppress(&service, &row.recipient, reason, &text).await?;
            }
            record_outcome(&tenant, &job, MailStatus::Failed, Some(&text)).await?;
            return Err(JobError::Fail(text));
        }
        if run.last {
            record_outcome(&tenant, &job, MailStatus::Failed, Some(&text)).await?;
        }
        return Err(JobError::retry(text));
    }
    crash_point!("mail.after_send");
    Ok(record_outcome(&tenant, &job, MailStatus::Sent, None).await?)
}

async fn record_outcome(
    service: &TenantService,
    job: &SendMail,
    status: MailStatus,
    reason: Option<&str>,
) -> Result<(), DbError> {
    let reason = reason.map(|text| text.chars().take(500).collect::<String>());
    metrics::counter!("tenantry_mails_total", "status" => status.as_str()).increment(1);
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        store::record_outcome(tx, job.id, status, reason.clone()).await
    };
    service.db.write(&Ctx::system("mail"), write).await
}

/// The domain has had enough for now: that is no attempt.
async fn later(service: &TenantService, job: &SendMail, pause: Duration) -> Result<(), DbError> {
    let write = async |tx: &mut platform::Tx| {
        tx.housekeeping();
        let at = tx.now() + TimeDelta::from_std(pause).unwrap_or(TimeDelta::minutes(1));
        tx.enqueue_at(job, Some(at));
        Ok(())
    };
    service.db.write(&Ctx::system("mail"), write).await
}

fn compose(
    from: &Mailbox,
    to: Address,
    branding: Option<branding::Model>,
    row: &message::Model,
    content: Rendered,
) -> Result<Message, JobError> {
    let fail = |_| JobError::Fail("the mail can't be composed".to_owned());
    let (sender, reply_to) = branding.map(|row| (row.sender_name, row.reply_to)).unwrap_or_default();
    // Another name, never another address: what the domain signs stays true.
    let sender = sender.map(|name| crate::plain::one_line(&name));
    let from = Mailbox::new(sender.or_else(|| from.name.clone()), from.email.clone());
    let domain = from.email.domain().to_owned();
    let mut message = Message::builder().from(from).to(Mailbox::new(None, to));
    if let Some(address) = reply_to.and_then(|address| address.parse().ok()) {
        message = message.reply_to(Mailbox::new(None, address));
    }
    message
        .subject(row.subject.clone())
        .message_id(Some(format!("<{}@{domain}>", row.id)))
        .multipart(MultiPart::alternative_plain_html(content.text, content.html))
        .map_err(fail)
}
