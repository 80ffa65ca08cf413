//! Users: made, replaced, linked, removed.

use entity::directory::{identity, user};
use platform::tx::Event;
use platform::{DbError, Target, Tx, View, Work, ids};
use quota::Usage;
use sea_orm::{ColumnTrait, QueryFilter};
use serde::Serialize;
use serde_json::{Map, Value};
use sessions::Ended;
use uuid::Uuid;
use web::{Code, Problem};

use crate::model::{Source, UserColumns, fold};
use crate::store::users as store;

/// The resource of `quota` that an active user takes one of.
const QUOTA: &str = "users";

/// Something happened to a user.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct UserFacts<'a> {
    user_id: Uuid,
    organization_id: Uuid,
    user_name: &'a str,
    active: bool,
}

macro_rules! user_events {
    ($($variant:ident = $name:literal;)*) => {$(
        #[derive(Serialize)]
        struct $variant<'a>(UserFacts<'a>);
        impl Event for $variant<'_> {
            const TYPE: &'static str = $name;
        }
    )*};
}

user_events! {
    Created = "user.created";
    Updated = "user.updated";
    Deactivated = "user.deactivated";
    Reactivated = "user.reactivated";
    Deleted = "user.deleted";
}

fn facts(row: &user::Model) -> UserFacts<'_> {
    UserFacts {
        user_id: row.id,
        organization_id: row.organization_id,
        user_name: &row.user_name,
        active: row.active,
    }
}

/// A user to be made.
#[derive(Debug)]
pub struct NewUser {
    /// The organization.
    pub organization: Uuid,
    /// SCIM attributes in canonical form.
    pub resource: Map<String, Value>,
    /// Who makes it.
    pub source: Source,
    /// The user's role.
    pub role: String,
}

/// Makes a user, and takes one of the quota if active.
///
/// # Errors
/// `user.exists`, `quota.exceeded`.
pub async fn create_user(tx: &mut Tx, new: NewUser) -> Result<(user::Model, Option<Usage>), Problem> {
    let columns = UserColumns::of(&new.resource);
    let row = user::Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: ids::new(),
        user_name_key: fold(&columns.user_name),
        user_name: columns.user_name,
        external_id: columns.external_id,
        display_name: columns.display_name,
        email: columns.email,
        active: columns.active,
        role: new.role,
        source: new.source.name().to_owned(),
        resource: Value::Object(new.resource),
        version: 1,
        created_at: tx.now(),
        updated_at: tx.now(),
    };
    tx.insert(row.clone()).await.map_err(taken)?;
    store::set_emails(tx, &row, columns.emails, true).await?;
    // Last: from here to the commit everybody else who wants a seat of this tenant waits.
    let usage = if row.active { Some(quota::take(tx, QUOTA, 1).await?) } else { None };
    tx.record("user.create", Target::new("user", row.id));
    tx.emit(&Created(facts(&row)));
    Ok((row, usage))
}

fn taken(error: DbError) -> Problem {
    let problem = |what: &str| {
        Problem::detailed(Code::UserExists, format!("A user of this {what} exists.")).dialect("uniqueness")
    };
    if error.conflicts_on("user_name") {
        problem("userName")
    } else if error.conflicts_on("external_id") {
        problem("externalId")
    } else {
        error.into()
    }
}

/// Gives a user new attributes. The same attributes change nothing. Deactivating ends the user's sessions.
///
/// # Errors
/// `user.exists`, `quota.exceeded` on reactivation.
pub async fn replace_user(
    tx: &mut Tx,
    before: user::Model,
    resource: Map<String, Value>,
) -> Result<user::Model, Problem> {
    let columns = UserColumns::of(&resource);
    let resource = Value::Object(resource);
    if before.resource == resource && before.active == columns.active {
        tx.housekeeping();
        return Ok(before);
    }
    if columns.active && !before.active {
        quota::take(tx, QUOTA, 1).await?;
    }
    let was_active = before.active;
    let row = user::Model {
        user_name_key: fold(&columns.user_name),
        user_name: columns.user_name,
        external_id: columns.external_id,
        display_name: columns.display_name,
        email: columns.email,
        active: columns.active,
        resource,
        version: before.version + 1,
        updated_at: tx.now(),
        ..before
    };
    tx.update(row.clone()).await.map_err(taken)?;
    store::set_emails(tx, &row, columns.emails, false).await?;
    match (was_active, row.active) {
        (true, false) => {
            quota::give_back(tx, QUOTA, 1).await?;
            sessions::end_all_of_user(tx, row.id, Ended::UserDeactivated).await?;
            tx.record("user.deactivate", Target::new("user", row.id));
            tx.emit(&Deactivated(facts(&row)));
        }
        (false, true) => {
            tx.record("user.reactivate", Target::new("user", row.id));
            tx.emit(&Reactivated(facts(&row)));
        }
        _ => {
            tx.record("user.update", Target::new("user", row.id));
            tx.emit(&Updated(facts(&row)));
        }
    }
    Ok(row)
}

/// Removes a user, whose name is free again; memberships, sessions and links go with it.
///
/// # Errors
/// `not_found`.
pub async fn delete_user(tx: &mut Tx, organization: Uuid, id: Uuid) -> Result<(), Problem> {
    let row = store::user_locked(tx, organization, id).await?.ok_or_else(|| Problem::new(Code::NotFound))?;
    sessions::end_all_of_user(tx, id, Ended::UserDeactivated).await?;
    if row.active {
        quota::give_back(tx, QUOTA, 1).await?;
    }
    let removal = tx.remove::<user::Entity>().filter(user::Column::OrganizationId.eq(organization));
    tx.purge(removal.filter(user::Column::Id.eq(id))).await?;
    tx.record("user.delete", Target::new("user", id));
    tx.emit(&Deleted(facts(&row)));
    Ok(())
}

/// The person behind (issuer, subject), if somebody is.
///
/// # Errors
/// [`DbError`].
pub async fn user_by_identity(
    view: &View,
    issuer: &str,
    subject: &str,
) -> Result<Option<user::Model>, DbError> {
    let Some(link) = store::find_identity(view, issuer, subject).await? else { return Ok(None) };
    store::user(view, link.organization_id, link.user_id).await
}

/// The person whom the organization's own directory calls `subject`, if that person isn't linked to `issuer` yet. The
/// directory belongs to the same tenant as the subject token, so it can name nobody else's users.
///
/// # Errors
/// [`DbError`].
pub async fn person_by_external_id(
    view: &View,
    organization: Uuid,
    issuer: &str,
    subject: &str,
) -> Result<Option<user::Model>, DbError> {
    let found = store::user_by_external_id(view, organization, subject).await?;
    match found.filter(|row| row.source == Source::Scim.name()) {
        Some(row) if !store::has_identity(view, row.id, issuer).await? => Ok(Some(row)),
        _ => Ok(None),
    }
}

/// Links a person to (issuer, subject).
///
/// # Errors
/// [`DbError::Conflict`] if the pair belongs to somebody.
pub async fn link(tx: &mut Tx, row: &user::Model, issuer: &str, subject: &str) -> Result<(), DbError> {
    let link = identity::Model {
        tenant_id: tx.tenant(),
        issuer: issuer.to_owned(),
        subject: subject.to_owned(),
        organization_id: row.organization_id,
        user_id: row.id,
        created_at: tx.now(),
        last_seen_at: tx.now(),
    };
    tx.insert(link).await?;
    tx.record("user.link", Target::new("user", row.id).with(serde_json::json!({"issuer": issuer})));
    Ok(())
}

/// Gives a user a role. The last active admin keeps theirs.
///
/// # Errors
/// `user.last_admin`.
pub(crate) async fn set_role(tx: &mut Tx, before: user::Model, role: &str) -> Result<user::Model, Problem> {
    if before.role == "admin" && role != "admin" && before.active {
        let admins = tx
            .select::<user::Entity>()
            .filter(user::Column::Role.eq("admin"))
            .filter(user::Column::Active.eq(true));
        if tx.count(admins).await? <= 1 {
            return Err(Problem::new(Code::UserLastAdmin));
        }
    }
    let details = serde_json::json!({"from": before.role, "to": role});
    let row =
        user::Model { role: role.to_owned(), version: before.version + 1, updated_at: tx.now(), ..before };
    tx.update(row.clone()).await?;
    tx.record("user.role", Target::new("user", row.id).with(details));
    tx.emit(&Updated(facts(&row)));
    Ok(row)
}
