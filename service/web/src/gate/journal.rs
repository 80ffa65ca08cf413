//! What the journal is told of a request and its answer.

use std::time::Instant;

use actix_web::web::Bytes;
use actix_web::{HttpMessage as _, HttpRequest, HttpResponse};

use super::keeper::{Gatekeeper, Passed, RequestId, Rules};
use crate::Problem;
use crate::access::Access;
use crate::journal::{Exchange, SentBody};

/// Logs it in the journal, which stores a body only if it is there as a whole: a stream isn't gathered for it.
pub(super) fn log(
    keeper: &Gatekeeper,
    rules: &Rules,
    request: &HttpRequest,
    body: Option<Bytes>,
    response: &HttpResponse,
    started: Instant,
) {
    if rules.access != Access::Scim {
        return;
    }
    let extensions = request.extensions();
    let Some(principal) = extensions.get::<Passed>().and_then(|passed| passed.principal.clone()) else {
        return;
    };
    let problem = response.error().and_then(|error| error.as_error::<Problem>());
    keeper.journal.log(Exchange {
        principal,
        request_id: extensions.get::<RequestId>().map(|id| id.0.clone()),
        method: request.method().to_string(),
        target: request.uri().path_and_query().map(ToString::to_string).unwrap_or_default(),
        request_body: body.unwrap_or_default(),
        response_body: extensions.get::<SentBody>().map(|body| body.0.clone()).unwrap_or_default(),
        status: problem.map_or(response.status(), |problem| problem.code.status()).as_u16(),
        dialect_code: problem.and_then(|problem| problem.dialect_code),
        detail: problem.map(|problem| problem.detail.clone()),
        elapsed: started.elapsed(),
    });
}
