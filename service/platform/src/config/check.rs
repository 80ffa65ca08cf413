//! What values of several sections have to be: URLs, one of a few words, lists of pairs.

use url::Url;

use super::ConfigError;

/// Refuses what is neither empty nor the URL of a server.
///
/// # Errors
/// [`ConfigError::Invalid`]
pub fn require_url(key: &str, text: &str) -> Result<(), ConfigError> {
    let fits = |url: Url| matches!(url.scheme(), "http" | "https") && url.query().is_none();
    if text.is_empty() || Url::parse(text).is_ok_and(fits) {
        return Ok(());
    }
    Err(ConfigError::invalid(key, "must be an absolute http or https URL without a query"))
}

/// Refuses a word that isn't one of these.
///
/// # Errors
/// [`ConfigError::Invalid`]
pub fn require_one_of(key: &str, value: &str, known: &[&str]) -> Result<(), ConfigError> {
    match known.contains(&value) {
        true => Ok(()),
        false => Err(ConfigError::invalid(key, format!("must be one of {}", known.join(", ")))),
    }
}

/// The pairs of a list of `key=value`.
pub fn pairs(list: &[String]) -> impl Iterator<Item = (&str, &str)> {
    list.iter().filter_map(|pair| pair.split_once('=')).map(|(key, value)| (key.trim(), value.trim()))
}

/// Refuses a list of which not everything is a pair.
///
/// # Errors
/// [`ConfigError::Invalid`]
pub fn require_pairs(key: &str, list: &[String]) -> Result<(), ConfigError> {
    match pairs(list).count() == list.len() {
        true => Ok(()),
        false => Err(ConfigError::invalid(key, "must be a list of key=value")),
    }
}
