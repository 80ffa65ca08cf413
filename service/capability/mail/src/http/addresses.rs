//! `/api/v1/mail/suppressions`, `/api/v1/mail/bounces`: who gets no mail; `/api/v1/tenants/{tenant}/mails`: what was sent.

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::mail::states::{MailStatus, SuppressionReason};
use entity::mail::{message, suppression};
use identity_core::fold;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, PlatformCaller, Problem,
    Query, Routes, TenantCaller,
};

use crate::bounces::{self, Bounce};

const LIST: &str = "/api/v1/mail/suppressions";
const ONE: &str = "/api/v1/mail/suppressions/{address}";

pub(super) fn routes() -> Routes {
    let addresses = Access::Key(Permission::MailAddresses);
    Routes::new()
        .add(
            Method::GET,
            LIST,
            addresses,
            "list_suppressions: List the addresses to which no mail is sent.",
            list_suppressions,
        )
        .add(
            Method::POST,
            LIST,
            addresses,
            "create_suppression: Stop sending mail to an address.",
            create_suppression,
        )
        .add(
            Method::DELETE,
            ONE,
            addresses,
            "delete_suppression: Allow mail to an address again.",
            delete_suppression,
        )
        .add(
            Method::POST,
            "/api/v1/mail/bounces",
            addresses,
            "report_bounce: Report that a mail bounced or that its recipient complained.",
            report_bounce,
        )
        .add(
            Method::GET,
            "/api/v1/tenants/{tenant}/mails",
            Access::Key(Permission::MailRead),
            "list_mails: List a tenant's mails and their delivery status, without their content.",
            list_mails,
        )
}

/// An address to which no mail is sent.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Suppression {
    address: String,
    /// `hard_bounce`, `complaint` or `manual`.
    #[schema(value_type = String)]
    reason: SuppressionReason,
    /// The reason in words, such as the mail server's answer.
    detail: Option<String>,
    created_at: DateTime<Utc>,
}

impl From<suppression::Model> for Suppression {
    fn from(row: suppression::Model) -> Self {
        Self { address: row.address_key, reason: row.reason, detail: row.detail, created_at: row.created_at }
    }
}

/// An address to which no more mail is to be sent.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct SuppressionInput {
    #[schema(max_length = 254)]
    address: String,
    /// The reason in words.
    #[schema(max_length = 500)]
    detail: Option<String>,
}

impl Input for SuppressionInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.require(identity_core::is_email(&self.address), "/address", "must be an e-mail address");
        if let Some(detail) = &self.detail {
            errors.text("/detail", detail, 500);
        }
    }
}

async fn list_suppressions(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Suppression>, Problem> {
    let key = suppression::Column::AddressKey;
    caller.page::<suppression::Entity, _>(&query, key, Suppression::from).await
}

async fn create_suppression(
    caller: PlatformCaller,
    Body(input): Body<SuppressionInput>,
) -> Result<Created<Suppression>, Problem> {
    let detail = input.detail.as_deref();
    let reason = SuppressionReason::Manual;
    caller.write(async |tx| bounces::store_suppression(tx, &input.address, reason, detail).await).await?;
    let made =
        Suppression { address: fold(&input.address), reason, detail: input.detail, created_at: caller.now() };
    Ok(Created(format!("{LIST}/{}", made.address), made))
}

async fn delete_suppression(
    caller: PlatformCaller,
    request: actix_web::HttpRequest,
) -> Result<NoContent, Problem> {
    let address = request.match_info().get("address").unwrap_or_default().to_owned();
    caller.write(async |tx| bounces::lift(tx, &address).await).await?;
    Ok(NoContent)
}

/// A bounce or complaint that a mail provider reports.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct BounceInput {
    /// The mail's Message-ID, with or without angle brackets and domain.
    message_id: Option<String>,
    /// The address that bounced; required without `messageId`.
    #[schema(max_length = 254)]
    recipient: Option<String>,
    /// `hard`, `soft` or `complaint`.
    kind: String,
    /// The reason in words, such as the mail server's answer.
    #[schema(max_length = 500)]
    detail: Option<String>,
}

impl BounceInput {
    fn message(&self) -> Option<Uuid> {
        let text = self.message_id.as_deref()?.trim_matches(['<', '>']);
        Uuid::try_parse(text.split('@').next().unwrap_or_default()).ok()
    }
}

impl Input for BounceInput {
    fn check(&self, errors: &mut FieldErrors) {
        let known = matches!(self.kind.as_str(), "hard" | "soft" | "complaint");
        errors.require(known, "/kind", "must be hard, soft or complaint");
        if let Some(address) = &self.recipient {
            errors.require(identity_core::is_email(address), "/recipient", "must be an e-mail address");
        }
        let ours = self.message_id.is_none() || self.message().is_some();
        errors.require(ours, "/messageId", "must be the Message-ID of a mail that this service sent");
        let named = self.message_id.is_some() || self.recipient.is_some();
        errors.require(named, "/recipient", "is required without a messageId");
        if let Some(detail) = &self.detail {
            errors.text("/detail", detail, 500);
        }
    }
}

/// The effect of the report.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BounceTaken {
    /// Whether no more mail is sent to the address.
    suppressed: bool,
}

async fn report_bounce(
    caller: PlatformCaller,
    Body(input): Body<BounceInput>,
) -> Result<Json<BounceTaken>, Problem> {
    let bounce = Bounce {
        message: input.message(),
        recipient: input.recipient.as_deref(),
        kind: &input.kind,
        detail: input.detail.as_deref(),
    };
    let suppressed = caller.write(async |tx| bounces::take(tx, bounce).await).await?;
    Ok(Json(BounceTaken { suppressed }))
}

/// A mail, without its content.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Mail {
    id: Uuid,
    organization_id: Option<Uuid>,
    /// The name of the mail template.
    template: String,
    /// The language of the mail: `en` or `de`.
    locale: String,
    recipient: String,
    subject: String,
    /// `queued`, `sent`, `stored`, `suppressed`, `failed` or `bounced`.
    #[schema(value_type = String)]
    status: MailStatus,
    /// Why the mail failed, bounced or was suppressed; otherwise null.
    reason: Option<String>,
    created_at: DateTime<Utc>,
    /// When a mail server accepted the mail; null: it has not been sent.
    sent_at: Option<DateTime<Utc>>,
}

impl From<message::Model> for Mail {
    fn from(row: message::Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            template: row.template,
            locale: row.locale,
            recipient: row.recipient,
            subject: row.subject,
            status: row.status,
            reason: row.reason,
            created_at: row.created_at,
            sent_at: row.sent_at,
        }
    }
}

async fn list_mails(
    caller: TenantCaller,
    _: Ids,
    Query(query): Query<ListQuery>,
) -> Result<Page<Mail>, Problem> {
    caller.page::<message::Entity, _>(&query, message::Column::Id, Mail::from).await
}
