//! The sign-in policy of an organization: who may come in, by what, as what.

use directory::{SignInPolicy, sign_in_policy};
use entity::by_name::ByName;
use entity::connections::policy::Model;
use entity::connections::states::{ConnectionVerb, PolicyState, PolicyVerb};
use platform::refusal::Invalid;
use platform::rules::Rule;
use platform::{DbError, Target, Tx, View, Work};
use policy_core::TenantRole;
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::connections::{self, Connection, ConnectionStatus};
use crate::error::Error;

/// A group at the identity provider, and the role that it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupRole {
    pub(crate) group: String,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`
    #[schema(value_type = String)]
    pub(crate) role: ByName<TenantRole>,
}

/// Whether people whom this connection vouches for may come in; `None`: no connection does.
///
/// # Errors
/// [`Error::Enforced`]
fn require(policy: &SignInPolicy, connection: Option<Uuid>) -> Result<(), Error> {
    if policy.rules.admits_connection(connection) {
        return Ok(());
    }
    Err(Error::Enforced)
}

/// Where a policy stands that is to say this.
fn after(was: PolicyState, wanted: &Model) -> Option<PolicyState> {
    let enforces = if wanted.enforced { PolicyVerb::Enforce } else { PolicyVerb::Lift };
    let names = if wanted.connection_id.is_some() { PolicyVerb::Name } else { PolicyVerb::Unname };
    was.after(enforces)?.after(names)
}

/// Whether the organization may be without a connection by which people come in.
fn may_close(state: PolicyState) -> bool {
    state.after(PolicyVerb::Close).is_some()
}

/// Whether people can come in by an active connection that the policy lets in.
fn has_way_in(policy: &Model, connections: &[Connection]) -> bool {
    let usable = |one: &Connection| {
        one.status() == ConnectionStatus::Active && policy.connection_id.is_none_or(|only| only == one.row.id)
    };
    connections.iter().any(usable)
}

/// The policy, to be changed with nobody else beside.
pub(crate) async fn locked(tx: &Tx, organization: Uuid) -> Result<SignInPolicy, DbError> {
    tx.exclusive(Rule::Connections, organization).await?;
    sign_in_policy(tx, organization).await
}

/// Changes the connections of an organization, and refuses what would leave it without a way in.
///
/// # Errors
/// [`Error::ConnectionNeeded`], or what `change` answers.
pub(crate) async fn change_connections<T, E: From<Error>>(
    tx: &mut Tx,
    organization: Uuid,
    change: impl AsyncFnOnce(&mut Tx) -> Result<T, E>,
) -> Result<T, E> {
    let policy = locked(tx, organization).await.map_err(Error::from)?.row;
    if may_close(policy.state()) {
        return change(tx).await;
    }
    let had = has_way_in(&policy, &connections::of_organization(tx, organization).await?);
    let changed = change(tx).await?;
    // Where nobody could come in before, any change may be the first of several that mend it.
    if had && !has_way_in(&policy, &connections::of_organization(tx, organization).await?) {
        return Err(Error::ConnectionNeeded.into());
    }
    Ok(changed)
}

/// Refuses to delete the connection that the [locked] policy names.
///
/// # Errors
/// [`Error::ConnectionNamed`]
pub(crate) async fn may_delete(
    tx: &Tx,
    connection: &entity::connections::connection::Model,
) -> Result<(), Error> {
    let policy = sign_in_policy(tx, connection.organization_id).await?.row;
    let others = policy.connection_id != Some(connection.id);
    if others || policy.state().after(PolicyVerb::Delete).is_some() {
        return Ok(());
    }
    Err(Error::ConnectionNamed)
}

/// Writes the [locked] policy. Under enforcement there must be a connection to come in by, or everybody would be locked out.
///
/// # Errors
/// [`Invalid`], where it contradicts the connections.
pub(crate) async fn put(tx: &mut Tx, row: Model) -> Result<Model, Error> {
    let connections = connections::of_organization(tx, row.organization_id).await?;
    if let Some(id) = row.connection_id
        && !connections.iter().any(|one| one.row.id == id)
    {
        return Err(Invalid::at("/connectionId", "is not a connection of this organization").into());
    }
    let before = sign_in_policy(tx, row.organization_id).await?;
    let state = after(before.row.state(), &row);
    if !has_way_in(&row, &connections) && !state.is_some_and(may_close) {
        return Err(Invalid::at("/enforced", "needs an active connection: nobody could sign in").into());
    }
    let made = before.row.version == 0;
    let created_at = before.row.created_at;
    let row = Model { version: before.row.version + 1, created_at, updated_at: tx.now(), ..row };
    if made {
        tx.insert(row.clone()).await?;
    } else {
        tx.update(row.clone()).await?;
    }
    let details = json!({"enforced": row.enforced, "jitProvisioning": row.jit_provisioning});
    let target = Target::new("organization", row.organization_id).with(details);
    tx.record("sso_policy.update", target.changed((!made).then_some(&before.row), &row));
    Ok(row)
}

/// Whether somebody whom this connection vouched for may go on (`None`: no connection did), under the policy and by the connection as
/// they are now: both reach what began before they changed.
///
/// # Errors
/// [`Error::Enforced`], [`Error::ConnectionDisabled`]
pub async fn still_holds(view: &View, organization: Uuid, connection: Option<Uuid>) -> Result<(), Error> {
    require(&sign_in_policy(view, organization).await?, connection)?;
    match connection {
        Some(connection) => enabled(view, connection).await.map(drop),
        None => Ok(()),
    }
}

/// The connection as it is now.
///
/// # Errors
/// [`Error::ConnectionDisabled`] if nobody comes in by it any more.
pub async fn enabled(view: &View, connection: Uuid) -> Result<Connection, Error> {
    let connection = connections::find_optional(view, connection).await?.ok_or(Error::ConnectionDisabled)?;
    connections::after(&connection.row, ConnectionVerb::SignIn)?;
    Ok(connection)
}

/// Whether an organization's people come in by its connections only.
pub async fn is_enforced(view: &View, organization: Uuid) -> Result<bool, DbError> {
    Ok(sign_in_policy(view, organization).await?.row.enforced)
}
