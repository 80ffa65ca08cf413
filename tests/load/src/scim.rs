//! What an identity provider does, the same for every server.

use serde_json::{Value, json};
use tests::Client;

use crate::measure::{Measured, measure, memory, show};

pub fn user(number: usize) -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User"], "userName": format!("user{number}@example.com"),
        "externalId": format!("ext-{number}"), "active": true, "displayName": format!("User {number}"),
        "name": {"givenName": "User", "familyName": number.to_string()},
        "emails": [{"value": format!("user{number}@example.com"), "type": "work", "primary": true}],
    })
}

fn patch(operations: Value) -> Value {
    json!({"schemas": ["urn:ietf:params:scim:api:messages:2.0:PatchOp"], "Operations": operations})
}

/// What a member's addition is, one or several.
pub fn add(ids: &[String]) -> Value {
    let members: Vec<Value> = ids.iter().map(|id| json!({"value": id})).collect();
    patch(json!([{"op": "add", "path": "members", "value": members}]))
}

pub struct Figures {
    pub creates: Measured,
    pub patches: Measured,
    pub lookups: Measured,
    pub adds: Measured,
}

impl Figures {
    pub fn rows(&self) -> [(&'static str, &Measured); 4] {
        [
            ("create user", &self.creates),
            ("PATCH user", &self.patches),
            ("look up by userName", &self.lookups),
            ("add one member to one group", &self.adds),
        ]
    }
}

/// Creates `users`, changes `some` of them, looks `some` up and puts them into a group one by one.
pub async fn sync(client: &Client, base: &str, users: usize, some: usize) -> Figures {
    let creates = measure(users, |number| {
        let request = client.post_owned(&format!("{base}/Users"), user(number));
        async { request.await.status == 201 }
    })
    .await;
    let ids = ids(client, base, some).await;
    let some = ids.len();
    let patches = measure(some, |number| {
        let path = format!("{base}/Users/{}", ids[number]);
        let change =
            patch(json!([{"op": "replace", "path": "displayName", "value": format!("Changed {number}")}]));
        let request = client.patch_owned(path, change);
        async { request.await.status.is_success() }
    })
    .await;
    let lookups = measure(some, |number| {
        let (client, path) = (client.clone(), format!("{base}/Users"));
        async move {
            let filter = format!("userName eq \"user{}@example.com\"", number * 7919 % users);
            client.find(&path, &filter).await.json()["totalResults"] == 1
        }
    })
    .await;
    let schemas = json!(["urn:ietf:params:scim:schemas:core:2.0:Group"]);
    let group = client
        .post(&format!("{base}/Groups"), json!({"schemas": schemas, "displayName": "sync"}))
        .await
        .expect(201);
    let path = format!("{base}/Groups/{}", group["id"].as_str().unwrap_or_default());
    let adds = measure(some, |number| {
        let request = client.patch_owned(path.clone(), add(&ids[number..=number]));
        async { request.await.status.is_success() }
    })
    .await;
    let whole = client.get(&path).await.json();
    let members = whole["members"].as_array().map_or(0, Vec::len);
    if members != some {
        println!("(of {some} members that were added one by one, the group has {members})");
    }
    Figures { creates, patches, lookups, adds }
}

/// The ids of the first users.
pub async fn ids(client: &Client, base: &str, count: usize) -> Vec<String> {
    let mut ids: Vec<String> = Vec::new();
    while ids.len() < count {
        let path = format!("{base}/Users?attributes=id&count=1000&startIndex={}", ids.len() + 1);
        let page = client.get(&path).await.json();
        let new = page["Resources"].as_array().into_iter().flatten();
        let before = ids.len();
        ids.extend(new.filter_map(|user| Some(user["id"].as_str()?.to_owned())));
        if ids.len() == before {
            break;
        }
    }
    ids.truncate(count);
    ids
}

/// Prints a server's figures beside the reference's.
pub fn print(figures: &Figures, reference: Option<&Figures>, process: u32) {
    for (at, (what, measured)) in figures.rows().into_iter().enumerate() {
        let rate = reference.map_or(measured.rate, |reference| reference.rows()[at].1.rate);
        show(what, measured, rate);
    }
    println!("\nmemory at the end {:.1} MiB", memory(process));
}
