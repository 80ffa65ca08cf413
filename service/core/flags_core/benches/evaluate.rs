//! `cargo bench -p flags_core`: 100 flags of 10 rules each, for one context.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use flags_core::{Context, Definition, Flags, Kind, Rule, Set};
use serde_json::json;

/// Nine rules that don't fit, by plans, regions, seats and tenants, some alike and some each flag's own, and one, the last, that does: by share
/// for every tenth flag.
fn definition(number: usize) -> Definition {
    let mut rules: Vec<Rule> = (0..9)
        .map(|rule| {
            let when = match rule % 3 {
                0 => json!({"plan": ["free", "basic"]}),
                1 => json!({"plan": ["pro"], "region": {"startsWith": [format!("us-{rule}")]}}),
                _ => json!({"plan": ["pro"], "seats": {"atLeast": 100 * rule}, "tenant": [format!("t-{number}-{rule}")]}),
            };
            serde_json::from_value(json!({"when": when, "variant": "on"})).unwrap()
        })
        .collect();
    let last = if number.is_multiple_of(10) {
        json!({"when": {"plan": ["pro"]}, "rollout": [{"variant": "on", "weight": 10}, {"variant": "off", "weight": 90}]})
    } else {
        json!({"when": {"plan": ["pro"]}, "variant": "on"})
    };
    rules.push(serde_json::from_value(last).unwrap());
    Definition {
        key: format!("flag-{number:03}"),
        kind: Kind::Boolean,
        variants: BTreeMap::from([("on".to_owned(), json!(true)), ("off".to_owned(), json!(false))]),
        default_variant: "off".to_owned(),
        rules,
        plans: Some(vec!["pro".to_owned(), "enterprise".to_owned()]),
        enabled: true,
        prerequisites: Vec::new(),
    }
}

fn benchmark(criterion: &mut Criterion) {
    let flags = Flags::new((0..100).map(definition).collect());
    let own = BTreeMap::new();
    let context = Context::from([
        ("targetingKey".to_owned(), "user-4711".to_owned()),
        ("plan".to_owned(), "pro".to_owned()),
        ("region".to_owned(), "eu-west-1".to_owned()),
        ("seats".to_owned(), "50".to_owned()),
        ("tenant".to_owned(), "acme".to_owned()),
    ]);
    let now = DateTime::UNIX_EPOCH;
    // A set for each, as for each request.
    criterion.bench_function("one of 100 flags of 10 rules", |bench| {
        bench.iter(|| {
            black_box(Set::new(&flags, &own, &context, now).evaluate(black_box("flag-057")).is_some())
        });
    });
    criterion.bench_function("one by share", |bench| {
        bench.iter(|| {
            black_box(Set::new(&flags, &own, &context, now).evaluate(black_box("flag-050")).is_some())
        });
    });
    criterion.bench_function("all 100 flags of 10 rules", |bench| {
        bench.iter(|| {
            let set = Set::new(&flags, &own, black_box(&context), now);
            set.evaluate_all().filter(|(_, found)| found.is_some()).count()
        });
    });
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
