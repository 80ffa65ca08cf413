//! Bulk requests (RFC 7644, section 3.7): operations in an order in which each finds what it refers to.

use std::collections::{HashMap, HashSet};

use crate::document::Document;
use crate::{ErrorType, ScimError};

/// Operations in one request.
pub const OPERATIONS_MAX: usize = 1000;
/// Bytes of one request.
pub const BYTES_MAX: usize = 4 << 20;

/// What an operation does.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Method {
    /// Creates.
    Post,
    /// Replaces.
    Put,
    /// Changes.
    Patch,
    /// Removes.
    Delete,
}

impl Method {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Method::Post => "POST",
            Method::Put => "PUT",
            Method::Patch => "PATCH",
            Method::Delete => "DELETE",
        }
    }
}

/// One operation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Operation {
    /// What it does.
    pub method: Method,
    /// The endpoint, e.g. `/Users`, as sent.
    pub endpoint: String,
    /// The resource's id; absent for POST.
    pub id: Option<String>,
    /// The client's name for it.
    pub bulk_id: Option<String>,
    /// The version that the client saw.
    pub version: Option<String>,
    /// The body, as text.
    pub data: String,
}

/// A request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Bulk {
    /// After so many failures the rest isn't tried.
    pub fail_on_errors: Option<usize>,
    /// The operations, as sent; one that can't be understood is its own refusal.
    pub operations: Vec<Result<Operation, ScimError>>,
}

impl Bulk {
    /// Reads a request.
    ///
    /// # Errors
    /// `invalidSyntax`; 413 for more than [`OPERATIONS_MAX`] operations (RFC 7644, section 3.7.4).
    pub fn parse(body: &Document<'_>) -> Result<Self, ScimError> {
        let wrong = || ScimError::syntax("The body must have an array of objects `Operations`.");
        let list = body.get("Operations").ok_or_else(wrong)?;
        let list: Vec<Document<'_>> = serde_json::from_str(list.get()).map_err(|_| wrong())?;
        if list.len() > OPERATIONS_MAX {
            let detail = format!("There must be at most {OPERATIONS_MAX} operations.");
            return Err(ScimError::new(ErrorType::TooLarge, detail));
        }
        let fail_on_errors = match body.value("failOnErrors")? {
            None => None,
            Some(value) => {
                let limit =
                    value.as_u64().and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
                Some(limit.ok_or_else(|| ScimError::syntax("`failOnErrors` must be a positive integer."))?)
            }
        };
        let operations: Vec<_> = list.iter().map(operation).collect();
        let mut seen = HashSet::new();
        for id in operations.iter().flatten().filter_map(|one| one.bulk_id.as_deref()) {
            if !seen.insert(id) {
                return Err(ScimError::syntax("A `bulkId` is used twice."));
            }
        }
        Ok(Self { fail_on_errors, operations })
    }

    /// The order in which to run the operations: each after those that it refers to, otherwise as sent. Those that refer
    /// to each other in a circle, or to a `bulkId` that isn't there, come last and apart: they can't be run.
    pub fn order(&self) -> (Vec<usize>, Vec<usize>) {
        let by_id: HashMap<&str, usize> = self
            .operations
            .iter()
            .enumerate()
            .filter_map(|(at, one)| {
                let one = one.as_ref().ok().filter(|one| one.method == Method::Post)?;
                Some((one.bulk_id.as_deref()?, at))
            })
            .collect();
        let needs: Vec<Option<Vec<usize>>> = self
            .operations
            .iter()
            .map(|one| {
                let Ok(one) = one else { return Some(Vec::new()) };
                one.references().into_iter().map(|id| by_id.get(id.as_str()).copied()).collect()
            })
            .collect();
        let mut waiting: Vec<usize> = vec![0; needs.len()];
        let mut wanted_by: Vec<Vec<usize>> = vec![Vec::new(); needs.len()];
        let mut ready = std::collections::BTreeSet::new();
        for (at, need) in needs.iter().enumerate() {
            let Some(need) = need else { continue };
            if let Some(waiting) = waiting.get_mut(at) {
                *waiting = need.len();
            }
            if need.is_empty() {
                ready.insert(at);
            }
            for other in need {
                if let Some(list) = wanted_by.get_mut(*other) {
                    list.push(at);
                }
            }
        }
        let mut order = Vec::new();
        while let Some(at) = ready.pop_first() {
            order.push(at);
            for waiter in wanted_by.get(at).into_iter().flatten() {
                if let Some(left) = waiting.get_mut(*waiter) {
                    *left -= 1;
                    if *left == 0 {
                        ready.insert(*waiter);
                    }
                }
            }
        }
        let done: HashSet<usize> = order.iter().copied().collect();
        let stuck = (0..self.operations.len()).filter(|at| !done.contains(at)).collect();
        (order, stuck)
    }
}

fn operation(one: &Document<'_>) -> Result<Operation, ScimError> {
    let method = match one.text("method")?.unwrap_or_default().to_ascii_uppercase().as_str() {
        "POST" => Method::Post,
        "PUT" => Method::Put,
        "PATCH" => Method::Patch,
        "DELETE" => Method::Delete,
        _ => return Err(ScimError::syntax("`method` must be POST, PUT, PATCH or DELETE.")),
    };
    let path = one.text("path")?.unwrap_or_default();
    let mut parts = path.trim_start_matches('/').splitn(2, '/');
    let endpoint = format!("/{}", parts.next().unwrap_or_default());
    let id = parts.next().map(|id| id.trim_end_matches('/').to_owned()).filter(|id| !id.is_empty());
    let bulk_id = one.text("bulkId")?.filter(|id| !id.is_empty());
    match (method, &id, &bulk_id) {
        (Method::Post, Some(_), _) => {
            return Err(ScimError::syntax("The `path` of a POST must not contain an id."));
        }
        (Method::Post, None, None) => return Err(ScimError::syntax("A POST needs a `bulkId`.")),
        (Method::Put | Method::Patch | Method::Delete, None, _) => {
            return Err(ScimError::syntax("`path` must name a resource."));
        }
        _ => {}
    }
    let data = one.get("data").map(|raw| raw.get().to_owned()).unwrap_or_default();
    if data.is_empty() && method != Method::Delete {
        return Err(ScimError::syntax("`data` is missing."));
    }
    Ok(Operation { method, endpoint, id, bulk_id, version: one.text("version")?, data })
}

impl Operation {
    /// The `bulkId`s to which it refers, in its path and in its data, each once.
    pub fn references(&self) -> Vec<String> {
        let mut seen = HashSet::new();
        let all = self.id.as_deref().and_then(|id| id.strip_prefix(REFERENCE)).into_iter();
        let all = all.chain(mentions(&self.data).map(|(_, id)| id));
        all.filter(|id| seen.insert(*id)).map(ToOwned::to_owned).collect()
    }

    /// The operation with the ids that the `bulkId`s got.
    #[must_use]
    pub fn resolved(mut self, ids: &HashMap<String, String>) -> Self {
        if let Some(id) = self.id.as_deref().and_then(|id| ids.get(id.strip_prefix(REFERENCE)?)) {
            self.id = Some(id.clone());
        }
        let mut data = String::new();
        let mut end = 0;
        for (at, name) in mentions(&self.data) {
            let Some(id) = ids.get(name) else { continue };
            data.push_str(self.data.get(end..at).unwrap_or_default());
            data.push_str(id);
            end = at + REFERENCE.len() + name.len();
        }
        // Most operations mention nobody.
        if end > 0 {
            data.push_str(self.data.get(end..).unwrap_or_default());
            self.data = data;
        }
        self
    }
}

const REFERENCE: &str = "bulkId:";

/// The texts `"bulkId:…"` in a text: where each begins, behind its quotation mark, and what it names.
fn mentions(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.match_indices("\"bulkId:").filter_map(move |(quote, found)| {
        let name = text.get(quote + found.len()..)?;
        Some((quote + 1, name.split_once('"').map_or(name, |(name, _)| name)))
    })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn bulk(operations: Value) -> Bulk {
        let text = json!({"Operations": operations, "failOnErrors": 1}).to_string();
        Bulk::parse(&Document::parse(text.as_bytes()).unwrap()).unwrap()
    }

    #[test]
    fn operations_run_after_what_they_refer_to() {
        let bulk = bulk(json!([
            {"method": "POST", "path": "/Groups", "bulkId": "g", "data": {"displayName": "G", "members": [{"value": "bulkId:u"}]}},
            {"method": "post", "path": "/Users", "bulkId": "u", "data": {"userName": "u"}},
            {"method": "PATCH", "path": "/Users/bulkId:u", "data": {}},
            {"method": "POST", "path": "/Groups", "bulkId": "a", "data": {"members": [{"value": "bulkId:b"}]}},
            {"method": "POST", "path": "/Groups", "bulkId": "b", "data": {"members": [{"value": "bulkId:a"}]}},
            {"method": "DELETE", "path": "/Users/bulkId:nobody"},
            {"method": "POST", "path": "/Users", "data": {}},
        ]));
        assert!(bulk.operations[6].is_err());
        assert_eq!(bulk.order(), (vec![1, 0, 2, 6], vec![3, 4, 5]));
        let ids = HashMap::from([("u".to_owned(), "1".to_owned())]);
        let group = bulk.operations[0].clone().unwrap().resolved(&ids);
        assert!(group.data.contains("\"value\":\"1\""), "{}", group.data);
        assert_eq!(bulk.operations[2].clone().unwrap().resolved(&ids).id.as_deref(), Some("1"));
    }

    #[test]
    fn references_get_their_ids_wherever_they_stand() {
        let one = |id: Option<&str>, data: &str| Operation {
            method: Method::Patch,
            endpoint: "/Groups".to_owned(),
            id: id.map(ToOwned::to_owned),
            bulk_id: None,
            version: None,
            data: data.to_owned(),
        };
        let ids = HashMap::from([("a".to_owned(), "1".to_owned()), ("ab".to_owned(), "22".to_owned())]);
        for (id, data, names, wanted) in [
            (None, r#"["bulkId:a","bulkId:ab","bulkId:a"]"#, vec!["a", "ab"], r#"["1","22","1"]"#),
            (None, r#"["bulkId:c","x bulkId:a"]"#, vec!["c"], r#"["bulkId:c","x bulkId:a"]"#),
            (Some("bulkId:a"), r#"["bulkId:c","bulkId:ab"]"#, vec!["a", "c", "ab"], r#"["bulkId:c","22"]"#),
            (None, r#"["bulkId:"#, vec![""], r#"["bulkId:"#),
        ] {
            let operation = one(id, data);
            assert_eq!(operation.references(), names, "{data}");
            let resolved = operation.resolved(&ids);
            assert_eq!((resolved.data.as_str(), resolved.id.as_deref()), (wanted, id.map(|_| "1")), "{data}");
        }
    }

    #[test]
    fn what_is_no_bulk_request_is_refused() {
        for text in [
            r#"{}"#,
            r#"{"Operations": {}}"#,
            r#"{"Operations": [1]}"#,
            r#"{"Operations": [], "failOnErrors": 0}"#,
            r#"{"Operations": [{"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}, {"method": "POST", "path": "/Users", "bulkId": "a", "data": {}}]}"#,
        ] {
            assert!(Bulk::parse(&Document::parse(text.as_bytes()).unwrap()).is_err(), "{text}");
        }
        let many = |count: usize| {
            let many = json!({"Operations": vec![json!({}); count]}).to_string();
            Bulk::parse(&Document::parse(many.as_bytes()).unwrap()).map(|bulk| bulk.operations.len())
        };
        assert_eq!(many(1000), Ok(1000));
        assert_eq!(many(1001).unwrap_err().kind, ErrorType::TooLarge, "RFC 7644, section 3.7.4");
    }

    /// RFC 7644, section 3.7: a method, a path, `bulkId` for POST, `data` for all but DELETE.
    #[test]
    fn an_operation_says_what_it_does_and_to_what() {
        let data = || "{}".to_owned();
        for (one, method, endpoint, id, data) in [
            (
                json!({"method": "POST", "path": "/Users", "bulkId": "b", "data": {}}),
                Method::Post,
                "/Users",
                None,
                data(),
            ),
            (
                json!({"method": "put", "path": "/Users/1", "data": {}}),
                Method::Put,
                "/Users",
                Some("1"),
                data(),
            ),
            (
                json!({"method": "PATCH", "path": "Users/1/", "data": {}}),
                Method::Patch,
                "/Users",
                Some("1"),
                data(),
            ),
            (
                json!({"method": "DELETE", "path": "/Users/1"}),
                Method::Delete,
                "/Users",
                Some("1"),
                String::new(),
            ),
        ] {
            let found = bulk(json!([one])).operations.remove(0).unwrap();
            assert_eq!((found.method, found.endpoint.as_str(), found.id.as_deref()), (method, endpoint, id));
            assert_eq!((found.data, found.method.name()), (data, method.name()));
            assert_eq!(found.method.name(), one["method"].as_str().unwrap().to_uppercase());
        }
        for one in [
            json!({}),
            json!({"method": "GET", "path": "/Users/1"}),
            json!({"method": "POST", "path": "/Users", "data": {}}),
            json!({"method": "POST", "path": "/Users", "bulkId": "", "data": {}}),
            json!({"method": "POST", "path": "/Users/1", "bulkId": "b", "data": {}}),
            json!({"method": "POST", "path": "/Users", "bulkId": "b"}),
            json!({"method": "PUT", "path": "/Users", "data": {}}),
            json!({"method": "PUT", "path": "/Users/1"}),
            json!({"method": "PATCH", "path": "/Users/", "data": {}}),
            json!({"method": "DELETE", "path": "/Users", "bulkId": "b"}),
        ] {
            let refused = bulk(json!([one])).operations.remove(0);
            assert_eq!(refused.unwrap_err().kind, ErrorType::InvalidSyntax, "{one}");
        }
    }

    /// RFC 7644, section 3.7.3.
    #[test]
    fn a_limit_of_errors_is_a_positive_integer() {
        for (limit, expected) in [
            (json!(1), Some(Some(1))),
            (json!(7), Some(Some(7))),
            (Value::Null, Some(None)),
            (json!(0), None),
            (json!(-1), None),
            (json!(1.5), None),
            (json!("1"), None),
        ] {
            let text = json!({"Operations": [], "failOnErrors": limit}).to_string();
            let bulk = Bulk::parse(&Document::parse(text.as_bytes()).unwrap());
            assert_eq!(bulk.ok().map(|bulk| bulk.fail_on_errors), expected, "{limit}");
        }
    }
}
