//! People and groups, in the shapes in which Entra and Okta send them.

use serde_json::{Value, json};

const CORE: &str = "urn:ietf:params:scim:schemas:core:2.0:User";
const ENTERPRISE: &str = "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User";
const GROUP: &str = "urn:ietf:params:scim:schemas:core:2.0:Group";

const NAMES: [(&str, &str); 25] = [
    ("Ada", "Lovelace"),
    ("Alan", "Turing"),
    ("Annie", "Easley"),
    ("Barbara", "Liskov"),
    ("Chien-Shiung", "Wu"),
    ("Claude", "Shannon"),
    ("Donald", "Knuth"),
    ("Edsger", "Dijkstra"),
    ("Emmy", "Noether"),
    ("Evelyn", "Boyd Granville"),
    ("Frances", "Allen"),
    ("Grace", "Hopper"),
    ("Hedy", "Lamarr"),
    ("Jean", "Bartik"),
    ("Joan", "Clarke"),
    ("John", "McCarthy"),
    ("Karen", "Spärck Jones"),
    ("Katherine", "Johnson"),
    ("Kristen", "Nygaard"),
    ("Leslie", "Lamport"),
    ("Margaret", "Hamilton"),
    ("Mary", "Jackson"),
    ("Radia", "Perlman"),
    ("Sophie", "Wilson"),
    ("Tony", "Hoare"),
];

/// The external id of the person of this number: what the identity provider calls them, and their subject.
pub(super) fn subject(number: usize) -> String {
    format!("8f2d0c1e-0000-4000-8000-{number:012}")
}

pub(super) fn address(given: &str) -> String {
    format!("{}@contoso.example", given.to_lowercase())
}

/// Every other one as Entra sends it, every other as Okta.
pub(super) fn all() -> Vec<Value> {
    NAMES
        .iter()
        .enumerate()
        .map(
            |(number, (given, family))| {
                if number % 2 == 0 { entra(number, given, family) } else { okta(number, given, family) }
            },
        )
        .collect()
}

fn entra(number: usize, given: &str, family: &str) -> Value {
    json!({
        "schemas": [CORE, ENTERPRISE], "externalId": subject(number), "userName": address(given), "active": true,
        "displayName": format!("{given} {family}"), "meta": {"resourceType": "User"}, "roles": [],
        "name": {"formatted": format!("{given} {family}"), "givenName": given, "familyName": family},
        "emails": [{"primary": true, "type": "work", "value": address(given)}],
        (ENTERPRISE): {"department": "Computing"},
    })
}

fn okta(number: usize, given: &str, family: &str) -> Value {
    json!({
        "schemas": [CORE], "externalId": subject(number), "userName": address(given), "active": true, "groups": [],
        "password": "1mz050nq", "locale": "en-US", "displayName": format!("{given} {family}"),
        "name": {"givenName": given, "familyName": family},
        "emails": [{"primary": true, "value": address(given), "type": "work"}],
    })
}

pub(super) fn group(name: &str) -> Value {
    json!({"schemas": [GROUP, "http://schemas.microsoft.com/2006/11/ResourceManagement/ADSCIM/2.0/Group"], "externalId": name, "displayName": name})
}

/// Members, as Entra adds them.
pub(super) fn entra_add(ids: &[String]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"$ref": null, "value": id})).collect();
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "Add", "path": "members", "value": members}]})
}

/// Members, as Okta adds them.
pub(super) fn okta_add(ids: &[String]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id, "display": id})).collect();
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": [{"op": "add", "path": "members", "value": members}]})
}

/// A person leaves, as Entra says it.
pub(super) fn deactivate() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"],
        "Operations": [{"op": "Replace", "path": "active", "value": "False"}],
    })
}
