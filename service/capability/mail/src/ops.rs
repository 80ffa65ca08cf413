//! A mail is made.

use entity::mail::message;
use entity::tenancy::tenant;
use platform::{Timestamp, Tx, Work, ids};
use serde_json::{Map, Value};
use uuid::Uuid;
use web::{Problem, Service};

use crate::branding::{self, Brand};
use crate::jobs::SendMail;
use crate::language::Language;
use crate::templates;

/// A mail to be made.
#[derive(Debug)]
pub struct NewMail<'a> {
    /// The organization that it is about, if any.
    pub organization: Option<Uuid>,
    /// A mail of `templates/mail/mails.toml`.
    pub template: &'static str,
    /// To whom.
    pub recipient: &'a str,
    /// Which occasion: a second mail of the same organization, template, recipient and occasion is not made.
    pub occasion: String,
    /// In which language; `None`: the tenant's.
    pub locale: Option<&'a str>,
    /// Not before this moment.
    pub send_at: Option<Timestamp>,
    /// What the template needs, beside the tenant.
    pub values: Value,
}

impl<'a> NewMail<'a> {
    /// One to be sent at once, in the tenant's language.
    pub fn new(template: &'static str, recipient: &'a str, occasion: String, values: Value) -> Self {
        Self { organization: None, template, recipient, occasion, locale: None, send_at: None, values }
    }

    /// The key under which it is made once.
    fn key(&self) -> String {
        let organization = self.organization.map(|id| id.to_string()).unwrap_or_default();
        format!("{organization}:{}:{}:{}", self.template, self.recipient, self.occasion)
    }
}

/// Renders and stores a mail, and leaves the job that sends it.
///
/// # Errors
/// `internal`.
pub async fn enqueue(tx: &mut Tx, service: &Service, new: NewMail<'_>) -> Result<(), Problem> {
    let named = tx.one(tx.select::<tenant::Entity>()).await?.map(|tenant| tenant.name);
    let named = named.unwrap_or_default();
    let brand = Brand::of(&named, branding::find(tx).await?);
    let language = [new.locale, brand.locale.as_deref(), Some(service.config.smtp.locale.as_str())];
    let language =
        language.into_iter().flatten().find_map(Language::parse).or_else(|| Language::all().next());
    let language = language.ok_or_else(|| Problem::internal("mail has no language"))?;
    let dedupe_key = new.key();
    let values = if let Value::Object(values) = new.values { values } else { Map::new() };
    let rendered = templates::mail(new.template, language, &brand, &named, values)?;
    let id = ids::new();
    let content = serde_json::to_vec(&rendered).map_err(Problem::internal)?;
    let row = message::Model {
        tenant_id: tx.tenant(),
        id,
        organization_id: new.organization,
        dedupe_key,
        template: new.template.to_owned(),
        locale: language.name().to_owned(),
        recipient: new.recipient.to_owned(),
        subject: rendered.subject,
        content: service.envelope.seal("mail", id.as_bytes(), &content)?,
        status: "queued".to_owned(),
        reason: None,
        created_at: tx.now(),
        send_at: new.send_at.unwrap_or(tx.now()),
        sent_at: None,
    };
    if tx.insert_unless_there(row).await? {
        tx.enqueue_at(&SendMail { tenant: tx.tenant(), id }, new.send_at);
    }
    Ok(())
}
