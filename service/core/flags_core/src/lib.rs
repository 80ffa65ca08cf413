//! Feature flags without I/O: what a definition must be, and which variant a context gets.
//!
//! In this order: the kill switch, the tenant's override, the plan gate, prerequisites, the first rule that fits, the default variant.

mod rollout;
mod rule;
mod set;

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use rollout::Share;
pub use rule::{Condition, Operator, Rule};
pub use set::{Flags, Set, Step, needs_itself};

/// Variants of one flag.
pub const VARIANTS_MAX: usize = 50;
/// Prerequisites of one flag.
pub const PREREQUISITES_MAX: usize = 20;
/// Rules of one flag.
pub const RULES_MAX: usize = 100;

/// Type of a flag's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Kind {
    /// true, false
    Boolean,
    /// Text.
    String,
    /// Number.
    Number,
    /// JSON object.
    Object,
}

impl Kind {
    /// All of them.
    pub const ALL: [Kind; 4] = [Kind::Boolean, Kind::String, Kind::Number, Kind::Object];

    fn fits(self, value: &Value) -> bool {
        match self {
            Kind::Boolean => value.is_boolean(),
            Kind::String => value.is_string(),
            Kind::Number => value.is_number(),
            Kind::Object => value.is_object(),
        }
    }

    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Kind::Boolean => "boolean",
            Kind::String => "string",
            Kind::Number => "number",
            Kind::Object => "object",
        }
    }
}

/// A flag.
#[derive(Clone, Debug, PartialEq)]
pub struct Definition {
    /// Its key.
    pub key: String,
    /// Type of its values.
    pub kind: Kind,
    /// Name → value.
    pub variants: BTreeMap<String, Value>,
    /// What everybody gets whom no rule fits.
    pub default_variant: String,
    /// Rules, the first that fits wins.
    pub rules: Vec<Rule>,
    /// Plans that have the flag; `None`: all.
    pub plans: Option<Vec<String>>,
    /// The kill switch: a flag that isn't enabled is off for everybody, whatever else is said.
    pub enabled: bool,
    /// What other flags must give for this one to be more than off.
    pub prerequisites: Vec<Prerequisite>,
}

/// What another flag must give.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Prerequisite {
    /// The other flag's key.
    pub flag: String,
    /// Its variant.
    pub variant: String,
}

/// Why a variant was chosen, in OpenFeature's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The default, or the tenant's override.
    Static,
    /// A rule fits.
    TargetingMatch,
    /// A rule fits, and a share decided.
    Split,
    /// The plan doesn't have the flag.
    Disabled,
}

impl Reason {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Static => "STATIC",
            Reason::TargetingMatch => "TARGETING_MATCH",
            Reason::Split => "SPLIT",
            Reason::Disabled => "DISABLED",
        }
    }
}

/// What a context gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Evaluation<'a> {
    /// The variant.
    pub variant: &'a str,
    /// Its value.
    pub value: &'a Value,
    /// Why.
    pub reason: Reason,
    /// The rule that decided, by its place.
    pub rule: Option<usize>,
}

/// Attributes of whom a flag is evaluated for: `targetingKey`, `plan`, `tenant`, `region`, `isolation`, `role`, …
pub type Context = BTreeMap<String, String>;

impl Definition {
    /// What is wrong with the definition: pointer and sentence.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut add = |pointer: &str, text: &str| found.push((pointer.to_owned(), text.to_owned()));
        if self.variants.is_empty() || self.variants.len() > VARIANTS_MAX {
            add("/variants", "must have 1 to 50 variants");
        }
        for (name, value) in &self.variants {
            if !self.kind.fits(value) {
                add(&format!("/variants/{name}"), "doesn't have the flag's type");
            }
        }
        if !self.variants.contains_key(&self.default_variant) {
            add("/defaultVariant", "must be one of the variants");
        }
        if self.prerequisites.len() > PREREQUISITES_MAX {
            add("/prerequisites", "at most 20");
        }
        if self.rules.len() > RULES_MAX {
            add("/rules", "at most 100");
        }
        for (at, rule) in self.rules.iter().enumerate() {
            for (pointer, text) in rule.problems(|name| self.variants.contains_key(name)) {
                add(&format!("/rules/{at}{pointer}"), text);
            }
        }
        found
    }

    /// A variant by its name; `None`: there is none such.
    fn of(&self, name: &str, reason: Reason, rule: Option<usize>) -> Option<Evaluation<'_>> {
        let (variant, value) = self.variants.get_key_value(name)?;
        Some(Evaluation { variant, value, reason, rule })
    }

    /// What a flag is that is off: the variant of this name, else the default.
    fn off(&self) -> Option<Evaluation<'_>> {
        let off = self.of("off", Reason::Disabled, None);
        off.or_else(|| self.of(&self.default_variant, Reason::Disabled, None))
    }

    /// The next moment at which a schedule may change what somebody gets.
    pub fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        self.rules.iter().filter_map(|rule| rule.next_change(now)).min()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn flag() -> Definition {
        Definition {
            key: "beta".to_owned(),
            kind: Kind::Boolean,
            variants: BTreeMap::from([("on".to_owned(), json!(true)), ("off".to_owned(), json!(false))]),
            default_variant: "off".to_owned(),
            rules: vec![Rule {
                when: BTreeMap::from([("region".to_owned(), Condition::In(vec!["eu".to_owned()]))]),
                variant: Some("on".to_owned()),
                ..Rule::default()
            }],
            plans: Some(vec!["pro".to_owned()]),
            enabled: true,
            prerequisites: Vec::new(),
        }
    }

    /// The variant, the reason and the rule of one flag alone.
    fn evaluate(
        flag: &Definition,
        context: &Context,
        own: Option<&str>,
        now: DateTime<Utc>,
    ) -> (String, Reason, Option<usize>) {
        let own = own.map(|own| (flag.key.clone(), own.to_owned())).into_iter().collect();
        let flags = Flags::new(vec![flag.clone()]);
        let set = Set::new(&flags, &own, context, now);
        let found = set.evaluate(&flag.key).unwrap();
        (found.variant.to_owned(), found.reason, found.rule)
    }

    #[test]
    fn override_then_plan_then_rule_then_default() {
        let context = |plan: &str, region: &str| {
            Context::from([("plan".to_owned(), plan.to_owned()), ("region".to_owned(), region.to_owned())])
        };
        for (plan, region, override_variant, variant, reason) in [
            ("pro", "us", None, "off", Reason::Static),
            ("pro", "eu", None, "on", Reason::TargetingMatch),
            ("free", "eu", None, "off", Reason::Disabled),
            ("free", "us", Some("on"), "on", Reason::Static),
            ("pro", "eu", Some("off"), "off", Reason::Static),
            ("pro", "eu", Some("gone"), "on", Reason::TargetingMatch),
        ] {
            let flag = flag();
            let found = evaluate(&flag, &context(plan, region), override_variant, DateTime::UNIX_EPOCH);
            assert_eq!(
                (found.0.as_str(), found.1),
                (variant, reason),
                "{plan} {region} {override_variant:?}"
            );
        }
    }

    #[test]
    fn a_definition_that_contradicts_itself_is_named() {
        assert!(flag().problems().is_empty());
        let mut wrong = flag();
        wrong.default_variant = "x".to_owned();
        wrong.rules[0].variant = Some("y".to_owned());
        wrong.variants.insert("on".to_owned(), json!("yes"));
        let pointers: Vec<String> = wrong.problems().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/variants/on", "/defaultVariant", "/rules/0/variant"]);
    }

    #[test]
    fn a_definition_has_its_bounds() {
        let many = |count: usize| (0..count).map(|at| at.to_string());
        let variants = |count| many(count).map(|name| (name, json!(true))).collect::<BTreeMap<_, _>>();
        let needs = |count| many(count).map(|flag| Prerequisite { flag, variant: "on".to_owned() }).collect();
        let one = Rule { variant: Some("on".to_owned()), ..Rule::default() };
        let when = |of: &str, count| {
            let values: Vec<String> = many(count).collect();
            Definition { plans: None, ..rules(json!([{"when": {"x": {of: values}}, "variant": "on"}])) }
        };
        let first = || "0".to_owned();
        let mut table = vec![
            (Definition { variants: variants(50), default_variant: first(), rules: vec![], ..flag() }, None),
            (
                Definition { variants: variants(51), default_variant: first(), rules: vec![], ..flag() },
                Some("/variants"),
            ),
            (Definition { prerequisites: needs(20), ..flag() }, None),
            (Definition { prerequisites: needs(21), ..flag() }, Some("/prerequisites")),
            (Definition { rules: vec![one.clone(); 100], ..flag() }, None),
            (Definition { rules: vec![one; 101], ..flag() }, Some("/rules")),
        ];
        for of in ["in", "notIn", "startsWith", "endsWith"] {
            table.extend([(when(of, 1_000), None), (when(of, 1_001), Some("/rules/0/when/x"))]);
        }
        for (definition, expected) in table {
            let problems = definition.problems();
            let pointers: Vec<&str> = problems.iter().map(|(pointer, _)| pointer.as_str()).collect();
            assert_eq!(pointers, expected.into_iter().collect::<Vec<_>>());
        }
        let empty = Definition { variants: BTreeMap::new(), ..flag() };
        assert_eq!(empty.problems()[0].0, "/variants");
    }

    #[test]
    fn kinds_and_reasons_have_the_names_of_openfeature() {
        assert_eq!(Kind::ALL.map(Kind::name), ["boolean", "string", "number", "object"]);
        let reasons = [Reason::Static, Reason::TargetingMatch, Reason::Split, Reason::Disabled];
        assert_eq!(reasons.map(Reason::name), ["STATIC", "TARGETING_MATCH", "SPLIT", "DISABLED"]);
    }

    fn rules(rules: Value) -> Definition {
        Definition { rules: serde_json::from_value(rules).unwrap(), plans: None, ..flag() }
    }

    #[test]
    fn conditions_compare_in_several_ways_and_all_must_fit() {
        let on = |rule: Value, pairs: &[(&str, &str)]| {
            let context =
                pairs.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
            let flag = rules(json!([rule]));
            assert!(flag.problems().is_empty(), "{:?}", flag.problems());
            evaluate(&flag, &context, None, DateTime::UNIX_EPOCH).0 == "on"
        };
        for (when, value, fits) in [
            (json!(["eu", "us"]), "eu", true),
            (json!({"in": ["eu"]}), "us", false),
            (json!({"notIn": ["eu"]}), "us", true),
            (json!({"startsWith": ["eu-"]}), "eu-west", true),
            (json!({"endsWith": ["@acme.example"]}), "a@acme.example", true),
            (json!({"atLeast": 10}), "9.5", false),
            (json!({"atLeast": 10}), "10", true),
            (json!({"lessThan": 10}), "nine", false),
            (json!({"lessThan": 10}), "9.5", true),
            (json!({"lessThan": 10}), "10", false),
            (json!({"lessThan": 10}), "11", false),
        ] {
            assert_eq!(
                on(json!({"when": {"x": when}, "variant": "on"}), &[("x", value)]),
                fits,
                "{when} {value}"
            );
        }
        let both = json!({"when": {"a": ["1"], "b": ["2"]}, "variant": "on"});
        assert!(on(both.clone(), &[("a", "1"), ("b", "2")]) && !on(both, &[("a", "1")]));
        assert!(
            on(json!({"when": {"x": {"notIn": ["1"]}}, "variant": "on"}), &[]),
            "what isn't there isn't in"
        );
    }

    #[test]
    fn a_schedule_begins_and_ends_and_a_share_is_sticky() {
        let at = |text: &str| text.parse::<DateTime<Utc>>().unwrap();
        let flag = rules(
            json!([{"variant": "on", "from": "2026-12-01T00:00:00Z", "until": "2026-12-24T00:00:00Z"}]),
        );
        let on = |text: &str| evaluate(&flag, &Context::new(), None, at(text)).0 == "on";
        assert!(!on("2026-11-30T23:59:59Z") && on("2026-12-01T00:00:00Z") && !on("2026-12-24T00:00:00Z"));
        assert_eq!(flag.next_change(at("2026-11-01T00:00:00Z")), Some(at("2026-12-01T00:00:00Z")));
        assert_eq!(flag.next_change(at("2026-12-01T00:00:00Z")), Some(at("2026-12-24T00:00:00Z")));
        assert_eq!(flag.next_change(at("2026-12-25T00:00:00Z")), None);
        let split =
            rules(json!([{"rollout": [{"variant": "on", "weight": 30}, {"variant": "off", "weight": 70}]}]));
        let context = Context::from([("targetingKey".to_owned(), "acme".to_owned())]);
        let found = evaluate(&split, &context, None, DateTime::UNIX_EPOCH);
        assert_eq!((found.1, found.2), (Reason::Split, Some(0)));
        assert_eq!(evaluate(&split, &context, None, DateTime::UNIX_EPOCH), found);
        // Who has no key to be put into a share by gets the default.
        let found = evaluate(&split, &Context::new(), None, DateTime::UNIX_EPOCH);
        assert_eq!((found.0.as_str(), found.1), ("off", Reason::Static));
    }

    #[test]
    fn a_rule_that_contradicts_itself_is_named() {
        let wrong = rules(json!([
            {},
            {"variant": "on", "rollout": [{"variant": "on"}]},
            {"rollout": [{"variant": "on", "weight": 0}]},
            {"rollout": [{"variant": "gone"}]},
            {"variant": "on", "from": "2026-12-02T00:00:00Z", "until": "2026-12-01T00:00:00Z"},
        ]));
        let pointers: Vec<String> = wrong.problems().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(
            pointers,
            ["/rules/0", "/rules/1", "/rules/2/rollout", "/rules/3/rollout/0/variant", "/rules/4/until"]
        );
        assert!(
            serde_json::from_value::<Rule>(json!({"when": {"x": {"like": ["y"]}}, "variant": "on"})).is_err()
        );
    }
}
