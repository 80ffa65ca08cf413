//! Users: made, replaced, linked, removed.

mod off;

use entity::by_name::ByName;
use entity::directory::states::{AddressProof, ChangeAction, ChangeKind, Source, UserState};
use entity::directory::{identity, user};
use entity::ids::OrganizationId;
use identity_core::fold;
use platform::{DbError, Target, Timestamp, Tx, Work};
use quota::Usage;
use scim_core::fold_resource;
use scim_core::schema::ResourceType;
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value, json};
use sessions::Ended;
use uuid::Uuid;

use super::admins::{self, Held};
use super::roles::NewRole;
use crate::error::Error;
use crate::model::{UserColumns, changed_names, user_image};
use crate::people;
use crate::store::members::{self, Kind};
use crate::store::{changes, users as store};

pub use off::{BACKEND, last_word, record_last_word, switch};
pub(crate) use off::{Writer, after, edit};

platform::facts! {
    /// What is told of a user.
    pub struct UserFacts {
        /// The user.
        pub user_id: Uuid,
        organization_id: Uuid,
        user_name: String,
        /// Its id at the directory.
        pub external_id: Option<String>,
        active: bool,
        /// Names of the attributes that changed, not their values.
        #[serde(skip_serializing_if = "Option::is_none")]
        pub attributes: Option<Vec<String>>,
    }
}

platform::events! {
    /// A user was created.
    pub struct UserCreated = "user.created" (UserFacts)
    /// A user was changed.
    pub struct UserUpdated = "user.updated" (UserFacts)
    /// A user was deactivated and can no longer sign in.
    pub struct UserDeactivated = "user.deactivated" (UserFacts)
    /// A user was reactivated and can sign in again.
    pub struct UserReactivated = "user.reactivated" (UserFacts)
    /// A user was deleted.
    pub struct UserDeleted = "user.deleted" (UserFacts)
}

fn facts(row: &user::Model, attributes: Vec<String>) -> UserFacts {
    UserFacts {
        user_id: row.id,
        organization_id: row.organization_id,
        user_name: row.user_name.clone(),
        external_id: row.external_id.clone(),
        active: row.active,
        attributes: (!attributes.is_empty()).then_some(attributes),
    }
}

/// Tells that something about a user changed that is no attribute.
pub(crate) fn emit_updated(tx: &mut Tx, row: &user::Model, what: &str) {
    tx.emit(&UserUpdated(facts(row, vec![what.to_owned()])));
}

/// A user to be made.
#[derive(Debug)]
pub(crate) struct NewUser {
    /// The organization.
    pub(crate) organization: Uuid,
    /// SCIM attributes in canonical form.
    pub(crate) resource: Map<String, Value>,
    /// The user's role.
    pub(crate) role: NewRole,
    /// What stood for the address, where a sign-in or an invitation said one.
    pub(crate) address_proof: Option<AddressProof>,
}

/// What a user is besides: new, or as before it was removed.
pub(crate) struct Origin {
    pub(crate) id: Uuid,
    pub(crate) created_at: Timestamp,
    pub(crate) source: Source,
    /// Whether they may come in; if not, by whose word.
    pub(crate) state: UserState,
}

/// Writes a new user. What follows from it takes their seats, by [`take_seats`], as the last thing.
///
/// # Errors
/// `user.exists`.
pub(crate) async fn insert_user(
    tx: &mut Tx,
    kind: &ResourceType,
    mut new: NewUser,
    origin: Origin,
) -> Result<user::Model, Error> {
    new.resource.insert("active".to_owned(), origin.state.is_active().into());
    let columns = UserColumns::of(&new.resource);
    let attributes = new.resource.keys().cloned().collect();
    let row = user::Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: origin.id,
        user_name_key: fold(&columns.user_name),
        user_name: columns.user_name,
        external_id: columns.external_id,
        display_name: columns.display_name,
        email: columns.email,
        active: columns.active,
        role: ByName(new.role.role),
        role_source: new.role.source,
        role_under: new.role.under.map(ByName),
        address_proof: new.address_proof,
        source: origin.source,
        folded: fold_resource(kind, &new.resource),
        resource: Value::Object(new.resource),
        version: 1,
        created_at: origin.created_at,
        updated_at: tx.now(),
        deactivated_by: origin.state.deactivated_by(),
    };
    tx.insert(row.clone()).await.map_err(Error::of_user)?;
    store::set_emails(tx, &row, columns.emails, true).await?;
    changes::record(
        tx,
        OrganizationId(row.organization_id),
        ChangeKind::User,
        ChangeAction::Create,
        row.id,
        None,
    )
    .await?;
    tx.record("user.create", Target::new("user", row.id));
    tx.emit(&UserCreated(facts(&row, attributes)));
    Ok(row)
}

/// Takes the seats of a new user; answers the usage of `users`, if the user is active.
///
/// # Errors
/// `quota.exceeded`, `billing.seat_blocked`.
pub(crate) async fn take_seats(tx: &mut Tx, row: &user::Model) -> Result<Option<Usage>, Error> {
    admins::count(tx, Held::NOTHING, Held::by(row)).await
}

/// Refuses names and addresses that hold what nobody can see.
pub(crate) fn fit(resource: &Map<String, Value>) -> Result<(), Error> {
    match UserColumns::forbidden(resource) {
        Some((pointer, forbidden)) => Err(Error::Unseen { pointer, forbidden }),
        None => Ok(()),
    }
}

/// Gives a user, whose row is locked, what their directory, or a restore of it, says of them. What an identity provider writes, it owns
/// from then on.
///
/// # Errors
/// `user.exists`; `quota.exceeded` on reactivation; `user.last_admin`, `directory.blocked` on deactivation.
pub async fn replace_user(
    tx: &mut Tx,
    kind: &ResourceType,
    before: user::Model,
    resource: Map<String, Value>,
) -> Result<user::Model, Error> {
    let verb = Writer::of(&tx.ctx().actor).verb(&UserColumns::of(&resource));
    let state = after(before.state(), verb)?;
    write(tx, kind, before, resource, state).await
}

/// Gives a user, whose row is locked, new attributes, and takes them to where they stand now. The same attributes and the same state
/// change nothing. Deactivating ends the user's sessions.
///
/// # Errors
/// `user.exists`; `quota.exceeded` on reactivation; `user.last_admin`, `directory.blocked` on deactivation.
async fn write(
    tx: &mut Tx,
    kind: &ResourceType,
    before: user::Model,
    mut resource: Map<String, Value>,
    state: UserState,
) -> Result<user::Model, Error> {
    let was = before.state();
    let columns = UserColumns::of(&resource);
    if columns.active != state.is_active() {
        resource.insert("active".to_owned(), state.is_active().into());
    }
    let attributes = changed_names(before.resource.as_object(), &resource);
    let by_directory = Writer::of(&tx.ctx().actor) == Writer::Directory;
    let source = if by_directory { Source::Scim } else { before.source };
    if attributes.is_empty() && (before.source, was) == (source, state) {
        tx.housekeeping();
        return Ok(before);
    }
    // A name stays as it is, whatever it holds and whosever it would be under today's rules: its user can be changed and can leave.
    let renamed = attributes.iter().any(|name| name == "userName" || name == "emails");
    if renamed {
        fit(&resource)?;
    }
    let user_name_key = match columns.user_name == before.user_name {
        true => before.user_name_key.clone(),
        false => fold(&columns.user_name),
    };
    let action = match (was.is_active(), state.is_active()) {
        (true, false) => ChangeAction::Deactivate,
        (false, true) => ChangeAction::Reactivate,
        (true, true) | (false, false) => ChangeAction::Update,
    };
    if action == ChangeAction::Deactivate {
        admins::may_leave(tx, &before).await?;
    }
    let image = user_image(&before);
    let held = Held::by(&before);
    let names = if renamed { people::addresses(&before) } else { Vec::new() };
    let row = user::Model {
        user_name_key,
        user_name: columns.user_name,
        external_id: columns.external_id,
        display_name: columns.display_name,
        email: columns.email,
        active: state.is_active(),
        source,
        folded: fold_resource(kind, &resource),
        resource: Value::Object(resource),
        version: before.version + 1,
        updated_at: tx.now(),
        deactivated_by: state.deactivated_by(),
        ..before
    };
    tx.update(row.clone()).await.map_err(Error::of_user)?;
    if attributes.iter().any(|name| name == "emails") {
        store::set_emails(tx, &row, columns.emails, false).await?;
    }
    changes::record(tx, OrganizationId(row.organization_id), ChangeKind::User, action, row.id, Some(image))
        .await?;
    if action == ChangeAction::Deactivate {
        people::leave(tx, &row, None).await?;
        sessions::end_all_of_user(tx, row.id, Ended::UserDeactivated).await?;
    }
    people::renamed(tx, names, &row).await?;
    if renamed && row.active {
        let keys = people::addresses(&row);
        people::there_again(tx, row.organization_id, &keys, row.external_id.as_deref()).await?;
    }
    admins::count(tx, held, Held::by(&row)).await?;
    publish_change(tx, &row, action, attributes);
    Ok(row)
}

/// Records and publishes how a user was changed.
fn publish_change(tx: &mut Tx, row: &user::Model, action: ChangeAction, attributes: Vec<String>) {
    // The names alone: the values are personal, and audit records outlive the person. The directory's history has them for a while.
    let target = Target::new("user", row.id).with(json!({"attributes": attributes}));
    match action {
        ChangeAction::Deactivate => {
            tx.record("user.deactivate", target);
            tx.emit(&UserDeactivated(facts(row, attributes)));
        }
        ChangeAction::Reactivate => {
            tx.record("user.reactivate", target);
            tx.emit(&UserReactivated(facts(row, attributes)));
        }
        ChangeAction::Update
        | ChangeAction::Create
        | ChangeAction::Delete
        | ChangeAction::Add
        | ChangeAction::Remove => {
            tx.record("user.update", target);
            tx.emit(&UserUpdated(facts(row, attributes)));
        }
    }
}

/// Removes a user, whose name is free again; memberships, sessions and links go with it.
///
/// # Errors
/// `not_found`, `user.last_admin`, `directory.blocked`.
pub async fn delete_user(tx: &mut Tx, organization: OrganizationId, id: Uuid) -> Result<(), Error> {
    let row = store::user_locked(tx, organization, id).await?.ok_or(Error::NotFound)?;
    let state = after(row.state(), Writer::of(&tx.ctx().actor).removes())?;
    if row.active {
        admins::may_leave(tx, &row).await?;
    }
    sessions::end_all_of_user(tx, id, Ended::UserDeactivated).await?;
    let mut image = user_image(&row);
    let identities = store::identities(tx, &row).await?;
    if state == UserState::Removed {
        people::leave(tx, &row, Some(&identities)).await?;
    }
    let pairs = identities.into_iter().map(|one| serde_json::json!([one.issuer, one.subject]));
    if let Value::Object(image) = &mut image {
        image.insert("identities".to_owned(), pairs.collect());
    }
    for group in members::holders(tx, Kind::User, organization, id).await? {
        changes::record_members(tx, organization, ChangeKind::Member, ChangeAction::Remove, group, &[id])
            .await?;
    }
    changes::record(tx, organization, ChangeKind::User, ChangeAction::Delete, id, Some(image)).await?;
    let removal = tx.remove::<user::Entity>().filter(user::Column::OrganizationId.eq(organization));
    tx.purge(removal.filter(user::Column::Id.eq(id))).await?;
    admins::count(tx, Held::by(&row), Held::NOTHING).await?;
    tx.record("user.delete", Target::new("user", id));
    tx.emit(&UserDeleted(facts(&row, Vec::new())));
    Ok(())
}

/// Links a person to (issuer, subject).
///
/// # Errors
/// [`DbError::Conflict`] if the pair belongs to somebody.
pub(crate) async fn link(tx: &mut Tx, row: &user::Model, issuer: &str, subject: &str) -> Result<(), DbError> {
    let link = identity::Model {
        tenant_id: tx.tenant(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        organization_id: row.organization_id,
        user_id: row.id,
        created_at: tx.now(),
        last_seen_at: tx.now(),
        sequence: None,
    };
    tx.insert(link).await?;
    tx.record("user.link", Target::new("user", row.id).with(serde_json::json!({"issuer": issuer})));
    Ok(())
}

/// Takes away every link to a connection that is gone, whichever provider was behind it.
pub async fn unlink_connection(tx: &Tx, connection: Uuid) -> Result<u64, DbError> {
    let issuers = identity_core::issuers_of(connection);
    let all = tx.remove::<identity::Entity>().filter(identity::Column::Issuer.starts_with(issuers));
    tx.purge(all).await
}

/// Writes down what stands for the address of a user, whose row is locked, from now on.
pub(crate) async fn set_proof(
    tx: &Tx,
    row: user::Model,
    proof: AddressProof,
) -> Result<user::Model, DbError> {
    let row =
        user::Model { address_proof: Some(proof), version: row.version + 1, updated_at: tx.now(), ..row };
    tx.update(row.clone()).await?;
    Ok(row)
}

/// Notes that a person came in as (issuer, subject).
pub(crate) async fn seen(tx: &Tx, issuer: &str, subject: &str) -> Result<(), DbError> {
    let change = tx
        .change::<identity::Entity>()
        .col_expr(identity::Column::LastSeenAt, sea_orm::sea_query::Expr::value(tx.now()))
        .filter(identity::Column::Issuer.eq(issuer))
        .filter(identity::Column::Subject.eq(subject));
    tx.apply(change).await.map(drop)
}
