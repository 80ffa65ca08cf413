//! Feature flags without I/O: what a definition must be, and which variant a context gets.
//!
//! In this order: the tenant's override, the plan gate, the first rule that fits, the default variant.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Variants of one flag.
pub const VARIANTS_MAX: usize = 50;
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

/// Gives `variant` to contexts whose every named attribute has one of the listed values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Rule {
    /// Attribute → values.
    pub when: BTreeMap<String, Vec<String>>,
    /// What they get.
    pub variant: String,
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
}

/// Why a variant was chosen, in OpenFeature's words.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reason {
    /// The default, or the tenant's override.
    Static,
    /// A rule fits.
    TargetingMatch,
    /// The plan doesn't have the flag.
    Disabled,
}

impl Reason {
    /// Its name.
    pub fn name(self) -> &'static str {
        match self {
            Reason::Static => "STATIC",
            Reason::TargetingMatch => "TARGETING_MATCH",
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
}

/// Attributes of whom a flag is evaluated for: `plan`, `tenant`, `region`, `isolation`, `role`, …
pub type Context = BTreeMap<String, String>;

impl Definition {
    /// What is wrong with the definition: pointer and sentence.
    pub fn problems(&self) -> Vec<(String, String)> {
        let mut found = Vec::new();
        let mut add = |pointer: &str, text: &str| found.push((pointer.to_owned(), text.to_owned()));
        if self.variants.is_empty() || self.variants.len() > VARIANTS_MAX {
            add("/variants", "must be 1 to 50");
        }
        for (name, value) in &self.variants {
            if !self.kind.fits(value) {
                add(&format!("/variants/{name}"), "doesn't have the flag's type");
            }
        }
        if !self.variants.contains_key(&self.default_variant) {
            add("/defaultVariant", "must be one of the variants");
        }
        if self.rules.len() > RULES_MAX {
            add("/rules", "at most 100");
        }
        for (at, rule) in self.rules.iter().enumerate() {
            if !self.variants.contains_key(&rule.variant) {
                add(&format!("/rules/{at}/variant"), "must be one of the variants");
            }
        }
        found
    }

    /// Which variant `context` gets. `None` only for a definition that has problems.
    pub fn evaluate<'a>(
        &'a self,
        context: &Context,
        override_variant: Option<&str>,
    ) -> Option<Evaluation<'a>> {
        let of = |name: &str, reason| {
            let (variant, value) = self.variants.get_key_value(name)?;
            Some(Evaluation { variant, value, reason })
        };
        if let Some(found) = override_variant.and_then(|name| of(name, Reason::Static)) {
            return Some(found);
        }
        let plan = context.get("plan").map(String::as_str).unwrap_or_default();
        if self.plans.as_ref().is_some_and(|plans| !plans.iter().any(|one| one == plan)) {
            return of("off", Reason::Disabled).or_else(|| of(&self.default_variant, Reason::Disabled));
        }
        let fits = |rule: &&Rule| {
            rule.when
                .iter()
                .all(|(name, values)| context.get(name).is_some_and(|value| values.contains(value)))
        };
        match self.rules.iter().find(fits) {
            Some(rule) => of(&rule.variant, Reason::TargetingMatch),
            None => of(&self.default_variant, Reason::Static),
        }
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
                when: BTreeMap::from([("region".to_owned(), vec!["eu".to_owned()])]),
                variant: "on".to_owned(),
            }],
            plans: Some(vec!["pro".to_owned()]),
        }
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
            let found = flag.evaluate(&context(plan, region), override_variant).unwrap();
            assert_eq!(
                (found.variant, found.reason),
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
        wrong.rules[0].variant = "y".to_owned();
        wrong.variants.insert("on".to_owned(), json!("yes"));
        let pointers: Vec<String> = wrong.problems().into_iter().map(|(pointer, _)| pointer).collect();
        assert_eq!(pointers, ["/variants/on", "/defaultVariant", "/rules/0/variant"]);
    }
}
