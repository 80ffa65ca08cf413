//! `Idempotency-Key` (draft-ietf-httpapi-idempotency-key-header-07): a repeat gets the first reply.
//!
//! The record goes `started` → `applied` → `answered`. *Applied* is written by the commit of the work itself, if it
//! changes something, so that a process that dies between commit and reply can't make the repeat work twice: the repeat
//! is then told that the work took effect and its reply was lost. A record that was never applied is free again after a minute.

use actix_web::HttpResponse;
use actix_web::body::{BodySize, MessageBody as _, to_bytes};
use actix_web::dev::{ResponseHead, ServiceRequest};
use actix_web::http::header::{CONTENT_TYPE, ETAG, HeaderName, HeaderValue, LOCATION};
use actix_web::http::{Method, StatusCode};
use chrono::TimeDelta;
use entity::platform::idempotency_record::{Column, Entity, Model};
use entity::platform::states::IdempotencyState;
use platform::crypto::sha256;
use platform::tx::IdempotencyMark;
use platform::{CrossTenantStatement, Ctx, PlatformTx, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};

use super::keeper::Rules;
use crate::access::Access;
use crate::credential::Principal;
use crate::{Code, Problem, Service, Tools};

/// How long a reply is kept.
const REPLY_RETENTION: TimeDelta = TimeDelta::hours(24);
/// A record that is neither applied nor answered in this time belongs to a dead process.
const ABANDONED: TimeDelta = TimeDelta::seconds(60);
/// Characters of a key.
const KEY_MAX: usize = 255;
/// Bytes of a reply that is kept.
const REPLY_BYTES_MAX: u64 = 256 << 10;
/// Headers of a reply that are kept.
const HEADERS: [HeaderName; 3] = [CONTENT_TYPE, LOCATION, ETAG];

#[derive(Serialize, Deserialize)]
struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
}

/// What to do with a request that carries a key.
pub(super) enum Start {
    /// It is the first.
    Go(IdempotencyMark),
    /// It is a repeat.
    Repeat(HttpResponse),
}

/// Reads the key: an sf-string in quotes by the draft, bare by everybody's habit.
fn key(header: &HeaderValue) -> Result<String, Problem> {
    let text = header.to_str().unwrap_or_default().trim();
    let text = text.strip_prefix('"').and_then(|text| text.strip_suffix('"')).unwrap_or(text);
    let fits = (1..=KEY_MAX).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits {
        Ok(text.to_owned())
    } else {
        Err(Problem::invalid("Idempotency-Key", "must be 1 to 255 printable characters"))
    }
}

/// What is to be done with a request that may carry a key; nothing with one that can't.
pub(super) async fn begin(
    service: &Service,
    rules: &Rules,
    request: &ServiceRequest,
    principal: Option<&Principal>,
    body: &[u8],
) -> Result<Option<Start>, Problem> {
    let (Access::Key(_), Some(principal), &Method::POST) = (rules.access, principal, request.method()) else {
        return Ok(None);
    };
    let Some(header) = request.headers().get("idempotency-key") else { return Ok(None) };
    let mark = IdempotencyMark { principal: principal.id.to_string(), key: key(header)? };
    let target = request.uri().to_string();
    let fingerprint = sha256(&[rules.pattern.as_bytes(), &[0], target.as_bytes(), &[0], body].concat());
    start(service, mark, fingerprint).await.map(Some)
}

/// Takes the key for this request, or finds what became of the first.
async fn start(service: &Service, mark: IdempotencyMark, fingerprint: [u8; 32]) -> Result<Start, Problem> {
    let ctx = Ctx::system("idempotency");
    let row = |now| Model {
        principal: mark.principal.clone(),
        idempotency_key: mark.key.clone(),
        fingerprint: fingerprint.to_vec(),
        state: IdempotencyState::Started,
        reply: None,
        created_at: now,
        expires_at: now + REPLY_RETENTION,
    };
    let found = service
        .db
        .write_platform(&ctx, async |tx| {
            tx.housekeeping();
            let now = tx.now();
            let select = tx.platform::<Entity>().filter(Column::Principal.eq(&mark.principal));
            let Some(found) = tx.lock(select.filter(Column::IdempotencyKey.eq(&mark.key))).await? else {
                tx.insert(row(now)).await?;
                return Ok(None);
            };
            let old = found.created_at + ABANDONED < now;
            let abandoned = found.state == IdempotencyState::Started && old;
            if abandoned || found.expires_at < now {
                tx.update(row(now)).await?;
                return Ok(None);
            }
            Ok::<_, platform::DbError>(Some(found))
        })
        .await;
    match found {
        Ok(None) => Ok(Start::Go(mark)),
        Ok(Some(record)) => repeat(service, &record, fingerprint).map(Start::Repeat),
        // Two first requests at the same moment: the other one won.
        Err(platform::DbError::Conflict(_)) => Err(Problem::new(Code::IDEMPOTENCY_IN_PROGRESS)),
        Err(error) => Err(error.into()),
    }
}

fn repeat(tools: &Tools, record: &Model, fingerprint: [u8; 32]) -> Result<HttpResponse, Problem> {
    if record.fingerprint != fingerprint {
        return Err(Problem::new(Code::IDEMPOTENCY_MISMATCH));
    }
    let Some(sealed) = &record.reply else {
        let old = record.created_at + ABANDONED < tools.clock.now();
        let applied = record.state == IdempotencyState::Applied && old;
        return Err(Problem::new(if applied {
            Code::IDEMPOTENCY_REPLY_LOST
        } else {
            Code::IDEMPOTENCY_IN_PROGRESS
        }));
    };
    let plain =
        tools.envelope.open("idempotency", &binding(&record.principal, &record.idempotency_key), sealed)?;
    let reply: Reply = serde_json::from_slice(&plain).map_err(Problem::internal)?;
    let status = StatusCode::from_u16(reply.status).map_err(Problem::internal)?;
    let mut response = HttpResponse::build(status);
    for header in reply.headers {
        response.insert_header(header);
    }
    response.insert_header(("Idempotency-Replayed", "true"));
    Ok(response.body(reply.body))
}

/// Keeps the reply, or frees the key if nothing came of the request. Where the store fails meanwhile the reply goes out all the same: what
/// it says is so, and a repeat finds the record as the work left it.
pub(super) async fn finish(
    service: &Service,
    mark: &IdempotencyMark,
    response: HttpResponse,
) -> HttpResponse {
    if response.status().is_success()
        && !matches!(response.body().size(), BodySize::None | BodySize::Sized(..=REPLY_BYTES_MAX))
    {
        // Too large to be kept: a repeat is told that the work took effect and its reply was lost.
        return response;
    }
    let (head, body) = response.into_parts();
    let Ok(body) = to_bytes(body).await else {
        return HttpResponse::from_error(Problem::internal("the reply's body broke off"));
    };
    let response = head.set_body(body.clone()).map_into_boxed_body();
    if let Err(problem) = store_reply(service, mark, response.head(), &body).await {
        tracing::warn!(cause = problem.cause, "an idempotency record could not be finished");
    }
    response
}

const ANSWERED: CrossTenantStatement = CrossTenantStatement::new(
    "UPDATE idempotency_record SET state = 'answered', reply = $3 WHERE principal = $1 AND idempotency_key = $2",
);
const FORGET_STARTED: CrossTenantStatement = CrossTenantStatement::new(
    "DELETE FROM idempotency_record WHERE principal = $1 AND idempotency_key = $2 AND state = 'started'",
);

async fn store_reply(
    service: &Service,
    mark: &IdempotencyMark,
    head: &ResponseHead,
    body: &[u8],
) -> Result<(), Problem> {
    let mut values = vec![mark.principal.clone().into(), mark.key.clone().into()];
    let statement = if head.status.is_success() {
        let headers = HEADERS.iter().filter_map(|name| {
            let value = head.headers().get(name)?.to_str().ok()?;
            Some((name.as_str().to_owned(), value.to_owned()))
        });
        let reply = Reply { status: head.status.as_u16(), headers: headers.collect(), body: body.to_vec() };
        let plain = serde_json::to_vec(&reply).map_err(Problem::internal)?;
        let binding = binding(&mark.principal, &mark.key);
        values.push(service.envelope.seal("idempotency", &binding, &plain)?.into());
        ANSWERED
    } else {
        // A refusal that changed nothing: the caller may mend the request and use the key again.
        FORGET_STARTED
    };
    let ctx = Ctx::system("idempotency");
    let work = async |tx: &mut PlatformTx| {
        tx.housekeeping();
        tx.execute(&statement, values).await
    };
    service.db.write_platform(&ctx, work).await?;
    Ok(())
}

fn binding(principal: &str, key: &str) -> Vec<u8> {
    [principal.as_bytes(), &[0], key.as_bytes()].concat()
}
