//! `/scim/v2`

mod discovery;
mod groups;
mod users;

use actix_web::http::StatusCode;
use actix_web::http::header::{ETAG, IF_NONE_MATCH, LOCATION};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder};
use scim_core::discovery::RESULTS_MAX;
use scim_core::resource::Projection;
use scim_core::schema::ResourceType;
use scim_core::{ErrorType, Profile, ScimError};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use web::{Code, Input, OrganizationCaller, Problem, Routes};

use crate::{represent, tokens};

/// Bytes of a body: a PUT of a group with some 50,000 members.
const BODY_BYTES_MAX: usize = 4 << 20;
/// Resources on a page, unless asked.
const COUNT_DEFAULT: u64 = 100;

/// The routes.
pub fn routes() -> Routes {
    users::routes().and(groups::routes()).and(discovery::routes()).and(tokens::routes())
}

/// A refusal of the protocol as a problem; the route renders it in SCIM's words.
fn refusal(error: ScimError) -> Problem {
    let code = if error.kind == ErrorType::Uniqueness { Code::Conflict } else { Code::ValidationFailed };
    Problem::detailed(code, error.detail).dialect(error.kind.name())
}

fn profile(caller: &OrganizationCaller) -> Profile {
    if caller.compat { Profile::Compat } else { Profile::Rfc }
}

fn base(caller: &OrganizationCaller) -> String {
    format!("{}/scim/v2", caller.service.config.public_url())
}

/// Query parameters. Others are ignored: Entra's `aadOptscim062020` stands in the tenant URL.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Parameters {
    filter: Option<String>,
    start_index: Option<String>,
    count: Option<String>,
    attributes: Option<String>,
    excluded_attributes: Option<String>,
}

impl Input for Parameters {}

impl Parameters {
    fn projection(&self, kind: &ResourceType) -> Result<Projection, Problem> {
        Projection::parse(kind, self.attributes.as_deref(), self.excluded_attributes.as_deref())
            .map_err(refusal)
    }

    fn filter(&self) -> Option<&str> {
        self.filter.as_deref().filter(|text| !text.trim().is_empty())
    }

    /// `startIndex` (from 1) and `count`; what is out of range is moved into it (RFC 7644, section 3.4.2.4).
    fn page(&self) -> Result<(u64, u64), Problem> {
        let number = |name: &'static str, text: &Option<String>| -> Result<Option<i64>, Problem> {
            let wrong =
                || refusal(ScimError::new(ErrorType::InvalidValue, format!("`{name}` must be an integer.")));
            text.as_deref().map(|text| text.trim().parse().map_err(|_| wrong())).transpose()
        };
        let start = number("startIndex", &self.start_index)?.unwrap_or(1).max(1);
        let count =
            number("count", &self.count)?.map_or(COUNT_DEFAULT, |count| u64::try_from(count).unwrap_or(0));
        Ok((u64::try_from(start).unwrap_or(1), count.min(RESULTS_MAX)))
    }
}

fn scim(mut response: HttpResponseBuilder, body: &Value) -> HttpResponse {
    response.content_type("application/scim+json").body(body.to_string())
}

fn one(
    status: StatusCode,
    whole: Map<String, Value>,
    kind: &ResourceType,
    projection: &Projection,
) -> HttpResponse {
    let meta = |name: &str| {
        whole
            .get("meta")
            .and_then(|meta| meta.get(name))
            .and_then(Value::as_str)
            .unwrap_or_default()
            .to_owned()
    };
    let mut response = HttpResponse::build(status);
    response.insert_header((ETAG, meta("version")));
    if status == StatusCode::CREATED {
        response.insert_header((LOCATION, meta("location")));
    }
    scim(response, &Value::Object(projection.apply(kind, whole)))
}

/// 304 if the caller has this version.
fn unchanged(request: &HttpRequest, version: i64) -> Option<HttpResponse> {
    let known = request.headers().get(IF_NONE_MATCH)?.to_str().ok()?;
    let tag = represent::etag(version);
    let strong = tag.trim_start_matches("W/");
    let seen =
        known.split(',').map(str::trim).any(|one| one == "*" || one.trim_start_matches("W/") == strong);
    seen.then(|| HttpResponse::NotModified().insert_header((ETAG, tag.clone())).finish())
}

fn list(total: u64, start: u64, resources: Vec<Value>) -> HttpResponse {
    let body = json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:ListResponse"],
        "totalResults": total, "startIndex": start, "itemsPerPage": resources.len(), "Resources": resources,
    });
    scim(HttpResponse::Ok(), &body)
}
