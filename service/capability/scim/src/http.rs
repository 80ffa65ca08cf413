//! `/scim/v2`, and what an admin sees and does beside it.

mod authenticator;
mod bulk;
mod discovery;
mod dry_run;
mod grant;
mod guard;
mod lifecycle;
mod lists;
mod one;
mod parameters;
mod request_log;
mod schemas;
mod tokens;

pub use authenticator::Tokens;
pub use grant::ScimClients;

use actix_web::http::StatusCode;
use actix_web::http::header::CONTENT_TYPE;
use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse, HttpResponseBuilder};
use entity::ids::TenantId;
use platform::Tx;
use platform::work::LockMode;
use scim_core::ScimError;
use serde_json::Value;
use uuid::Uuid;
use web::{OrganizationCaller, Place, Problem, Routes, SentBody, StreamOf};

use crate::error::Error;
use crate::state::{Scope, States};
use crate::work::Work;

/// Bytes of a body: a PUT of a group with some 100,000 members and their names.
const BODY_BYTES_MAX: usize = 16 << 20;

/// The routes: those of the protocol, and those of admins.
pub(crate) fn routes() -> Routes {
    one::routes::<one::Users>()
        .and(one::routes::<one::Groups>())
        .and(lists::routes())
        .and(bulk::routes())
        .and(discovery::routes())
        .and(tokens::routes())
        .and(guard::routes())
        .and(lifecycle::routes())
        .and(dry_run::routes())
        .and(request_log::routes())
        .and(schemas::routes())
}

/// A refusal of the protocol.
fn refusal(error: ScimError) -> Problem {
    Error::from(error).into()
}

/// A place for a stream of this caller's.
///
/// # Errors
/// `rate.limited` where the tenant has too many, `unavailable` where all together have.
fn place(caller: &OrganizationCaller) -> Result<Place, Problem> {
    caller.tools().streams.take(&[StreamOf::Tenant(caller.tenant())])
}

/// Answers with a body, which the journal gets to see.
fn answer(request: &HttpRequest, mut response: HttpResponseBuilder, body: &Value) -> HttpResponse {
    let bytes = Bytes::from(body.to_string());
    request.extensions_mut().insert(SentBody(bytes.clone()));
    response.insert_header((CONTENT_TYPE, "application/scim+json")).body(bytes)
}

fn ok(request: &HttpRequest, body: &Value) -> HttpResponse {
    answer(request, HttpResponse::build(StatusCode::OK), body)
}

/// Work on the directory, in its turn, with the thread that it needs. If the guard refuses it, the guard holds from then on: that outlives the refused
/// work.
async fn write<T>(
    caller: &OrganizationCaller,
    scope: &Scope,
    (states, lock): (&States, Option<(Uuid, LockMode)>),
    work: &mut Work,
    write: impl AsyncFnOnce(&mut Tx, &mut Work) -> Result<T, Error>,
) -> Result<T, Error> {
    scope.may_write()?;
    let _lock = match lock {
        Some((id, mode)) => Some(states.locks.take((TenantId(caller.directory().tenant()), id), mode).await?),
        None => None,
    };
    work.ready().await?;
    let done = caller.write(async |tx| write(tx, work).await).await;
    if let Err(Error::Directory(directory::Error::Blocked)) = &done {
        crate::guard::block(caller, scope.organization).await?;
    }
    done
}
