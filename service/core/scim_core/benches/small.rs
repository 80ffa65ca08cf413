//! `cargo bench -p scim_core`: what small requests cost, and how much of that is looking at them first. Looking is a small
//! part of reading: a request of a kilobyte is not slower for it.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use json_core::{Census, Names, repeated_name};
use scim_core::document::Document;
use scim_core::patch::cost::Extent;
use scim_core::schema::USERS;
use scim_core::{Profile, patch, resource};
use serde_json::{Value, json};

fn user() -> Value {
    json!({
        "schemas": ["urn:ietf:params:scim:schemas:core:2.0:User", "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User"],
        "externalId": "6ea4bd6d-6bd4-4b0e-8b9d-1d5a0a3d2c11", "userName": "zoe.miller@example.com", "active": true,
        "displayName": "Zoë Miller", "title": "Engineer", "preferredLanguage": "en-GB", "timezone": "Europe/Berlin",
        "name": {"givenName": "Zoë", "familyName": "Miller", "formatted": "Zoë Miller"},
        "emails": [{"type": "work", "value": "zoe.miller@example.com", "primary": true}, {"type": "home", "value": "zoe@example.org"}],
        "phoneNumbers": [{"type": "work", "value": "+49 30 1234567"}, {"type": "mobile", "value": "+49 170 1234567"}],
        "addresses": [{"type": "work", "formatted": "Example Street 1, Berlin", "locality": "Berlin", "country": "DE"}],
        "urn:ietf:params:scim:schemas:extension:enterprise:2.0:User": {"department": "R&D", "manager": {"value": "26118915"}},
    })
}

fn benchmark(criterion: &mut Criterion) {
    let text = user().to_string();
    let operations = json!({"Operations": [
        {"op": "Replace", "path": "active", "value": "False"},
        {"op": "Replace", "path": "displayName", "value": "Zoë M."},
        {"op": "Replace", "path": "emails[type eq \"work\"].value", "value": "zoe.m@example.com"},
        {"op": "Add", "path": "phoneNumbers", "value": [{"type": "fax", "value": "+49 30 7654321"}]},
    ]})
    .to_string();
    let before = resource::normalize(&USERS, &Document::parse(text.as_bytes()).unwrap(), Profile::Compat);
    let before = before.unwrap().resource;
    criterion.bench_function("a user of a kilobyte: looked at", |bench| {
        bench.iter(|| {
            let text = black_box(text.as_bytes());
            black_box((Census::of(text), repeated_name(text, Names::AnyCase)))
        });
    });
    criterion.bench_function("a user of a kilobyte: looked at, read and checked", |bench| {
        bench.iter(|| {
            let document = Document::parse(black_box(text.as_bytes())).unwrap();
            black_box(resource::normalize(&USERS, &document, Profile::Compat).unwrap())
        });
    });
    let parsed = patch::parse(&USERS, &Document::parse(operations.as_bytes()).unwrap(), Profile::Compat);
    let parsed = parsed.unwrap();
    criterion.bench_function("a PATCH of four operations: weighed", |bench| {
        bench.iter(|| black_box(parsed.steps(&USERS, Extent::of(black_box(&before)))));
    });
    criterion.bench_function("a PATCH of four operations: read, weighed and applied", |bench| {
        bench.iter(|| {
            let document = Document::parse(black_box(operations.as_bytes())).unwrap();
            let patch = patch::parse(&USERS, &document, Profile::Compat).unwrap();
            patch.check_steps(&USERS, Extent::of(&before)).unwrap();
            black_box(patch::apply(&USERS, &before, &patch.operations, Profile::Compat).unwrap())
        });
    });
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
