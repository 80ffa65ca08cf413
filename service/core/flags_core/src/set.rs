//! Flags together, for one context at one moment: prerequisites look at other flags. One walk evaluates, and explains if asked.

use std::cell::Cell;
use std::collections::{BTreeMap, HashMap};

use chrono::{DateTime, Utc};
use serde::Serialize;

use crate::{Condition, Context, Definition, Evaluation, Reason};

/// Prerequisites of prerequisites of …
const DEPTH_MAX: usize = 8;

/// A step on the way to a variant: what was asked, and whether it decided.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Step {
    /// `killSwitch`, `override`, `plan`, `prerequisite`, `rule` or `default`.
    pub step: &'static str,
    /// Of a prerequisite the flag, of a rule its place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub of: Option<String>,
    /// In words.
    pub text: String,
    /// Whether this decided.
    pub decides: bool,
}

/// Definitions, prepared once for being evaluated again and again: in order, and with every condition that several rules share kept once.
#[derive(Debug, Default)]
pub struct Flags {
    flags: Vec<Prepared>,
    /// Attributes that some rule asks for.
    attributes: Vec<String>,
    /// An attribute's place, and what it must be.
    conditions: Vec<(usize, Condition)>,
}

/// A definition, and for each of its rules the places of its conditions.
#[derive(Debug)]
struct Prepared {
    definition: Definition,
    needs: Vec<Vec<usize>>,
}

impl Flags {
    /// These definitions.
    pub fn new(mut definitions: Vec<Definition>) -> Self {
        definitions.sort_unstable_by(|one, other| one.key.cmp(&other.key));
        let mut places: HashMap<String, usize> = HashMap::new();
        let (mut attributes, mut conditions) = (Vec::new(), Vec::new());
        let mut place = |(name, condition): (&String, &Condition)| {
            // Two that are written alike are alike.
            let written = format!("{name} {}", serde_json::to_string(condition).unwrap_or_default());
            *places.entry(written).or_insert_with(|| {
                let attribute = attributes.iter().position(|known| known == name).unwrap_or_else(|| {
                    attributes.push(name.clone());
                    attributes.len() - 1
                });
                conditions.push((attribute, condition.clone()));
                conditions.len() - 1
            })
        };
        let prepare = |definition: Definition| {
            let needs = definition.rules.iter().map(|rule| rule.when.iter().map(&mut place).collect());
            Prepared { needs: needs.collect(), definition }
        };
        let flags = definitions.into_iter().map(prepare).collect();
        Self { flags, attributes, conditions }
    }

    /// All, by key.
    pub fn iter(&self) -> impl Iterator<Item = &Definition> {
        self.flags.iter().map(|flag| &flag.definition)
    }

    fn get(&self, key: &str) -> Option<&Prepared> {
        let at = self.flags.binary_search_by(|flag| flag.definition.key.as_str().cmp(key)).ok()?;
        self.flags.get(at)
    }
}

/// Flags, whom they are evaluated for, and when.
#[derive(Debug)]
pub struct Set<'a> {
    flags: &'a Flags,
    overrides: &'a BTreeMap<String, String>,
    context: &'a Context,
    now: DateTime<Utc>,
    /// What the context says of each attribute that is asked for.
    values: Vec<Option<&'a String>>,
    /// Of each condition whether it holds, once somebody asked.
    holds: Vec<Cell<Option<bool>>>,
}

impl<'a> Set<'a> {
    /// These flags, with the tenant's own variants.
    pub fn new(
        flags: &'a Flags,
        overrides: &'a BTreeMap<String, String>,
        context: &'a Context,
        now: DateTime<Utc>,
    ) -> Self {
        let values = flags.attributes.iter().map(|name| context.get(name)).collect();
        let holds = vec![Cell::new(None); flags.conditions.len()];
        Self { flags, overrides, context, now, values, holds }
    }

    fn holds(&self, place: usize) -> bool {
        let Some(known) = self.holds.get(place) else { return false };
        known.get().unwrap_or_else(|| {
            let condition = self.flags.conditions.get(place);
            let holds = condition.is_some_and(|(attribute, condition)| {
                condition.fits(self.values.get(*attribute).copied().flatten())
            });
            known.set(Some(holds));
            holds
        })
    }

    /// Which variant the context gets. `None`: there is no such flag, or its definition has problems.
    pub fn evaluate(&self, key: &str) -> Option<Evaluation<'a>> {
        self.walk(self.flags.get(key)?, 0, None)
    }

    /// The same for all flags, by key.
    pub fn evaluate_all(&self) -> impl Iterator<Item = (&'a Definition, Option<Evaluation<'a>>)> {
        self.flags.flags.iter().map(|flag| (&flag.definition, self.walk(flag, 0, None)))
    }

    /// The same, with every step on the way.
    pub fn explain(&self, key: &str) -> Option<(Evaluation<'a>, Vec<Step>)> {
        let mut steps = Vec::new();
        let found = self.walk(self.flags.get(key)?, 0, Some(&mut steps))?;
        Some((found, steps))
    }

    fn walk(
        &self,
        prepared: &'a Prepared,
        depth: usize,
        mut steps: Option<&mut Vec<Step>>,
    ) -> Option<Evaluation<'a>> {
        let flag = &prepared.definition;
        // Sentences are made only for who asks for them: evaluating allocates nothing.
        let mut say = |step, of: Option<&dyn std::fmt::Display>, text: &dyn Fn() -> String, decides| {
            if let Some(steps) = steps.as_deref_mut() {
                steps.push(Step { step, of: of.map(ToString::to_string), text: text(), decides });
            }
        };
        if !flag.enabled {
            say("killSwitch", None, &|| "the flag is switched off".to_owned(), true);
            return flag.off();
        }
        if let Some(own) = self.overrides.get(&flag.key) {
            let found = flag.of(own, Reason::Static, None);
            say("override", None, &|| format!("the tenant has the override {own}"), found.is_some());
            if found.is_some() {
                return found;
            }
        }
        if let Some(plans) = &flag.plans {
            let plan = self.context.get("plan").map(String::as_str).unwrap_or_default();
            let has = plans.iter().any(|one| one == plan);
            let verb = if has { "includes" } else { "doesn't include" };
            say("plan", None, &|| format!("the plan {plan} {verb} the flag"), !has);
            if !has {
                return flag.off();
            }
        }
        for wanted in &flag.prerequisites {
            // Deeper than any chain that is accepted: as if it weren't met.
            let other = self.flags.get(&wanted.flag).filter(|_| depth < DEPTH_MAX);
            let got = other.and_then(|other| self.walk(other, depth + 1, None)).map(|found| found.variant);
            let met = got == Some(wanted.variant.as_str());
            let text =
                || format!("{} is {}, wanted {}", wanted.flag, got.unwrap_or("unknown"), wanted.variant);
            say("prerequisite", Some(&wanted.flag), &text, !met);
            if !met {
                return flag.off();
            }
        }
        for (at, (rule, needs)) in flag.rules.iter().zip(&prepared.needs).enumerate() {
            let fits = rule.is_on(self.now) && needs.iter().all(|place| self.holds(*place));
            // Who can't be put into a share goes on to the next rule.
            let chosen = if fits { rule.choose(&flag.key, self.context) } else { None };
            let text = || match (fits, chosen) {
                (false, _) => "doesn't match".to_owned(),
                (true, None) => "matches, but the context lacks the attribute for the rollout".to_owned(),
                (true, Some((variant, true))) => format!("matches, and the rollout gives {variant}"),
                (true, Some((variant, false))) => format!("matches and gives {variant}"),
            };
            say("rule", Some(&at), &text, chosen.is_some());
            if let Some((variant, by_share)) = chosen {
                let reason = if by_share { Reason::Split } else { Reason::TargetingMatch };
                return flag.of(variant, reason, Some(at));
            }
        }
        say(
            "default",
            None,
            &|| format!("nothing else decided: the default is {}", flag.default_variant),
            true,
        );
        flag.of(&flag.default_variant, Reason::Static, None)
    }
}

/// Flags that would need themselves, by way of others, or by too long a way; with `changed` in place of the flag of its key.
pub fn needs_itself(flags: &[Definition], changed: &Definition) -> bool {
    let needs: BTreeMap<&str, &Definition> =
        flags.iter().chain([changed]).map(|flag| (flag.key.as_str(), flag)).collect();
    fn reaches(needs: &BTreeMap<&str, &Definition>, from: &Definition, goal: &str, depth: usize) -> bool {
        depth > DEPTH_MAX
            || from.prerequisites.iter().any(|one| {
                one.flag == goal
                    || needs.get(one.flag.as_str()).is_some_and(|next| reaches(needs, next, goal, depth + 1))
            })
    }
    reaches(&needs, changed, &changed.key, 1)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::{Kind, Prerequisite, Rule};

    fn flag(key: &str) -> Definition {
        Definition {
            key: key.to_owned(),
            kind: Kind::Boolean,
            variants: BTreeMap::from([("on".to_owned(), json!(true)), ("off".to_owned(), json!(false))]),
            default_variant: "on".to_owned(),
            rules: Vec::new(),
            plans: None,
            enabled: true,
            prerequisites: Vec::new(),
        }
    }

    fn after(key: &str, wanted: &str) -> Definition {
        let prerequisites = vec![Prerequisite { flag: wanted.to_owned(), variant: "on".to_owned() }];
        Definition { prerequisites, ..flag(key) }
    }

    fn variant(flags: &[Definition], overrides: &[(&str, &str)], key: &str) -> Option<String> {
        let overrides = overrides.iter().map(|(key, own)| ((*key).to_owned(), (*own).to_owned())).collect();
        let context = Context::new();
        let flags = Flags::new(flags.to_vec());
        let set = Set::new(&flags, &overrides, &context, DateTime::UNIX_EPOCH);
        set.evaluate(key).map(|found| found.variant.to_owned())
    }

    #[test]
    fn a_flag_is_on_only_while_what_it_needs_is() {
        let flags = [flag("base"), after("middle", "base"), after("top", "middle")];
        assert_eq!(variant(&flags, &[], "top").as_deref(), Some("on"));
        assert_eq!(variant(&flags, &[("base", "off")], "top").as_deref(), Some("off"));
        assert_eq!(variant(&[after("alone", "gone")], &[], "alone").as_deref(), Some("off"));
        let dead = Definition { enabled: false, ..flag("base") };
        assert_eq!(
            variant(&[dead.clone(), after("top", "base")], &[("base", "on")], "top").as_deref(),
            Some("off")
        );
        assert_eq!(
            variant(&[dead], &[("base", "on")], "base").as_deref(),
            Some("off"),
            "the kill switch is above all"
        );
    }

    #[test]
    fn a_circle_is_seen_and_walked_only_so_far() {
        let (one, two) = (after("one", "two"), after("two", "one"));
        assert!(needs_itself(std::slice::from_ref(&two), &one));
        assert!(needs_itself(&[], &after("one", "one")));
        assert!(!needs_itself(&[flag("two")], &one));
        assert_eq!(variant(&[one, two], &[], "one").as_deref(), Some("off"));
        let chain: Vec<Definition> =
            (0..12).map(|at| after(&at.to_string(), &(at + 1).to_string())).collect();
        assert!(needs_itself(&chain[1..], &chain[0]), "too long a way");
        for (length, fits) in [(DEPTH_MAX, true), (DEPTH_MAX + 1, false)] {
            assert_eq!(!needs_itself(&chain[1..length], &chain[0]), fits, "{length}");
        }
        // A longer one that came in all the same is walked so far and no further.
        for (last, expected) in [(DEPTH_MAX, "on"), (DEPTH_MAX + 1, "off")] {
            let flags: Vec<Definition> =
                chain[..last].iter().cloned().chain([flag(&last.to_string())]).collect();
            assert_eq!(variant(&flags, &[], "0").as_deref(), Some(expected), "{last}");
        }
    }

    #[test]
    fn all_flags_are_evaluated_by_key() {
        let flags = Flags::new(vec![after("b", "a"), flag("a"), after("c", "gone")]);
        assert!(flags.iter().map(|one| one.key.as_str()).eq(["a", "b", "c"]));
        let (none, context) = (BTreeMap::new(), Context::new());
        let set = Set::new(&flags, &none, &context, DateTime::UNIX_EPOCH);
        let all: Vec<_> =
            set.evaluate_all().map(|(one, found)| (one.key.as_str(), found.unwrap().variant)).collect();
        assert_eq!(all, [("a", "on"), ("b", "on"), ("c", "off")]);
    }

    #[test]
    fn every_step_is_explained_and_one_decides() {
        let mut top = after("top", "base");
        top.plans = Some(vec!["pro".to_owned()]);
        top.rules = vec![
            serde_json::from_value::<Rule>(json!({"when": {"region": ["us"]}, "variant": "off"})).unwrap(),
            serde_json::from_value::<Rule>(json!({"when": {"region": ["eu"]}, "variant": "on"})).unwrap(),
        ];
        let flags = Flags::new(vec![flag("base"), top]);
        let context =
            Context::from([("plan".to_owned(), "pro".to_owned()), ("region".to_owned(), "eu".to_owned())]);
        let none = BTreeMap::new();
        let set = Set::new(&flags, &none, &context, DateTime::UNIX_EPOCH);
        let (found, steps) = set.explain("top").unwrap();
        assert_eq!((found.variant, found.rule), ("on", Some(1)));
        let told: Vec<(&str, bool)> = steps.iter().map(|step| (step.step, step.decides)).collect();
        assert_eq!(told, [("plan", false), ("prerequisite", false), ("rule", false), ("rule", true)]);
    }
}
