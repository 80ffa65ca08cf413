//! A newcomer guesses the file: what a capability is made of stands in files of the same names in each.

use super::rules::sources;

/// What stands in which file, or in the folder of that name.
const FILES: [(&str, &str); 8] = [
    ("Routes::new()", "http"),
    ("pages!(", "pages"),
    ("fn capability(", "capability"),
    ("impl Section for", "settings"),
    ("pub enum Error ", "error"),
    ("codes! {", "codes"),
    ("impl Job for", "jobs"),
    ("impl Subscriber for", "jobs"),
];

/// Where it stands elsewhere today. The list only shrinks.
const ELSEWHERE: [&str; 16] = [
    "inbox/src/ops.rs: impl Job for",
    "invitations/src/batch.rs: impl Job for",
    "invitations/src/stranger.rs: impl Job for",
    "oidc_provider/src/ops/logout.rs: impl Job for",
    "oidc_provider/src/ops/logout.rs: impl Subscriber for",
    "provisioning/src/advance.rs: impl Job for",
    "provisioning/src/desired_state.rs: impl Job for",
    "provisioning/src/desired_state.rs: impl Subscriber for",
    "provisioning/src/retire.rs: impl Job for",
    "provisioning/src/scale_out.rs: impl Job for",
    "provisioning/src/scale_out.rs: impl Subscriber for",
    "scim/src/dry_run.rs: impl Job for",
    "scim/src/lifecycle.rs: impl Job for",
    "sign_in/src/ops/links.rs: impl Job for",
    "webhooks/src/sink.rs: impl Job for",
    "webhooks/src/sink.rs: impl Subscriber for",
];

#[test]
fn the_same_things_stand_in_files_of_the_same_names() {
    let mut found = Vec::new();
    for (file, text) in sources("service/capability") {
        let inside = file.split("/src/").nth(1).unwrap_or_default();
        // Beside each other: `pages.rs` is no part of `http/`.
        let is_in = |name: &str| inside.split(['/', '.']).next() == Some(name);
        let strays = FILES.iter().filter(|(what, name)| text.contains(what) && !is_in(name));
        found.extend(strays.map(|(what, _)| format!("{file}: {what}")));
    }
    found.sort();
    assert_eq!(found, ELSEWHERE, "it belongs into the file that FILES names");
}
