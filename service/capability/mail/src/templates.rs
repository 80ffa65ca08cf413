//! The committed templates, compiled once. HTML is escaped by its name; a mail is laid out in HTML and in text from the same parts.

use std::collections::BTreeMap;
use std::sync::OnceLock;

use chrono::{DateTime, Utc};
use minijinja::Environment;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use crate::branding::Brand;
use crate::error::Error;
use crate::language::Language;
use crate::plain::{one_line, plain};

macro_rules! sources {
    ($($name:literal)*) => { [$(($name, include_str!(concat!("../../../../templates/", $name)))),*] };
}

const SOURCES: [(&str, &str); 2] = sources!["mail/layout.html" "mail/layout.txt"];

const MAILS: &str = include_str!("../../../../templates/mail/mails.toml");

fn environment() -> &'static Environment<'static> {
    static ENVIRONMENT: OnceLock<Environment<'static>> = OnceLock::new();
    ENVIRONMENT.get_or_init(|| {
        let mut environment = Environment::new();
        environment.set_undefined_behavior(minijinja::UndefinedBehavior::Strict);
        for (name, source) in SOURCES {
            if let Err(error) = environment.add_template(name, source) {
                tracing::error!(name, %error, "a template can't be read");
            }
        }
        environment
    })
}

fn render(name: &str, values: &impl Serialize) -> Result<String, Error> {
    let template = environment().get_template(name).map_err(Error::internal)?;
    template.render(minijinja::value::Serde(values)).map_err(Error::internal)
}

/// What a mail is made of, in order.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Layout {
    parts: Vec<Part>,
    sample: Map<String, Value>,
}

/// A message of the language or a value, and how it is set.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Part {
    kind: String,
    message: Option<String>,
    value: Option<String>,
    link: Option<String>,
}

fn layouts() -> &'static BTreeMap<String, Layout> {
    static LAYOUTS: OnceLock<BTreeMap<String, Layout>> = OnceLock::new();
    LAYOUTS.get_or_init(|| {
        toml::from_str(MAILS).unwrap_or_else(|error| {
            tracing::error!(%error, "templates/mail/mails.toml can't be read");
            BTreeMap::new()
        })
    })
}

/// Names of all mails.
pub fn names() -> Vec<&'static str> {
    layouts().keys().map(String::as_str).collect()
}

/// A mail as it will be sent.
#[derive(Debug, Serialize, Deserialize)]
pub struct Rendered {
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For those who read HTML.
    pub html: String,
}

/// Values as a language takes them: moments (`…_at`) are written out, names are one line, and who invites in the tenant's name is `same`.
fn prepared(
    language: Language,
    brand: &Brand,
    tenant: &str,
    values: Map<String, Value>,
) -> Map<String, Value> {
    let mut prepared: Map<String, Value> = values
        .into_iter()
        .map(|(name, value)| {
            let Value::String(text) = &value else { return (name, value) };
            let moment = name.ends_with("_at").then(|| DateTime::parse_from_rfc3339(text).ok()).flatten();
            let text = match moment {
                Some(at) => language.moment(at.with_timezone(&Utc)),
                None if name == "message" => plain(text),
                None => one_line(text),
            };
            (name, text.into())
        })
        .collect();
    let tenant = one_line(tenant);
    if prepared.get("inviter").and_then(Value::as_str) == Some(tenant.as_str()) {
        prepared.insert("inviter".to_owned(), "same".into());
    }
    if let Some(role) = language.say("role", &prepared) {
        prepared.insert("role-name".to_owned(), role.into());
    }
    let sender = if brand.name == tenant { "same" } else { &brand.name };
    prepared.insert("sender".to_owned(), sender.into());
    prepared.insert("support".to_owned(), brand.support.clone().unwrap_or_default().into());
    prepared.insert("tenant".to_owned(), tenant.into());
    prepared
}

/// Subject, text and HTML of a mail of a tenant.
///
/// # Errors
/// [`Error::Internal`] for a mail that isn't there, or that lacks a value.
pub(crate) fn mail(
    template: &str,
    language: Language,
    brand: &Brand,
    tenant: &str,
    values: Map<String, Value>,
) -> Result<Rendered, Error> {
    let layout = layouts().get(template);
    let layout = layout.ok_or_else(|| Error::internal(format!("there is no mail {template}")))?;
    let values = prepared(language, brand, tenant, values);
    let say = |key: &str| {
        let key = if key.contains('.') { key.to_owned() } else { format!("{template}.{key}") };
        let said = language.say(&key, &values);
        said.ok_or_else(|| Error::internal(format!("mail can't say {key} in {}", language.name())))
    };
    let mut parts = Vec::with_capacity(layout.parts.len());
    for part in &layout.parts {
        let value =
            |name: &Option<String>| name.as_ref().and_then(|name| values.get(name)).and_then(Value::as_str);
        let text = match &part.message {
            Some(message) => say(message)?,
            // Who has nothing to add adds nothing.
            None => match value(&part.value).filter(|text| !text.is_empty()) {
                Some(text) => text.to_owned(),
                None => continue,
            },
        };
        parts.push(json!({"kind": part.kind, "text": text, "link": value(&part.link)}));
    }
    let subject = one_line(&say("subject")?);
    let support = brand.support.as_ref().map(|_| say("layout.support")).transpose()?;
    let values = json!({
        "subject": subject, "locale": language.name(), "brand": brand, "parts": parts,
        "open_page": say("layout.open-page")?, "sent_by": say("layout.sent-by")?, "support": support,
    });
    let (html, text) = (render("mail/layout.html", &values)?, render("mail/layout.txt", &values)?);
    Ok(Rendered { subject, text, html })
}

/// The languages in which mail is written.
pub fn locales() -> impl Iterator<Item = &'static str> {
    Language::all().map(Language::name)
}

/// Whether mail is written in the language of this tag (BCP 47).
pub fn speaks(tag: &str) -> bool {
    Language::parse(tag).is_some()
}

/// A mail with made-up values: what it looks like.
///
/// # Errors
/// Why there is none, in words.
pub fn preview(template: &str, locale: &str) -> Result<Rendered, String> {
    let names = names().join(", ");
    let layout = layouts().get(template).ok_or_else(|| format!("there is no mail {template}: {names}"))?;
    let language = Language::parse(locale).ok_or_else(|| format!("mail is not written in {locale}"))?;
    mail(template, language, &Brand::of("Acme", None), "Acme", layout.sample.clone())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_template_can_be_read_and_every_mail_says_everything_in_every_language() {
        for (name, _) in SOURCES {
            assert!(environment().get_template(name).is_ok(), "{name}");
        }
        assert_eq!(names().len(), 7);
        for name in names() {
            for language in Language::all() {
                let made = preview(name, language.name()).unwrap();
                assert!(!made.subject.contains(['{', '\n']) && !made.text.contains('{'), "{name}: {made:?}");
                assert!(
                    made.html.contains("</html>") && !made.html.contains("<style"),
                    "{name}: inline only"
                );
            }
        }
    }

    #[test]
    fn a_hostile_name_reaches_neither_the_markup_nor_the_headers() {
        let hostile = "<img src=x onerror=alert(1)>\r\nBcc: a@b\u{202e}\u{0}{{ 7*7 }}{ $code }\u{1f4a9}";
        let row = entity::mail::branding::Model {
            tenant_id: Default::default(),
            sender_name: Some(hostile.to_owned()),
            reply_to: None,
            logo_url: Some("https://x.example/\"onload=alert(1) x=\"".to_owned()),
            color: None,
            footer: Some(hostile.to_owned()),
            support_url: Some("https://x.example/".to_owned()),
            locale: None,
            version: 1,
            created_at: DateTime::UNIX_EPOCH,
            updated_at: DateTime::UNIX_EPOCH,
        };
        for name in names() {
            let mut values = layouts()[name].sample.clone();
            for (key, value) in &mut values {
                if value.is_string() && !key.ends_with("_at") {
                    *value = hostile.into();
                }
            }
            let brand = Brand::of(hostile, Some(row.clone()));
            let made = mail(name, Language::parse("en").unwrap(), &brand, hostile, values).unwrap();
            assert!(!made.subject.contains(['\r', '\n', '\u{202e}', '\0']), "{name}: {}", made.subject);
            assert!(
                !made.html.contains("<img src=x") && !made.html.contains("\"onload"),
                "{name}: {}",
                made.html
            );
            assert!(!made.html.contains("49"), "nothing that somebody wrote is a template");
            assert!(made.text.contains("\u{1f4a9}"), "what harms nobody stays");
            assert!(!made.text.contains('\u{202e}') && !made.html.contains('\u{202e}'), "{name}");
        }
    }
}
