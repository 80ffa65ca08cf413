//! `/dev/mail`: mail that was not sent, for the developer at this machine; addresses, branding.

mod addresses;
mod brandings;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use entity::mail::message;
use platform::Timestamp;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use uuid::Uuid;
use web::{Access, Caller, Code, Ids, Problem, Routes};

use crate::settings::Settings;
use crate::templates::Rendered;

/// Mails shown.
const SHOWN_MAX: u64 = 100;

/// The routes.
pub(crate) fn routes() -> Routes {
    let local = Access::Public("only to this machine, and only while no SMTP server is configured");
    Routes::new()
        .add(
            Method::GET,
            "/dev/mail",
            local,
            "dev_mail: List mails that were stored because no SMTP server is configured.",
            dev_mail,
        )
        .add(
            Method::GET,
            "/dev/mail/{mail_id}",
            local,
            "dev_mail_html: Show a stored mail as its recipient would see it.",
            dev_mail_html,
        )
        .and(addresses::routes())
        .and(brandings::routes())
}

#[derive(Serialize)]
struct Shown {
    id: Uuid,
    recipient: String,
    subject: String,
    template: String,
    locale: String,
    text: String,
    html: String,
    created_at: Timestamp,
    links: Vec<String>,
}

fn require_local(caller: &Caller, request: &HttpRequest) -> Result<(), Problem> {
    let config = &caller.tools().config;
    let local = config.server.listen.ip().is_loopback()
        && request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !request.headers().contains_key("x-forwarded-for")
        && !request.headers().contains_key(header::FORWARDED);
    if !local || !config.section::<Settings>().url.expose_secret().is_empty() {
        return Err(Problem::new(Code::NOT_FOUND));
    }
    Ok(())
}

async fn dev_mail_html(caller: Caller, request: HttpRequest, ids: Ids) -> Result<HttpResponse, Problem> {
    require_local(&caller, &request)?;
    let id = ids.id("mail_id")?;
    let one = async |view: &platform::PlatformView| {
        view.one(view.across::<message::Entity>().filter(message::Column::Id.eq(id))).await
    };
    let row = caller.platform().db.read(one).await?.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(pages::mail(shown(&caller, row)?.html))
}

async fn dev_mail(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    require_local(&caller, &request)?;
    let newest = async |view: &platform::PlatformView| {
        view.all(view.across::<message::Entity>().order_by_desc(message::Column::CreatedAt).limit(SHOWN_MAX))
            .await
    };
    let rows = caller.platform().db.read(newest).await?;
    let mails: Vec<Shown> = rows.into_iter().map(|row| shown(&caller, row)).collect::<Result<_, _>>()?;
    let accepts =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") {
        return Ok(HttpResponse::Ok().json(serde_json::json!({"items": mails})));
    }
    Ok(crate::pages::dev_mail(&mails)?)
}

fn shown(caller: &Caller, row: message::Model) -> Result<Shown, Problem> {
    let plain = caller.tools().envelope.open("mail", row.id.as_bytes(), &row.content)?;
    let content: Rendered = serde_json::from_slice(&plain).map_err(Problem::internal)?;
    let own = caller.tools().config.public_url();
    let links = content
        .text
        .split_whitespace()
        .filter(|word| word.starts_with(&own))
        .map(ToOwned::to_owned)
        .collect();
    Ok(Shown {
        id: row.id,
        recipient: row.recipient,
        subject: row.subject,
        template: row.template,
        locale: row.locale,
        text: content.text,
        html: content.html,
        created_at: row.created_at,
        links,
    })
}
