//! From text to [`Config`]: overlay, look each key up among the defaults, convert by the default's type.

use std::path::Path;

use toml::{Table, Value};

use super::error::{ConfigError, deserialize};
use super::{Config, Declaration, Sections};

/// The committed defaults: every key with its default and one line of meaning.
pub const DEFAULTS: &str = include_str!("../../../config.default.toml");

/// Short names of some keys of ours.
const SHORT_NAMES: [(&str, &str); 9] = [
    ("TENANTRY_DATABASE_URL", "database.url"),
    ("TENANTRY_DATABASE_MIGRATION_URL", "database.migration_url"),
    ("TENANTRY_DATA_DIR", "data.dir"),
    ("TENANTRY_LISTEN", "server.listen"),
    ("TENANTRY_PUBLIC_URL", "server.public_url"),
    ("TENANTRY_MASTER_KEY", "secrets.master_key"),
    ("TENANTRY_BOOTSTRAP_KEY", "secrets.bootstrap_key"),
    ("TENANTRY_LOG", "log.filter"),
    ("TENANTRY_LOG_FORMAT", "log.format"),
];

/// Names under the prefix that mean something else.
const OTHER_NAMES: [&str; 2] = ["TENANTRY_CONFIG", "TENANTRY_LOAD_PROGRAM"];
/// What tests of the house are told by.
const TESTS_PREFIX: &str = "TENANTRY_TEST_";
/// Settings that the contract promises and that nothing would read: an error, not a silent wish.
const NOT_YET: [(&str, &str); 1] = [(
    "redis.url",
    "this version doesn't use Redis: each process counts rate limits for itself. Remove it (TENANTRY_REDIS_URL)",
)];

/// Settings that have another name now.
const RENAMED: [(&str, &str); 4] = [
    ("instances.grow", "instances.scale_out"),
    ("instances.grow_at_percent", "instances.scale_out_at_percent"),
    ("quota.history_kept", "quota.history_retention"),
    ("sso.sign_ins_kept", "sso.sign_in_retention"),
];

/// Reads the settings from `file` (if given) and from `environment`: ours, and the sections that capabilities declare.
///
/// # Errors
/// [`ConfigError`], which names the key and what to do.
pub fn load(
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
    declared: &[Declaration],
) -> Result<Config, ConfigError> {
    let mut settings = parse("config.default.toml", DEFAULTS)?;
    let known = leaves("", &settings);
    if let Some(path) = file {
        let place = path.display().to_string();
        let text = std::fs::read_to_string(path).map_err(|error| ConfigError::File(place.clone(), error))?;
        for (key, value) in leaves("", &parse(&place, &text)?) {
            set(&mut settings, &known, &key, value, &place)?;
        }
    }
    let mut variables: Vec<(String, String)> =
        environment.into_iter().filter(|(name, _)| name.starts_with("TENANTRY_")).collect();
    variables.sort();
    let short_names: Vec<_> =
        SHORT_NAMES.iter().chain(declared.iter().flat_map(|one| one.short_names)).copied().collect();
    for (name, value) in variables {
        from_variable(&mut settings, &known, &short_names, &name, value)?;
    }
    let sections = Sections::take(&mut settings, declared)?;
    let config = Config { sections, ..deserialize("", settings)? };
    config.check()?;
    Ok(config)
}

fn from_variable(
    settings: &mut Table,
    known: &[(String, Value)],
    short_names: &[(&str, &str)],
    name: &str,
    value: String,
) -> Result<(), ConfigError> {
    if OTHER_NAMES.contains(&name) || name.starts_with(TESTS_PREFIX) || is_service_link(name, &value) {
        return Ok(());
    }
    let (name_of_key, from_file) = match name.strip_suffix("_FILE") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let key = if let Some(path) = name_of_key.strip_prefix("TENANTRY__") {
        path.to_lowercase().replace("__", ".")
    } else if let Some((_, key)) = short_names.iter().find(|(short, _)| *short == name_of_key) {
        (*key).to_owned()
    } else if name_of_key == "TENANTRY_REDIS_URL" {
        "redis.url".to_owned()
    } else {
        let nearest = nearest(name, short_names.iter().map(|(short, _)| *short)).to_owned();
        let place = "the environment".to_owned();
        return Err(ConfigError::Unknown { key: name.to_owned(), place, nearest });
    };
    let value = if from_file {
        let text =
            std::fs::read_to_string(&value).map_err(|error| ConfigError::File(value.clone(), error))?;
        text.trim_end_matches(['\r', '\n']).to_owned()
    } else {
        value
    };
    let default = known.iter().find(|(known, _)| *known == key).map(|(_, default)| default);
    let value = convert(&key, value, default)?;
    set(settings, known, &key, value, &format!("the environment variable {name}"))
}

/// Kubernetes sets `TENANTRY_PORT` and the like for a service of this name, or of one that begins so: strange, but not a mistake.
fn is_service_link(name: &str, value: &str) -> bool {
    let parts = ["_SERVICE_HOST", "_SERVICE_PORT", "_PORT_"];
    parts.iter().any(|part| name.contains(part)) || (name.ends_with("_PORT") && value.contains("://"))
}

/// The environment has only text: the default tells which type is meant.
fn convert(key: &str, text: String, default: Option<&Value>) -> Result<Value, ConfigError> {
    let wrong = |kind: &str| ConfigError::Invalid(key.to_owned(), format!("must be {kind}"));
    Ok(match default {
        Some(Value::Boolean(_)) => Value::Boolean(text.parse().map_err(|_| wrong("true or false"))?),
        Some(Value::Integer(_)) => Value::Integer(text.parse().map_err(|_| wrong("a whole number"))?),
        Some(Value::Array(_)) => Value::Array(
            text.split(',').map(str::trim).filter(|part| !part.is_empty()).map(Value::from).collect(),
        ),
        _ => Value::String(text),
    })
}

fn parse(place: &str, text: &str) -> Result<Table, ConfigError> {
    // The message without the excerpt: the line may hold a secret.
    text.parse::<Table>().map_err(|error| ConfigError::Syntax(place.to_owned(), error.message().to_owned()))
}

fn leaves(prefix: &str, table: &Table) -> Vec<(String, Value)> {
    let mut found = Vec::new();
    for (key, value) in table {
        let path = if prefix.is_empty() { key.clone() } else { format!("{prefix}.{key}") };
        match value {
            // A section that is misspelt is as wrong without a key in it.
            Value::Table(inner) if !inner.is_empty() => found.extend(leaves(&path, inner)),
            leaf => found.push((path, leaf.clone())),
        }
    }
    found
}

fn set(
    settings: &mut Table,
    known: &[(String, Value)],
    key: &str,
    value: Value,
    place: &str,
) -> Result<(), ConfigError> {
    if let Some((_, reason)) = NOT_YET.iter().find(|(name, _)| *name == key) {
        let is_set = value.as_str().is_none_or(|text| !text.is_empty());
        return if is_set { Err(ConfigError::Invalid(key.to_owned(), (*reason).to_owned())) } else { Ok(()) };
    }
    let section = format!("{key}.");
    if matches!(&value, Value::Table(_)) && known.iter().any(|(name, _)| name.starts_with(&section)) {
        return Ok(());
    }
    if let Some((_, name)) = RENAMED.iter().find(|(old, _)| *old == key) {
        return Err(ConfigError::Renamed { key: key.to_owned(), place: place.to_owned(), name });
    }
    if !known.iter().any(|(name, _)| name == key) {
        let nearest = nearest(key, known.iter().map(|(name, _)| name.as_str()));
        return Err(ConfigError::Unknown {
            key: key.to_owned(),
            place: place.to_owned(),
            nearest: nearest.to_owned(),
        });
    }
    let mut table = settings;
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop() else { return Ok(()) };
    for part in parts {
        let Some(Value::Table(inner)) = table.get_mut(part) else { return Ok(()) };
        table = inner;
    }
    table.insert(last.to_owned(), value);
    Ok(())
}

fn nearest<'a>(wanted: &str, names: impl Iterator<Item = &'a str>) -> &'a str {
    names
        .max_by(|left, right| {
            strsim::jaro_winkler(wanted, left).total_cmp(&strsim::jaro_winkler(wanted, right))
        })
        .unwrap_or_default()
}
