//! A provider publishes keys: which of them is meant.

use jsonwebtoken::jwk::{AlgorithmParameters, Jwk, PublicKeyUse};
use serde_json::Value;

/// Keys of one set that are looked at.
pub const KEYS_MAX: usize = 100;

/// The key of this id; without an id, the only one that verifies. `None`: there is none such.
#[must_use]
pub fn choose(keys: &[Jwk], kid: Option<&str>) -> Option<Jwk> {
    let usable = |key: &&Jwk| {
        !matches!(key.common.public_key_use, Some(PublicKeyUse::Encryption))
            && !matches!(key.algorithm, AlgorithmParameters::OctetKey(_))
    };
    let mut found =
        keys.iter().filter(usable).filter(|key| kid.is_none() || key.common.key_id.as_deref() == kid);
    match (found.next(), found.next()) {
        // Two keys of one id, or no id among several: nobody can say which is meant.
        (Some(_), Some(_)) | (None, _) => None,
        (Some(key), None) => Some(key.clone()),
    }
}

/// The same as [`choose`], of keys as JSON.
pub(super) fn choose_value(keys: Vec<Value>, kid: Option<&str>) -> Option<Jwk> {
    let keys: Vec<Jwk> =
        keys.into_iter().take(KEYS_MAX).filter_map(|key| serde_json::from_value(key).ok()).collect();
    choose(&keys, kid)
}
