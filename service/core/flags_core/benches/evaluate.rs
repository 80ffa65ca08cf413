//! `cargo bench -p flags_core`: 100 flags of 10 rules each, for one context.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use std::collections::BTreeMap;
use std::hint::black_box;

use chrono::DateTime;
use criterion::{Criterion, criterion_group, criterion_main};
use flags_core::{Context, Definition, Flags, Kind, Rule, Set};
use serde_json::json;

/// Nine rules that don't fit and one, the last, that does: by share for every tenth flag.
fn definition(number: usize) -> Definition {
    let mut rules: Vec<Rule> = (0..9)
        .map(|rule| {
            let when = json!({"plan": ["free", "basic"], "region": {"startsWith": [format!("us-{rule}")]}, "seats": {"atLeast": 1000}});
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
    let set = Set::new(&flags, &own, &context, DateTime::UNIX_EPOCH);
    criterion.bench_function("one of 100 flags of 10 rules", |bench| {
        bench.iter(|| black_box(set.evaluate(black_box("flag-057"))));
    });
    criterion.bench_function("one by share", |bench| {
        bench.iter(|| black_box(set.evaluate(black_box("flag-050"))));
    });
    criterion.bench_function("all 100 flags of 10 rules", |bench| {
        bench.iter(|| flags.iter().filter(|flag| set.evaluate_flag(flag).is_some()).count());
    });
}

criterion_group!(benches, benchmark);
criterion_main!(benches);
