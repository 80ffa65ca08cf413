//! What is generated equals what is committed.

use provisioning::{Kind, Steps as _};

fn committed(path: &str, generated: &str) {
    let path = format!("{}/../{path}", env!("CARGO_MANIFEST_DIR"));
    if std::env::var_os("TENANTRY_TEST_UPDATE").is_some() {
        std::fs::write(&path, generated).expect("written");
    }
    let there = std::fs::read_to_string(&path).unwrap_or_default();
    assert!(
        there == generated,
        "{path} is not what the code makes: run with TENANTRY_TEST_UPDATE=1, look at the diff, commit it"
    );
}

#[test]
fn the_openapi_document_is_the_committed_one() {
    let mut text = serde_json::to_string_pretty(&web::document(&tenantry::routes())).unwrap();
    text.push('\n');
    committed("service/openapi.json", &text);
}

/// What can happen to something, as tables: the same that the code asks.
fn lifecycles() -> String {
    let mut page = "# Lifecycles\n\nWhat can happen to something in which state, and where it stands then. An empty cell: it doesn't happen, and nothing changes. \
                    This page is printed from the tables that the code asks before it changes a state.\n".to_owned();
    for table in entity::lifecycle::all() {
        let (name, states) = (table.name, table.states);
        page += &format!("\n## {}{}\n\n", name[..1].to_uppercase(), &name[1..]);
        page += &format!("| | {} | |\n|---|{}---|\n", states.join(" | "), "---|".repeat(states.len()));
        for line in table.verbs {
            let cells: Vec<&str> = line.after.iter().map(|after| after.unwrap_or_default()).collect();
            page += &format!("| **{}** | {} | {} |\n", line.verb, cells.join(" | "), line.about);
        }
    }
    page
}

/// What runs do, as tables: the same that the engine runs.
fn steps() -> String {
    let mut page = "# Steps of runs\n\nWhat runs do to a tenant, in order, and what becomes of a run whose step fails too often. \
                    This page is printed from the tables that the engine runs ([provisioning.md](provisioning.md)).\n".to_owned();
    for kind in Kind::ALL {
        let table = kind.table();
        page += &format!("\n## `{kind}`\n\nA step that fails is {}.\n\n", table.when_it_fails);
        page += "| step | what it does | waits for | undone |\n|---|---|---|---|\n";
        for step in table.steps {
            let undone = step.stays_because().map_or("yes".to_owned(), |why| format!("no: {why}"));
            let waits_for = step.waits_for.unwrap_or_default();
            page += &format!("| `{}` | {} | {waits_for} | {undone} |\n", step.name, step.does);
        }
    }
    page
}

#[test]
fn the_steps_of_runs_are_documented() {
    committed("docs/steps.md", &steps());
}

#[test]
fn the_lifecycles_are_documented() {
    committed("docs/lifecycles.md", &lifecycles());
}

#[test]
fn the_problem_codes_are_documented() {
    committed("docs/problems.md", &web::Code::page(&tenantry::problem_codes()));
}

#[test]
fn the_catalogue_of_events_is_documented() {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/events.md");
    let page = std::fs::read_to_string(path).expect("docs/events.md");
    let (head, _) = page.split_once("| type | when |").expect("the catalogue");
    committed("docs/events.md", &format!("{head}{}", tenantry::event_types().page()));
}

#[test]
fn types_of_events_are_dotted_and_unique() {
    let types = tenantry::event_types();
    let names: Vec<&str> = types.iter().map(|one| one.name).collect();
    assert!(names.windows(2).all(|pair| pair[0] < pair[1]), "a type is declared twice: {names:?}");
    let fits = |byte: u8| byte.is_ascii_lowercase() || byte == b'_' || byte == b'.';
    assert!(names.iter().all(|name| name.bytes().all(fits) && name.split('.').count() == 2), "{names:?}");
}

/// Texts that are spelled like a type of event and are something else: an audit action, a code of a problem, a type of Zitadel's.
const NO_EVENTS: [(&str, &str); 8] = [
    ("capability/directory/src/codes.rs", "directory.blocked"),
    ("capability/directory/src/codes.rs", "user.deactivated"),
    ("capability/inbox/src/billing.rs", "billing.price_unknown"),
    ("capability/inbox/src/zitadel.rs", "user.deactivated"),
    ("capability/inbox/src/zitadel.rs", "user.reactivated"),
    ("capability/provisioning/src/scale_out.rs", "instance.capacity_low"),
    ("capability/provisioning/src/steps/moving/realm.rs", "tenant.moving"),
    ("web/src/problem/catalogue.rs", "tenant.suspended"),
];

/// Who means an event names its struct: only a declaration spells its type.
#[test]
fn a_type_of_event_is_spelled_once() {
    let types = tenantry::event_types();
    let mut declared = 0;
    let mut elsewhere = Vec::new();
    for (file, text) in super::rules::sources("service") {
        for one in types.iter() {
            for line in text
                .lines()
                .filter(|line| !line.trim_start().starts_with("//"))
                .filter(|line| line.contains(&format!("\"{}\"", one.name)))
            {
                if line.contains(&format!(" = \"{}\" ", one.name)) && line.contains("struct ") {
                    declared += 1;
                } else {
                    elsewhere.push((file.clone(), one.name));
                }
            }
        }
    }
    elsewhere.sort();
    assert_eq!(declared, types.iter().count(), "a type is declared and not among what a capability emits");
    let allowed = NO_EVENTS.map(|(file, name)| (file.to_owned(), name));
    assert_eq!(elsewhere, allowed, "name the struct instead");
}

#[test]
fn every_served_route_is_documented_and_says_who_may() {
    let document = serde_json::to_value(web::document(&tenantry::routes())).unwrap();
    let mut count = 0;
    for route in tenantry::routes().iter() {
        let operation = &document["paths"][route.pattern][route.method.as_str().to_lowercase()];
        assert_eq!(operation["operationId"], route.operation_id, "{route:?}");
        assert!(operation["x-permission"].is_string() != operation["x-public"].is_string(), "{route:?}");
        assert!(
            operation["summary"].as_str().is_some_and(|summary| summary.ends_with(['.', ')', '1'])),
            "{route:?}"
        );
        count += 1;
    }
    let documented: usize =
        document["paths"].as_object().unwrap().values().map(|item| item.as_object().unwrap().len()).sum();
    assert_eq!(documented, count, "two routes share a method and a pattern");
}

#[test]
fn operation_ids_are_unique() {
    let mut seen = std::collections::BTreeSet::new();
    for route in tenantry::routes().iter() {
        assert!(seen.insert(route.operation_id), "{} twice", route.operation_id);
    }
}
