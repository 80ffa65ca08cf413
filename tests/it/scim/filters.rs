//! Filters in the store's language mean what they mean in memory: the same filters over the same users, both ways.

use std::collections::BTreeSet;

use scim_core::Profile;
use scim_core::condition::Condition;
use scim_core::filter::Filter;
use scim_core::schema::{Registry, Schema};
use serde_json::{Map, Value, json};
use tests::TestApp;

use super::{ENTERPRISE, USER, id, names, user};

const BADGE: &str = "urn:acme:params:scim:badge:1.0:User";

fn people() -> Vec<Value> {
    vec![
        json!({"userName": "ann", "externalId": "E1", "title": "Dr. 100%_\\ \"x\"", "active": true,
            "name": {"familyName": "Ärztin", "givenName": "Ann"}, "nickName": "annie",
            "emails": [{"value": "Ann@Work.example", "type": "work", "primary": true}, {"value": "ann@home.example", "type": "home"}],
            "photos": [{"value": "https://X/Ann", "type": "photo"}],
            (ENTERPRISE): {"department": "R&D", "manager": {"value": "M1"}},
            (BADGE): {"number": 7, "since": "2026-01-01T10:00:00+02:00", "doors": [{"value": "North", "open": true}, {"value": "south"}]}}),
        json!({"userName": "Bob", "externalId": "e1", "title": "mr", "active": false, "roles": [{"value": "admin", "primary": "True"}],
            "emails": [{"value": "bob@work.example", "type": "home"}],
            (BADGE): {"number": 7.5, "since": "2026-01-01T08:00:00.001Z", "tags": ["Red", "blue"]}}),
        json!({"userName": "cé", "displayName": "Cé", "emails": [{"value": "c@x", "type": "work"}], "preferredLanguage": "de"}),
        json!({"userName": "dora", "title": "100x", "photos": [{"value": "https://x/ann", "type": "photo"}],
            (ENTERPRISE): {"department": "r&d"}, (BADGE): {"number": -2, "tags": ["BLUE"]}}),
    ]
}

fn badge() -> Value {
    json!({"id": BADGE, "name": "Badge", "resourceType": "User", "attributes": [
        {"name": "number", "type": "decimal"}, {"name": "since", "type": "dateTime"},
        {"name": "tags", "type": "string", "multiValued": true},
        {"name": "doors", "type": "complex", "multiValued": true, "subAttributes": [
            {"name": "value", "caseExact": true}, {"name": "open", "type": "boolean"}]}]})
}

/// Every attribute with every operator that fits it, negated, and joined with its neighbour.
fn filters() -> Vec<String> {
    let texts = [
        "ann",
        "ANN",
        "",
        "a",
        "100%",
        "_",
        "Ärztin",
        "ÄRZTIN",
        "work",
        "M1",
        "m1",
        "E1",
        "R&D",
        "North",
        "north",
        "blue",
        "\\\\",
        "\\\"x",
        "https://x/ann",
    ];
    let text_places = [
        "userName".to_owned(),
        "externalId".to_owned(),
        "title".to_owned(),
        "name.familyName".to_owned(),
        "nickName".to_owned(),
        "emails".to_owned(),
        "emails.value".to_owned(),
        "emails.type".to_owned(),
        "photos.value".to_owned(),
        "roles.value".to_owned(),
        format!("{ENTERPRISE}:department"),
        format!("{ENTERPRISE}:manager.value"),
        format!("{BADGE}:tags"),
        format!("{BADGE}:doors.value"),
        format!("{USER}:userName"),
        "displayName".to_owned(),
    ];
    let mut all = Vec::new();
    for place in &text_places {
        all.push(format!("{place} pr"));
        all.push(format!("{place} eq null"));
        for text in texts {
            for operator in ["eq", "ne", "co", "sw", "ew", "gt", "ge", "lt", "le"] {
                all.push(format!("{place} {operator} \"{text}\""));
            }
        }
    }
    for text in ["work", "home", "x", "Ann"] {
        for operator in ["eq", "ne", "co", "sw"] {
            all.push(format!("emails[type eq \"work\" and value {operator} \"{text}\"]"));
            all.push(format!("emails[type {operator} \"{text}\" or value ew \"EXAMPLE\"]"));
            all.push(format!("emails[not (type {operator} \"{text}\")]"));
            all.push(format!("photos[value {operator} \"https://X/{text}\" and type eq \"PHOTO\"]"));
        }
    }
    all.push("emails[type eq \"work\" and value eq \"ANN@work.example\"]".to_owned());
    all.push("emails[primary eq true]".to_owned());
    all.push("roles[primary eq \"True\"].value eq \"ADMIN\"".to_owned());
    all.push("emails[type eq \"home\" and value eq \"Ann@Work.example\"]".to_owned());
    for operator in ["eq", "ne", "gt", "ge", "lt", "le"] {
        for number in ["7", "7.5", "-2", "0", "1e1"] {
            all.push(format!("{BADGE}:number {operator} {number}"));
        }
        for moment in ["2026-01-01T08:00:00Z", "2026-01-01T08:00:00.001Z", "2025-12-31T23:00:00-09:00"] {
            all.push(format!("{BADGE}:since {operator} \"{moment}\""));
        }
    }
    all.push(format!("{BADGE}:doors[open eq true and value eq \"North\"]"));
    all.push(format!("{BADGE}:doors[open eq false]"));
    all.push(format!("{BADGE} pr"));
    all.push(format!("not ({ENTERPRISE} pr)"));
    for text in [
        "active eq true",
        "active ne true",
        "not (active eq false)",
        "name pr",
        "meta.resourceType eq \"User\"",
        "schemas eq \"urn:x\"",
    ] {
        all.push(text.to_owned());
    }
    let joined: Vec<String> = all
        .windows(3)
        .step_by(7)
        .map(|three| format!("{} and not ({} or {})", three[0], three[1], three[2]))
        .collect();
    all.extend(joined);
    all
}

#[actix_web::test]
async fn every_filter_finds_in_the_store_what_it_finds_in_memory() {
    let app = TestApp::with(|config| config.rate_limit.enabled = false).await;
    let acme = app.tenant("acme").await;
    let schemas = format!("/api/v1/tenants/{}/scim-schemas", acme.slug);
    acme.admin.post(&schemas, badge()).await.expect(201);
    let schema: Schema = {
        let mut definition = badge();
        definition.as_object_mut().unwrap().remove("resourceType");
        serde_json::from_value(definition).unwrap()
    };
    let registry = Registry::with([("User".to_owned(), schema)]);
    let mut there: Vec<Map<String, Value>> = Vec::new();
    for person in people() {
        let made = acme.scim.post("/scim/v2/Users", person).await.expect(201);
        there.push(made.as_object().unwrap().clone());
    }
    let mut found_somebody = 0;
    let filters = filters();
    for text in &filters {
        let reply = acme.scim.find("/scim/v2/Users?attributes=userName", text).await;
        let parsed = Filter::parse(text, Profile::Compat).unwrap_or_else(|error| panic!("{text}: {error}"));
        let condition = match Condition::bind(&registry.users, &parsed, Profile::Compat) {
            Ok(condition) => condition,
            Err(error) => panic!("{text}: {error}"),
        };
        let in_memory: BTreeSet<String> = there
            .iter()
            .filter(|one| condition.holds(one))
            .map(|one| one["userName"].as_str().unwrap().to_owned())
            .collect();
        let in_store: BTreeSet<String> = names(&reply.expect(200)).into_iter().collect();
        assert_eq!(in_store, in_memory, "{text}");
        found_somebody += usize::from(!in_memory.is_empty());
    }
    assert!(
        filters.len() > 2_000 && found_somebody > 500,
        "{} filters, {found_somebody} find somebody",
        filters.len()
    );
    app.stop().await;
}

#[actix_web::test]
async fn what_is_not_in_the_document_is_searched_too() {
    let app = TestApp::start().await;
    let acme = app.tenant("acme").await;
    let (ann, bob) = (user(&acme, "ann").await, user(&acme, "bob").await);
    let inner = acme.group("Inner", &[&ann]).await;
    let outer = acme.group("Outer", &[&inner, &bob]).await;
    let of = async |path: &str, filter: &str| names(&acme.scim.find(path, filter).await.expect(200));
    let users = async |filter: &str| of("/scim/v2/Users", filter).await;
    let groups = async |filter: &str| of("/scim/v2/Groups", filter).await;
    assert_eq!(groups(&format!("members eq \"{ann}\"")).await, ["Inner"]);
    assert_eq!(groups(&format!("members[value eq \"{inner}\"]")).await, ["Outer"]);
    assert_eq!(groups(&format!("members.value eq \"{bob}\" and id eq \"{outer}\"")).await, ["Outer"]);
    assert_eq!(groups("members[type eq \"Group\"]").await, ["Outer"]);
    assert_eq!(
        groups(&format!("members[value eq \"{inner}\" and type eq \"User\"]")).await,
        Vec::<String>::new()
    );
    assert_eq!(groups("members[display sw \"b\"]").await, ["Outer"]);
    assert_eq!(groups("not (members pr)").await, Vec::<String>::new());
    assert_eq!(groups("displayName sw \"OUT\"").await, ["Outer"]);
    assert_eq!(users(&format!("groups eq \"{inner}\"")).await, ["ann"]);
    assert_eq!(users("groups.display eq \"outer\"").await, ["bob"]);
    assert_eq!(users("groups[display co \"in\"]").await, ["ann"]);
    assert_eq!(users("not (groups pr)").await, Vec::<String>::new());
    assert_eq!(users(&format!("id eq \"{ann}\"")).await, ["ann"]);
    assert!(!users(&format!("id sw \"{}\" and id co \"-\"", &ann[..8])).await.is_empty());
    assert_eq!(users("id eq \"nonsense\"").await, Vec::<String>::new());
    let whole = acme.scim.get(&format!("/scim/v2/Users/{ann}")).await.expect(200);
    let (created, location) =
        (whole["meta"]["created"].as_str().unwrap(), whole["meta"]["location"].as_str().unwrap());
    assert_eq!(users(&format!("meta.created eq \"{created}\" and userName eq \"ann\"")).await, ["ann"]);
    assert_eq!(users(&format!("meta.lastModified ge \"{created}\"")).await, ["ann", "bob"]);
    assert_eq!(users("meta.created lt \"2020-01-01T00:00:00Z\"").await, Vec::<String>::new());
    assert_eq!(users(&format!("meta.location eq \"{location}\"")).await, ["ann"]);
    assert_eq!(users(&format!("meta.version eq \"W/\\\"1\\\"\" and id eq \"{ann}\"")).await, ["ann"]);
    assert_eq!(users(&format!("schemas eq \"{USER}\" and userName eq \"ann\"")).await, ["ann"]);
    for (path, refused) in [
        ("/scim/v2/Users", "groups.$ref eq \"x\""),
        ("/scim/v2/Users", "members eq \"x\""),
        ("/scim/v2/Groups", "userName eq \"x\""),
        ("/scim/v2/Users", "schemas co \"urn\""),
    ] {
        acme.scim.find(path, refused).await.scim_refused(400, Some("invalidFilter"));
    }
    let entra = format!("id eq \"{ann}\" and {ENTERPRISE}:manager eq \"{bob}\"");
    assert_eq!(users(&entra).await, Vec::<String>::new());
    assert_eq!(id(&whole), ann);
    app.stop().await;
}
