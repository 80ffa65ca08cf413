//! A mail is made.

use entity::mail::message;
use entity::mail::states::MailStatus;
use entity::tenancy::tenant;
use platform::rules::{Allowance, Rule};
use platform::{DbError, Timestamp, Tx, View, Work, ids};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value};
use uuid::Uuid;
use web::Tools;

use crate::branding::{self, Brand};
use crate::error::Error;
use crate::jobs::SendMail;
use crate::language::Language;
use crate::settings::{Limits, Settings};
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

/// What became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Made {
    /// It is made, or was made before.
    Queued,
    /// The tenant has sent what it may send today.
    Limited,
}

/// Renders and stores a mail that somebody asked for, and leaves the job that sends it.
///
/// # Errors
/// [`Error::Limited`]
pub async fn enqueue(tx: &mut Tx, tools: &Tools, new: NewMail<'_>) -> Result<(), Error> {
    match make(tx, tools, new).await? {
        Made::Queued => Ok(()),
        Made::Limited => Err(limited(tx, a_day(tx, tools).await?).await?),
    }
}

/// What a tenant may send within a day.
async fn a_day(view: &View, tools: &Tools) -> Result<Allowance, DbError> {
    Ok(Allowance::a_day(view.by_plan(tools.config.section::<Limits>().mails_per_day).await?))
}

async fn limited(view: &View, allowance: Allowance) -> Result<Error, DbError> {
    Ok(Error::Limited(view.used_up(Rule::TenantMails, "", allowance).await?))
}

/// Refuses what [`enqueue`] would refuse, for who must know before anything is written.
///
/// # Errors
/// [`Error::Limited`]
pub async fn require_below_limit(view: &View, tools: &Tools) -> Result<(), Error> {
    let allowance = a_day(view, tools).await?;
    let spent = view.is_spent(Rule::TenantMails, "", allowance).await?;
    if spent { Err(limited(view, allowance).await?) } else { Ok(()) }
}

/// The same as [`enqueue`], for a mail that nobody waits for: beyond the limit it is left out, and what it tells of goes on.
///
/// # Errors
/// [`Error::Internal`] and [`Error::Store`].
pub async fn notify(tx: &mut Tx, tools: &Tools, new: NewMail<'_>) -> Result<(), Error> {
    let template = new.template;
    if make(tx, tools, new).await? == Made::Limited {
        metrics::counter!("tenantry_mails_left_out_total", "template" => template).increment(1);
        tracing::warn!(tenant = %tx.tenant(), template, "the tenant has reached its daily mail limit: a mail was not sent");
    }
    Ok(())
}

/// Whether a mail of this key was made before.
async fn is_there(tx: &Tx, key: &str) -> Result<bool, DbError> {
    let select = tx.select::<message::Entity>().filter(message::Column::DedupeKey.eq(key));
    Ok(tx.one(select).await?.is_some())
}

async fn make(tx: &mut Tx, tools: &Tools, new: NewMail<'_>) -> Result<Made, Error> {
    let named = tx.one(tx.select::<tenant::Entity>()).await?.map(|tenant| tenant.name);
    let named = named.unwrap_or_default();
    let brand = Brand::of(&named, branding::find(tx).await?);
    let language =
        [new.locale, brand.locale.as_deref(), Some(tools.config.section::<Settings>().locale.as_str())];
    let language =
        language.into_iter().flatten().find_map(Language::parse).or_else(|| Language::all().next());
    let language = language.ok_or_else(|| Error::internal("mail has no language"))?;
    let dedupe_key = new.key();
    if is_there(tx, &dedupe_key).await? {
        return Ok(Made::Queued);
    }
    let allowance = a_day(tx, tools).await?;
    if !tx.spend(Rule::TenantMails, "", allowance).await? {
        return Ok(Made::Limited);
    }
    let values = if let Value::Object(values) = new.values { values } else { Map::new() };
    let rendered = templates::mail(new.template, language, &brand, &named, values)?;
    let id = ids::new();
    let content = serde_json::to_vec(&rendered).map_err(Error::internal)?;
    let row = message::Model {
        tenant_id: tx.tenant(),
        id,
        organization_id: new.organization,
        dedupe_key,
        template: new.template.to_owned(),
        locale: language.name().to_owned(),
        recipient: new.recipient.to_owned(),
        subject: rendered.subject,
        content: tools.envelope.seal("mail", id.as_bytes(), &content)?,
        status: MailStatus::Queued,
        reason: None,
        created_at: tx.now(),
        send_at: new.send_at.unwrap_or(tx.now()),
        sent_at: None,
    };
    if tx.insert_unless_there(row).await? {
        tx.enqueue_at(&SendMail { tenant: tx.tenant(), id }, new.send_at);
    }
    Ok(Made::Queued)
}
