//! A PATCH path: what is read is an attribute, or isn't, and says so.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim_core::Profile;
use scim_core::path::{AttributePath, Path};
use scim_core::resource::Projection;
use scim_core::schema::{GROUPS, USERS};
use scim_core::search::Search;

fuzz_target!(|text: &str| {
    if let Some(path) = AttributePath::parse(text) {
        assert_eq!(AttributePath::parse(&path.to_string()).as_ref(), Some(&path));
    }
    for kind in [&*USERS, &*GROUPS] {
        let _ = Projection::parse(kind, Some(text), None);
        let search = Search { sort_by: Some(text.to_owned()), ..Search::default() };
        let _ = search.sort(kind);
        for profile in [Profile::Compat, Profile::Rfc] {
            if let Ok(path) = Path::parse(text, profile) {
                kind.named(&path.attribute);
            }
        }
    }
});
