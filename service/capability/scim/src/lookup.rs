//! Whose a token is.

use platform::db::Lookup;
use uuid::Uuid;

/// An organization's SCIM token by its id.
pub(crate) fn by_token(id: Uuid) -> Lookup {
    Lookup::new("scim_token", "id", id)
}
