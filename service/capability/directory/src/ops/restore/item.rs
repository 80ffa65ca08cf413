//! What a restore puts back.

use uuid::Uuid;

/// One thing to put back.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Item {
    /// It was made since: it goes.
    RemoveGroup(Uuid),
    /// It was made since: they go.
    RemoveUser(Uuid),
    /// As it was before this change.
    User(Uuid, Uuid),
    /// As it was before this change.
    Group(Uuid, Uuid),
    /// Who was in it.
    Members(Uuid),
}
