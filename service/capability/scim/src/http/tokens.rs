//! `/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens`

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::ids::TenantId;
use entity::scim::states::{TokenKind, TokenProfile};
use entity::scim::token::{Column, Entity, Model};
use ipnet::IpNet;
use platform::crypto::{BearerSecret, SecretKind, SecretProof};
use platform::ids;
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, Position, Problem, Query,
    RawBody, Routes, Shared, TenantCaller,
};

use super::authenticator::Tokens;
use crate::tokens::{self, NewToken};
use crate::{PREFIX, oauth};

const LIST: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens";
const ONE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}";
const ROTATE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}/rotate";
/// How long a rotated token goes on, unless asked, and at most: time to paste the new one.
const OVERLAP_SECONDS: i64 = 24 * 3600;
const OVERLAP_SECONDS_MAX: i64 = 30 * 24 * 3600;
/// Address ranges of one token.
const RANGES_MAX: usize = 100;

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::ScimTokensRead), Access::Key(Permission::ScimTokensWrite));
    Routes::new()
        .add(
            Method::POST,
            LIST,
            write,
            "create_scim_token: Create a SCIM token; its secret is shown once.",
            create_scim_token,
        )
        .add(Method::GET, LIST, read, "list_scim_tokens: List SCIM tokens.", list_scim_tokens)
        .add(Method::DELETE, ONE, write, "revoke_scim_token: Revoke a SCIM token.", revoke_scim_token)
        .add(
            Method::POST,
            ROTATE,
            write,
            "rotate_scim_token: Replace a SCIM token; the old one stays valid for 24 hours by default.",
            rotate_scim_token,
        )
}

/// A SCIM token to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct TokenInput {
    #[schema(max_length = 200)]
    name: String,
    /// When the token expires; absent: never.
    expires_at: Option<DateTime<Utc>>,
    /// `compat` (default; accepts what common SCIM clients send) or `rfc` (strict).
    #[schema(value_type = Option<String>)]
    profile: Option<TokenProfile>,
    /// `bearer` (default): the token is sent as is. `client`: OAuth 2 client credentials at `/oauth2/token` with scope `scim`.
    #[schema(value_type = Option<String>)]
    kind: Option<TokenKind>,
    /// CIDR ranges from which the token may be used; absent or empty: from anywhere.
    #[serde(default)]
    #[schema(value_type = Vec<String>)]
    allowed_addresses: Vec<String>,
    /// For `client`: public keys (RFC 7517) with which it authenticates (RFC 7523). It then has no secret.
    #[schema(value_type = Option<Object>)]
    jwks: Option<Value>,
    /// Whether requests work on a copy of the directory: they are answered and recorded, but never applied.
    #[serde(default)]
    dry_run: bool,
}

impl Input for TokenInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/name", &self.name, 200);
        errors.require(
            self.allowed_addresses.len() <= RANGES_MAX,
            "/allowedAddresses",
            "must have at most 100 ranges",
        );
        for (at, range) in self.allowed_addresses.iter().enumerate() {
            let fits = range.parse::<IpNet>().is_ok();
            errors.require(fits, &format!("/allowedAddresses/{at}"), "must be a range like 203.0.113.0/24");
        }
        if let Some(jwks) = &self.jwks {
            errors.require(self.kind == Some(TokenKind::Client), "/jwks", "is allowed only for kind client");
            errors.require(
                oauth::is_key_set(jwks),
                "/jwks",
                "must be a JWK set with public RSA, EC or Ed25519 keys",
            );
        }
    }
}

/// How a token is rotated.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct Rotation {
    overlap_seconds: Option<i64>,
}

/// A SCIM token, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimToken {
    id: Uuid,
    organization_id: Uuid,
    name: String,
    /// `compat` or `rfc`.
    #[schema(value_type = String)]
    profile: TokenProfile,
    created_at: DateTime<Utc>,
    /// When the token expires; null: never.
    expires_at: Option<DateTime<Utc>>,
    /// When the token was revoked; null: it was not.
    revoked_at: Option<DateTime<Utc>>,
    /// When the token was last used; null: never.
    last_used_at: Option<DateTime<Utc>>,
    /// The token that replaces this one; null: none.
    replaced_by: Option<Uuid>,
    /// `bearer` or `client`.
    #[schema(value_type = String)]
    kind: TokenKind,
    /// CIDR ranges from which the token may be used; empty: from anywhere.
    #[schema(value_type = Vec<String>)]
    allowed_addresses: Value,
    /// Whether requests are answered and recorded, but not applied.
    dry_run: bool,
}

/// A SCIM token with its secret. The secret is shown only once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ScimTokenWithSecret {
    #[serde(flatten)]
    scim_token: ScimToken,
    /// The bearer token `tnt_scim_…`; for `client` the client secret. Absent if the client authenticates with keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    token: Option<String>,
    /// The SCIM base URL to enter at the identity provider.
    base_url: String,
    /// For `client`: the OAuth client id.
    #[serde(skip_serializing_if = "Option::is_none")]
    client_id: Option<Uuid>,
    /// For `client`: the URL of the token endpoint.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_endpoint: Option<String>,
}

impl From<Model> for ScimToken {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            organization_id: row.organization_id,
            name: row.name,
            profile: row.profile,
            created_at: row.created_at,
            expires_at: row.expires_at,
            revoked_at: row.revoked_at,
            last_used_at: row.last_used_at,
            replaced_by: row.replaced_by,
            kind: row.kind,
            allowed_addresses: row.allowed_addresses,
            dry_run: row.dry_run,
        }
    }
}

/// A secret and what is stored of it: made before the transaction, Argon2id takes its time.
async fn secret(caller: &TenantCaller) -> Result<(BearerSecret, SecretProof), Problem> {
    let secret = BearerSecret::generate(PREFIX, ids::new());
    let protect = caller.tools().secrets.protect(
        SecretKind::ScimToken,
        secret.id,
        TenantId(caller.tenant()),
        &secret.text,
    );
    let proof = protect.await?;
    Ok((secret, proof))
}

fn reply(caller: &TenantCaller, row: Model, secret: &BearerSecret) -> Created<ScimTokenWithSecret> {
    let (tenant, organization) = (row.tenant_id, row.organization_id);
    let location = format!("/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{}", row.id);
    let public = caller.tools().config.public_url();
    let client = row.kind == TokenKind::Client;
    let token = row.jwks.is_none().then(|| secret.text.to_string());
    let with_secret = ScimTokenWithSecret {
        client_id: client.then_some(row.id),
        token_endpoint: client.then(|| format!("{public}/oauth2/token")),
        scim_token: row.into(),
        token,
        base_url: format!("{public}/scim/v2"),
    };
    Created(location, with_secret)
}

async fn create_scim_token(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<TokenInput>,
) -> Result<Created<ScimTokenWithSecret>, Problem> {
    let name = ids.key("organization")?;
    if input.expires_at.is_some_and(|end| end <= caller.now()) {
        return Err(Problem::invalid("/expiresAt", "must be in the future"));
    }
    let (secret, proof) = secret(&caller).await?;
    let new = NewToken {
        name: input.name,
        expires_at: input.expires_at,
        profile: input.profile.unwrap_or(TokenProfile::Compat),
        kind: input.kind.unwrap_or(TokenKind::Bearer),
        allowed_addresses: input.allowed_addresses.into(),
        jwks: input.jwks,
        dry_run: input.dry_run,
    };
    let secret_of = (secret.id, proof);
    let row = caller.write(async |tx| tokens::create(tx, caller.tools(), name, secret_of, new).await).await?;
    Ok(reply(&caller, row, &secret))
}

async fn list_scim_tokens(
    caller: TenantCaller,
    ids: Ids,
    Query(query): Query<ListQuery>,
) -> Result<Page<ScimToken>, Problem> {
    let name = ids.key("organization")?;
    let position = Position::of(&query, &format!("scim-tokens {} {name}", caller.tenant()))?;
    let after = position.after_id()?.unwrap_or_default();
    let rows = caller
        .read(async |view| {
            let organization = tenancy::organization_named(view, name).await?;
            let select = view
                .select::<Entity>()
                .filter(Column::OrganizationId.eq(organization.id))
                .filter(Column::Id.gt(after));
            Ok::<_, Problem>(view.all(select.order_by_asc(Column::Id).limit(position.limit + 1)).await?)
        })
        .await?;
    Ok(position.page(rows, |row| row.id.to_string(), ScimToken::from))
}

async fn revoke_scim_token(
    caller: TenantCaller,
    ids: Ids,
    recognised: Shared<Arc<Tokens>>,
) -> Result<NoContent, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("token_id")?);
    caller.write(async |tx| tokens::revoke(tx, name, id).await).await?;
    recognised.forget();
    Ok(NoContent)
}

async fn rotate_scim_token(
    caller: TenantCaller,
    ids: Ids,
    body: RawBody,
) -> Result<Created<ScimTokenWithSecret>, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("token_id")?);
    let rotation: Rotation = if body.0.is_empty() {
        Rotation::default()
    } else {
        serde_json::from_value(body.json()?)
            .map_err(|_| Problem::invalid("", "may only have overlapSeconds"))?
    };
    let overlap = rotation.overlap_seconds.unwrap_or(OVERLAP_SECONDS);
    if !(0..=OVERLAP_SECONDS_MAX).contains(&overlap) {
        return Err(Problem::invalid("/overlapSeconds", "must be from 0 to 2592000"));
    }
    let (secret, proof) = secret(&caller).await?;
    let secret_of = (secret.id, proof);
    let row = caller
        .write(async |tx| tokens::rotate(tx, caller.tools(), (name, id), secret_of, overlap).await)
        .await?;
    Ok(reply(&caller, row, &secret))
}
