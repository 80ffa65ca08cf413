//! `/api/v1/flags`, `/api/v1/tenants/{tenant}/flags`, `/api/internal/feature-flags`

mod explain;
mod ofrep;
mod pushes;
mod stream;

use std::collections::BTreeMap;

use actix_web::http::Method;
use actix_web::web::Json;
use chrono::{DateTime, Utc};
use entity::by_name::ByName;
use entity::flags::flag::{Column, Entity, Model};
use flags_core::{Context, Definition, Kind, Prerequisite, Rule};
use platform::{Tx, View};
use policy_core::Permission;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use utoipa::ToSchema;
use web::{
    Access, Body, Code, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page,
    PlatformCaller, Problem, Query, Routes, Shared, Tagged, TenantCaller,
};

use crate::cache::Evaluator;
use crate::error::Error;
use crate::evaluation::{self, Evaluated};
use crate::ops;

const LIST: &str = "/api/v1/flags";
const ONE: &str = "/api/v1/flags/{key}";
const OF_TENANT: &str = "/api/v1/tenants/{tenant}/flags";
const ONE_OF_TENANT: &str = "/api/v1/tenants/{tenant}/flags/{key}";

/// The routes.
pub(crate) fn routes() -> Routes {
    let (read, write) = (Access::Key(Permission::FlagsRead), Access::Key(Permission::FlagsWrite));
    let (see, set) = (Access::Key(Permission::TenantFlagsRead), Access::Key(Permission::TenantFlagsWrite));
    Routes::new()
        .add(Method::POST, LIST, write, "create_flag: Create a flag.", create_flag)
        .add(Method::GET, LIST, read, "list_flags: List flags.", list_flags)
        .add(Method::GET, ONE, read, "get_flag: Get a flag.", get_flag)
        .add(Method::PUT, ONE, write, "replace_flag: Replace a flag's definition.", replace_flag)
        .add(Method::DELETE, ONE, write, "delete_flag: Delete a flag.", delete_flag)
        .add(
            Method::GET,
            OF_TENANT,
            see,
            "list_tenant_flags: Evaluate all flags for a tenant.",
            list_tenant_flags,
        )
        .add(
            Method::GET,
            ONE_OF_TENANT,
            see,
            "get_tenant_flag: Evaluate a flag for a tenant.",
            get_tenant_flag,
        )
        .add(
            Method::PUT,
            ONE_OF_TENANT,
            set,
            "set_tenant_flag: Override a flag for a tenant.",
            set_tenant_flag,
        )
        .add(
            Method::DELETE,
            ONE_OF_TENANT,
            set,
            "clear_tenant_flag: Remove a tenant's override of a flag.",
            clear_tenant_flag,
        )
        .add(
            Method::GET,
            "/api/internal/feature-flags",
            Access::Key(Permission::FlagsEvaluate),
            "get_feature_flags: Get the feature flags of a person's organization.",
            get_feature_flags,
        )
        .and(explain::routes())
        .and(ofrep::routes())
        .and(pushes::routes())
        .and(stream::routes())
}

/// A flag's definition.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct FlagInput {
    /// The flag's key; required to create a flag, and ignored when one is replaced.
    key: Option<String>,
    /// `boolean`, `string`, `number` or `object`.
    #[schema(value_type = String)]
    r#type: Kind,
    /// The variants: name → value. May be absent for a boolean: then `on` (true) and `off` (false).
    #[schema(value_type = Object)]
    variants: Option<BTreeMap<String, Value>>,
    /// The variant where nothing else decides. May be absent for a boolean: then `off`.
    default_variant: Option<String>,
    /// Targeting rules; the first that matches decides: `{"when": {"plan": ["pro"], "region": {"startsWith": ["eu-"]}}, "variant": "on"}`.
    /// Instead of `variant` a rule can have a percentage `rollout`: `[{"variant": "on", "weight": 10}, {"variant": "off", "weight": 90}]`,
    /// sticky by `bucketBy` (default `targetingKey`) and bucketed as in flagd. `from` and `until` limit a rule in time.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    rules: Vec<Rule>,
    /// Keys of the plans that include the flag; absent: all plans.
    plans: Option<Vec<String>>,
    /// The kill switch: false turns the flag off for everybody. Absent: true.
    enabled: Option<bool>,
    /// Variants that other flags must have; otherwise this flag is off: `{"flag": "base", "variant": "on"}`.
    #[serde(default)]
    #[schema(value_type = Vec<Object>)]
    prerequisites: Vec<Prerequisite>,
}

impl Input for FlagInput {
    fn check(&self, errors: &mut FieldErrors) {
        let fits = |key: &String| {
            (1..=100).contains(&key.len())
                && key.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"._-".contains(&byte))
        };
        errors.require(
            self.key.as_ref().is_none_or(fits),
            "/key",
            "must be 1 to 100 letters, digits, `.`, `_` or `-`",
        );
    }
}

impl FlagInput {
    fn definition(self, key: Option<&str>) -> Result<Definition, Problem> {
        let key =
            key.map(ToOwned::to_owned).or(self.key).ok_or_else(|| Problem::invalid("/key", "is required"))?;
        let boolean = self.r#type == Kind::Boolean;
        let switch = || BTreeMap::from([("on".to_owned(), json!(true)), ("off".to_owned(), json!(false))]);
        let variants = self.variants.or_else(|| boolean.then(switch));
        let variants = variants.ok_or_else(|| Problem::invalid("/variants", "is required"))?;
        let default_variant = self.default_variant.or_else(|| boolean.then(|| "off".to_owned()));
        let default_variant =
            default_variant.ok_or_else(|| Problem::invalid("/defaultVariant", "is required"))?;
        Ok(Definition {
            key,
            kind: self.r#type,
            variants,
            default_variant,
            rules: self.rules,
            plans: self.plans,
            enabled: self.enabled.unwrap_or(true),
            prerequisites: self.prerequisites,
        })
    }
}

/// A flag's definition.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Flag {
    key: String,
    #[schema(value_type = String)]
    r#type: ByName<Kind>,
    #[schema(value_type = Object)]
    variants: Value,
    default_variant: String,
    #[schema(value_type = Vec<Object>)]
    rules: Value,
    /// Keys of the plans that include the flag; null: all plans.
    #[schema(value_type = Option<Vec<String>>)]
    plans: Option<Value>,
    /// The kill switch: false turns the flag off for everybody.
    enabled: bool,
    #[schema(value_type = Vec<Object>)]
    prerequisites: Value,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<Model> for Flag {
    fn from(row: Model) -> Self {
        Self {
            key: row.key,
            r#type: row.r#type,
            variants: row.variants,
            default_variant: row.default_variant,
            rules: row.rules,
            plans: row.plans,
            enabled: row.enabled,
            prerequisites: row.prerequisites,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

/// A flag as evaluated for a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TenantFlag {
    key: String,
    #[schema(value_type = Object)]
    value: Value,
    variant: String,
    /// The OpenFeature reason: `STATIC`, `TARGETING_MATCH`, `SPLIT` or `DISABLED`.
    reason: String,
    /// The index of the rule that decided, from 0; null: no rule did.
    rule: Option<usize>,
    /// Whether the tenant has an override of the flag.
    overridden: bool,
}

impl From<Evaluated> for TenantFlag {
    fn from(flag: Evaluated) -> Self {
        Self {
            key: flag.key,
            value: flag.value,
            variant: flag.variant,
            reason: flag.reason.to_owned(),
            rule: flag.rule,
            overridden: flag.overridden,
        }
    }
}

/// All flags as evaluated for a tenant.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct TenantFlags {
    items: Vec<TenantFlag>,
}

/// The variant that a tenant gets, whatever the rules say.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct OverrideInput {
    variant: String,
}

impl Input for OverrideInput {}

async fn create_flag(caller: PlatformCaller, Body(input): Body<FlagInput>) -> Result<Created<Flag>, Problem> {
    let definition = input.definition(None)?;
    let row = caller.write(async |tx| ops::create(tx, definition).await).await?;
    Ok(Created(format!("{LIST}/{}", row.key), row.into()))
}

async fn list_flags(caller: PlatformCaller, Query(query): Query<ListQuery>) -> Result<Page<Flag>, Problem> {
    caller.page::<Entity, _>(&query, Column::Key, Flag::from).await
}

async fn get_flag(caller: PlatformCaller, ids: Ids) -> Result<Tagged<Flag>, Problem> {
    let key = ids.key("key")?;
    let found = caller
        .read(async |view| view.one(view.platform::<Entity>().filter(Column::Key.eq(key))).await)
        .await?;
    let row = found.ok_or_else(|| Problem::new(Code::NOT_FOUND))?;
    Ok(Tagged(row.version, row.into()))
}

async fn replace_flag(
    caller: PlatformCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<FlagInput>,
) -> Result<Tagged<Flag>, Problem> {
    let definition = input.definition(Some(ids.key("key")?))?;
    let row = caller.write(async |tx| ops::replace(tx, &seen, definition).await).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_flag(caller: PlatformCaller, ids: Ids) -> Result<NoContent, Problem> {
    let key = ids.key("key")?;
    caller.write(async |tx| ops::delete(tx, key).await).await?;
    Ok(NoContent)
}

async fn evaluate(view: &View) -> Result<Vec<Evaluated>, Error> {
    let tenant = tenancy::get(view).await?;
    evaluation::of_tenant(view, &tenant).await
}

async fn list_tenant_flags(caller: TenantCaller) -> Result<Json<TenantFlags>, Problem> {
    let items = caller.read(evaluate).await?.into_iter().map(TenantFlag::from).collect();
    Ok(Json(TenantFlags { items }))
}

async fn one(view: &View, key: &str) -> Result<TenantFlag, Error> {
    let found = evaluate(view).await?.into_iter().find(|flag| flag.key == key);
    found.map(TenantFlag::from).ok_or(Error::NotFound)
}

async fn get_tenant_flag(caller: TenantCaller, ids: Ids) -> Result<Json<TenantFlag>, Problem> {
    let key = ids.key("key")?;
    Ok(Json(caller.read(async |view| one(view, key).await).await?))
}

async fn set_tenant_flag(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<OverrideInput>,
) -> Result<Json<TenantFlag>, Problem> {
    let key = ids.key("key")?;
    let set = async |tx: &mut Tx| {
        ops::set_override(tx, key, &input.variant).await?;
        one(tx, key).await
    };
    Ok(Json(caller.write(set).await?))
}

async fn clear_tenant_flag(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let key = ids.key("key")?;
    caller.write(async |tx| ops::clear_override(tx, key).await).await?;
    Ok(NoContent)
}

/// Whose flags.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Whose {
    sub: String,
    org: String,
}

impl Input for Whose {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("?sub", &self.sub, 255);
        errors.text("?org", &self.org, 255);
    }
}

/// The flags of a person's organization, as name and value.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct FeatureFlags {
    /// The person, as in the request.
    sub: String,
    /// The organization, as in the request.
    org_id: String,
    #[schema(value_type = Object)]
    flags: Map<String, Value>,
    /// When the flags were evaluated.
    updated_at: DateTime<Utc>,
}

async fn get_feature_flags(
    caller: PlatformCaller,
    evaluator: Shared<Evaluator>,
    Query(whose): Query<Whose>,
) -> Result<Json<FeatureFlags>, Problem> {
    let tenant = evaluator.tenant_named(&caller, &whose.org).await?;
    let tenant = tenant.ok_or_else(|| Problem::new(tenancy::codes::TENANT_UNKNOWN))?;
    let (flags, known) = evaluator.of(tenant.db()).await?;
    let now = caller.now();
    // The same as what modules are pushed: by tenant, so that both ways agree.
    let context = evaluation::context(&known.tenant, &Context::new());
    let flags = evaluation::evaluate(&flags, &known.own, &context, now)?;
    let flags = flags.into_iter().map(|flag| (flag.key, flag.value)).collect();
    Ok(Json(FeatureFlags { sub: whose.sub, org_id: whose.org, flags, updated_at: now }))
}
