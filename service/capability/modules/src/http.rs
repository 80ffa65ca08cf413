//! `/api/v1/modules`

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use entity::modules::module::{Column, Entity, Model};
use entity::modules::states::PushProfile;
use policy_core::Permission;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Tagged,
};

use crate::ops::{self, LogoutUris, ModuleFields};
use crate::store;

const READ: Access = Access::Key(Permission::CatalogueRead);
const WRITE: Access = Access::Key(Permission::CatalogueWrite);

/// The routes.
pub(crate) fn routes() -> Routes {
    Routes::new()
        .add(Method::POST, "/api/v1/modules", WRITE, "create_module: Register a module.", create_module)
        .add(Method::GET, "/api/v1/modules", READ, "list_modules: List modules.", list_modules)
        .add(Method::GET, "/api/v1/modules/{module_id}", READ, "get_module: Get a module.", get_module)
        .add(
            Method::PATCH,
            "/api/v1/modules/{module_id}",
            WRITE,
            "update_module: Update a module.",
            update_module,
        )
        .add(
            Method::DELETE,
            "/api/v1/modules/{module_id}",
            WRITE,
            "delete_module: Delete a module.",
            delete_module,
        )
}

/// What the API calls the shape of pushes. The names from before go on working.
#[derive(Clone, Copy, Debug, Deserialize, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Profile {
    Tenantry,
    #[serde(alias = "kombify-list")]
    List,
    #[serde(alias = "kombify-map")]
    Map,
}

impl From<Profile> for PushProfile {
    fn from(profile: Profile) -> Self {
        match profile {
            Profile::Tenantry => PushProfile::Tenantry,
            Profile::List => PushProfile::List,
            Profile::Map => PushProfile::Map,
        }
    }
}

impl From<PushProfile> for Profile {
    fn from(profile: PushProfile) -> Self {
        match profile {
            PushProfile::Tenantry => Profile::Tenantry,
            PushProfile::List => Profile::List,
            PushProfile::Map => Profile::Map,
        }
    }
}

/// A module to register.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModuleInput {
    #[schema(max_length = 200)]
    name: String,
    /// The module's base URL; flags are pushed to a path below it.
    base_url: String,
    /// The redirect URIs to which authorization codes may be sent.
    #[serde(default)]
    redirect_uris: Vec<String>,
    /// The format in which flags are pushed: `tenantry`, `list` or `map`.
    #[schema(value_type = Option<String>)]
    profile: Option<Profile>,
    /// Whether it is a public client, which can't keep a secret: an app in a browser or on a phone.
    #[serde(default)]
    public: bool,
    /// URLs to which browsers may be sent after signing out.
    #[serde(default)]
    post_logout_redirect_uris: Vec<String>,
    /// The URL that is notified when a session ends (OpenID Connect Back-Channel Logout).
    backchannel_logout_uri: Option<String>,
    /// The URL that is loaded in a frame when a session ends (OpenID Connect Front-Channel Logout).
    frontchannel_logout_uri: Option<String>,
}

/// Changes to a module.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct ModuleChange {
    name: Option<String>,
    base_url: Option<String>,
    redirect_uris: Option<Vec<String>>,
    #[schema(value_type = Option<String>)]
    profile: Option<Profile>,
    post_logout_redirect_uris: Option<Vec<String>>,
    backchannel_logout_uri: Option<String>,
    frontchannel_logout_uri: Option<String>,
}

/// RFC 6749, section 3.1.2: absolute, without a fragment.
fn check_uris(errors: &mut FieldErrors, pointer: &str, uris: &[String]) {
    errors.require(uris.len() <= 50, pointer, "at most 50");
    for (at, uri) in uris.iter().enumerate() {
        let fits = Url::parse(uri)
            .is_ok_and(|url| url.fragment().is_none() && matches!(url.scheme(), "http" | "https"));
        errors.require(fits, &format!("{pointer}/{at}"), "must be an absolute URL without a fragment");
    }
}

fn check(errors: &mut FieldErrors, name: Option<&str>, redirect_uris: &[String]) {
    if let Some(name) = name {
        errors.text("/name", name, 200);
    }
    check_uris(errors, "/redirectUris", redirect_uris);
}

impl Input for ModuleInput {
    fn check(&self, errors: &mut FieldErrors) {
        check(errors, Some(&self.name), &self.redirect_uris);
        check_uris(errors, "/postLogoutRedirectUris", &self.post_logout_redirect_uris);
        check_uris(errors, "/backchannelLogoutUri", self.backchannel_logout_uri.as_slice());
        check_uris(errors, "/frontchannelLogoutUri", self.frontchannel_logout_uri.as_slice());
    }
}

impl Input for ModuleChange {
    fn check(&self, errors: &mut FieldErrors) {
        check(errors, self.name.as_deref(), self.redirect_uris.as_deref().unwrap_or_default());
        let uris = self.post_logout_redirect_uris.as_deref().unwrap_or_default();
        check_uris(errors, "/postLogoutRedirectUris", uris);
        check_uris(errors, "/backchannelLogoutUri", self.backchannel_logout_uri.as_slice());
        check_uris(errors, "/frontchannelLogoutUri", self.frontchannel_logout_uri.as_slice());
    }
}

/// A module, without its secrets.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Module {
    id: Uuid,
    name: String,
    base_url: String,
    #[schema(value_type = Vec<String>)]
    redirect_uris: Value,
    #[schema(value_type = String)]
    profile: Profile,
    client_id: String,
    public: bool,
    #[schema(value_type = Vec<String>)]
    post_logout_redirect_uris: Value,
    backchannel_logout_uri: Option<String>,
    frontchannel_logout_uri: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

/// A module with its secrets. They are shown only once.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ModuleWithSecrets {
    #[serde(flatten)]
    module: Module,
    /// The module's OAuth client secret.
    client_secret: String,
    /// The secret that signs flag pushes, as in Standard Webhooks.
    webhook_secret: String,
}

impl From<Model> for Module {
    fn from(row: Model) -> Self {
        Self {
            id: row.id,
            name: row.name,
            base_url: row.base_url,
            redirect_uris: row.redirect_uris,
            profile: row.profile.into(),
            client_id: row.client_id,
            public: row.public,
            post_logout_redirect_uris: row.post_logout_redirect_uris,
            backchannel_logout_uri: row.backchannel_logout_uri,
            frontchannel_logout_uri: row.frontchannel_logout_uri,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn create_module(
    caller: PlatformCaller,
    Body(input): Body<ModuleInput>,
) -> Result<Created<ModuleWithSecrets>, Problem> {
    let fields = ModuleFields {
        name: input.name,
        base_url: input.base_url,
        redirect_uris: input.redirect_uris,
        profile: input.profile.map_or(PushProfile::Tenantry, PushProfile::from),
        public: input.public,
        logout: LogoutUris {
            post_logout_redirect_uris: input.post_logout_redirect_uris,
            backchannel: input.backchannel_logout_uri,
            frontchannel: input.frontchannel_logout_uri,
        },
    };
    let made = ops::prepare_module(caller.tools(), fields).await?;
    let row = made.row.clone();
    caller.write(async |tx| ops::insert_module(tx, row).await).await?;
    let location = format!("/api/v1/modules/{}", made.row.id);
    let reply = ModuleWithSecrets {
        module: made.row.into(),
        client_secret: made.client_secret,
        webhook_secret: made.webhook_secret,
    };
    Ok(Created(location, reply))
}

async fn list_modules(
    caller: PlatformCaller,
    Query(query): Query<ListQuery>,
) -> Result<Page<Module>, Problem> {
    caller.page::<Entity, _>(&query, Column::Id, Module::from).await
}

async fn get_module(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Module>, Problem> {
    let id = ids.id("module_id")?;
    let row = caller
        .read(async |view| store::module(view, id).await)
        .await?
        .ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}

async fn update_module(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(change): Body<ModuleChange>,
) -> Result<Tagged<Module>, Problem> {
    let id = ids.id("module_id")?;
    if let Some(url) = &change.base_url {
        caller.tools().http.check_at("/baseUrl", url)?;
    }
    if let Some(uri) = &change.backchannel_logout_uri {
        caller.tools().http.check_at("/backchannelLogoutUri", uri)?;
    }
    let apply = |row: &mut Model| {
        if let Some(uris) = change.post_logout_redirect_uris {
            row.post_logout_redirect_uris = uris.into();
        }
        row.backchannel_logout_uri = change.backchannel_logout_uri.or(row.backchannel_logout_uri.take());
        row.frontchannel_logout_uri = change.frontchannel_logout_uri.or(row.frontchannel_logout_uri.take());
        row.name = change.name.unwrap_or_else(|| row.name.clone());
        row.base_url =
            change.base_url.map_or_else(|| row.base_url.clone(), |url| url.trim_end_matches('/').to_owned());
        row.redirect_uris =
            change.redirect_uris.map_or_else(|| row.redirect_uris.clone(), |uris| uris.into());
        row.profile = change.profile.map_or(row.profile, PushProfile::from);
    };
    let row = caller.write(async |tx| ops::update_module(tx, id, &seen, apply).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_module(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let id = ids.id("module_id")?;
    caller.write(async |tx| ops::delete_module(tx, id).await).await?;
    Ok(NoContent)
}
