//! `/api/v1/tenants/{tenant}/organizations/{organization}/sso-policy` and `…/domains`.

use actix_web::http::Method;
use chrono::{DateTime, Utc};
use directory::{SignInPolicy, sign_in_policy, unset_policy};
use entity::by_name::ByName;
use entity::connections::{domain, policy};
use entity::ids::OrganizationId;
use platform::{Tx, View};
use policy_core::{Permission, TenantRole};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use uuid::Uuid;
use web::{
    Access, Body, Created, FieldErrors, Ids, IfMatch, Input, ListQuery, NoContent, Page, Problem, Query,
    Routes, Tagged, TenantCaller,
};

use crate::ops::domains;
use crate::ops::policy::{self as ops, GroupRole};

const READ: Access = Access::Key(Permission::SignInRead);
const WRITE: Access = Access::Key(Permission::SignInWrite);
const POLICY: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/sso-policy";
const DOMAINS: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/domains";
const DOMAIN: &str = "/api/v1/tenants/{tenant}/organizations/{organization}/domains/{domain_id}";

pub(super) fn routes() -> Routes {
    Routes::new()
        .add(Method::GET, POLICY, READ, "get_sso_policy: Get the sign-in policy.", get_sso_policy)
        .add(Method::PUT, POLICY, WRITE, "put_sso_policy: Set the sign-in policy.", put_sso_policy)
        .add(Method::PATCH, POLICY, WRITE, "update_sso_policy: Change the sign-in policy.", update_sso_policy)
        .add(
            Method::POST,
            DOMAINS,
            WRITE,
            "create_domain: Claim an e-mail domain; a DNS record then proves ownership.",
            create_domain,
        )
        .add(Method::GET, DOMAINS, READ, "list_domains: List e-mail domains.", list_domains)
        .add(Method::GET, DOMAIN, READ, "get_domain: Get an e-mail domain.", get_domain)
        .add(Method::DELETE, DOMAIN, WRITE, "delete_domain: Remove an e-mail domain.", delete_domain)
        .add(
            Method::POST,
            "/api/v1/tenants/{tenant}/organizations/{organization}/domains/{domain_id}/verify",
            WRITE,
            "verify_domain: Check the domain's DNS TXT record now.",
            verify_domain,
        )
}

/// Settings of a sign-in policy. A member that is absent gets its default with PUT, and stays as it is with PATCH.
#[derive(Debug, Default, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(crate) struct PolicyInput {
    /// Whether people of this organization may sign in only through its own connections.
    enforced: Option<bool>,
    /// The connection that people are sent to; with `enforced` the only one they may use. Null: any.
    #[serde(with = "twice")]
    #[schema(value_type = Option<Uuid>)]
    connection_id: Option<Option<Uuid>>,
    /// E-mail domains from which people may sign in; empty: all.
    allowed_domains: Option<Vec<String>>,
    /// `admin`, `contributor`, `viewer`, `guest` or `service`.
    #[schema(value_type = Option<String>)]
    default_role: Option<ByName<TenantRole>>,
    /// Whether a person's first sign-in creates a user (just-in-time provisioning).
    jit_provisioning: Option<bool>,
    /// Roles by the provider's groups; the first entry that matches applies.
    group_roles: Option<Vec<GroupRole>>,
    /// Seconds until a person must sign in again; null: the service's default.
    #[serde(with = "twice")]
    #[schema(value_type = Option<i64>)]
    session_seconds: Option<Option<i64>>,
    /// Seconds of inactivity until a person must sign in again; null: no such limit.
    #[serde(with = "twice")]
    #[schema(value_type = Option<i64>)]
    idle_seconds: Option<Option<i64>>,
}

/// Absent and null are two things: leave it, and take it away.
mod twice {
    use serde::{Deserialize, Deserializer};

    pub(super) fn deserialize<'de, D: Deserializer<'de>, T: Deserialize<'de>>(
        deserializer: D,
    ) -> Result<Option<Option<T>>, D::Error> {
        Option::<T>::deserialize(deserializer).map(Some)
    }
}

impl Input for PolicyInput {
    fn check(&self, errors: &mut FieldErrors) {
        let domains = self.allowed_domains.as_deref().unwrap_or_default();
        errors.require(domains.len() <= 200, "/allowedDomains", "at most 200");
        for (at, one) in domains.iter().enumerate() {
            let fits = identity_core::domain_of(&format!("x@{one}")).is_some_and(|name| name.contains('.'));
            errors.require(fits, &format!("/allowedDomains/{at}"), "must be a domain");
        }
        let mappings = self.group_roles.as_deref().unwrap_or_default();
        errors.require(mappings.len() <= 200, "/groupRoles", "at most 200");
        for (at, mapping) in mappings.iter().enumerate() {
            errors.text(&format!("/groupRoles/{at}/group"), &mapping.group, 255);
        }
        for (pointer, seconds) in
            [("/sessionSeconds", self.session_seconds), ("/idleSeconds", self.idle_seconds)]
        {
            let fits = seconds.flatten().is_none_or(|seconds| (60..=31_536_000).contains(&seconds));
            errors.require(fits, pointer, "must be from 60 to 31536000");
        }
    }
}

/// The sign-in policy of an organization.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PolicyView {
    organization_id: Uuid,
    enforced: bool,
    connection_id: Option<Uuid>,
    allowed_domains: Vec<String>,
    #[schema(value_type = String)]
    default_role: ByName<TenantRole>,
    jit_provisioning: bool,
    group_roles: Vec<GroupRole>,
    /// Seconds until a person must sign in again; null: the service's default.
    session_seconds: Option<i64>,
    /// Seconds of inactivity until a person must sign in again; null: no such limit.
    idle_seconds: Option<i64>,
    /// When the policy was last set; null: the defaults apply.
    updated_at: Option<DateTime<Utc>>,
}

fn group_roles(rules: Vec<(String, TenantRole)>) -> Vec<GroupRole> {
    rules.into_iter().map(|(group, role)| GroupRole { group, role: ByName(role) }).collect()
}

impl From<SignInPolicy> for PolicyView {
    fn from(policy: SignInPolicy) -> Self {
        Self {
            organization_id: policy.row.organization_id,
            enforced: policy.row.enforced,
            connection_id: policy.row.connection_id,
            allowed_domains: policy.rules.allowed_domains,
            default_role: policy.row.default_role,
            jit_provisioning: policy.row.jit_provisioning,
            group_roles: group_roles(policy.rules.group_roles),
            session_seconds: policy.row.session_seconds,
            idle_seconds: policy.row.idle_seconds,
            updated_at: (policy.row.version > 0).then_some(policy.row.updated_at),
        }
    }
}

async fn get_sso_policy(caller: TenantCaller, ids: Ids) -> Result<Tagged<PolicyView>, Problem> {
    let name = ids.key("organization")?;
    let find = async |view: &View| {
        let organization = tenancy::organization_named(view, name).await?;
        Ok::<_, Problem>(sign_in_policy(view, organization.id).await?)
    };
    let policy = caller.read(find).await?;
    Ok(Tagged(policy.row.version, policy.into()))
}

/// What a change is laid over.
#[derive(Clone, Copy, Debug)]
enum Onto {
    /// What the policy says already: PATCH.
    Present,
    /// What holds without a policy: PUT.
    Unset,
}

async fn write(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    (input, onto): (PolicyInput, Onto),
) -> Result<Tagged<PolicyView>, Problem> {
    let name = ids.key("organization")?;
    let work = async |tx: &mut Tx| {
        let organization = tenancy::organization_named(tx, name).await?.id;
        let present = ops::locked(tx, organization).await?;
        seen.require(present.row.version)?;
        let under = match onto {
            Onto::Present => present,
            Onto::Unset => unset_policy(tx, organization),
        };
        ops::put(tx, changed(under, &input)?).await?;
        Ok::<_, Problem>(sign_in_policy(tx, organization).await?)
    };
    let policy = caller.write(work).await?;
    Ok(Tagged(policy.row.version, policy.into()))
}

fn changed(under: SignInPolicy, input: &PolicyInput) -> Result<policy::Model, Problem> {
    let row = under.row;
    let json = |value: serde_json::Result<serde_json::Value>| value.map_err(Problem::internal);
    let domains = |texts: &Vec<String>| -> Vec<String> {
        texts.iter().filter_map(|text| identity_core::domain_of(&format!("x@{text}"))).collect()
    };
    let allowed = input.allowed_domains.as_ref().map(domains).unwrap_or(under.rules.allowed_domains);
    let groups = input.group_roles.clone().unwrap_or_else(|| group_roles(under.rules.group_roles));
    Ok(policy::Model {
        enforced: input.enforced.unwrap_or(row.enforced),
        connection_id: input.connection_id.unwrap_or(row.connection_id),
        allowed_domains: json(serde_json::to_value(allowed))?,
        group_roles: json(serde_json::to_value(groups))?,
        jit_provisioning: input.jit_provisioning.unwrap_or(row.jit_provisioning),
        default_role: input.default_role.unwrap_or(row.default_role),
        session_seconds: input.session_seconds.unwrap_or(row.session_seconds),
        idle_seconds: input.idle_seconds.unwrap_or(row.idle_seconds),
        ..row
    })
}

async fn put_sso_policy(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<PolicyInput>,
) -> Result<Tagged<PolicyView>, Problem> {
    write(caller, ids, seen, (input, Onto::Unset)).await
}

async fn update_sso_policy(
    caller: TenantCaller,
    ids: Ids,
    seen: IfMatch,
    Body(input): Body<PolicyInput>,
) -> Result<Tagged<PolicyView>, Problem> {
    write(caller, ids, seen, (input, Onto::Present)).await
}

/// An e-mail domain to claim.
#[derive(Debug, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub(crate) struct DomainInput {
    domain: String,
}

impl Input for DomainInput {
    fn check(&self, errors: &mut FieldErrors) {
        errors.text("/domain", &self.domain, 253);
    }
}

/// An e-mail domain, and the DNS record that proves its ownership.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub(crate) struct DomainView {
    id: Uuid,
    organization_id: Uuid,
    domain: String,
    /// `pending` or `verified`.
    status: String,
    /// The name of the DNS TXT record.
    record_name: String,
    /// The value that the DNS TXT record must have.
    record_value: String,
    /// When the domain was verified; null: it is not.
    verified_at: Option<DateTime<Utc>>,
    /// When the DNS record was last checked; null: never.
    checked_at: Option<DateTime<Utc>>,
    /// Why the last check failed; null: it did not.
    check_error: Option<String>,
    created_at: DateTime<Utc>,
    updated_at: DateTime<Utc>,
}

impl From<domain::Model> for DomainView {
    fn from(row: domain::Model) -> Self {
        let (record_name, record_value) = domains::record(&row);
        Self {
            id: row.id,
            organization_id: row.organization_id,
            domain: row.name,
            status: if row.verified_at.is_some() { "verified" } else { "pending" }.to_owned(),
            record_name,
            record_value,
            verified_at: row.verified_at,
            checked_at: row.checked_at,
            check_error: row.check_error,
            created_at: row.created_at,
            updated_at: row.updated_at,
        }
    }
}

async fn create_domain(
    caller: TenantCaller,
    ids: Ids,
    Body(input): Body<DomainInput>,
) -> Result<Created<DomainView>, Problem> {
    let name = ids.key("organization")?;
    let work = async |tx: &mut Tx| {
        let organization = tenancy::organization_named(tx, name).await?.id;
        domains::create(tx, organization, &input.domain).await
    };
    let row = caller.write(work).await?;
    let tenant = caller.tenant();
    let location =
        format!("/api/v1/tenants/{tenant}/organizations/{}/domains/{}", row.organization_id, row.id);
    Ok(Created(location, row.into()))
}

async fn list_domains(
    caller: TenantCaller,
    ids: Ids,
    Query(_): Query<ListQuery>,
) -> Result<Page<DomainView>, Problem> {
    let name = ids.key("organization")?;
    let find = async |view: &View| {
        let organization = tenancy::organization_named(view, name).await?.id;
        Ok::<_, Problem>(domains::list(view, organization).await?)
    };
    let rows = caller.read(find).await?;
    Ok(Page { items: rows.into_iter().map(Into::into).collect(), next_cursor: None })
}

async fn one(caller: &TenantCaller, ids: &Ids) -> Result<domain::Model, Problem> {
    let (name, id) = (ids.key("organization")?, ids.id("domain_id")?);
    let find = async |view: &View| {
        let organization = tenancy::organization_named(view, name).await?.id;
        domains::find(view, OrganizationId(organization), id).await
    };
    Ok(caller.read(find).await?)
}

async fn get_domain(caller: TenantCaller, ids: Ids) -> Result<Tagged<DomainView>, Problem> {
    let row = one(&caller, &ids).await?;
    Ok(Tagged(row.version, row.into()))
}

async fn delete_domain(caller: TenantCaller, ids: Ids) -> Result<NoContent, Problem> {
    let row = one(&caller, &ids).await?;
    caller.write(async |tx: &mut Tx| domains::delete(tx, row).await).await?;
    Ok(NoContent)
}

async fn verify_domain(caller: TenantCaller, ids: Ids) -> Result<Tagged<DomainView>, Problem> {
    let row = one(&caller, &ids).await?;
    let organization = OrganizationId(row.organization_id);
    let row = domains::verify(caller.service(), &caller.ctx, organization, row.id).await?;
    Ok(Tagged(row.version, row.into()))
}
