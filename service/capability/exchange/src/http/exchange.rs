//! `POST /api/internal/sso/exchange`

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::{HttpRequest, HttpResponse};
use connections::{Providers, Upstream};
use entity::by_name::ByName;
use entity::modules::module;
use platform::Target;
use platform::refusal::Invalid;
use policy_core::{Permission, Role, TenantRole};
use serde::{Deserialize, Serialize};
use sessions::Keyring;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Access, Body, Caller, Denied, FieldErrors, Input, PlatformService, Problem, Routes, Shared};

use super::session::{self, TenantMaker};
use crate::error::Error;
use crate::model::return_to;
use crate::ops::audience::{By, audience};
use crate::ops::exchange::{Asked, Exchanged};
use crate::ops::jwks::JwksCache;
use crate::ops::subject::{self, SubjectHints};
use crate::settings::Settings;

/// The token type of a JWT (RFC 8693, section 3).
const JWT: &str = "urn:ietf:params:oauth:token-type:jwt";

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::POST,
        "/api/internal/sso/exchange",
        Access::Key(Permission::SsoExchange),
        "exchange: Exchange an identity provider's token for a platform token.",
        exchange,
    )
}

/// What is exchanged. A gateway may omit the token and assert the identity in its headers instead.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ExchangeInput {
    /// The signed token of a registered issuer.
    subject_token: Option<String>,
    /// The type of the subject token (RFC 8693, section 3).
    subject_token_type: Option<String>,
    /// The audience that the new token is for.
    audience: Option<String>,
    /// Where the browser continues: a path, or a registered URI.
    return_to: Option<String>,
    /// The id or slug of the tenant to which the token must belong.
    tenant: Option<String>,
    /// The id or slug of the tenant's organization.
    organization: Option<String>,
    /// The connection whose provider signed the token.
    connection: Option<Uuid>,
}

/// Whose a subject token is, as far as the caller says.
///
/// # Errors
/// [`Problem`]: there is no such tenant.
pub async fn subject_hints(
    service: &PlatformService,
    (tenant, organization, connection): (Option<&String>, Option<&String>, Option<Uuid>),
) -> Result<SubjectHints, Problem> {
    let tenant = match tenant {
        Some(name) => {
            let found = web::tenant_named(service, name).await?;
            Some(found.ok_or_else(|| Problem::new(tenancy::codes::TENANT_UNKNOWN))?)
        }
        None => None,
    };
    Ok(SubjectHints { tenant, organization: organization.cloned(), connection })
}

impl Input for ExchangeInput {
    fn check(&self, errors: &mut FieldErrors) {
        let kinds = [
            JWT,
            "urn:ietf:params:oauth:token-type:id_token",
            "urn:ietf:params:oauth:token-type:access_token",
        ];
        let known = self.subject_token_type.as_deref().is_none_or(|kind| kinds.contains(&kind));
        errors.require(
            known,
            "/subjectTokenType",
            "must be the token type URI of a JWT, an ID token or an access token",
        );
        if let Some(audience) = &self.audience {
            errors.text("/audience", audience, 500);
        }
        let short = self.return_to.as_ref().is_none_or(|uri| uri.len() <= 2000);
        errors.require(short, "/returnTo", "at most 2000 characters");
    }
}

/// The person who signed in.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangedUser {
    id: Uuid,
    email: Option<String>,
    display_name: Option<String>,
    #[schema(value_type = String)]
    role: ByName<TenantRole>,
}

/// A token of the platform.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExchangeResult {
    /// The platform token, a signed JWT.
    token: String,
    token_type: String,
    /// Seconds until the token expires.
    expires_in: i64,
    refresh_token: String,
    tenant_id: Uuid,
    tenant_slug: String,
    organization_id: Uuid,
    user: ExchangedUser,
    /// Where the browser continues.
    redirect_url: String,
}

async fn exchange(
    caller: Caller,
    request: HttpRequest,
    Body(input): Body<ExchangeInput>,
    (cache, keys): (Shared<Arc<JwksCache>>, Shared<Arc<Keyring>>),
    (upstream, makes): (Shared<Arc<Upstream>>, Shared<Arc<dyn TenantMaker>>),
) -> Result<HttpResponse, Problem> {
    let redirect_url = match &input.return_to {
        None => "/".to_owned(),
        Some(wanted) => {
            let registered = redirect_uris(&caller).await?;
            return_to(wanted, &registered)
                .ok_or_else(|| Problem::invalid("/returnTo", "must be a path or a registered URI"))?
        }
    };
    let known = (&**cache, &upstream.providers);
    let done = attempt(&caller, &request, &input, known, (&keys, &**makes)).await;
    Ok(answer(caller.recorded(done, "sso.exchange", Target::new("sso", "exchange")).await?, redirect_url))
}

async fn modules(caller: &Caller) -> Result<Vec<module::Model>, Problem> {
    Ok(caller.platform().db.read(async |view| modules::modules(view).await).await?)
}

async fn redirect_uris(caller: &Caller) -> Result<Vec<String>, Problem> {
    let uris = |module: module::Model| serde_json::from_value(module.redirect_uris).unwrap_or_default();
    Ok(modules(caller).await?.into_iter().flat_map(|module| -> Vec<String> { uris(module) }).collect())
}

async fn attempt(
    caller: &Caller,
    request: &HttpRequest,
    input: &ExchangeInput,
    known: (&JwksCache, &Providers),
    (keys, makes): (&Keyring, &dyn TenantMaker),
) -> Result<Exchanged, Denied> {
    let (service, principal) = (caller.platform(), caller.principal()?);
    let hints =
        subject_hints(service, (input.tenant.as_ref(), input.organization.as_ref(), input.connection))
            .await?;
    let identity = match &input.subject_token {
        Some(token) => subject::verify(service, known, token, &hints).await?,
        None => {
            // From anybody but a gateway these headers are air.
            let headers = request.headers();
            let asserted = if principal.role == Role::Gateway {
                subject::asserted(headers, &service.config.section::<Settings>().gateway_headers)
                    .map_err(Problem::from)?
            } else {
                None
            };
            asserted.ok_or_else(|| Problem::invalid("/subjectToken", "is required"))?
        }
    };
    let modules = match &input.audience {
        Some(_) => modules(caller).await?,
        None => Vec::new(),
    };
    let by = By::Key(principal.role);
    let audience = audience(input.audience.as_deref(), by, &service.config.public_url(), &modules);
    let what = "must be the platform's URL or, for operators and gateways, a module's clientId or baseUrl";
    let audience = audience.ok_or_else(|| Error::from(Invalid::at("/audience", what)));
    let asked = audience.map(|audience| Asked { client_id: format!("key:{}", principal.id), audience });
    session::exchange(caller, makes, keys, (&identity, &hints), asked).await
}

fn answer(done: Exchanged, redirect_url: String) -> HttpResponse {
    let body = ExchangeResult {
        token: done.access.token,
        token_type: "Bearer".to_owned(),
        expires_in: done.access.expires_in,
        refresh_token: done.refresh_token,
        tenant_id: done.tenant.id,
        tenant_slug: done.tenant.slug,
        organization_id: done.organization,
        user: ExchangedUser {
            id: done.user.id,
            email: done.user.email,
            display_name: done.user.display_name,
            role: done.user.role,
        },
        redirect_url,
    };
    let mut response = HttpResponse::Ok().json(body);
    if let Some(usage) = &done.usage {
        quota::write_headers(usage, response.headers_mut());
    }
    response
}
