//! `/scim/v2/Bulk` (RFC 7644, section 3.7). Each operation is a transaction of its own: one that fails undoes no other.
//! Operations run in the order in which each finds what it refers to; the answers stand in the order in which they were
//! sent.

use std::collections::HashMap;

use std::sync::Arc;

use actix_web::http::Method;
use actix_web::web::Bytes;
use actix_web::{HttpRequest, HttpResponse};
use platform::refusal::VersionMismatch;
use scim_core::bulk::{self, Bulk, Operation};
use scim_core::document::Document;
use scim_core::{ErrorType, ScimError};
use serde_json::{Map, Value, json};
use web::{Access, Code, OrganizationCaller, Problem, RawBody, Routes, Shared};

use super::one::Unseen;
use super::{ok, refusal, write};
use crate::error::Error;
use crate::represent;
use crate::resources::{self, Row, Seen};
use crate::state::{Scope, States, Type};
use crate::work::{Price, Work, lock_of};

pub(super) fn routes() -> Routes {
    Routes::new().add_with(
        Method::POST,
        "/scim/v2/Bulk",
        Access::Scim,
        "scim_bulk: Perform several operations in one request (RFC 7644, section 3.7).",
        run,
        |route| route.body_bytes_max(bulk::BYTES_MAX),
    )
}

async fn run(
    caller: OrganizationCaller,
    body: RawBody,
    states: Shared<Arc<States>>,
    request: HttpRequest,
) -> Result<HttpResponse, Problem> {
    let scope = Scope::of(&caller, &states).await?;
    let size = body.0.len();
    let mut work = Work::begin(&caller, size).await?;
    let read = {
        let scope = scope.clone();
        move || understand(&scope, &body.0)
    };
    let Understood { bulk, price, order, stuck } = work.read(size, read).await?;
    work.pay(price).await?;
    let mut answers: Vec<Option<Value>> = vec![None; bulk.operations.len()];
    let mut ids: HashMap<String, String> = HashMap::new();
    let mut failures = 0;
    let enough = |failures: usize| bulk.fail_on_errors.is_some_and(|limit| failures >= limit);
    for at in order.into_iter().chain(stuck.iter().copied()) {
        if enough(failures) {
            break;
        }
        let Some(operation) = bulk.operations.get(at) else { continue };
        let done = match operation {
            Err(error) => Err(refusal(error.clone())),
            Ok(_) if stuck.contains(&at) => {
                let detail =
                    "A `bulkId` that the operation refers to does not exist, failed, or refers back to it.";
                Err(Problem::detailed(Code::CONFLICT, detail))
            }
            Ok(operation) => {
                let operation = operation.clone().resolved(&ids);
                one((&caller, &scope, &states), &mut work, operation, &mut ids).await
            }
        };
        failures += usize::from(done.is_err());
        let answer = match done {
            Ok(answer) => answer,
            Err(problem) => refused(operation.as_ref().ok(), &scope, &problem),
        };
        if let Some(place) = answers.get_mut(at) {
            *place = Some(answer);
        }
    }
    let answers: Vec<Value> = answers.into_iter().flatten().collect();
    let body =
        json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:BulkResponse"], "Operations": answers});
    Ok(ok(&request, &body))
}

/// A bulk request as it will be run.
struct Understood {
    bulk: Bulk,
    price: Price,
    order: Vec<usize>,
    stuck: Vec<usize>,
}

fn understand(scope: &Scope, body: &[u8]) -> Result<Understood, Error> {
    let bulk = Document::parse(body).and_then(|body| Bulk::parse(&body))?;
    let price = Price::of_bulk(scope, &bulk)?;
    let (order, stuck) = bulk.order();
    Ok(Understood { bulk, price, order, stuck })
}

/// The version that an operation names.
struct Version(Option<String>);

impl Seen for Version {
    fn is_given(&self) -> bool {
        self.0.is_some()
    }
    fn require(&self, version: i64) -> Result<(), VersionMismatch> {
        let current = represent::etag(version);
        let same = |seen: &String| seen.trim_start_matches("W/") == current.trim_start_matches("W/");
        if self.0.as_ref().is_none_or(same) { Ok(()) } else { Err(VersionMismatch) }
    }
}

async fn one(
    (caller, scope, states): (&OrganizationCaller, &Scope, &States),
    work: &mut Work,
    mut operation: Operation,
    ids: &mut HashMap<String, String>,
) -> Result<Value, Problem> {
    caller.count()?;
    let unresolved = operation.references();
    if !unresolved.is_empty() {
        let some = unresolved.iter().take(10).map(String::as_str).collect::<Vec<_>>();
        let detail = format!("`bulkId:{}` was not created.", some.join("`, `bulkId:"));
        return Err(Problem::detailed(Code::CONFLICT, detail));
    }
    let of = Type::at(&operation.endpoint).ok_or_else(|| {
        refusal(ScimError::new(ErrorType::InvalidPath, "`path` must begin with /Users or /Groups."))
    })?;
    let data = Bytes::from(std::mem::take(&mut operation.data));
    let id = operation.id.as_deref();
    let change = work.prepare_unpaid(scope, of, operation.method, id, data).await?;
    work.admit_patch(scope, of, &change).await?;
    let seen = Version(operation.version.clone());
    let lock = lock_of(of, &change);
    let done = write(caller, scope, (states, lock), work, async |tx, work| {
        let seen: &dyn Seen = if operation.method == bulk::Method::Post { &Unseen } else { &seen };
        resources::apply(tx, scope, of, (change, work), seen).await
    })
    .await?;
    let mut answer = head(&operation);
    let row = match done.row {
        Row::User(row) => Some((row.id, row.version)),
        Row::Group(row) => Some((row.id, row.version)),
        Row::Gone => None,
    };
    let status = match (operation.method, row) {
        (bulk::Method::Post, Some((id, _))) => {
            if let Some(name) = &operation.bulk_id {
                ids.insert(name.clone(), id.to_string());
            }
            "201"
        }
        (bulk::Method::Delete, _) => "204",
        _ => "200",
    };
    let location = match row {
        Some((id, version)) => {
            answer.insert("version".to_owned(), represent::etag(version).into());
            represent::location(&scope.base, scope.kind(of), id)
        }
        None => place(scope, &operation),
    };
    answer.insert("location".to_owned(), location.into());
    answer.insert("status".to_owned(), status.into());
    Ok(Value::Object(answer))
}

fn head(operation: &Operation) -> Map<String, Value> {
    let mut answer = Map::new();
    answer.insert("method".to_owned(), operation.method.name().into());
    if let Some(id) = &operation.bulk_id {
        answer.insert("bulkId".to_owned(), id.as_str().into());
    }
    answer
}

fn place(scope: &Scope, operation: &Operation) -> String {
    format!("{}{}/{}", scope.base, operation.endpoint, operation.id.as_deref().unwrap_or_default())
}

fn refused(operation: Option<&Operation>, scope: &Scope, problem: &Problem) -> Value {
    let mut answer = operation.map(head).unwrap_or_default();
    if let Some(operation) = operation.filter(|operation| operation.method != bulk::Method::Post) {
        answer.insert("location".to_owned(), place(scope, operation).into());
    }
    if let Some(cause) = &problem.cause {
        tracing::error!(code = problem.code.name(), %cause, "a bulk operation failed");
    }
    answer.insert("status".to_owned(), problem.code.status().as_u16().to_string().into());
    answer.insert("response".to_owned(), problem.scim_body());
    Value::Object(answer)
}
