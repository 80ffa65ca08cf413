//! `/sso/test/{connection}`: a real sign-in whose result is shown and forgotten.

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use chrono::TimeDelta;
use entity::sso::states::Purpose;
use web::{Access, Caller, Code, Ids, Problem, Routes, Service};

use super::authorize::{begin, connection};
use super::pages;
use crate::ops::authorize::Continues;
use crate::ops::connections::Connection;
use crate::ops::oidc::Wishes;
use crate::ops::parameters;
use crate::ops::sign_in::Shared;

/// How long a link opens a test.
const LIFETIME: TimeDelta = TimeDelta::hours(1);
const PURPOSE: &str = "connection_test";

pub(super) fn routes() -> Routes {
    Routes::new().add_with(
        Method::GET,
        "/sso/test/{connection}",
        Access::Public("the link's sealed key is the credential"),
        "begin_test: Begin a test sign-in that creates no session.",
        begin_test,
        |route| route.counts_failures(),
    )
}

/// The link that begins a test of this connection, for an hour.
pub(super) fn link(service: &Service, one: &Connection) -> Result<String, Problem> {
    let until = (service.db.clock().now() + LIFETIME).timestamp();
    let key = service.envelope.seal(PURPOSE, one.row.id.as_bytes(), &until.to_be_bytes())?;
    let key = URL_SAFE_NO_PAD.encode(key);
    Ok(format!("{}/sso/test/{}?key={key}", service.config.public_url(), one.row.id))
}

async fn begin_test(
    caller: Caller,
    ids: Ids,
    request: HttpRequest,
    shared: Shared,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    let one = match connection(&caller, &ids).await {
        Ok(one) => one,
        Err(problem) => return pages::refusal(problem),
    };
    let parameters = parameters::read(request.query_string())?;
    let key = parameters.get("key").and_then(|key| URL_SAFE_NO_PAD.decode(key).ok()).unwrap_or_default();
    let until = service.envelope.open(PURPOSE, one.row.id.as_bytes(), &key).ok();
    let until = until.and_then(|bytes| <[u8; 8]>::try_from(bytes.as_slice()).ok()).map(i64::from_be_bytes);
    if until.is_none_or(|until| until <= service.db.clock().now().timestamp()) {
        return pages::refusal(Problem::new(Code::NotFound));
    }
    begin(&caller, &request, &shared, &one, Purpose::Test, Continues::Test, Wishes::default()).await
}
