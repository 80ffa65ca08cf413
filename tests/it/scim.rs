//! The SCIM server, line by line of its checklist, and as each identity provider speaks to it.

mod clients;
mod conformance;
pub(crate) mod cost;
mod filters;
mod groups;
mod lifecycle;
mod log;
mod paging;
mod plans;
mod protocol;
mod tokens;

use serde_json::{Value, json};
use tests::Tenant;

/// RFC 7643, section 8.7.1
pub(crate) const USER: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
pub(crate) const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";

pub(crate) async fn user(tenant: &Tenant, name: &str) -> String {
    let body = json!({"schemas": [USER], "userName": name, "emails": [{"value": format!("{name}@example.com"), "type": "work"}]});
    tenant.scim.post("/scim/v2/Users", body).await.created_id()
}

pub(crate) fn id(value: &Value) -> String {
    value["id"].as_str().unwrap_or_else(|| panic!("no id in {value}")).to_owned()
}

pub(crate) fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// `userName`s or `displayName`s of a list.
pub(crate) fn names(list: &Value) -> Vec<String> {
    let resources = list["Resources"].as_array().unwrap_or_else(|| panic!("no list: {list}"));
    let name = |one: &Value| {
        let name = one.get("userName").or(one.get("displayName"));
        name.and_then(Value::as_str).unwrap_or_default().to_owned()
    };
    resources.iter().map(name).collect()
}
