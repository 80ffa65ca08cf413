//! `/dev/mail`: mail that was not sent, for the developer at this machine.

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use entity::mail::message;
use platform::Timestamp;
use sea_orm::{QueryOrder, QuerySelect};
use secrecy::ExposeSecret as _;
use serde::Serialize;
use uuid::Uuid;
use web::{Access, Caller, Code, Problem, Routes};

use crate::ops::Content;
use crate::templates;

/// Mails shown.
const SHOWN_MAX: u64 = 100;

/// The routes.
pub fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/dev/mail",
        Access::Public("only to this machine, and only while no SMTP server is configured"),
        "dev_mail: Show mail that was not sent.",
        dev_mail,
    )
}

#[derive(Serialize)]
struct Shown {
    id: Uuid,
    recipient: String,
    subject: String,
    template: String,
    text: String,
    html: String,
    created_at: Timestamp,
    links: Vec<String>,
}

async fn dev_mail(caller: Caller, request: HttpRequest) -> Result<HttpResponse, Problem> {
    let config = &caller.service.config;
    let local = config.server.listen.ip().is_loopback()
        && request.peer_addr().is_some_and(|peer| peer.ip().to_canonical().is_loopback())
        && !request.headers().contains_key("x-forwarded-for")
        && !request.headers().contains_key(header::FORWARDED);
    if !local || !config.smtp.url.expose_secret().is_empty() {
        return Err(Problem::new(Code::NotFound));
    }
    let newest = async |view: &platform::PlatformView| {
        view.all(view.across::<message::Entity>().order_by_desc(message::Column::CreatedAt).limit(SHOWN_MAX))
            .await
    };
    let rows = caller.service.db.read_platform(newest).await?;
    let mails: Vec<Shown> = rows.into_iter().map(|row| shown(&caller, row)).collect::<Result<_, _>>()?;
    let accepts =
        request.headers().get(header::ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accepts.contains("application/json") {
        return Ok(HttpResponse::Ok().json(serde_json::json!({"items": mails})));
    }
    let page = templates::page("dev_mail", &serde_json::json!({"mails": mails}))?;
    Ok(HttpResponse::Ok()
        .content_type("text/html; charset=utf-8")
        .insert_header((
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ))
        .body(page))
}

fn shown(caller: &Caller, row: message::Model) -> Result<Shown, Problem> {
    let plain = caller.service.envelope.open("mail", row.id.as_bytes(), &row.content)?;
    let content: Content = serde_json::from_slice(&plain).map_err(Problem::internal)?;
    let own = caller.service.config.public_url();
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
        text: content.text,
        html: content.html,
        created_at: row.created_at,
        links,
    })
}
