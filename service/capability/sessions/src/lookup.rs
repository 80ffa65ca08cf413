//! Whose a refresh token or a browser's session is.

use platform::db::Lookup;

/// A refresh token by the digest of its text.
pub fn by_refresh_token(digest: &[u8]) -> Lookup {
    Lookup::new("refresh_token", "digest", digest.to_vec())
}

/// A browser's session by the digest of its cookie.
pub fn by_browser_session(digest: &[u8]) -> Lookup {
    Lookup::new("browser_session", "digest", digest.to_vec())
}
