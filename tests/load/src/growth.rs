//! What must not grow: the time of a member's addition with the group, of a look-up with the directory, memory with an
//! answer.

use serde_json::{Value, json};
use tests::{Client, Process};

use crate::measure::{CONNECTIONS, forget_peak, head, measure, memory, peak, show};
use crate::scim::{add, ids, user};

/// Operations of a bulk request.
const BULK: usize = 500;

/// A group grows to `size` members one PATCH at a time, then by PATCHes of a hundred.
pub async fn group(client: &Client, size: usize) {
    head(&format!("one group to {size} members, {CONNECTIONS} connections"));
    let ids = ids(client, "/scim/v2", size).await;
    let make = async |name: &str| {
        let group = client.post("/scim/v2/Groups", json!({"displayName": name})).await.expect(201);
        format!("/scim/v2/Groups/{}", group["id"].as_str().unwrap_or_default())
    };
    let path = make("by one").await;
    let single = measure(ids.len(), |number| {
        let request = client.patch_owned(path.clone(), add(&ids[number..=number]));
        async { request.await.status == 204 }
    })
    .await;
    show("add one member", &single, single.rate);
    let path = make("by hundred").await;
    let hundreds: Vec<&[String]> = ids.chunks(100).collect();
    let batched = measure(hundreds.len(), |number| {
        let request = client.patch_owned(path.clone(), add(hundreds[number]));
        async { request.await.status == 204 }
    })
    .await;
    show("add a hundred members", &batched, single.rate);
    for (what, measured, part) in [("one", &single, size / 20), ("a hundred", &batched, hundreds.len() / 10)]
    {
        let (first, last) = measured.ends(part);
        println!(
            "\nadding {what}: median of the first {part} {:.2} ms, of the last {:.2} ms: {:.2}x",
            first.as_secs_f64() * 1000.0,
            last.as_secs_f64() * 1000.0,
            last.as_secs_f64() / first.as_secs_f64()
        );
    }
}

/// Creates users by bulk until there are `size`.
pub async fn fill(client: &Client, from: usize, size: usize) {
    let batches = (size - from).div_ceil(BULK);
    let done = measure(batches, |batch| {
        let begin = from + batch * BULK;
        let operations: Vec<Value> = (begin..(begin + BULK).min(size))
            .map(|n| json!({"method": "POST", "path": "/Users", "bulkId": n.to_string(), "data": user(n)}))
            .collect();
        let request = client.post_owned("/scim/v2/Bulk", json!({"Operations": operations}));
        async {
            request.await.json()["Operations"]
                .as_array()
                .is_some_and(|all| all.iter().all(|one| one["status"] == "201"))
        }
    })
    .await;
    println!(
        "\nfilled from {from} to {size} users by bulk: {:.0} users/s, {} requests failed",
        done.rate * BULK as f64,
        done.failed
    );
}

/// Look-ups at each size.
pub async fn lookups(client: &Client, sizes: &[usize]) {
    let mut there = 0;
    let mut reference = Vec::new();
    for size in sizes {
        fill(client, there, *size).await;
        there = *size;
        head(&format!("look-ups among {size} users"));
        // `#` is the user's number.
        let filters = [
            ("userName eq", "userName eq \"user#@example.com\""),
            ("externalId eq", "externalId eq \"ext-#\""),
            ("emails.value eq", "emails.value eq \"USER#@example.com\""),
            ("emails[type eq and value eq]", "emails[type eq \"work\"].value eq \"user#@example.com\""),
        ];
        for (at, (what, filter)) in filters.into_iter().enumerate() {
            let measured = measure(3_000, |number| {
                let client = client.clone();
                let text = filter.replace('#', &(number * 7919 % there).to_string());
                async move { client.find("/scim/v2/Users", &text).await.json()["totalResults"] == 1 }
            })
            .await;
            if reference.len() <= at {
                reference.push(measured.rate);
            }
            show(what, &measured, reference[at]);
        }
    }
}

/// The most memory that single requests about a group of `size` members take, above what is resident before.
pub async fn large_group(client: &Client, process: &Process, size: usize) {
    let ids = ids(client, "/scim/v2", size).await;
    let members: Vec<Value> =
        ids.iter().map(|id| json!({"value": id, "display": "a name of some length"})).collect();
    let body = json!({"displayName": "large", "members": members});
    let sent = body.to_string().len();
    println!("\na group of {} members, {:.1} MiB as a body\n", ids.len(), sent as f64 / 1048576.0);
    let mut path = String::new();
    for what in [
        "POST",
        "GET",
        "GET of the list",
        "PUT of the same",
        "PUT of half",
        "PATCH replace of all",
        "GET without members",
        "DELETE",
    ] {
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        let before = memory(process.id());
        forget_peak(process.id());
        let begun = std::time::Instant::now();
        let reply = match what {
            "POST" => client.post("/scim/v2/Groups", body.clone()).await,
            "GET" => client.get(&path).await,
            "GET of the list" => client.get("/scim/v2/Groups").await,
            "PUT of the same" => client.put(&path, body.clone()).await,
            "PUT of half" => {
                client
                    .put(&path, json!({"displayName": "large", "members": members[..members.len() / 2]}))
                    .await
            }
            "PATCH replace of all" => {
                let operation = json!([{"op": "replace", "path": "members", "value": members}]);
                client.patch(&path, json!({"Operations": operation})).await
            }
            "GET without members" => client.get(&format!("{path}?excludedAttributes=members")).await,
            _ => client.delete(&path).await,
        };
        let took = begun.elapsed();
        if what == "POST" {
            path = format!("/scim/v2/Groups/{}", reply.json()["id"].as_str().unwrap_or_default());
        }
        println!(
            "{what:<22} {} {:>7.0} ms, answer {:>6.1} MiB, peak {:>5.1} MiB above the {before:.1} MiB before",
            reply.status.as_u16(),
            took.as_secs_f64() * 1000.0,
            reply.text.len() as f64 / 1048576.0,
            peak(process.id()) - before
        );
    }
}
