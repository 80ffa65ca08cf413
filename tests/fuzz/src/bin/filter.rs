//! A filter: what is read is printed and read back; what is bound can be evaluated.
#![no_main]

use libfuzzer_sys::fuzz_target;
use scim_core::Profile;
use scim_core::condition::Condition;
use scim_core::filter::Filter;
use scim_core::schema::{GROUPS, USERS};
use serde_json::{Value, json};

fuzz_target!(|text: &str| {
    for profile in [Profile::Compat, Profile::Rfc] {
        let Ok(filter) = Filter::parse(text, profile) else { continue };
        let printed = filter.to_string();
        // The printed form may be longer than what is taken: escapes, parentheses.
        if printed.len() <= scim_core::filter::LENGTH_MAX
            && let Ok(again) = Filter::parse(&printed, profile)
        {
            assert_eq!(again, filter, "{printed}");
        }
        for kind in [&*USERS, &*GROUPS] {
            if let Ok(condition) = Condition::bind(kind, &filter, profile) {
                let resource = json!({"id": "1", "userName": "a", "emails": [{"value": "a@b", "type": "work"}], "active": true});
                let Value::Object(resource) = resource else { unreachable!() };
                condition.holds(&resource);
            }
        }
    }
});
