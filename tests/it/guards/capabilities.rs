//! What a capability brings is said in one value, and the service is one list.

use super::architecture::root;
use super::rules::sources;

/// Crates that bring nothing: a client of the Resource Manager, which provisioning uses; what events, flags and others are delivered with.
const BRINGS_NOTHING: [&str; 2] = ["azure", "delivery"];

#[test]
fn each_capability_is_one_value_in_the_one_list() {
    let list = std::fs::read_to_string(root().join("service/src/capabilities.rs")).unwrap();
    let mut seen = 0;
    for entry in std::fs::read_dir(root().join("service/capability")).unwrap() {
        let name = entry.unwrap().file_name().into_string().unwrap();
        if BRINGS_NOTHING.contains(&name.as_str()) {
            continue;
        }
        let all = sources(&format!("service/capability/{name}/src"));
        let value = all.iter().find(|(file, _)| file == "capability.rs").map(|(_, text)| text.as_str());
        assert!(value.is_some_and(|text| text.contains("pub fn capability(")), "{name} has a capability.rs");
        assert!(list.contains(&format!(" {name}::capability(")), "{name} is in the list");
        let lib = &all.iter().find(|(file, _)| file == "lib.rs").unwrap().1;
        for part in ["routes", "handlers", "handler"] {
            assert!(!exports(lib, part), "{name} brings `{part}` by its value only");
        }
        seen += 1;
    }
    assert_eq!(seen, 20, "a capability was added or taken away: say here how many there are");
}

/// Whether a `lib.rs` exports something of this name.
fn exports(lib: &str, name: &str) -> bool {
    let word = |one: &str| {
        one.split(|letter: char| !letter.is_alphanumeric() && letter != '_').any(|word| word == name)
    };
    lib.split(';').filter(|statement| statement.contains("pub use ")).any(word)
        || lib.contains(&format!("pub fn {name}("))
}

#[test]
fn the_service_names_a_capability_only_where_it_puts_it_together() {
    // What each of them still needs of one: commands, the demo, the server's shared values, and the seams between two capabilities.
    for (file, text) in sources("service/src") {
        let lists = ["worker.rs", "cli/doctor.rs"];
        if !lists.contains(&file.as_str()) {
            continue;
        }
        for name in [
            "connections",
            "exchange",
            "flags",
            "inbox",
            "invitations",
            "modules",
            "oidc_provider",
            "operators",
            "provisioning",
            "quota",
            "sessions",
            "sign_in",
            "webhooks",
        ] {
            assert!(!text.contains(&format!("{name}::")), "{file} names {name}");
        }
    }
}
