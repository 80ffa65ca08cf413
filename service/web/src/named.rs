//! Tenants by the names that paths and requests give them.

use platform::DbError;
use platform::db::Lookup;
use uuid::Uuid;

use crate::PlatformService;
use crate::extract::strict_uuid;

/// Whether `text` is a DNS label (RFC 1123): what a slug must be.
pub fn is_slug(text: &str) -> bool {
    let alphanumeric = |byte: &u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let bytes = text.as_bytes();
    (1..=63).contains(&bytes.len())
        && bytes.iter().all(|byte| alphanumeric(byte) || *byte == b'-')
        && bytes.first().is_some_and(alphanumeric)
        && bytes.last().is_some_and(alphanumeric)
}

/// The tenant of an id or slug. An id is taken as it is: whether there is such a tenant says whoever reads it.
pub async fn tenant_named(service: &PlatformService, name: &str) -> Result<Option<Uuid>, DbError> {
    match strict_uuid(name) {
        Some(id) => Ok(Some(id)),
        None => by_slug(service, name).await,
    }
}

/// The tenant of a slug.
pub(crate) async fn by_slug(service: &PlatformService, name: &str) -> Result<Option<Uuid>, DbError> {
    if is_slug(name) { service.db.tenant_of(Lookup::slug(name)).await } else { Ok(None) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slug_is_a_dns_label() {
        let longest = "a".repeat(63);
        for good in ["a", "acme", "acme-2", "0x", longest.as_str()] {
            assert!(is_slug(good), "{good}");
        }
        let too_long = "a".repeat(64);
        for bad in ["", "-a", "a-", "A", "a_b", "a.b", "ä", "a b", "a\0", too_long.as_str()] {
            assert!(!is_slug(bad), "{bad:?}");
        }
    }
}
