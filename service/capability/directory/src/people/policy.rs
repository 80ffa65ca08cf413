//! The sign-in policy of an organization, as the decision about people reads it.

use std::collections::BTreeMap;

use entity::by_name::ByName;
use entity::connections::policy::{Column, Entity, Model};
use identity_core::{Enforced, Policy};
use platform::{DbError, View};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, DbErr, QueryFilter};
use serde_json::{Value, json};
use uuid::Uuid;

/// A policy, as it is stored and as it is decided by.
#[derive(Clone, Debug)]
pub struct SignInPolicy {
    /// As it is stored; version 0: it isn't.
    pub row: Model,
    /// As it is decided by.
    pub rules: Policy,
}

/// `[{"group", "role"}]`.
fn group_roles(stored: &Value) -> Vec<(String, TenantRole)> {
    let one = |item: &Value| {
        let text = |name: &str| item.get(name).and_then(Value::as_str);
        Some((text("group")?.to_owned(), text("role").and_then(TenantRole::parse)?))
    };
    stored.as_array().into_iter().flatten().filter_map(one).collect()
}

/// # Errors
/// Rules that can't be read: who let them be none would let in whom they keep out.
fn rules(row: &Model) -> Result<Policy, DbErr> {
    let unreadable = |error: serde_json::Error| DbErr::Json(error.to_string());
    Ok(Policy {
        enforced: match (row.enforced, row.connection_id) {
            (false, _) => Enforced::No,
            (true, None) => Enforced::ByAny,
            (true, Some(only)) => Enforced::By(only),
        },
        allowed_domains: serde_json::from_value(row.allowed_domains.clone()).map_err(unreadable)?,
        jit: row.jit_provisioning,
        default_role: row.default_role.0,
        group_roles: group_roles(&row.group_roles),
    })
}

fn unset(view: &View, organization: Uuid) -> Model {
    let Policy { jit, default_role, .. } = Policy::default();
    Model {
        tenant_id: view.tenant(),
        organization_id: organization,
        connection_id: None,
        enforced: false,
        allowed_domains: json!([]),
        jit_provisioning: jit,
        default_role: ByName(default_role),
        group_roles: json!([]),
        session_seconds: None,
        idle_seconds: None,
        version: 0,
        created_at: view.now(),
        updated_at: view.now(),
    }
}

/// The organization's policy.
pub async fn sign_in_policy(view: &View, organization: Uuid) -> Result<SignInPolicy, DbError> {
    let mut all = policies(view, &[organization]).await?;
    Ok(all.remove(&organization).unwrap_or_else(|| unset_policy(view, organization)))
}

/// What holds without a policy.
pub fn unset_policy(view: &View, organization: Uuid) -> SignInPolicy {
    let row = unset(view, organization);
    SignInPolicy { rules: Policy::default(), row }
}

/// The policies of these organizations, where there is one.
pub(super) async fn policies(
    view: &View,
    organizations: &[Uuid],
) -> Result<BTreeMap<Uuid, SignInPolicy>, DbError> {
    let of = Column::OrganizationId.is_in(organizations.iter().copied());
    let rows = view.all(view.select::<Entity>().filter(of)).await?;
    let read = |row: Model| Ok((row.organization_id, SignInPolicy { rules: rules(&row)?, row }));
    rows.into_iter().map(read).collect()
}
