//! A body: a resource, a bulk request, a search.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim_core::Profile;
use scim_core::bulk::Bulk;
use scim_core::document::Document;
use scim_core::resource::normalize;
use scim_core::schema::{GROUPS, USERS};
use scim_core::search::Search;
use serde_json::Value;

fuzz_target!(|bytes: &[u8]| {
    let Ok(body) = Document::parse(bytes) else { return };
    for profile in [Profile::Compat, Profile::Rfc] {
        for kind in [&*USERS, &*GROUPS] {
            let Ok(made) = normalize(kind, &body, profile) else { continue };
            // The canonical form is taken again, and stays what it is.
            let mut whole = made.resource.clone();
            whole.insert("schemas".to_owned(), scim_core::resource::schemas(kind, &made.resource).into());
            let text = Value::Object(whole).to_string();
            let again = Document::parse(text.as_bytes()).and_then(|body| normalize(kind, &body, profile));
            assert_eq!(again.map(|one| one.resource), Ok(made.resource), "{text}");
        }
    }
    let _ = Search::parse(&body).map(|search| (search.start(), search.count(), search.sort(&USERS)));
    if let Ok(bulk) = Bulk::parse(&body) {
        let (order, stuck) = bulk.order();
        assert_eq!(order.len() + stuck.len(), bulk.operations.len());
    }
});
