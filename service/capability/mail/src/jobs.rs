//! A mail leaves. At least once: a process that dies between the server's answer and our commit sends it again, with the
//! same Message-ID.

use std::time::Duration;

use entity::mail::message;
use lettre::message::{Mailbox, MultiPart};
use lettre::{AsyncSmtpTransport, AsyncTransport as _, Message, Tokio1Executor};
use platform::config::Smtp;
use platform::jobs::{Backoff, Handler, Job, JobError};
use platform::{Ctx, Work as _, crash_point};
use sea_orm::{ColumnTrait, QueryFilter};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};
use uuid::Uuid;
use web::Service;

use crate::ops::Content;

/// Lanes to the mail server: so many mails are under way at once.
const LANES: u8 = 4;

/// Sends one mail.
#[derive(Debug, Serialize, Deserialize)]
pub struct SendMail {
    pub(crate) tenant: Uuid,
    pub(crate) id: Uuid,
}

impl Job for SendMail {
    const KIND: &'static str = "mail.send";

    fn lane(&self) -> Option<String> {
        let [.., last] = self.id.into_bytes();
        Some(format!("smtp:{}", last % LANES))
    }
}

/// The way out: an SMTP relay, or none.
#[derive(Clone, Debug)]
pub struct Transport {
    smtp: Option<AsyncSmtpTransport<Tokio1Executor>>,
    from: Mailbox,
}

impl Transport {
    /// Reads the configuration.
    ///
    /// # Errors
    /// What is wrong with `smtp.url` or `smtp.from`; never the URL itself.
    pub fn new(config: &Smtp) -> Result<Self, String> {
        let from = config.from.parse().map_err(|_| "smtp.from is not an address".to_owned())?;
        let url = config.url.expose_secret();
        if url.is_empty() {
            return Ok(Self { smtp: None, from });
        }
        let builder = AsyncSmtpTransport::<Tokio1Executor>::from_url(url);
        let builder = builder.map_err(|_| "smtp.url must be smtp://… or smtps://…".to_owned())?;
        Ok(Self { smtp: Some(builder.timeout(Some(config.timeout)).build()), from })
    }

    /// Whether mail leaves at all.
    pub fn is_connected(&self) -> bool {
        self.smtp.is_some()
    }

    /// Asks the relay for a sign of life.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn ping(&self) -> Result<(), String> {
        match &self.smtp {
            None => Ok(()),
            Some(smtp) => match smtp.test_connection().await {
                Ok(true) => Ok(()),
                Ok(false) => Err("the relay refused".to_owned()),
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// Runs [`SendMail`].
pub fn handler(service: &Service, transport: Transport) -> Handler {
    let service = service.clone();
    let backoff = Backoff { base: Duration::from_secs(2), max: Duration::from_secs(900) };
    Handler::new(backoff, move |job: SendMail, _| send(service.clone(), transport.clone(), job))
}

async fn send(service: Service, transport: Transport, job: SendMail) -> Result<(), JobError> {
    let of_job = message::Column::Id.eq(job.id);
    let found = service
        .db
        .read(job.tenant, async |view| {
            view.one(view.select::<message::Entity>().filter(of_job.clone())).await
        })
        .await?;
    let Some(row) = found.filter(|row| row.status == "queued") else { return Ok(()) };
    if let Some(smtp) = &transport.smtp {
        let plain = service.envelope.open("mail", row.id.as_bytes(), &row.content)?;
        let content: Content =
            serde_json::from_slice(&plain).map_err(|_| JobError::Fail("unreadable content".to_owned()))?;
        let mail = compose(&transport.from, &row, content)?;
        crash_point!("mail.before_send");
        smtp.send(mail).await.map_err(|error| {
            // 5xx: the relay will never take it.
            if error.is_permanent() { JobError::Fail(error.to_string()) } else { JobError::retry(error) }
        })?;
        crash_point!("mail.after_send");
    }
    let status = if transport.is_connected() { "sent" } else { "kept" };
    service
        .db
        .write(&Ctx::system("mail"), job.tenant, async |tx| {
            tx.housekeeping();
            let sql = "UPDATE mail_message SET status = $3, sent_at = $4 WHERE tenant_id = $1 AND id = $2";
            tx.execute(sql, vec![job.id.into(), status.into(), tx.now().into()]).await
        })
        .await?;
    Ok(())
}

fn compose(from: &Mailbox, row: &message::Model, content: Content) -> Result<Message, JobError> {
    let fail = |_| JobError::Fail("the mail can't be composed".to_owned());
    let to: lettre::Address =
        row.recipient.parse().map_err(|_| JobError::Fail("the recipient is not an address".to_owned()))?;
    Message::builder()
        .from(from.clone())
        .to(Mailbox::new(None, to))
        .subject(row.subject.clone())
        .message_id(Some(format!("<{}@{}>", row.id, from.email.domain())))
        .multipart(MultiPart::alternative_plain_html(content.text, content.html))
        .map_err(fail)
}
