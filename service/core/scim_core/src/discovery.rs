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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::{ENTERPRISE_URN, GROUP_URN, USER_URN};

    const BASE: &str = "https://a.example/scim/v2";

    fn badges() -> Registry {
        let schema = json!({"id": "urn:acme:badge", "name": "Badge", "description": "Badges.",
            "attributes": [{"name": "number", "type": "integer"}]});
        Registry::with([("Group".to_owned(), serde_json::from_value(schema).unwrap())])
    }

    /// RFC 7643, section 5; RFC 9865, section 4.
    #[test]
    fn the_configuration_has_every_member_that_the_norm_requires() {
        let config = service_provider_config(BASE, None);
        for (pointer, expected) in [
            ("/schemas", json!(["urn:ietf:params:scim:schemas:core:2.0:ServiceProviderConfig"])),
            ("/documentationUri", json!("https://a.example/docs")),
            ("/patch/supported", json!(true)),
            ("/bulk", json!({"supported": true, "maxOperations": 1000, "maxPayloadSize": 4_194_304})),
            ("/filter", json!({"supported": true, "maxResults": 1000})),
            ("/changePassword/supported", json!(false)),
            ("/sort/supported", json!(true)),
            ("/etag/supported", json!(true)),
            (
                "/pagination",
                json!({"cursor": true, "index": true, "defaultPaginationMethod": "index", "defaultPageSize": 100,
                    "maxPageSize": 1000, "cursorTimeout": 3600}),
            ),
            ("/meta/resourceType", json!("ServiceProviderConfig")),
            ("/meta/location", json!("https://a.example/scim/v2/ServiceProviderConfig")),
        ] {
            assert_eq!(config.pointer(pointer), Some(&expected), "{pointer}");
        }
        let schemes = config["authenticationSchemes"].as_array().unwrap();
        let members =
            |scheme: &Value| ["type", "name", "description"].iter().all(|name| scheme[name].is_string());
        assert!(!schemes.is_empty() && schemes.iter().all(members));
    }

    /// RFC 9967, section 5.
    #[test]
    fn events_are_in_the_configuration_if_there_are_any() {
        assert_eq!(service_provider_config(BASE, None).get("securityEvents"), None);
        let with = service_provider_config(BASE, Some(&["urn:e"]));
        assert_eq!(with["securityEvents"], json!({"asyncRequest": "none", "eventUris": ["urn:e"]}));
    }

    /// RFC 7643, sections 6 and 8.6.
    #[test]
    fn every_resource_type_says_where_it_is_and_what_it_is_made_of() {
        let all = resource_types(BASE, &badges());
        let rows = [
            ("User", "/Users", USER_URN, ENTERPRISE_URN, "A person of the organization."),
            ("Group", "/Groups", GROUP_URN, "urn:acme:badge", "A group of the organization."),
        ];
        assert_eq!(all.len(), rows.len());
        for (found, (name, endpoint, schema, extension, text)) in all.iter().zip(rows) {
            let expected = json!({
                "schemas": ["urn:ietf:params:scim:schemas:core:2.0:ResourceType"],
                "id": name, "name": name, "endpoint": endpoint, "description": text, "schema": schema,
                "schemaExtensions": [{"schema": extension, "required": false}],
                "meta": {"resourceType": "ResourceType", "location": format!("{BASE}/ResourceTypes/{name}")},
            });
            assert_eq!(*found, expected);
        }
    }

    /// RFC 7643, sections 7 and 8.7.
    #[test]
    fn every_schema_is_listed_once_with_its_attributes() {
        let all = schemas(BASE, &badges());
        let ids: Vec<&str> = all.iter().filter_map(|schema| schema["id"].as_str()).collect();
        assert_eq!(ids, [USER_URN, ENTERPRISE_URN, GROUP_URN, "urn:acme:badge"]);
        let expected = json!({
            "schemas": ["urn:ietf:params:scim:schemas:core:2.0:Schema"],
            "id": "urn:acme:badge", "name": "Badge", "description": "Badges.",
            "attributes": [{"name": "number", "type": "integer", "multiValued": false, "description": "", "required": false,
                "caseExact": false, "mutability": "readWrite", "returned": "default", "uniqueness": "none"}],
            "meta": {"resourceType": "Schema", "location": format!("{BASE}/Schemas/urn:acme:badge")},
        });
        assert_eq!(all[3], expected);
    }
}
