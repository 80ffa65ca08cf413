//! `/api/v1/tenants/{tenant}/organizations/{organization}/connections`

use std::sync::Arc;

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::connections::connection;
use entity::connections::states::{ConnectionType, ConnectionVerb};
use entity::ids::OrganizationId;
use entity::ids::TenantId;
use platform::crypto::{hex, sha256};
use platform::{Tx, View, ids};
use policy_core::Permission;
use saml_core::Certificate;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, Ids, IfMatch, ListQuery, NoContent, Page, Problem, Query, Routes, Shared,
    Tagged, TenantCaller, Tools,
};

use super::connection_input::{ConnectionInput, make};
use crate::error::Error;
use crate::ops::addresses::{callback, post_logout_redirect_uri};
use crate::ops::connections::{self as ops, Connection, Kind};
use crate::ops::saml::{self, addresses};
use crate::ops::{policy, test_link};
use crate::upstream::Upstream;

const READ: Access = Access::Key(Permission::SignInRead);
const WRITE: Access = Access::Key(Permission::SignInWrite);
const LIST: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/connections";
const ONE: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/connections/{connection_id}";

pub(super) fn routes() -> Routes {
    let large = |route: web::Route| route.body_bytes_max(2 << 20);
    Routes::new()
        .add_with(
            Method::POST,
            LIST,
            WRITE,
            "create_connection: Connect an identity provider.",
            create_connection,
            large,
        )
        .add(Method::GET, LIST, READ, "list_connections: List connections.", list_connections)
        .add(Method::GET, ONE, READ, "get_connection: Get a connection.", get_connection)
        .add_with(
            Method::PATCH,
            ONE,
            WRITE,
            "update_connection: Update a connection.",
            update_connection,
            large,
        )
        .add(Method::DELETE, ONE, WRITE, "delete_connection: Delete a connection.", delete_connection)
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/organizations/{organization}/connections/{connection_id}/test",
            WRITE,
            "test_connection: Check the provider's metadata, and get a link for a test sign-in.",
            test_connection,
        )
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/organizations/{organization}/connections/{connection_id}/rotate-key",
            WRITE,
            "rotate_connection_key: Replace a SAML key pair; the previous key still decrypts responses.",
            rotate_connection_key,
        )
}

/// A certificate in readable form.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct CertificateView {
    subject: String,
    key: String,
    not_before: DateTime<Utc>,
    not_after: DateTime<Utc>,
    /// SHA-256 of the DER encoding, in hexadecimal.
    fingerprint: String,
}

impl From<Certificate> for CertificateView {
    fn from(one: Certificate) -> Self {
        Self {
            subject: one.subject,
            key: one.key,
            not_before: one.not_before,
            not_after: one.not_after,
            fingerprint: hex(&sha256(&one.der)),
        }
    }
}

/// What is known of the identity provider of a SAML connection.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ProviderView {
    entity_id: String,
    sso_url: Option<String>,
    slo_url: Option<String>,
    certificates: Vec<CertificateView>,
    /// When the metadata was last fetched; null: never.
    fetched_at: Option<DateTime<Utc>>,
}

/// A connection, with the values to enter at the identity provider.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ConnectionView {
    id: Uuid,
    organization_id: Uuid,
    #[serde(rename = "type")]
    #[schema(rename = "type", value_type = String)]
    kind: ConnectionType,
    name: String,
    enabled: bool,
    /// `active`, `disabled`, or `incomplete`: nobody can sign in, as there is no usable signing certificate.
    status: String,
    #[serde(flatten)]
    #[schema(value_type = Object)]
    settings: Value,
    #[serde(skip_serializing_if = "Option::is_none")]
    provider: Option<ProviderView>,
    client_secret_expires_at: Option<DateTime<Utc>>,
    /// OIDC: the redirect URI to register at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    redirect_uri: Option<String>,
    /// OIDC: the back-channel logout URI to register at the provider.
    #[serde(skip_serializing_if = "Option::is_none")]
    backchannel_logout_uri: Option<String>,
    /// For `signOutUpstream`: the URL to which the provider returns people after logout.
    #[serde(skip_serializing_if = "Option::is_none")]
    post_logout_redirect_uri: Option<String>,
    /// SAML: the entity ID of this service for the connection.
    #[serde(skip_serializing_if = "Option::is_none")]
    entity_id: Option<String>,
    /// SAML: the URL of the assertion consumer service.
    #[serde(skip_serializing_if = "Option::is_none")]
    acs_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    slo_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    metadata_url: Option<String>,
    /// When a test sign-in last succeeded; null: never.
    tested_at: Option<DateTime<Utc>>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

fn view(tools: &Tools, one: Connection) -> ConnectionView {
    let status = one.status().as_str().to_owned();
    let row = one.row;
    let mut settings = row.settings;
    let mut made = ConnectionView {
        id: row.id,
        organization_id: row.organization_id,
        kind: row.kind,
        name: row.name,
        enabled: row.enabled,
        status,
        settings: Value::Null,
        provider: None,
        client_secret_expires_at: row.secret_expires_at,
        redirect_uri: None,
        backchannel_logout_uri: None,
        post_logout_redirect_uri: None,
        entity_id: None,
        acs_url: None,
        slo_url: None,
        metadata_url: None,
        tested_at: row.tested_at,
        created_at: row.created_at,
        updated_at: row.updated_at,
    };
    match one.kind {
        Kind::Oidc(_) => {
            made.redirect_uri = Some(callback(tools, row.id));
            let base = format!("{}/sso/oidc/{}", tools.config.public_url(), row.id);
            made.backchannel_logout_uri = Some(format!("{base}/backchannel-logout"));
            made.post_logout_redirect_uri = Some(post_logout_redirect_uri(tools, row.id));
        }
        Kind::Saml(_, provider) => {
            // Two addresses of metadata, the provider's and ours: ours is what has to be pasted.
            if let Value::Object(settings) = &mut settings
                && let Some(theirs) = settings.remove("metadataUrl")
            {
                settings.insert("providerMetadataUrl".to_owned(), theirs);
            }
            let ours = addresses(tools, row.id);
            made.metadata_url = Some(ours.entity_id.clone());
            made.entity_id = Some(ours.entity_id);
            made.acs_url = Some(ours.acs);
            made.slo_url = Some(ours.slo);
            made.provider = provider.map(|provider| ProviderView {
                certificates: provider.usable().into_iter().map(Into::into).collect(),
                entity_id: provider.entity_id,
                sso_url: provider.sso_redirect.or(provider.sso_post),
                slo_url: provider.slo_redirect.or(provider.slo_post),
                fetched_at: row.provider_at,
            });
        }
    }
    made.settings = settings;
    made
}

fn sealed(tools: &Tools, id: Uuid, secret: Option<&String>) -> Result<Option<Vec<u8>>, Problem> {
    let seal = |secret: &String| tools.envelope.seal("connection", id.as_bytes(), secret.as_bytes());
    Ok(secret.map(seal).transpose()?)
}

async fn create_connection(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<ConnectionInput>,
) -> Result<Created<ConnectionView>, Problem> {
    let tools = caller.tools();
    let kind = input.kind.clone().ok_or_else(|| Problem::invalid("/type", "is required"))?;
    let name = input.name.clone().ok_or_else(|| Problem::invalid("/name", "is required"))?;
    let organization = ids.key("organization")?;
    let find = async |view: &View| tenancy::organization_named(view, organization).await;
    let organization_id = caller.read(find).await?.id;
    let kind = ConnectionType::parse(&kind);
    let kind = kind.ok_or_else(|| Problem::invalid("/type", "must be oidc or saml"))?;
    let made = make(tools, kind, &input, None)?;
    let id = ids::new();
    let now = caller.now();
    let row = connection::Model {
        tenant_id: caller.tenant(),
        organization_id,
        id,
        name,
        enabled: input.enabled.unwrap_or(true),
        issuer: made.issuer,
        client_id: None,
        settings: made.settings,
        provider_at: made.provider.is_some().then_some(now),
        provider: made.provider,
        client_secret: sealed(tools, id, input.client_secret.as_ref())?,
        secret_expires_at: input.client_secret_expires_at,
        claimed_at: Some(now),
        proven_at: None,
        tested_at: None,
        warned_days: None,
        version: 1,
        created_at: now,
        updated_at: now,
        kind,
    };
    let key = match row.kind {
        ConnectionType::Saml => Some(ops::make_key(tools, TenantId(caller.tenant()), id).await?),
        ConnectionType::Oidc => None,
    };
    let made = Connection::of(row.clone())?;
    caller.write(async |tx: &mut Tx| ops::create(tx, row, key).await).await?;
    let location =
        format!("/api/v1/tenants/{}/organizations/{organization_id}/connections/{id}", caller.tenant());
    Ok(Created(location, view(tools, made)))
}

async fn list_connections(
    caller: TenantCaller,
    ids: Ids,
    Query(_): Query<ListQuery>,
) -> Result<Page<ConnectionView>, Problem> {
    let organization = ids.key("organization")?;
    let find = async |view: &View| {
        let organization = tenancy::organization_named(view, organization).await?;
        ops::of_organization(view, organization.id).await
    };
    let all = caller.read(find).await?;
    let items = all.into_iter().map(|one| view(caller.tools(), one)).collect();
    Ok(Page { items, next_cursor: None })
}

async fn found(caller: &TenantCaller, ids: &Ids) -> Result<Connection, Problem> {
    let (organization, id) = (ids.key("organization")?, ids.id("connection_id")?);
    let find = async |view: &View| {
        let organization = tenancy::organization_named(view, organization).await?;
        let one = ops::find(view, id).await?;
        if one.row.organization_id == organization.id { Ok(one) } else { Err(Error::NotFound) }
    };
    Ok(caller.read(find).await?)
}

/// The connection of a public path, whose tenant the gate has found.
///
/// # Errors
/// [`Problem`]: there is none.
pub async fn of_path(caller: &TenantCaller, ids: &Ids) -> Result<Connection, Problem> {
    let id = ids.id("connection")?;
    Ok(caller.read(async |view| ops::find(view, id).await).await?)
}

async fn get_connection(caller: TenantCaller, ids: Ids) -> Result<Tagged<ConnectionView>, Problem> {
    let one = found(&caller, &ids).await?;
    Ok(Tagged(one.row.version, view(caller.tools(), one)))
}

async fn update_connection(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<ConnectionInput>,
) -> Result<Tagged<ConnectionView>, Problem> {
    let tools = caller.tools();
    let organization = found(&caller, &ids).await?.row.organization_id;
    let id = ids.id("connection_id")?;
    let change = async |tx: &mut Tx| {
        let before = ops::locked(tx, OrganizationId(organization), id).await?;
        seen.require(before.row.version)?;
        if input.kind.as_ref().is_some_and(|kind| kind != before.row.kind.as_str()) {
            return Err(Problem::invalid("/type", "can't be changed"));
        }
        let made = make(tools, before.row.kind, &input, Some(before.kind.clone()))?;
        let mut row = before.row.clone();
        row.name = input.name.clone().unwrap_or(row.name);
        if let Some(enabled) = input.enabled {
            let verb = if enabled { ConnectionVerb::Enable } else { ConnectionVerb::Disable };
            let state = ops::after(&row, verb)?;
            row = row.at(state);
        }
        if made.provider != row.provider {
            row.provider_at = made.provider.as_ref().map(|_| tx.now());
        }
        if ops::is_another(row.issuer.as_ref(), made.issuer.as_ref()) {
            require_secret(&row, &input)?;
        }
        let was = row.clone();
        row.issuer = made.issuer.or(row.issuer);
        row.settings = made.settings;
        row.provider = made.provider;
        if let Some(secret) = &input.client_secret {
            ops::after(&row, ConnectionVerb::Rotate)?;
            row.client_secret = sealed(tools, id, Some(secret))?;
            row.warned_days = None;
        }
        row.secret_expires_at = input.client_secret_expires_at.or(row.secret_expires_at);
        // Whom the provider before named proves it anew.
        let row = ops::reclaimed(&was, row, tx.now())?;
        Ok(ops::update(tx, &before.row, row).await?)
    };
    let changed = caller.write(async |tx| policy::change_connections(tx, organization, change).await).await?;
    Ok(Tagged(changed.row.version, view(tools, changed)))
}

/// A secret is a provider's: it is never sent to another one.
fn require_secret(row: &connection::Model, input: &ConnectionInput) -> Result<(), Problem> {
    if row.client_secret.is_some() && input.client_secret.is_none() {
        return Err(Problem::invalid("/clientSecret", "is required when the issuer changes"));
    }
    Ok(())
}

async fn delete_connection(caller: TenantCaller, ids: Ids, seen: IfMatch) -> Result<NoContent, Problem> {
    let organization = found(&caller, &ids).await?.row.organization_id;
    let id = ids.id("connection_id")?;
    let change = async |tx: &mut Tx| {
        let before = ops::locked(tx, OrganizationId(organization), id).await?;
        seen.require(before.row.version)?;
        policy::may_delete(tx, &before.row).await?;
        Ok::<_, Problem>(ops::delete(tx, before.row).await?)
    };
    caller.write(async |tx| policy::change_connections(tx, organization, change).await).await?;
    Ok(NoContent)
}

/// The result of a connection test.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TestResult {
    /// Whether the provider answered as expected.
    ok: bool,
    /// `active`, `disabled` or `incomplete`.
    status: String,
    /// The code of the reason for which the test failed; otherwise null.
    reason: Option<String>,
    detail: Option<String>,
    /// A link to open in a browser: a test sign-in that shows the claims received and creates no session.
    test_url: String,
}

async fn test_connection(
    caller: TenantCaller,
    ids: Ids,
    upstream: Shared<Arc<Upstream>>,
) -> Result<actix_web::web::Json<TestResult>, Problem> {
    let one = found(&caller, &ids).await?;
    let service = caller.service();
    let asked = match &one.kind {
        Kind::Oidc(settings) => upstream
            .providers
            .probe(service, &one, settings)
            .await
            .map_err(|refused| (refused.reason.clone(), refused.got.unwrap_or(refused.how))),
        Kind::Saml(settings, known) => {
            saml::provider(service, &one, settings, known.as_ref(), true).await.map(drop).map_err(|error| {
                let problem = Problem::from(error);
                let detail =
                    problem.errors.first().map_or(problem.detail.clone(), |error| error.detail.clone());
                (problem.code.name().to_owned(), detail)
            })
        }
    };
    // What was fetched may have changed what the connection is.
    let one = found(&caller, &ids).await?;
    let (reason, detail) = asked.err().unzip();
    let test_url = test_link::link(service, &one)?;
    Ok(actix_web::web::Json(TestResult {
        ok: reason.is_none() && one.status() == ops::ConnectionStatus::Active,
        status: one.status().as_str().to_owned(),
        reason,
        detail,
        test_url,
    }))
}

async fn rotate_connection_key(
    caller: TenantCaller,
    ids: Ids,
    upstream: Shared<Arc<Upstream>>,
) -> Result<Tagged<ConnectionView>, Problem> {
    let one = found(&caller, &ids).await?;
    if one.row.kind != ConnectionType::Saml {
        return Err(Problem::detailed(Code::CONFLICT, "Only SAML connections have a key pair."));
    }
    ops::after(&one.row, ConnectionVerb::Rotate)?;
    let id = one.row.id;
    let key = ops::make_key(caller.tools(), TenantId(caller.tenant()), id).await?;
    let work = async |tx: &mut Tx| {
        tx.insert(key).await?;
        platform::Work::record(tx, "connection.rotate_key", platform::Target::new("connection", id));
        Ok::<_, platform::DbError>(())
    };
    caller.write(work).await?;
    upstream.saml.forget(id);
    Ok(Tagged(one.row.version, view(caller.tools(), one)))
}
