//! `POST /ofrep/v1/evaluate/flags[/{key}]`: the OpenFeature Remote Evaluation Protocol 0.3, for any OpenFeature SDK.
//!
//! The evaluation context names the tenant (`tenant`, `tenantId` or `org`: id, slug or external id). What the tenant is (plan, region, …) is
//! said by us and can't be said by the caller; what else the context holds is the person's.

use std::sync::Arc;

use actix_web::http::{Method, StatusCode, header};
use actix_web::{HttpRequest, HttpResponse};
use flags_core::{Context, Flags};
use platform::Timestamp;
use platform::crypto::{hex, sha256};
use policy_core::Permission;
use serde_json::{Map, Value, json};
use web::{Access, Ids, PlatformCaller, Problem, RawBody, Routes, Shared, names_version};

use super::stream;
use crate::cache::{Evaluator, Known};
use crate::error::Error;
use crate::evaluation::{self, Evaluated};

/// Attributes of one context.
const ATTRIBUTES_MAX: usize = 100;
/// Names under which a context names its tenant, in this order.
const TENANT: [&str; 3] = ["tenantId", "tenant", "org"];

pub(super) fn routes() -> Routes {
    let evaluate = Access::Key(Permission::FlagsEvaluate);
    Routes::new()
        .add(
            Method::POST,
            "/ofrep/v1/evaluate/flags/{key}",
            evaluate,
            "ofrep_evaluate: Evaluate a flag (OFREP).",
            evaluate_one,
        )
        .add(
            Method::POST,
            "/ofrep/v1/evaluate/flags",
            evaluate,
            "ofrep_evaluate_all: Evaluate all flags (OFREP); supports ETag and If-None-Match.",
            evaluate_all,
        )
}

/// A refusal as OFREP writes it.
fn refusal(status: StatusCode, key: Option<&str>, code: &str, details: &str) -> HttpResponse {
    let mut body = json!({"errorCode": code, "errorDetails": details});
    if let (Some(key), Value::Object(body)) = (key, &mut body) {
        body.insert("key".to_owned(), key.into());
    }
    HttpResponse::build(status).json(body)
}

fn invalid(key: Option<&str>, code: &str, details: &str) -> HttpResponse {
    refusal(StatusCode::BAD_REQUEST, key, code, details)
}

/// The context, each attribute as text: what rules compare.
fn context(raw: &RawBody) -> Result<Context, (&'static str, &'static str)> {
    let body = raw.json().map_err(|_| ("PARSE_ERROR", "The body is not JSON."))?;
    let given = match body.get("context") {
        None => Map::new(),
        Some(Value::Object(given)) => given.clone(),
        Some(_) => return Err(("INVALID_CONTEXT", "`context` must be an object.")),
    };
    if given.len() > ATTRIBUTES_MAX {
        return Err(("INVALID_CONTEXT", "`context` has more than 100 attributes."));
    }
    let scalar = |value: Value| match value {
        Value::String(text) => Some(text),
        Value::Bool(_) | Value::Number(_) => Some(value.to_string()),
        _ => None,
    };
    Ok(given.into_iter().filter_map(|(name, value)| Some((name, scalar(value)?))).collect())
}

/// Whom a request is about, and what is at hand to evaluate.
struct Asked {
    flags: Arc<Flags>,
    known: Arc<Known>,
    context: Context,
    now: Timestamp,
}

async fn asked(
    caller: &PlatformCaller,
    evaluator: &Evaluator,
    raw: &RawBody,
    key: Option<&str>,
) -> Result<Result<Asked, HttpResponse>, Problem> {
    let person = match context(raw) {
        Ok(context) => context,
        Err((code, details)) => return Ok(Err(invalid(key, code, details))),
    };
    let named = TENANT.iter().find_map(|name| person.get(*name));
    let tenant = match named {
        Some(name) => evaluator.tenant_named(caller, name).await?,
        None => None,
    };
    let Some(tenant) = tenant else {
        return Ok(Err(invalid(key, "INVALID_CONTEXT", "The context does not name a known tenant.")));
    };
    match evaluator.of(tenant.db()).await {
        Ok((flags, known)) => {
            let context = evaluation::context(&known.tenant, &person);
            Ok(Ok(Asked { flags, known, context, now: caller.now() }))
        }
        Err(Error::Tenant(tenancy::Error::NotFound | tenancy::Error::Unusable(_))) => {
            Ok(Err(invalid(key, "INVALID_CONTEXT", "The tenant is not active.")))
        }
        Err(error) => Err(error.into()),
    }
}

fn shown(flag: Evaluated) -> Value {
    let mut metadata = json!({"overridden": flag.overridden});
    if let (Some(rule), Value::Object(metadata)) = (flag.rule, &mut metadata) {
        metadata.insert("rule".to_owned(), rule.into());
    }
    json!({
        "key": flag.key, "value": flag.value, "reason": flag.reason, "variant": flag.variant, "metadata": metadata,
    })
}

async fn evaluate_one(
    caller: PlatformCaller,
    evaluator: Shared<Evaluator>,
    ids: Ids,
    raw: RawBody,
) -> Result<HttpResponse, Problem> {
    let key = ids.key("key")?;
    let Asked { flags, known, context, now } = match asked(&caller, &evaluator, &raw, Some(key)).await? {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    match evaluation::evaluate_one(&flags, &known.own, &context, now, key) {
        Some(flag) => Ok(HttpResponse::Ok().json(shown(flag))),
        None => Ok(refusal(StatusCode::NOT_FOUND, Some(key), "FLAG_NOT_FOUND", "There is no such flag.")),
    }
}

async fn evaluate_all(
    caller: PlatformCaller,
    evaluator: Shared<Evaluator>,
    request: HttpRequest,
    raw: RawBody,
) -> Result<HttpResponse, Problem> {
    let Asked { flags, known, context, now } = match asked(&caller, &evaluator, &raw, None).await? {
        Ok(asked) => asked,
        Err(refusal) => return Ok(refusal),
    };
    let flags = evaluation::evaluate(&flags, &known.own, &context, now)?;
    let flags: Vec<Value> = flags.into_iter().map(shown).collect();
    // The tag is of what was evaluated: where a stream is differs from answer to answer.
    let digest = hex(sha256(json!(flags).to_string().as_bytes()).get(..16).unwrap_or_default());
    let tag = format!("\"{digest}\"");
    let seen = request.headers().get(header::IF_NONE_MATCH).and_then(|tags| tags.to_str().ok());
    if seen.is_some_and(|tags| names_version(tags, &digest)) {
        return Ok(HttpResponse::NotModified().insert_header((header::ETAG, tag)).finish());
    }
    let streams = [stream::announced(&caller, known.tenant.id)?];
    let body = json!({"flags": flags, "metadata": {}, "eventStreams": streams});
    Ok(HttpResponse::Ok().insert_header((header::ETAG, tag)).json(body))
}
