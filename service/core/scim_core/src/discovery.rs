//! What a client can find out (RFC 7643, sections 5 to 7; RFC 7644, section 4; RFC 9865, section 4; RFC 9967, section 5).

use serde_json::{Value, json};

use crate::bulk;
use crate::schema::{Registry, ResourceType, Schema};

/// Resources on a page at most.
pub const RESULTS_MAX: u64 = 1000;
/// Resources on a page, unless asked.
pub const RESULTS_DEFAULT: u64 = 100;
/// How long a cursor is good, in seconds.
pub const CURSOR_SECONDS: u64 = 3600;

/// `/ServiceProviderConfig`, with the events that are told, if somebody listens (RFC 9967). Where nobody does the member is
/// absent: clients that know only RFC 7643 refuse a configuration that has one more.
pub fn service_provider_config(base: &str, events: Option<&[&str]>) -> Value {
    let mut config = json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"],
        "documentationUri": format!("{}/docs", base.trim_end_matches("/scim/v2")),
        "patch": {"supported": true},
        "bulk": {"supported": true, "maxOperations": bulk::OPERATIONS_MAX, "maxPayloadSize": bulk::BYTES_MAX},
        "filter": {"supported": true, "maxResults": RESULTS_MAX},
        "changePassword": {"supported": false},
        "sort": {"supported": true},
        "etag": {"supported": true},
        "pagination": {
            "cursor": true, "index": true, "defaultPaginationMethod": "index",
            "defaultPageSize": RESULTS_DEFAULT, "maxPageSize": RESULTS_MAX, "cursorTimeout": CURSOR_SECONDS,
        },
        "authenticationSchemes": [{
            "type": "oauthbearertoken", "name": "Organization token", "primary": true,
            "description": "A bearer token that names one organization: Authorization: Bearer tnt_scim_…",
        }, {
            "type": "oauth2", "name": "OAuth 2 client credentials", "primary": false,
            "description": "A short-lived token from /oauth2/token, scope scim, by client secret or private-key JWT.",
        }],
        "meta": {"resourceType": "ServiceProviderConfig", "location": format!("{base}/ServiceProviderConfig")},
    });
    if let (Some(events), Value::Object(config)) = (events, &mut config) {
        config.insert("securityEvents".to_owned(), json!({"asyncRequest": "none", "eventUris": events}));
    }
    config
}

/// The entries of `/ResourceTypes`.
pub fn resource_types(base: &str, registry: &Registry) -> Vec<Value> {
    registry.types().into_iter().map(|kind| resource_type(base, kind)).collect()
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
pub fn schemas(base: &str, registry: &Registry) -> Vec<Value> {
    registry.schemas().into_iter().map(|one| schema(base, one)).collect()
}

fn schema(base: &str, schema: &Schema) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
        "id": schema.urn, "name": schema.name, "description": schema.text, "attributes": schema.attributes,
        "meta": {"resourceType": "Schema", "location": format!("{base}/Schemas/{}", schema.urn)},
    })
}
