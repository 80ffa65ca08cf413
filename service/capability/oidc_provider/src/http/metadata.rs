//! Discovery documents and key sets, of the platform and of each realm (OpenID Connect Discovery 1.0, RFC 8414).

use actix_web::HttpResponse;
use actix_web::http::{Method, header};
use serde_json::json;
use sign_in::{SCOPES, realm};
use uuid::Uuid;
use web::{Access, Caller, Problem, Routes, TenantCaller};

pub(super) fn routes() -> Routes {
    let metadata = Access::Public("relying parties need it before they know anything");
    Routes::new()
        .add(
            Method::GET,
            "/oauth2/jwks",
            metadata,
            "jwks: Get the platform's public signing keys as a JWK Set (RFC 7517).",
            jwks,
        )
        .add(
            Method::GET,
            "/.well-known/openid-configuration",
            metadata,
            "openid_configuration: Get the platform's OpenID Provider metadata (OpenID Connect Discovery).",
            openid_configuration,
        )
        .add(
            Method::GET,
            "/realms/{realm}/oauth2/jwks",
            metadata,
            "realm_jwks: Get a realm's public signing keys as a JWK Set (RFC 7517).",
            realm_jwks,
        )
        .add(
            Method::GET,
            "/realms/{realm}/.well-known/openid-configuration",
            metadata,
            "realm_openid_configuration: Get a realm's OpenID Provider metadata (OpenID Connect Discovery).",
            realm_openid_configuration,
        )
}

async fn key_set(caller: &Caller, realm: Option<Uuid>) -> Result<HttpResponse, Problem> {
    let service = caller.platform();
    let mut keys = service.db.read(async |view| sessions::public_keys(view, realm).await).await?;
    if keys.is_empty() {
        let ctx = platform::Ctx::system("signing keys");
        service.db.write(&ctx, async |tx| sessions::ensure_key(tx, &service.envelope, realm).await).await?;
        keys = service.db.read(async |view| sessions::public_keys(view, realm).await).await?;
    }
    Ok(HttpResponse::Ok()
        .insert_header((header::CACHE_CONTROL, "public, max-age=300"))
        .json(json!({"keys": keys})))
}

fn metadata(issuer: &str) -> HttpResponse {
    // Endpoints that need no realm are the platform's own.
    let base = issuer.split("/realms/").next().unwrap_or(issuer);
    let body = json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/oauth2/authorize"),
        "pushed_authorization_request_endpoint": format!("{base}/oauth2/par"),
        "jwks_uri": format!("{issuer}/oauth2/jwks"),
        "token_endpoint": format!("{base}/oauth2/token"),
        "userinfo_endpoint": format!("{base}/oauth2/userinfo"),
        "introspection_endpoint": format!("{base}/oauth2/introspect"),
        "revocation_endpoint": format!("{base}/oauth2/revoke"),
        "end_session_endpoint": format!("{base}/oauth2/logout"),
        "scopes_supported": SCOPES,
        "grant_types_supported": ["authorization_code", "refresh_token", "client_credentials", super::oauth::TOKEN_EXCHANGE],
        "response_types_supported": ["code"],
        "response_modes_supported": ["query", "form_post"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
        "prompt_values_supported": ["none", "login", "select_account", "consent"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic", "client_secret_post", "private_key_jwt", "none"],
        "token_endpoint_auth_signing_alg_values_supported": ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
        "backchannel_logout_supported": true,
        "backchannel_logout_session_supported": true,
        "frontchannel_logout_supported": true,
        "frontchannel_logout_session_supported": true,
        "request_parameter_supported": false,
        "request_uri_parameter_supported": true,
        "claims_supported": [
            "iss", "sub", "aud", "exp", "iat", "jti", "sid", "auth_time", "nonce", "name", "preferred_username", "email",
            "email_verified", "tenant_id", "org_id", "roles", "plan",
        ],
    });
    HttpResponse::Ok().insert_header((header::CACHE_CONTROL, "public, max-age=300")).json(body)
}

async fn jwks(caller: Caller) -> Result<HttpResponse, Problem> {
    key_set(&caller, None).await
}

async fn openid_configuration(caller: Caller) -> Result<HttpResponse, Problem> {
    Ok(metadata(&caller.tools().config.public_url()))
}

async fn realm_jwks(caller: TenantCaller) -> Result<HttpResponse, Problem> {
    let (realm, _) = realm(&caller).await?;
    key_set(&caller, Some(realm)).await
}

async fn realm_openid_configuration(caller: TenantCaller) -> Result<HttpResponse, Problem> {
    let (_, issuer) = realm(&caller).await?;
    Ok(metadata(&issuer))
}
