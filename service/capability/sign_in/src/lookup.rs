//! Whose a code is.

use platform::db::Lookup;

/// An authorization code by its digest.
pub fn by_authorization_code(digest: &[u8]) -> Lookup {
    Lookup::new("authorization_code", "digest", digest.to_vec())
}
