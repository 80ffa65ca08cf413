//! `/api/v1/keys`

mod authenticator;

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::by_name::ByName;
use entity::keys::management_key::Model;
use platform::crypto::BearerSecret;
use platform::ids;
use policy_core::{Permission, Role};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, Input, ListQuery, NoContent, Page, PlatformCaller, Position,
    Problem, Query, Routes, Shared,
};

use crate::ops::{self, NewKey};

pub use authenticator::Keys;

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(
            Method::POST,
            "/api/v1/keys",
            Access::Key(Permission::KeysWrite),
            "create_key: Create a management key.",
            create_key,
        )
        .add(
            Method::GET,
            "/api/v1/keys",
            Access::Key(Permission::KeysRead),
            "list_keys: List management keys.",
            list_keys,
        )
        .add(
            Method::DELETE,
            "/api/v1/keys/{key_id}",
            Access::Key(Permission::KeysWrite),
            "revoke_key: Revoke a management key.",
            revoke_key,
        )
}

/// A management key to create.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct KeyInput {
    /// The key's name, as a reminder of its use.
    #[schema(max_length = 200)]
    name: String,
    /// `operator`, `auditor`, `gateway` or `module`; with `tenantId`: `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = String)]
    role: ByName<Role>,
    /// The tenant that the key is limited to; absent: a key of the platform.
    tenant_id: Option<Uuid>,
    /// When the key expires; absent: never.
    expires_at: Option<DateTime<Utc>>,
}

impl Input for KeyInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/name", &self.name, 200);
    }
}

/// A management key, without its secret.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ManagementKey {
    id: Uuid,
    name: String,
    /// `operator`, `auditor`, `gateway` or `module`; of a tenant's key `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = String)]
    role: ByName<Role>,
    /// The tenant that the key is limited to; null: a key of the platform.
    tenant_id: Option<Uuid>,
    created_at: DateTime<Utc>,
    /// When the key expires; null: never.
    expires_at: Option<DateTime<Utc>>,
    /// When the key was revoked; null: it was not.
    revoked_at: Option<DateTime<Utc>>,
    /// When the key was last used; null: never.
    last_used_at: Option<DateTime<Utc>>,
}

/// A management key with its secret. The secret is shown only once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct KeyWithSecret {
    #[serde(flatten)]
    key: ManagementKey,
    /// The bearer token: `tnt_key_…`.
    token: String,
}

impl From<Model> for ManagementKey {
    fn from(key: Model) -> Self {
        Self {
            id: key.id,
            name: key.name,
            role: key.role,
            tenant_id: key.tenant_id,
            created_at: key.created_at,
            expires_at: key.expires_at,
            revoked_at: key.revoked_at,
            last_used_at: key.last_used_at,
        }
    }
}

async fn create_key(
    caller: PlatformCaller,
    Body(input): Body<KeyInput>,
) -> Result<Created<KeyWithSecret>, Problem> {
    let secret = BearerSecret::generate(crate::PREFIX, ids::new());
    let new = NewKey {
        name: input.name,
        role: input.role.0,
        tenant: input.tenant_id,
        expires_at: input.expires_at,
    };
    let proof = ops::protect(caller.tools(), new.tenant, secret.id, &secret.text).await?;
    let key = caller.write(async |tx| ops::create(tx, new, secret.id, proof).await).await?;
    let reply = KeyWithSecret { key: key.into(), token: secret.text.to_string() };
    Ok(Created(format!("/api/v1/keys/{}", secret.id), reply))
}

async fn list_keys(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<ManagementKey>, Problem> {
    let position = Position::of(&query, "keys")?;
    let after = position.after_id()?;
    let rows = caller.read(async |view| ops::list(view, after, position.limit + 1).await).await?;
    Ok(position.page(rows, |row| row.id.to_string(), ManagementKey::from))
}

async fn revoke_key(caller: PlatformCaller, ids: Ids, keys: Shared<Arc<Keys>>) -> Result<NoContent, Problem> {
    let id = ids.id("key_id")?;
    caller.write(async |tx| ops::revoke(tx, id).await).await?;
    keys.forget();
    Ok(NoContent)
}
