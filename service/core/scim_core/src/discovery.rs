//! What a client can find out (RFC 7643, sections 5 to 7; RFC 7644, section 4).

use serde_json::{Value, json};

use crate::schema::{Attribute, Mutability, RESOURCE_TYPES, ResourceType, Returned, SCHEMAS, Schema};

/// Resources on a page at most.
pub const RESULTS_MAX: u64 = 1000;

/// `/ServiceProviderConfig`
pub fn service_provider_config(base: &str) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "patch": {"supported": true},
        "bulk": {"supported": false, "maxOperations": 0, "maxPayloadSize": 0},
        "filter": {"supported": true, "maxResults": RESULTS_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": false},
        "etag": {"supported": true},
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Organization token", "primary": true,
            "description": "A bearer token that names one organization: Authorization: Bearer tnt_scim_…",
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    })
}

/// The entries of `/ResourceTypes`.
pub fn resource_types(base: &str) -> Vec<Value> {
    RESOURCE_TYPES.into_iter().map(|kind| resource_type(base, kind)).collect()
}

fn resource_type(base: &str, kind: &ResourceType) -> Value {
    let extensions =
        kind.extensions.iter().map(|extension| json!({"schema": extension.urn, "required": false}));
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
        "id": kind.name, "name": kind.name, "endpoint": kind.endpoint, "description": kind.text,
        "schema": kind.schema.urn, "schemaExtensions": extensions.collect::<Vec<_>>(),
        "meta": {"resourceType": "ResourceType", "location": format!("{base}/ResourceTypes/{}", kind.name)},
    })
}

/// The entries of `/Schemas`.
pub fn schemas(base: &str) -> Vec<Value> {
    SCHEMAS.into_iter().map(|one| schema(base, one)).collect()
}

fn schema(base: &str, schema: &Schema) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.urn, "name": schema.name, "description": schema.text,
        "attributes": schema.attributes.iter().map(attribute).collect::<Vec<_>>(),
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.urn)},
    })
}

fn attribute(one: &Attribute) -> Value {
    let mut shown = json!({
        "name": one.name, "type": one.kind.name(), "multiValued": one.multi, "description": one.text,
        "required": one.required, "caseExact": one.case_exact,
        "mutability": match one.mutability {
            Mutability::ReadOnly => "readOnly",
            Mutability::ReadWrite => "readWrite",
            Mutability::Immutable => "immutable",
            Mutability::WriteOnly => "writeOnly",
        },
        "returned": match one.returned {
            Returned::Always => "always",
            Returned::Never => "never",
            Returned::Default => "default",
        },
        "uniqueness": if one.unique { "server" } else { "none" },
    });
    let mut add = |name: &str, value: Value| {
        shown.as_object_mut().map(|members| members.insert(name.to_owned(), value));
    };
    if !one.canonical.is_empty() {
        add("canonicalValues", one.canonical.into());
    }
    if one.kind == crate::schema::Kind::Reference {
        add("referenceTypes", json!(["external"]));
    }
    if !one.sub.is_empty() {
        add("subAttributes", one.sub.iter().map(attribute).collect());
    }
    shown
}
