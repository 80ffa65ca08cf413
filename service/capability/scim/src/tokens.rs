//! `/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens`

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, TimeDelta, Utc};
use entity::ids::TenantId;
use entity::scim::states::{TokenKind, TokenProfile, TokenVerb};
use entity::scim::token::{Column, Entity, Model};
use ipnet::IpNet;
use platform::crypto::{BearerSecret, SecretKind, SecretProof};
use platform::rules::{NoRoom, Rule, room};
use platform::{Target, Tx, View, Work as _, ids};
use policy_core::Permission;
use sea_orm::{ColumnTrait, Condition, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, Position, Problem,
    Query, RawBody, Routes, Shared, TenantCaller,
};

use crate::auth::Tokens;
use crate::{PREFIX, oauth, rehearsal};

const LIST: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens";
const ONE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}";
const ROTATE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/scim-tokens/{token_id}/rotate";
/// How long a rotated token goes on, unless asked, and at most: time to paste the new one.
const OVERLAP_SECONDS: i64 = 24 * 3600;
const OVERLAP_SECONDS_MAX: i64 = 30 * 24 * 3600;
/// Address ranges of one token.
const RANGES_MAX: usize = 100;

pub(crate) fn routes() -> Routes {
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
    rehearsal: bool,
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
    rehearsal: bool,
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
            rehearsal: row.rehearsal,
        }
    }
}

/// A secret and what is stored of it: made before the transaction, Argon2id takes its time.
async fn secret(caller: &TenantCaller) -> Result<(BearerSecret, SecretProof), Problem> {
    let secret = BearerSecret::generate(PREFIX, ids::new());
    let protect = caller.service.secrets.protect(
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
    let public = caller.service.config.public_url();
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

/// Refuses one token more than an organization may have that count.
async fn require_room(tx: &Tx, caller: &TenantCaller, organization: Uuid) -> Result<(), NoRoom> {
    let live = tx.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    let live = live.filter(Column::RevokedAt.is_null());
    let live =
        live.filter(Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(tx.now())));
    room(tx, Rule::ScimTokens, organization, live, caller.service.config.limits.scim_tokens).await
}

async fn create_scim_token(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<TokenInput>,
) -> Result<Created<ScimTokenWithSecret>, Problem> {
    let name = ids.key("organization")?;
    if input.expires_at.is_some_and(|end| end <= caller.service.db.clock().now()) {
        return Err(Problem::invalid("/expiresAt", "must be in the future"));
    }
    let (secret, proof) = secret(&caller).await?;
    let row = caller
        .write(async |tx| {
            tenancy::active(tx).await?;
            let organization = tenancy::organization_named(tx, name).await?;
            require_room(tx, &caller, organization.id).await?;
            let row = Model {
                tenant_id: tx.tenant(),
                organization_id: organization.id,
                id: secret.id,
                name: input.name,
                profile: input.profile.unwrap_or(TokenProfile::Compat),
                secret_hash: proof.hash,
                secret_mac: Some(proof.mac),
                created_at: tx.now(),
                expires_at: input.expires_at,
                revoked_at: None,
                last_used_at: None,
                replaced_by: None,
                kind: input.kind.unwrap_or(TokenKind::Bearer),
                allowed_addresses: input.allowed_addresses.into(),
                jwks: input.jwks,
                rehearsal: input.rehearsal,
                warned_days: None,
            };
            tx.insert(row.clone()).await?;
            if row.rehearsal {
                rehearsal::begin(tx, &row).await?;
            }
            tx.record("scim_token.create", Target::new("scim_token", row.id));
            Ok::<_, Problem>(row)
        })
        .await?;
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

pub(crate) async fn find(view: &View, organization: &str, id: Uuid) -> Result<Model, Problem> {
    let organization = tenancy::organization_named(view, organization).await?;
    let select =
        view.select::<Entity>().filter(Column::OrganizationId.eq(organization.id)).filter(Column::Id.eq(id));
    view.one(select).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

/// A token whose row is written as a whole: nobody revokes or replaces it meanwhile.
async fn locked(tx: &Tx, organization: &str, id: Uuid) -> Result<Model, Problem> {
    let organization = tenancy::organization_named(tx, organization).await?;
    let select =
        tx.select::<Entity>().filter(Column::OrganizationId.eq(organization.id)).filter(Column::Id.eq(id));
    tx.lock(select).await?.ok_or_else(|| Problem::new(Code::NotFound))
}

async fn revoke_scim_token(
    caller: TenantCaller,
    ids: Ids,
    tokens: Shared<Arc<Tokens>>,
) -> Result<NoContent, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("token_id")?);
    caller.write(async |tx| revoke(tx, name, id).await).await?;
    tokens.forget();
    Ok(NoContent)
}

async fn revoke(tx: &mut Tx, organization: &str, id: Uuid) -> Result<(), Problem> {
    let row = locked(tx, organization, id).await?;
    // Revoked twice it was revoked the first time.
    let was = row.state(tx.now());
    if was.after(TokenVerb::Revoke) != Some(was) {
        rehearsal::end(tx, &row).await?;
        tx.update(Model { revoked_at: Some(tx.now()), ..row }).await?;
    }
    tx.record("scim_token.revoke", Target::new("scim_token", id));
    Ok(())
}

/// Removes everything that SCIM keeps for a tenant that goes: tokens, copies on which they rehearsed, schemas.
///
/// # Errors
/// [`platform::DbError`].
pub async fn remove_all(tx: &mut Tx) -> Result<(), Problem> {
    rehearsal::end_all(tx).await?;
    tx.purge(tx.remove::<Entity>()).await?;
    tx.purge(tx.remove::<entity::scim::schema::Entity>()).await?;
    tx.purge(tx.remove::<entity::scim::assertion::Entity>()).await?;
    Ok(())
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
    let row = caller
        .write(async |tx| {
            let old = find(tx, name, id).await?;
            tx.exclusive(Rule::ScimTokens, old.organization_id).await?;
            let old = locked(tx, name, id).await?;
            if old.state(tx.now()).after(TokenVerb::Rotate).is_none() {
                return Err(Problem::new(Code::TokenRevoked));
            }
            // One that ends at once makes the room that its successor takes: a leaked one can always be replaced.
            let makes_room = overlap == 0 && old.expires_at.is_none_or(|end| end > tx.now());
            if !makes_room {
                require_room(tx, &caller, old.organization_id).await?;
            }
            let new = Model {
                id: secret.id,
                secret_hash: proof.hash,
                secret_mac: Some(proof.mac),
                created_at: tx.now(),
                last_used_at: None,
                replaced_by: None,
                warned_days: None,
                ..old.clone()
            };
            tx.insert(new.clone()).await?;
            if new.rehearsal {
                rehearsal::begin(tx, &new).await?;
            }
            let end = tx.now() + TimeDelta::seconds(overlap);
            let expires_at = Some(old.expires_at.map_or(end, |old| old.min(end)));
            tx.update(Model { expires_at, replaced_by: Some(new.id), ..old }).await?;
            tx.record("scim_token.rotate", Target::new("scim_token", id));
            Ok(new)
        })
        .await?;
    Ok(reply(&caller, row, &secret))
}

/// Whether an identity provider keeps the organization's directory: a token of its that still holds has been used.
///
/// # Errors
/// [`platform::DbError`].
pub async fn owns_directory(view: &View, organization: Uuid) -> Result<bool, platform::DbError> {
    let select = view.select::<Entity>().filter(Column::OrganizationId.eq(organization));
    // One that rehearses pushes into a copy.
    let select = select.filter(Column::Rehearsal.eq(false)).filter(Column::LastUsedAt.is_not_null());
    let holds = Condition::any().add(Column::ExpiresAt.is_null()).add(Column::ExpiresAt.gt(view.now()));
    let select = select.filter(Column::RevokedAt.is_null()).filter(holds).limit(1);
    Ok(view.one(select).await?.is_some())
}
