//! A rule: for whom, when, and what they get. The first that fits wins.

use std::collections::BTreeMap;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use crate::Context;
use crate::rollout::{Share, share_of};

/// Values of one condition.
const VALUES_MAX: usize = 1_000;

/// What an attribute must be. A plain list is the same as `in`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Condition {
    /// One of these.
    In(Vec<String>),
    /// By an operator.
    By(Operator),
}

/// How an attribute is compared.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub enum Operator {
    /// One of these.
    In(Vec<String>),
    /// None of these; an attribute that isn't there fits.
    NotIn(Vec<String>),
    /// Begins with one of these.
    StartsWith(Vec<String>),
    /// Ends with one of these.
    EndsWith(Vec<String>),
    /// A number that is at least this.
    AtLeast(f64),
    /// A number that is less than this.
    LessThan(f64),
}

impl Condition {
    fn values(&self) -> Option<&Vec<String>> {
        match self {
            Condition::In(values) => Some(values),
            Condition::By(
                Operator::In(values)
                | Operator::NotIn(values)
                | Operator::StartsWith(values)
                | Operator::EndsWith(values),
            ) => Some(values),
            Condition::By(Operator::AtLeast(_) | Operator::LessThan(_)) => None,
        }
    }

    pub(crate) fn fits(&self, value: Option<&String>) -> bool {
        if let Condition::By(Operator::NotIn(values)) = self {
            return value.is_none_or(|value| !values.contains(value));
        }
        let Some(value) = value else { return false };
        let number = || value.parse::<f64>().ok();
        match self {
            Condition::In(values) | Condition::By(Operator::In(values)) => values.contains(value),
            Condition::By(Operator::StartsWith(values)) => values.iter().any(|one| value.starts_with(one)),
            Condition::By(Operator::EndsWith(values)) => values.iter().any(|one| value.ends_with(one)),
            Condition::By(Operator::AtLeast(least)) => number().is_some_and(|number| number >= *least),
            Condition::By(Operator::LessThan(most)) => number().is_some_and(|number| number < *most),
            Condition::By(Operator::NotIn(_)) => false,
        }
    }
}

/// Gives contexts whose every named attribute fits a variant, or one of several by share.
#[derive(Clone, Debug, PartialEq, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Rule {
    /// Attribute → what it must be. Nothing: everybody.
    #[serde(default)]
    pub when: BTreeMap<String, Condition>,
    /// What they get.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub variant: Option<String>,
    /// Or what they get by share: sticky, as flagd's `fractional`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rollout: Vec<Share>,
    /// The attribute that decides the share; absent: `targetingKey`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bucket_by: Option<String>,
    /// Not before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<DateTime<Utc>>,
    /// Not from then on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub until: Option<DateTime<Utc>>,
}

impl Rule {
    /// What is wrong with the rule: a pointer within it and a sentence.
    pub(crate) fn problems(&self, is_variant: impl Fn(&str) -> bool) -> Vec<(String, &'static str)> {
        let mut found = Vec::new();
        match (&self.variant, self.rollout.is_empty()) {
            (Some(variant), true) if !is_variant(variant) => {
                found.push(("/variant".to_owned(), "must be one of the variants"));
            }
            (Some(_), true) | (None, false) => {}
            _ => found.push((String::new(), "must have either a variant or a rollout")),
        }
        for (at, share) in self.rollout.iter().enumerate() {
            if !is_variant(&share.variant) {
                found.push((format!("/rollout/{at}/variant"), "must be one of the variants"));
            }
        }
        let total: u64 = self.rollout.iter().map(|share| u64::from(share.weight)).sum();
        if !self.rollout.is_empty() && !(1..=u64::from(i32::MAX.unsigned_abs())).contains(&total) {
            found.push(("/rollout".to_owned(), "the sum of the weights must be from 1 to 2147483647"));
        }
        for (name, condition) in &self.when {
            if condition.values().is_some_and(|values| values.len() > VALUES_MAX) {
                found.push((format!("/when/{name}"), "at most 1,000 values"));
            }
        }
        if let (Some(from), Some(until)) = (self.from, self.until)
            && until <= from
        {
            found.push(("/until".to_owned(), "must be after `from`"));
        }
        found
    }

    /// Whether the rule's time is now.
    pub(crate) fn is_on(&self, now: DateTime<Utc>) -> bool {
        self.from.is_none_or(|from| now >= from) && self.until.is_none_or(|until| now < until)
    }

    /// The variant that a context gets by this rule, and whether a share decided. `None`: what decides the share isn't there.
    pub(crate) fn choose<'a>(&'a self, flag: &str, context: &Context) -> Option<(&'a str, bool)> {
        if let Some(variant) = &self.variant {
            return Some((variant, false));
        }
        let key = context.get(self.bucket_by.as_deref().unwrap_or("targetingKey"))?;
        share_of(flag, key, &self.rollout).map(|variant| (variant, true))
    }

    /// The next moment at which the rule begins or ceases to fit.
    pub(crate) fn next_change(&self, now: DateTime<Utc>) -> Option<DateTime<Utc>> {
        [self.from, self.until].into_iter().flatten().filter(|at| *at > now).min()
    }
}
