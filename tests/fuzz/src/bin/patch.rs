//! A PATCH request on a user and on a group: what comes out is a resource that can be searched and patched again.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim_core::document::Document;
use scim_core::resource::{Projection, envelope};
use scim_core::schema::{GROUPS, USERS};
use scim_core::{Profile, fold_resource, patch};
use serde_json::{Value, json};

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = Document::parse(bytes) else { return };
    let before = json!({
        "userName": "a", "displayName": "A", "name": {"givenName": "G"}, "active": true,
        "emails": [{"value": "a@b", "type": "work", "primary": true}, {"value": "c@d"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "d", "manager": {"value": "m"}},
    });
    let Value::Object(before) = before else { unreachable!() };
    for profile in [Profile::Compat, Profile::Rfc] {
        for kind in [&*USERS, &*GROUPS] {
            let Ok(patch) = patch::parse(kind, &body, profile) else { continue };
            let Ok(after) = patch::apply(kind, &before, &patch.operations, profile) else { continue };
            let _ = fold_resource(kind, &after);
            let primaries = after.get("emails").and_then(Value::as_array).map_or(0, |emails| {
                emails.iter().filter(|email| email.get("primary") == Some(&Value::Bool(true))).count()
            });
            assert!(primaries <= 1, "two primaries");
            let whole = envelope(kind, "1", after.clone(), json!({}));
            Projection::default().apply(kind, whole);
            // What changes nothing the second time is stable.
            let _ = patch::apply(kind, &after, &patch.operations, profile);
        }
    }
});
