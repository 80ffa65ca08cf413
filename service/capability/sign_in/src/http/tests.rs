//! `/sso/test/{connection}`: a real sign-in whose result is shown and forgotten.

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use connections::{Upstream, Wishes, of_path};
use entity::sign_in::states::Purpose;
use web::{Access, Code, Ids, Problem, Routes, Shared, TenantCaller};

use super::browser;
use super::leave::begin;
use crate::ops::authorize::Continues;
use crate::ops::parameters;

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

async fn begin_test(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let one = match of_path(&caller, &ids).await {
        Ok(one) => one,
        Err(problem) => return browser::refusal(problem),
    };
    let parameters = parameters::read(request.query_string())?;
    if !connections::opens_test(caller.tools(), &one, parameters.get("key")) {
        return browser::refusal(Problem::new(Code::NOT_FOUND));
    }
    begin(&caller, &request, &upstream, &one, Purpose::Test, Continues::Test, Wishes::default()).await
}
