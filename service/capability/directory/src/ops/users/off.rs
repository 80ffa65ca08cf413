//! By whose word somebody is switched off: the identity backend lets in again only whom it cut off itself.

use entity::directory::states::DeactivatedBy;
use entity::directory::{identity, user};
use platform::{Actor, DbError, Target, Tx, View, Work};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter};
use web::Problem;

use crate::store::users as store;

/// The identity backend that tells of people, as an actor.
pub const BACKEND: &str = "zitadel";

/// Whether somebody is on, and by whose word not, where that is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Switch {
    On,
    Off(Option<DeactivatedBy>),
}

impl Switch {
    pub(super) fn of(row: &user::Model) -> Self {
        if row.active { Self::On } else { Self::Off(row.deactivated_by) }
    }
}

/// Whose word it is what this actor writes.
pub(super) fn whose_word(actor: &Actor) -> DeactivatedBy {
    match (actor.kind, actor.id.as_str()) {
        ("scim_token", _) => DeactivatedBy::Directory,
        ("job", BACKEND) => DeactivatedBy::Backend,
        _ => DeactivatedBy::Admin,
    }
}

/// By whose word somebody is off who is written so. Whoever was off stays so by the word that there was; the directory's is also one where
/// the backend's was first: it writes the whole state.
pub(super) fn by_whose_word(before: Switch, word: DeactivatedBy) -> Option<DeactivatedBy> {
    match before {
        Switch::On => Some(word),
        Switch::Off(None | Some(DeactivatedBy::Backend)) if word == DeactivatedBy::Directory => Some(word),
        Switch::Off(by) => by,
    }
}

/// Whom the backend cut off before an admin wanted to is off by the admin's word from now on.
pub(super) async fn stays_off(tx: &mut Tx, before: user::Model) -> Result<user::Model, Problem> {
    let Switch::Off(None | Some(DeactivatedBy::Backend)) = Switch::of(&before) else { return Ok(before) };
    let deactivated_by = Some(whose_word(&tx.ctx().actor));
    let (version, updated_at) = (before.version + 1, tx.now());
    let row = user::Model { deactivated_by, version, updated_at, ..before };
    tx.update(row.clone()).await?;
    tx.record("user.deactivate", Target::new("user", row.id));
    Ok(row)
}

/// The backend's last event about the person behind (issuer, subject) that was applied.
///
/// # Errors
/// [`DbError`].
pub async fn last_word(view: &View, issuer: &str, subject: &str) -> Result<Option<i64>, DbError> {
    Ok(store::find_identity(view, issuer, subject).await?.and_then(|link| link.sequence))
}

/// Notes the backend's last event about the person behind (issuer, subject), whose row is locked.
///
/// # Errors
/// [`DbError`].
pub async fn note_word(tx: &Tx, issuer: &str, subject: &str, sequence: i64) -> Result<(), DbError> {
    let change = tx
        .change::<identity::Entity>()
        .col_expr(identity::Column::Sequence, Expr::value(sequence))
        .filter(identity::Column::Issuer.eq(issuer))
        .filter(identity::Column::Subject.eq(subject));
    tx.apply(change).await.map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_switched_somebody_off_is_told_by_the_actor() {
        for (kind, id, wanted) in [
            ("scim_token", "7", DeactivatedBy::Directory),
            ("job", BACKEND, DeactivatedBy::Backend),
            ("job", "directory restore", DeactivatedBy::Admin),
            ("key", BACKEND, DeactivatedBy::Admin),
            ("operator", "7", DeactivatedBy::Admin),
        ] {
            assert_eq!(whose_word(&Actor::new(kind, id)), wanted, "{kind} {id}");
        }
    }

    #[test]
    fn a_later_word_takes_the_place_of_the_backends_only_if_it_is_the_directorys() {
        use DeactivatedBy::{Admin, Backend, Directory};
        for (before, word, wanted) in [
            (Switch::On, Backend, Some(Backend)),
            (Switch::On, Directory, Some(Directory)),
            (Switch::On, Admin, Some(Admin)),
            (Switch::Off(Some(Backend)), Directory, Some(Directory)),
            (Switch::Off(None), Directory, Some(Directory)),
            (Switch::Off(Some(Admin)), Directory, Some(Admin)),
            // An admin may have changed a name only.
            (Switch::Off(Some(Backend)), Admin, Some(Backend)),
            (Switch::Off(None), Admin, None),
            (Switch::Off(Some(Directory)), Backend, Some(Directory)),
            (Switch::Off(Some(Admin)), Backend, Some(Admin)),
            (Switch::Off(None), Backend, None),
        ] {
            assert_eq!(by_whose_word(before, word), wanted, "{before:?} {word:?}");
        }
    }
}
