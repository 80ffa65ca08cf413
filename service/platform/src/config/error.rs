//! What is wrong with the settings.

use serde::de::DeserializeOwned;
use toml::Table;

/// What is wrong with the settings, and how to fix it. Never shows a value: it may be a secret.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// A key that doesn't exist.
    #[error("unknown setting `{key}` in {place}: nothing reads it; did you mean `{nearest}`?")]
    Unknown {
        /// The key.
        key: String,
        /// The file or the variable.
        place: String,
        /// The existing key that looks most like it.
        nearest: String,
    },
    /// A key from before it was renamed.
    #[error("setting `{key}` in {place} has another name now: `{name}`")]
    Renamed {
        /// The key.
        key: String,
        /// The file or the variable.
        place: String,
        /// Its name now.
        name: &'static str,
    },
    /// A value that doesn't fit.
    #[error("setting `{0}`: {1}")]
    Invalid(String, String),
    /// A file that can't be read.
    #[error("{0} can't be read: {1}")]
    File(String, std::io::Error),
    /// A file that isn't TOML.
    #[error("{0} is not valid TOML: {1}")]
    Syntax(String, String),
}

impl ConfigError {
    /// Of a key and what is wrong with its value.
    pub fn invalid(key: &str, problem: impl Into<String>) -> Self {
        Self::Invalid(key.to_owned(), problem.into())
    }
}

/// A section from its table; the section without a name is all that is left.
pub(super) fn deserialize<S: DeserializeOwned>(section: &str, table: Table) -> Result<S, ConfigError> {
    serde_path_to_error::deserialize(table).map_err(|error| {
        let path = error.path().to_string();
        let parts = [section, path.as_str()].into_iter().filter(|part| !matches!(*part, "" | "."));
        ConfigError::Invalid(parts.collect::<Vec<_>>().join("."), error.into_inner().message().to_owned())
    })
}
