//! `GET /api/v1/tenants/{tenant}/flags/{key}/explanation`: why is it on?

use actix_web::http::Method;
use actix_web::web::Json;
use flags_core::{Context, Step};
use policy_core::Permission;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use web::{Access, Ids, Problem, Routes, TenantCaller};

use crate::evaluation;

pub(super) fn routes() -> Routes {
    Routes::new().add(
        Method::GET,
        "/api/v1/tenants/{tenant}/flags/{key}/explanation",
        Access::Key(Permission::TenantFlagsRead),
        "explain_tenant_flag: Explain step by step why a tenant gets a flag's variant.",
        explain_tenant_flag,
    )
}

/// A step of the evaluation, and whether it decided.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct ExplainedStep {
    /// `killSwitch`, `override`, `plan`, `prerequisite`, `rule` or `default`.
    step: String,
    /// The key of the other flag for `prerequisite`; the index of the rule, from 0, for `rule`; otherwise null.
    of: Option<String>,
    /// The step's result as a sentence.
    text: String,
    /// Whether this step decided; it is then the last one.
    decides: bool,
}

impl From<Step> for ExplainedStep {
    fn from(step: Step) -> Self {
        Self { step: step.step.to_owned(), of: step.of, text: step.text, decides: step.decides }
    }
}

/// The steps by which a flag was evaluated for a tenant.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    key: String,
    variant: String,
    #[schema(value_type = Object)]
    value: Value,
    /// The OpenFeature reason: `STATIC`, `TARGETING_MATCH`, `SPLIT` or `DISABLED`.
    reason: String,
    steps: Vec<ExplainedStep>,
    /// The attributes that the rules were compared with.
    #[schema(value_type = Object)]
    context: Context,
}

async fn explain_tenant_flag(caller: TenantCaller, ids: Ids) -> Result<Json<Explanation>, Problem> {
    let key = ids.key("key")?;
    let read = async |view: &platform::View| {
        let tenant = tenancy::get(view).await?;
        evaluation::explain(view, &tenant, key).await
    };
    let (flag, steps, context) = caller.read(read).await?;
    Ok(Json(Explanation {
        key: flag.key,
        variant: flag.variant,
        value: flag.value,
        reason: flag.reason.to_owned(),
        steps: steps.into_iter().map(ExplainedStep::from).collect(),
        context,
    }))
}
