//! Whose an invitation is.

use platform::db::Lookup;

/// An invitation by the digest of its token.
pub(crate) fn by_invitation(digest: &[u8]) -> Lookup {
    Lookup::new("invitation", "token_digest", digest.to_vec())
}
