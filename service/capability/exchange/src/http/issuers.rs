//! `/api/v1/issuers`

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::exchange::issuer::{Column, Entity, Model};
use entity::exchange::states::ResolveBy;
use platform::rules::{LimitReached, Rule, check_limit};
use platform::{PlatformTx, PlatformView, Target, Work as _, ids};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Shared, Tagged, Tools,
};

use crate::codes;
use crate::ops::jwks::JwksCache;
use crate::ops::subject::REGISTRATIONS_MAX;
use crate::settings::Settings;

const LIST: &str = "/api/v1/issuers";
const ONE: &str = "/api/v1/issuers/{issuer_id}";

pub(super) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::CatalogueRead), Access::Key(Permission::CatalogueWrite));
    Routes::new()
        .add(
            Method::POST,
            LIST,
            write,
            "create_issuer: Register an issuer whose tokens the exchange accepts.",
            create_issuer,
        )
        .add(
            Method::GET,
            LIST,
            read,
            "list_issuers: List the issuers whose tokens the exchange accepts.",
            list_issuers,
        )
        .add(Method::GET, ONE, read, "get_issuer: Get a registered issuer.", get_issuer)
        .add(Method::PUT, ONE, write, "replace_issuer: Replace a registered issuer.", replace_issuer)
        .add(
            Method::DELETE,
            ONE,
            write,
            "delete_issuer: Remove a registered issuer: its tokens are no longer accepted.",
            delete_issuer,
        )
}

/// An issuer to register. The issuer is not contacted.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct IssuerInput {
    /// The issuer, exactly as in the `iss` claim of its tokens.
    issuer: String,
    /// The `aud` claim that its tokens must have.
    audience: String,
    /// The claim that identifies the tenant; absent: `sso.tenant_claim` of the configuration.
    tenant_claim: Option<String>,
    /// The URL of the issuer's public keys; absent: taken from its metadata.
    jwks_uri: Option<String>,
    /// How the tenant of a token is found: `claim` (by its external id in `tenantClaim`), `issuer` (the realm is the tenant's own),
    /// `idp_alias` (by the identity provider's alias) or `organization` (by Keycloak's claim). Absent: `claim`.
    #[schema(value_type = Option<String>)]
    resolve_by: Option<ResolveBy>,
}

impl Input for IssuerInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/issuer", &self.issuer, 500);
        errors.text("/audience", &self.audience, 500);
        if let Some(claim) = &self.tenant_claim {
            errors.text("/tenantClaim", claim, 200);
        }
    }
}

/// An issuer whose tokens the exchange accepts.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Issuer {
    id: Uuid,
    issuer: String,
    audience: String,
    tenant_claim: String,
    /// The URL of the issuer's public keys; null: taken from its metadata.
    jwks_uri: Option<String>,
    #[schema(value_type = String)]
    resolve_by: ResolveBy,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Model> for Issuer {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            issuer: row.issuer,
            audience: row.audience,
            tenant_claim: row.tenant_claim,
            jwks_uri: row.jwks_uri,
            resolve_by: row.resolve_by,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

fn check_urls(tools: &Tools, input: &IssuerInput) -> Result<(), Problem> {
    for (pointer, text) in [("/issuer", Some(&input.issuer)), ("/jwksUri", input.jwks_uri.as_ref())] {
        if let Some(text) = text {
            tools.http.check_at(pointer, text)?;
        }
    }
    Ok(())
}

fn exists(error: platform::DbError) -> Problem {
    match error {
        platform::DbError::Conflict(_) => Problem::new(codes::ISSUER_EXISTS),
        other => other.into(),
    }
}

/// Refuses one more registration of an issuer than the exchange looks at.
async fn require_below_limit(tx: &PlatformTx, issuer: &str) -> Result<(), LimitReached> {
    let there = tx.platform::<Entity>().filter(Column::Issuer.eq(issuer));
    check_limit(tx, Rule::IssuerRegistrations, issuer, there, REGISTRATIONS_MAX).await
}

async fn create_issuer(
    caller: PlatformCaller,
    Body(input): Body<IssuerInput>,
) -> Result<Created<Issuer>, Problem> {
    check_urls(caller.tools(), &input)?;
    let default_claim = caller.tools().config.section::<Settings>().tenant_claim.clone();
    let row = caller
        .write(async |tx| {
            let row = Model {
                id: ids::new(),
                issuer: input.issuer,
                audience: input.audience,
                tenant_claim: input.tenant_claim.unwrap_or(default_claim),
                jwks_uri: input.jwks_uri,
                version: 1,
                created_at: tx.now(),
                updated_at: tx.now(),
                resolve_by: input.resolve_by.unwrap_or(ResolveBy::Claim),
            };
            require_below_limit(tx, &row.issuer).await?;
            tx.insert(row.clone()).await.map_err(exists)?;
            tx.record("issuer.create", Target::new("issuer", row.id));
            Ok::<_, Problem>(row)
        })
        .await?;
    Ok(Created(format!("{LIST}/{}", row.id), row.into()))
}

async fn list_issuers(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Issuer>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, Issuer::from).await
}

async fn find(view: &PlatformView, id: Uuid) -> Result<Model, Problem> {
    let found = view.one(view.platform::<Entity>().filter(Column::Id.eq(id))).await?;
    found.ok_or_else(|| Problem::new(Code::NOT_FOUND))
}

async fn get_issuer(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Issuer>, Problem> {
    let id = ids.id("issuer_id")?;
    let row = caller.read(async |view| find(view, id).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn replace_issuer(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<IssuerInput>,
    cache: Shared<Arc<JwksCache>>,
) -> Result<Tagged<Issuer>, Problem> {
    let id = ids.id("issuer_id")?;
    check_urls(caller.tools(), &input)?;
    let row = caller
        .write(async |tx| {
            let found = tx.lock(tx.platform::<Entity>().filter(Column::Id.eq(id))).await?;
            let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
            seen.require(row.version)?;
            let before = row.clone();
            if row.issuer != input.issuer {
                require_below_limit(tx, &input.issuer).await?;
            }
            let row = Model {
                issuer: input.issuer,
                audience: input.audience,
                tenant_claim: input.tenant_claim.unwrap_or(row.tenant_claim),
                jwks_uri: input.jwks_uri,
                resolve_by: input.resolve_by.unwrap_or(row.resolve_by),
                version: row.version + 1,
                updated_at: tx.now(),
                ..row
            };
            tx.update(row.clone()).await.map_err(exists)?;
            tx.record("issuer.update", Target::new("issuer", id).changed(&before, &row));
            Ok::<_, Problem>(row)
        })
        .await?;
    cache.forget(id);
    Ok(Tagged(row.version, row.into()))
}

async fn delete_issuer(
    caller: PlatformCaller,
    ids: Ids,
    cache: Shared<Arc<JwksCache>>,
) -> Result<NoContent, Problem> {
    let id = ids.id("issuer_id")?;
    caller
        .write(async |tx| {
            let row = find(tx, id).await?;
            tx.delete(row).await?;
            tx.record("issuer.delete", Target::new("issuer", id));
            Ok::<_, Problem>(())
        })
        .await?;
    cache.forget(id);
    Ok(NoContent)
}
