//! Who switches somebody off and on again: what that comes to is asked of the table of [`UserState`].

use entity::directory::states::{Source, UserState, UserVerb};
use entity::directory::{identity, user};
use platform::{Actor, DbError, Target, Tx, View, Work};
use scim_core::schema::USERS;
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter};

use crate::error::Error;
use crate::model::{DIRECTORY, UserColumns};
use crate::store::users as store;

/// The identity backend that tells of people, as an actor.
pub const BACKEND: &str = "zitadel";

/// Who writes the whole of a user.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Writer {
    /// Their directory, by SCIM.
    Directory,
    /// A restore of the directory.
    Restore,
}

impl Writer {
    pub(crate) fn of(actor: &Actor) -> Self {
        if actor.kind == DIRECTORY { Self::Directory } else { Self::Restore }
    }

    /// What happens to somebody who is written as active, or not.
    pub(crate) fn verb(self, columns: &UserColumns) -> UserVerb {
        match (self, columns.active) {
            (Self::Directory, true) => UserVerb::Push,
            (Self::Directory, false) => UserVerb::Withdraw,
            (Self::Restore, true) => UserVerb::PutBack,
            (Self::Restore, false) => UserVerb::PutBackOff,
        }
    }

    /// What happens to somebody who is removed.
    pub(super) fn removes(self) -> UserVerb {
        match self {
            Self::Directory => UserVerb::Remove,
            Self::Restore => UserVerb::PutBackGone,
        }
    }
}

/// Where somebody stands after that.
///
/// # Errors
/// `user.managed`: their directory has the word.
pub(crate) fn after(was: UserState, verb: UserVerb) -> Result<UserState, Error> {
    was.after(verb).ok_or(Error::Managed)
}

/// Takes a user, whose row is locked, to where that leads.
///
/// # Errors
/// `user.managed` if it may not be; `quota.exceeded` on reactivation; `user.last_admin`, `directory.blocked` on deactivation.
pub async fn switch(tx: &mut Tx, before: user::Model, verb: UserVerb) -> Result<user::Model, Error> {
    let state = after(before.state(), verb)?;
    let resource = before.resource.as_object().cloned().unwrap_or_default();
    super::write(tx, &USERS, before, resource, state).await
}

/// Edits a user whom no identity provider manages.
///
/// # Errors
/// `user.managed` if one does; what [`super::write`] refuses.
pub(crate) async fn edit(
    tx: &mut Tx,
    before: user::Model,
    active: Option<bool>,
    display_name: Option<String>,
) -> Result<user::Model, Error> {
    if before.source == Source::Scim {
        return Err(Error::Managed);
    }
    let verb = active.map(|active| if active { UserVerb::Activate } else { UserVerb::Deactivate });
    let state = verb.map_or(Ok(before.state()), |verb| after(before.state(), verb))?;
    let before = stays_off(tx, before, state).await?;
    let mut resource = before.resource.as_object().cloned().unwrap_or_default();
    if let Some(name) = display_name {
        resource.insert("displayName".to_owned(), name.into());
    }
    super::write(tx, &USERS, before, resource, state).await
}

/// Whom the backend cut off before an admin wanted to is off by the admin's word from now on. Nothing else about them changes.
async fn stays_off(tx: &mut Tx, before: user::Model, state: UserState) -> Result<user::Model, Error> {
    let was = before.state();
    if was == state || was.is_active() || state.is_active() {
        return Ok(before);
    }
    let (version, updated_at) = (before.version + 1, tx.now());
    let row = user::Model { deactivated_by: state.deactivated_by(), version, updated_at, ..before.clone() };
    tx.update(row.clone()).await?;
    tx.record("user.deactivate", Target::new("user", row.id).changed(&before, &row));
    Ok(row)
}

/// The backend's last event about the person behind (issuer, subject) that was applied.
pub async fn last_word(view: &View, issuer: &str, subject: &str) -> Result<Option<i64>, DbError> {
    Ok(store::find_identity(view, issuer, subject).await?.and_then(|link| link.sequence))
}

/// Notes the backend's last event about the person behind (issuer, subject), whose row is locked.
pub async fn record_last_word(tx: &Tx, issuer: &str, subject: &str, sequence: i64) -> Result<(), DbError> {
    let change = tx
        .change::<identity::Entity>()
        .col_expr(identity::Column::Sequence, Expr::value(sequence))
        .filter(identity::Column::Issuer.eq(issuer))
        .filter(identity::Column::Subject.eq(subject));
    tx.apply(change).await.map(drop)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_a_directory_writes_is_its_word_and_what_a_restore_writes_is_not() {
        let columns = |active: serde_json::Value| {
            let resource = json!({"userName": "ann", "active": active});
            UserColumns::of(resource.as_object().unwrap())
        };
        let (on, off) = (columns(json!(true)), columns(json!(false)));
        for (kind, id, verbs) in [
            ("scim_token", "7", [UserVerb::Push, UserVerb::Withdraw, UserVerb::Remove]),
            ("job", "directory restore", [UserVerb::PutBack, UserVerb::PutBackOff, UserVerb::PutBackGone]),
        ] {
            let writer = Writer::of(&Actor::new(kind, id));
            assert_eq!([writer.verb(&on), writer.verb(&off), writer.removes()], verbs, "{kind} {id}");
        }
    }

    #[test]
    fn what_the_directory_said_no_admin_takes_back() {
        let refused = after(UserState::OffByDirectory, UserVerb::Activate).unwrap_err();
        assert!(matches!(refused, Error::Managed));
        assert_eq!(after(UserState::OffByBackend, UserVerb::Deactivate).unwrap(), UserState::OffByAdmin);
    }
}
