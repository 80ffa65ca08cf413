//! Identity providers that sign people out.

use std::sync::Arc;

use actix_web::http::{Method, header};
use actix_web::{HttpRequest, HttpResponse};
use connections::{Connection, Kind, Refused, Upstream, of_path, saml};
use saml_core::{Direction, LogoutMessage};
use serde_json::json;
use sign_in::browser::{self, Failed, Jar};
use sign_in::{RESPONSE_BYTES_MAX, long_parameter, read_parameters};
use web::{Access, Code, Dialect, FormText, Ids, Problem, Routes, Shared, TenantCaller};

use super::sign_out::come_back;
use crate::ops::logout;
use crate::pages::signed_out;

pub(super) fn routes() -> Routes {
    let provider = Access::Public("an identity provider signs somebody out; its message is verified");
    let answer = |route: web::Route| route.counts_failures_of_sign_ins().body_bytes_max(RESPONSE_BYTES_MAX);
    Routes::new()
        .add_with(
            Method::POST,
            "/sso/oidc/{connection}/backchannel-logout",
            provider,
            "oidc_backchannel_logout: Receive a logout token (OpenID Connect Back-Channel Logout).",
            oidc_backchannel_logout,
            |route| answer(route).speaks(Dialect::OAuth),
        )
        .add(
            Method::GET,
            "/sso/oidc/{connection}/frontchannel-logout",
            provider,
            "oidc_frontchannel_logout: Receive a logout request (OpenID Connect Front-Channel Logout).",
            oidc_frontchannel_logout,
        )
        .add(
            Method::GET,
            "/sso/oidc/{connection}/signed-out",
            Access::Public("browsers return here from a provider's logout"),
            "oidc_signed_out: Return from signing out at an OpenID Provider.",
            oidc_signed_out,
        )
        .add_with(
            Method::GET,
            "/sso/saml/{connection}/slo",
            provider,
            "saml_slo: Receive a SAML logout message (HTTP-Redirect binding).",
            saml_slo,
            answer,
        )
        .add_with(
            Method::POST,
            "/sso/saml/{connection}/slo",
            provider,
            "saml_slo_by_form: Receive a SAML logout message (HTTP-POST binding).",
            saml_slo_by_form,
            answer,
        )
}

async fn oidc_backchannel_logout(
    caller: TenantCaller,
    ids: Ids,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let connection = of_path(&caller, &ids).await?;
    let token = long_parameter(&form, "logout_token")?;
    let token = token.ok_or_else(|| {
        Problem::detailed(Code::VALIDATION_FAILED, "logout_token is missing.").dialect("invalid_request")
    })?;
    logout::by_token(caller.service(), &upstream.providers, &caller.ctx, &connection, &token).await?;
    Ok(HttpResponse::Ok().finish())
}

/// Front-Channel Logout 1.0: an unsigned hint, so it ends only what this browser itself has.
async fn oidc_frontchannel_logout(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let connection = of_path(&caller, &ids).await?;
    let Kind::Oidc(settings) = &connection.kind else { return Err(Problem::new(Code::NOT_FOUND)) };
    let parameters = read_parameters(request.query_string())?;
    let named = parameters.get("iss").is_none_or(|iss| *iss == settings.issuer);
    let sid = parameters.get("sid");
    let mut response = signed_out(&[], None)?;
    // The provider shows this page in a frame of its own.
    response.headers_mut().remove(header::CONTENT_SECURITY_POLICY);
    if let Some((tenant, session)) = sign_in::session(&caller, &request).await?
        && named
        && session.connection_id == Some(connection.row.id)
        && sid.is_none_or(|sid| session.upstream_sid.as_ref() == Some(sid))
    {
        let work = async |tx: &mut platform::Tx| {
            sessions::end_browser(tx, &session, sessions::Ended::ProviderSignedOut).await
        };
        tenant.write(work).await?;
        Jar::Session.clear(caller.tools(), &mut response);
    }
    Ok(response)
}

async fn oidc_signed_out(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let connection = of_path(&caller, &ids).await?;
    come_back(caller.tools(), &request, connection.row.id)
}

async fn saml_slo(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let query = request.query_string().to_owned();
    let is_request = query.split('&').any(|pair| pair.starts_with("SAMLRequest="));
    let direction = if is_request { Direction::Request } else { Direction::Response };
    let encoded = long_parameter(&query, direction.parameter())?;
    let encoded =
        encoded.ok_or_else(|| Problem::detailed(Code::VALIDATION_FAILED, "The SAML message is missing."))?;
    let relay_state = long_parameter(&query, "RelayState")?;
    let message = saml_core::from_redirect(&encoded);
    let connection = of_path(&caller, &ids).await?;
    let read = message.map_err(Refused::from).and_then(|xml| {
        let signed = Some((query.as_str(), direction));
        saml::read_logout(caller.tools(), &upstream.saml, &connection, &xml, signed)
    });
    log_out(&caller, &request, &upstream, &connection, read, relay_state).await
}

async fn saml_slo_by_form(
    caller: TenantCaller,
    ids: Ids,
    request: HttpRequest,
    FormText(form): FormText,
    upstream: Shared<Arc<Upstream>>,
) -> Result<HttpResponse, Problem> {
    let connection = of_path(&caller, &ids).await?;
    let encoded = match long_parameter(&form, "SAMLRequest")? {
        Some(encoded) => Some(encoded),
        None => long_parameter(&form, "SAMLResponse")?,
    };
    let encoded =
        encoded.ok_or_else(|| Problem::detailed(Code::VALIDATION_FAILED, "The SAML message is missing."))?;
    let relay_state = long_parameter(&form, "RelayState")?;
    let read = saml_core::from_post(&encoded)
        .map_err(Refused::from)
        .and_then(|xml| saml::read_logout(caller.tools(), &upstream.saml, &connection, &xml, None));
    log_out(&caller, &request, &upstream, &connection, read, relay_state).await
}

async fn log_out(
    caller: &TenantCaller,
    request: &HttpRequest,
    upstream: &Upstream,
    connection: &Connection,
    read: Result<LogoutMessage, Refused>,
    relay_state: Option<String>,
) -> Result<HttpResponse, Problem> {
    let service = caller.service();
    match read {
        Err(refused) => {
            let target = platform::Target::new("connection", connection.row.id);
            let target = target.with(json!({"reason": refused.reason}));
            let tenant = Some(connection.row.tenant_id);
            caller.record_denied(tenant, "sso.logout", target).await;
            let problem = Problem::detailed(sign_in::codes::SSO_REFUSED, refused.how.clone());
            browser::failed(Failed { code: None, problem, refused: Some(refused) })
        }
        Ok(LogoutMessage::Response { .. }) => come_back(service, request, connection.row.id),
        Ok(LogoutMessage::Request { id, name_id, session_indexes }) => {
            let until = service.clock.now() + chrono::TimeDelta::minutes(15);
            let message = format!("logout:{id}");
            let sid = session_indexes.first().map(String::as_str);
            let once = (message.as_str(), until);
            let relay = relay_state.as_deref().filter(|state| state.len() <= 80);
            // Made before the message is used up, which is taken once; what can't be answered for good ends sessions all the same.
            let made = saml::logout_response(service, &upstream.saml, connection, &id, relay).await;
            let back = match made.map_err(Problem::from) {
                Err(problem) if problem.code == Code::UNAVAILABLE => return Err(problem),
                made => made,
            };
            logout::end_upstream(service, &caller.ctx, connection, once, Some(&name_id), sid).await?;
            match back? {
                Some(url) => Ok(browser::redirect(&url)),
                None => Ok(signed_out(&[], None)?),
            }
        }
    }
}
