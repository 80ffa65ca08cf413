//! What mail says, in each language, by Fluent. English is complete; a test keeps the others so.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{DateTime, Locale, Utc};
use fluent_bundle::concurrent::FluentBundle;
use fluent_bundle::{FluentArgs, FluentResource, FluentValue};
use serde_json::{Map, Value};
use unic_langid::LanguageIdentifier;

/// Languages, the one to fall back to first.
const SOURCES: [(&str, &str); 2] = [
    ("en", include_str!("../../../../templates/mail/locales/en.ftl")),
    ("de", include_str!("../../../../templates/mail/locales/de.ftl")),
];

type Bundle = FluentBundle<FluentResource>;

fn bundles() -> &'static BTreeMap<&'static str, Bundle> {
    static BUNDLES: OnceLock<BTreeMap<&'static str, Bundle>> = OnceLock::new();
    BUNDLES.get_or_init(|| SOURCES.iter().map(|(name, source)| (*name, bundle(name, source))).collect())
}

fn bundle(name: &str, source: &str) -> Bundle {
    let language: LanguageIdentifier = name.parse().unwrap_or_default();
    let mut bundle = Bundle::new_concurrent(vec![language]);
    // Isolation marks would end up in links and subjects; directions are stripped from values instead.
    bundle.set_use_isolating(false);
    let resource = FluentResource::try_new(source.to_owned()).unwrap_or_else(|(resource, errors)| {
        tracing::error!(name, ?errors, "a translation file has errors");
        resource
    });
    if let Err(errors) = bundle.add_resource(resource) {
        tracing::error!(name, ?errors, "a translation file defines a message twice");
    }
    bundle
}

/// A language that mail has.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Language(&'static str);

impl Language {
    /// All, the one to fall back to first.
    pub(crate) fn all() -> impl Iterator<Item = Language> {
        SOURCES.iter().map(|(name, _)| Self(name))
    }

    /// The language of a tag (BCP 47), by its first part: `de-AT` is `de`.
    pub(crate) fn parse(tag: &str) -> Option<Self> {
        let primary = tag.split(['-', '_']).next().unwrap_or_default();
        Self::all().find(|language| language.0.eq_ignore_ascii_case(primary))
    }

    pub(crate) fn name(self) -> &'static str {
        self.0
    }

    /// A moment, as people of this language write it.
    pub(crate) fn moment(self, at: DateTime<Utc>) -> String {
        match self.0 {
            "de" => at.format_localized("%-d. %B %Y, %H:%M UTC", Locale::de_DE).to_string(),
            _ => at.format_localized("%-d %B %Y, %H:%M UTC", Locale::en_GB).to_string(),
        }
    }

    /// `message` or `message.attribute` with its values; `None`: there is no such message, or it lacks a value.
    pub(crate) fn say(self, key: &str, values: &Map<String, Value>) -> Option<String> {
        let bundle = bundles().get(self.0)?;
        let (message, attribute) = key.split_once('.').map_or((key, None), |(one, two)| (one, Some(two)));
        let message = bundle.get_message(message)?;
        let pattern = match attribute {
            Some(attribute) => message.get_attribute(attribute)?.value(),
            None => message.value()?,
        };
        let mut arguments = FluentArgs::new();
        for (name, value) in values {
            match value {
                Value::String(text) => arguments.set(name.as_str(), FluentValue::from(text.as_str())),
                Value::Number(number) => {
                    arguments.set(name.as_str(), FluentValue::from(number.as_f64().unwrap_or_default()))
                }
                _ => {}
            }
        }
        let mut errors = Vec::new();
        let said = bundle.format_pattern(pattern, Some(&arguments), &mut errors).into_owned();
        errors.is_empty().then_some(said)
    }
}

#[cfg(test)]
mod tests {
    use fluent_bundle::FluentResource;

    use super::*;

    /// Every message and attribute, from the text: what a language has.
    fn keys(source: &str) -> Vec<String> {
        FluentResource::try_new(source.to_owned()).expect("the language can be read as a whole");
        let mut message = String::new();
        let mut keys = Vec::new();
        for line in source.lines().filter(|line| line.contains('=') && !line.starts_with('#')) {
            let name = line.split('=').next().unwrap_or_default().trim();
            match name.strip_prefix('.') {
                Some(attribute) => keys.push(format!("{message}.{attribute}")),
                None if line.starts_with(|c: char| c.is_ascii_lowercase()) => {
                    message = name.to_owned();
                    keys.push(message.clone());
                }
                None => {}
            }
        }
        keys.sort();
        keys
    }

    #[test]
    fn no_language_lacks_a_message() {
        let english = keys(SOURCES[0].1);
        assert!(english.len() > 30);
        for (name, source) in SOURCES {
            assert_eq!(keys(source), english, "{name}");
        }
    }

    #[test]
    fn a_tag_is_read_by_its_first_part() {
        assert_eq!(Language::parse("de-AT").map(Language::name), Some("de"));
        assert_eq!(Language::parse("EN").map(Language::name), Some("en"));
        assert_eq!(Language::parse("fr"), None);
    }

    #[test]
    fn months_are_in_the_language() {
        let at = DateTime::from_timestamp(1_795_204_800, 0).unwrap();
        let (en, de) = (Language::parse("en").unwrap(), Language::parse("de").unwrap());
        assert_eq!(en.moment(at), "20 November 2026, 20:00 UTC");
        let march = at + chrono::TimeDelta::days(110);
        assert_eq!(de.moment(march), "10. März 2027, 20:00 UTC");
    }
}
