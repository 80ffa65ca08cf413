//! Somebody whom an identity provider vouches for becomes a user of the tenant, or doesn't.
//!
//! Identity is (connection, subject). An address is a claim: it finds an existing account only if the tenant has proven its
//! domain, or the person proves that they read its mail.

use directory::{NewUser, Source};
use entity::directory::states::RoleSource;
use entity::directory::user;
use platform::Tx;
use serde_json::{Map, Value, json};
use web::{Code, Problem};

use super::connections::Connection;
use super::domains;
use super::policy::{self, Policy};
use crate::settings::Profile;

/// What came of it.
#[derive(Debug)]
pub(crate) enum Admitted {
    /// This is who it is.
    User(Box<user::Model>),
    /// An account has this address; who comes in must prove that it is theirs.
    MustProve(Box<user::Model>),
}

/// Finds or makes the user of a profile.
///
/// # Errors
/// `sso.domain_refused`, `sso.not_provisioned`, `user.deactivated`, `quota.exceeded`, `tenant.*`.
pub(crate) async fn admit(
    tx: &mut Tx,
    connection: &Connection,
    profile: &Profile,
) -> Result<Admitted, Problem> {
    tenancy::active(tx).await?;
    if !connection.row.enabled {
        return Err(Problem::new(Code::ConnectionDisabled));
    }
    let organization = connection.row.organization_id;
    let policy = policy::policy(tx, organization).await?;
    let issuer = connection.identity_issuer();
    policy.require(&issuer)?;
    if !policy.admits(profile.email.as_deref()) {
        let domain = profile.email.as_deref().and_then(crate::settings::domain_of);
        return Err(Problem::new(Code::SsoDomainRefused).fact("domain", domain));
    }
    if let Some(found) = directory::user_by_identity(tx, &issuer, &profile.subject).await? {
        let found = active(found)?;
        directory::seen(tx, &issuer, &profile.subject).await?;
        return Ok(Admitted::User(Box::new(keep_role(tx, &policy, found, profile).await?)));
    }
    let known = directory::person_by_external_id(tx, organization, &issuer, &profile.subject).await?;
    if let Some(found) = known {
        let found = active(found)?;
        directory::link(tx, &found, &issuer, &profile.subject).await?;
        return Ok(Admitted::User(Box::new(found)));
    }
    if let Some(found) = same_address(tx, organization, profile).await? {
        let found = active(found)?;
        return by_address(tx, found, &issuer, profile).await;
    }
    let expected = expected(tx, organization, profile).await?;
    if expected.is_none() && !policy.row.jit_provisioning {
        return Err(Problem::new(Code::SsoNotProvisioned));
    }
    if let Some(expected) = &expected {
        directory::admit_expected(tx, expected).await?;
    }
    let role = expected.as_ref().map(|expected| expected.role.as_str());
    let made = create(tx, organization, &policy, profile, role).await?;
    directory::link(tx, &made, &issuer, &profile.subject).await?;
    if let Some(expected) = &expected {
        directory::tell_arrival(tx, expected, made.id);
    }
    Ok(Admitted::User(Box::new(made)))
}

fn active(found: user::Model) -> Result<user::Model, Problem> {
    if found.active { Ok(found) } else { Err(Problem::new(Code::UserDeactivated)) }
}

/// Somebody in the organization who has the profile's name or address.
async fn same_address(
    tx: &Tx,
    organization: uuid::Uuid,
    profile: &Profile,
) -> Result<Option<user::Model>, Problem> {
    let name = profile.email.as_deref().unwrap_or(&profile.subject);
    if let Some(found) = directory::user_by_name(tx, organization, name).await? {
        return Ok(Some(found));
    }
    match &profile.email {
        Some(email) => Ok(directory::user_by_email(tx, organization, email).await?),
        None => Ok(None),
    }
}

/// An account has this address. It is linked at once where the tenant has proven the domain, and the provider doesn't say that
/// it never checked; otherwise the person proves it, at the address that the account has.
async fn by_address(
    tx: &mut Tx,
    found: user::Model,
    issuer: &str,
    profile: &Profile,
) -> Result<Admitted, Problem> {
    let email = profile.email.as_deref().unwrap_or_default();
    let linked_already = directory::identities_of(tx, found.id).await?;
    let by_this_connection = linked_already.iter().any(|one| one.issuer == issuer);
    let trusted = profile.email_verified != Some(false) && domains::owns(tx, email).await?;
    // An account that this provider already knows by another subject is not handed on to a new one: subjects are reused
    // and addresses change hands.
    if trusted && !by_this_connection {
        directory::link(tx, &found, issuer, &profile.subject).await?;
        return Ok(Admitted::User(Box::new(found)));
    }
    Ok(Admitted::MustProve(Box::new(found)))
}

/// Links an account whose owner proved that it is theirs.
pub(crate) async fn link_proven(
    tx: &mut Tx,
    connection: &Connection,
    user: uuid::Uuid,
    profile: &Profile,
) -> Result<user::Model, Problem> {
    tenancy::active(tx).await?;
    let found = directory::user(tx, connection.row.organization_id, user).await?;
    let found = active(found.ok_or_else(|| Problem::new(Code::UserDeactivated))?)?;
    directory::link(tx, &found, &connection.identity_issuer(), &profile.subject).await?;
    Ok(found)
}

/// An invitation to the profile's address, if the provider says that it checked the address, or the tenant has proven its domain.
async fn expected(
    tx: &Tx,
    organization: uuid::Uuid,
    profile: &Profile,
) -> Result<Option<entity::directory::expected::Model>, Problem> {
    let Some(email) = &profile.email else { return Ok(None) };
    let trusted = match profile.email_verified {
        Some(verified) => verified,
        None => domains::owns(tx, email).await?,
    };
    if trusted { Ok(directory::expected(tx, organization, email).await?) } else { Ok(None) }
}

async fn create(
    tx: &mut Tx,
    organization: uuid::Uuid,
    policy: &Policy,
    profile: &Profile,
    invited_as: Option<&str>,
) -> Result<user::Model, Problem> {
    let mut resource: Map<String, Value> = Map::new();
    let name = profile.email.clone().unwrap_or_else(|| profile.subject.clone());
    resource.insert("userName".to_owned(), name.into());
    resource.insert("active".to_owned(), true.into());
    if let Some(name) = &profile.name {
        resource.insert("displayName".to_owned(), display_name(name).into());
    }
    if let Some(email) = &profile.email {
        resource.insert("emails".to_owned(), json!([{"value": email, "primary": true}]));
    }
    let role = policy.role(&profile.groups).or(invited_as).unwrap_or(&policy.row.default_role).to_owned();
    let source = if invited_as.is_some() { Source::Invitation } else { Source::Jit };
    let new = NewUser { organization, resource, source, role };
    let (made, _) = directory::create_user(tx, &directory::USERS, new).await?;
    Ok(made)
}

/// A name fit to be kept.
pub(crate) fn display_name(name: &str) -> String {
    name.chars().filter(|c| !c.is_control()).take(200).collect()
}

/// The provider's groups say the role of people whom it brought, at each sign-in. The tenant's last admin stays one.
async fn keep_role(
    tx: &mut Tx,
    policy: &Policy,
    found: user::Model,
    profile: &Profile,
) -> Result<user::Model, Problem> {
    let Some(role) = policy.role(&profile.groups) else { return Ok(found) };
    if found.role == role || found.source != Source::Jit || found.role_source == RoleSource::Group {
        return Ok(found);
    }
    let locked = directory::user_locked(tx, found.organization_id, found.id).await?;
    let locked = active(locked.ok_or_else(|| Problem::new(Code::UserDeactivated))?)?;
    if locked.role == role || locked.role_source == RoleSource::Group {
        return Ok(locked);
    }
    match directory::set_role(tx, locked.clone(), role).await {
        Err(problem) if problem.code == Code::UserLastAdmin => Ok(locked),
        other => other,
    }
}
