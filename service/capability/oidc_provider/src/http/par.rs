//! `/oauth2/par`: a client pushes its authorization request before it sends the browser (RFC 9126).

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use serde_json::json;
use sign_in::{
    NotAuthorized, PUSHED_LIFETIME, REQUEST_URI_PREFIX, authorization, bytes_of, read_parameters,
    store_request,
};
use web::{Access, Caller, Code, Dialect, FormText, Problem, Routes};

use super::oauth::known_client;

pub(super) fn routes() -> Routes {
    let oauth = |route: web::Route| {
        route.speaks(Dialect::OAuth).counts_failures_of_clients().body_bytes_max(64 << 10)
    };
    Routes::new().add_with(
        Method::POST,
        "/oauth2/par",
        Access::Public("the client authenticates itself (RFC 6749, section 2.3)"),
        "push_authorization_request: Push an authorization request (RFC 9126).",
        push,
        oauth,
    )
}

async fn push(
    caller: Caller,
    request: HttpRequest,
    FormText(form): FormText,
) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let mut parameters =
        read_parameters(&form).map_err(|error| Problem::from(error).dialect("invalid_request"))?;
    let secret = parameters.remove("client_secret");
    let id = parameters.get("client_id").cloned();
    let client = known_client(&caller, &request, id.as_deref(), secret.as_deref()).await?;
    parameters.insert("client_id".to_owned(), client.client_id.clone());
    let refused =
        |detail: &str| Problem::detailed(Code::VALIDATION_FAILED, detail).dialect("invalid_request");
    if parameters.contains_key("request_uri") {
        return Err(refused("A pushed request must not contain request_uri."));
    }
    match authorization(&client, &parameters, &service.config.public_url()) {
        Ok(_) => {}
        Err(NotAuthorized::Page(error)) => return Err(Problem::from(error).dialect("invalid_request")),
        Err(NotAuthorized::Client { error, description, .. }) => {
            return Err(Problem::detailed(Code::VALIDATION_FAILED, description).dialect(error));
        }
    }
    if client.public {
        // Anybody can say its id.
        service.strangers.begin(&caller.ctx, bytes_of(&parameters))?;
    }
    let id = store_request(service, &client.client_id, &parameters, true).await?;
    Ok(HttpResponse::Created().json(json!({
        "request_uri": format!("{}{id}", REQUEST_URI_PREFIX), "expires_in": PUSHED_LIFETIME.num_seconds(),
    })))
}
