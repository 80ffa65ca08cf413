//! Every mutating operation that succeeds leaves a record; every refusal by right leaves one too. The walks call every route that promises
//! a record, as its caller does, each in a service of its own.

mod directory;
mod operators;
mod people;
mod platform;
mod sign_in;
mod tenants;

use std::collections::BTreeSet;

use actix_web::rt::spawn;
use futures_util::future::join_all;
use serde_json::Value;
use tests::{Client, Reply};

use crate::sso::text;

type Route = (&'static str, &'static str);

/// The id of what was made.
fn id(made: &Value) -> String {
    text(made, "id")
}

/// Removes something.
#[track_caller]
fn gone(reply: &Reply) {
    assert_eq!(reply.status, 204, "{}", reply.text);
}

/// A status of an operation that is under way at an address.
async fn until(client: &Client, path: &str, status: &str) {
    let what = format!("{path} to be {status}");
    tests::eventually(&what, async || {
        let found = client.get(path).await.json();
        let one = if found["items"].is_array() { &found["items"][0] } else { &found };
        (one["status"] == status).then_some(())
    })
    .await;
}

#[actix_web::test]
async fn every_write_leaves_its_record() {
    let walks = [
        spawn(platform::walk()),
        spawn(tenants::walk()),
        spawn(people::walk()),
        spawn(directory::walk()),
        spawn(sign_in::walk()),
        spawn(sign_in::walk_of_saml()),
        spawn(operators::walk()),
    ];
    let walked: Vec<Result<BTreeSet<Route>, _>> = join_all(walks).await;
    let called = walked.into_iter().flat_map(|walk| walk.expect("a walk to its end")).collect();
    let elsewhere = super::records::not_among(&called);
    assert!(elsewhere.is_empty(), "a new route belongs into a walk: {elsewhere:?}");
}
