//! The sign-in policy of an organization: who may come in, by what, as what.

use entity::sso::policy::{Column, Entity, Model};
use platform::rules::Rule;
use platform::{Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use serde::{Deserialize, Serialize};
use serde_json::json;
use utoipa::ToSchema;
use uuid::Uuid;
use web::{Code, Problem};

use super::connections::{self, Connection, ConnectionStatus};
use crate::settings::domain_of;

/// A group at the identity provider, and the role that it gives.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct GroupRole {
    pub(crate) group: String,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`
    pub(crate) role: String,
}

/// A policy as it is used.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    pub(crate) row: Model,
    pub(crate) allowed_domains: Vec<String>,
    pub(crate) group_roles: Vec<GroupRole>,
}

impl Policy {
    fn of(row: Model) -> Self {
        let allowed_domains = serde_json::from_value(row.allowed_domains.clone()).unwrap_or_default();
        let group_roles = serde_json::from_value(row.group_roles.clone()).unwrap_or_default();
        Self { row, allowed_domains, group_roles }
    }

    /// Whether somebody with this address may come in. With a list, nobody without an address may.
    pub(crate) fn admits(&self, email: Option<&str>) -> bool {
        self.allowed_domains.is_empty()
            || email.and_then(domain_of).is_some_and(|domain| self.allowed_domains.contains(&domain))
    }

    /// The role that the provider's groups give: of several, the one that the policy names first.
    pub(crate) fn role(&self, groups: &[String]) -> Option<&str> {
        let fits = |mapping: &&GroupRole| groups.contains(&mapping.group);
        self.group_roles.iter().find(fits).map(|mapping| mapping.role.as_str())
    }

    /// Whether an identity of this issuer may come in: under enforcement only by the organization's own connections.
    ///
    /// # Errors
    /// `sso.enforced`.
    pub(crate) fn require(&self, issuer: &str) -> Result<(), Problem> {
        if !self.row.enforced {
            return Ok(());
        }
        let by = connections::connection_of_issuer(issuer);
        let fits = match self.row.connection_id {
            Some(only) => by == Some(only),
            None => by.is_some(),
        };
        if fits { Ok(()) } else { Err(Problem::new(Code::SsoEnforced)) }
    }
}

/// The organization's policy; what holds without one: anybody whom a connection vouches for, as a viewer.
pub(crate) async fn policy(view: &View, organization: Uuid) -> Result<Policy, Problem> {
    let found = view.one(view.select::<Entity>().filter(Column::OrganizationId.eq(organization))).await?;
    let row = found.unwrap_or_else(|| Model {
        tenant_id: view.tenant(),
        organization_id: organization,
        connection_id: None,
        enforced: false,
        allowed_domains: json!([]),
        jit_provisioning: true,
        default_role: "viewer".to_owned(),
        group_roles: json!([]),
        session_seconds: None,
        idle_seconds: None,
        version: 0,
        created_at: view.now(),
        updated_at: view.now(),
    });
    Ok(Policy::of(row))
}

/// Whether people can come in: under enforcement by an active connection that the policy lets in.
fn has_way_in(policy: &Model, connections: &[Connection]) -> bool {
    let usable = |one: &Connection| {
        one.status() == ConnectionStatus::Active && policy.connection_id.is_none_or(|only| only == one.row.id)
    };
    !policy.enforced || connections.iter().any(usable)
}

/// The policy, to be changed with nobody else beside.
pub(crate) async fn locked(tx: &Tx, organization: Uuid) -> Result<Policy, Problem> {
    tx.exclusive(Rule::Connections, organization).await?;
    policy(tx, organization).await
}

/// Changes the connections of an organization, and refuses what would leave it without a way in.
///
/// # Errors
/// `connection.needed`, or what `change` answers.
pub(crate) async fn change_connections<T>(
    tx: &mut Tx,
    organization: Uuid,
    change: impl AsyncFnOnce(&mut Tx) -> Result<T, Problem>,
) -> Result<T, Problem> {
    let policy = locked(tx, organization).await?.row;
    if !policy.enforced {
        return change(tx).await;
    }
    let had = has_way_in(&policy, &connections::of_organization(tx, organization).await?);
    let changed = change(tx).await?;
    // Where nobody could come in before, any change may be the first of several that mend it.
    if had && !has_way_in(&policy, &connections::of_organization(tx, organization).await?) {
        return Err(Problem::new(Code::ConnectionNeeded));
    }
    Ok(changed)
}

/// Writes the [locked] policy. Under enforcement there must be a connection to come in by, or everybody would be locked out.
///
/// # Errors
/// `validation.failed`.
pub(crate) async fn put(tx: &mut Tx, row: Model) -> Result<Model, Problem> {
    let connections = connections::of_organization(tx, row.organization_id).await?;
    if let Some(id) = row.connection_id
        && !connections.iter().any(|one| one.row.id == id)
    {
        return Err(Problem::invalid("/connectionId", "is not a connection of this organization"));
    }
    if !has_way_in(&row, &connections) {
        return Err(Problem::invalid("/enforced", "needs an active connection: nobody could sign in"));
    }
    let before = policy(tx, row.organization_id).await?;
    let made = before.row.version == 0;
    let created_at = before.row.created_at;
    let row = Model { version: before.row.version + 1, created_at, updated_at: tx.now(), ..row };
    if made {
        tx.insert(row.clone()).await?;
    } else {
        tx.update(row.clone()).await?;
    }
    let details = json!({"enforced": row.enforced, "jitProvisioning": row.jit_provisioning});
    tx.record("sso_policy.update", Target::new("organization", row.organization_id).with(details));
    Ok(row)
}

/// Whether somebody whom this issuer vouched for may go on, under the policy and by the connection as they are now: both reach
/// what began before they changed.
///
/// # Errors
/// `sso.enforced`, `connection.disabled`.
pub(crate) async fn still_holds(view: &View, organization: Uuid, issuer: &str) -> Result<(), Problem> {
    policy(view, organization).await?.require(issuer)?;
    let Some(connection) = connections::connection_of_issuer(issuer) else { return Ok(()) };
    match connections::find(view, connection).await {
        Ok(connection) if connection.row.enabled => Ok(()),
        Ok(_) => Err(Problem::new(Code::ConnectionDisabled)),
        Err(problem) if problem.code == Code::NotFound => Err(Problem::new(Code::ConnectionDisabled)),
        Err(problem) => Err(problem),
    }
}

/// Whether an organization's people come in by its connections only.
///
/// # Errors
/// `internal`.
pub async fn is_enforced(view: &View, organization: Uuid) -> Result<bool, Problem> {
    Ok(policy(view, organization).await?.row.enforced)
}
