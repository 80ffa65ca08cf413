//! An identity becomes a session and a token.

use directory::{NewUser, Source};
use entity::directory::user;
use entity::sessions::session;
use entity::tenancy::{organization, tenant};
use platform::{Ctx, Tx};
use quota::Usage;
use serde_json::{Map, Value, json};
use sessions::{Keyring, Minted, NewSession, Signers, Subject, Unsigned};
use uuid::Uuid;
use web::{Code, Problem, Service};

use super::admission::{self, Admitted};
use super::sign_in::TenantMaker;
use super::subject::{Identity, Named, Via};
use super::{domains, policy};

/// What a person gets.
pub(crate) struct Exchanged {
    pub(crate) tenant: tenant::Model,
    pub(crate) organization: organization::Model,
    pub(crate) user: user::Model,
    pub(crate) refresh_token: String,
    pub(crate) access: Minted,
    pub(crate) usage: Option<Usage>,
}

/// For whom the token is, and who asked.
#[derive(Clone, Debug)]
pub(crate) struct Asked {
    pub(crate) client_id: String,
    pub(crate) audience: String,
}

/// An exchange that was refused, by whom as far as that was known by then.
#[derive(Debug)]
pub(crate) struct Denied {
    pub(crate) tenant: Option<Uuid>,
    pub(crate) organization: Option<Uuid>,
    pub(crate) problem: Problem,
}

impl From<Problem> for Denied {
    fn from(problem: Problem) -> Self {
        Self { tenant: None, organization: None, problem }
    }
}

pub(crate) async fn exchange(
    (service, makes): (&Service, &dyn TenantMaker),
    keys: &Keyring,
    ctx: &Ctx,
    identity: &Identity,
    asked: Result<Asked, Problem>,
) -> Result<Exchanged, Denied> {
    let tenant = match &identity.via {
        Via::Tenant(named) => match named {
            Named::ExternalId(id) if service.config.sso.exchange.auto_provision => {
                if is_missing(service, named).await? {
                    makes.make(service, ctx, id).await?;
                }
                named.tenant(service).await?
            }
            _ => named.tenant(service).await?,
        },
        Via::Connection(connection, _) => connection.row.tenant_id,
    };
    let organization = match &identity.via {
        Via::Connection(connection, _) => Some(connection.row.organization_id),
        Via::Tenant(_) => None,
    };
    let denied = |problem| Denied { tenant: Some(tenant), organization, problem };
    let asked = asked.map_err(denied)?;
    let work = async |tx: &mut Tx, signers: &Signers| sign_in(tx, (service, signers), identity, &asked).await;
    let done = match keys.write_signed(service, ctx, tenant, &work).await {
        // Two first sign-ins of one person at the same moment: the other one made the user, who is found now. Its commit may
        // have come between our two questions, who is linked and who has the name: then it looks like somebody else.
        Err(problem) if matches!(problem.code, Code::Conflict | Code::UserExists | Code::LinkRequired) => {
            keys.write_signed(service, ctx, tenant, &work).await
        }
        other => other,
    };
    done.map_err(denied)
}

/// What a token says about a person: by the issuer at which the session began, else the tenant's own.
pub(crate) fn subject(
    service: &Service,
    tenant: &tenant::Model,
    user: &user::Model,
    session: &session::Model,
) -> Subject {
    let platform = service.config.public_url();
    let (realm, issuer) = match &session.token_issuer {
        Some(issuer) if *issuer == platform => (None, platform),
        _ => tenancy::issuer_of(tenant, &platform),
    };
    Subject {
        tenant: tenant.id,
        organization: user.organization_id,
        user: user.id,
        role: user.role.clone(),
        plan: tenant.plan.clone(),
        realm,
        issuer,
    }
}

async fn sign_in(
    tx: &mut Tx,
    (service, signers): (&Service, &Signers),
    identity: &Identity,
    asked: &Asked,
) -> Result<Exchanged, Unsigned> {
    let tenant = tenancy::active(tx).await?;
    let (user, usage) = match &identity.via {
        Via::Connection(connection, profile) => match admission::admit(tx, connection, profile).await? {
            Admitted::User(user) => (*user, None),
            // There is no page here on which to prove anything.
            Admitted::MustProve(_) => return Err(Problem::new(Code::LinkRequired).into()),
        },
        Via::Tenant(_) => match directory::user_by_identity(tx, &identity.issuer, &identity.subject).await? {
            Some(user) => (user, None),
            None => first_sign_in(tx, service, identity).await?,
        },
    };
    if !user.active {
        return Err(Problem::new(Code::UserDeactivated).into());
    }
    policy::policy(tx, user.organization_id).await?.require(&identity.issuer)?;
    let organization = tenancy::organization(tx, user.organization_id).await?;
    let new = NewSession {
        organization: organization.id,
        user: user.id,
        issuer: identity.issuer.clone(),
        client_id: asked.client_id.clone(),
        audience: asked.audience.clone(),
        scope: String::new(),
        token_issuer: None,
        browser: None,
    };
    let (session, refresh_token) = sessions::open(tx, service, new).await?;
    let access = sessions::mint(service, signers, &session, &subject(service, &tenant, &user, &session))?;
    Ok(Exchanged { tenant, organization, user, refresh_token, access, usage })
}

/// Nobody is linked to this identity yet: the person whom the tenant's own directory calls by this subject, or a new one.
/// An existing user is not found by e-mail, but where the tenant has proven the address' domain.
async fn first_sign_in(
    tx: &mut Tx,
    service: &Service,
    identity: &Identity,
) -> Result<(user::Model, Option<Usage>), Problem> {
    let organization = tenancy::organization_named(tx, "default").await?;
    let known =
        directory::person_by_external_id(tx, organization.id, &identity.issuer, &identity.subject).await?;
    if let Some(user) = known {
        if !user.active {
            return Err(Problem::new(Code::UserDeactivated));
        }
        directory::link(tx, &user, &identity.issuer, &identity.subject).await?;
        return Ok((user, None));
    }
    let policy = policy::policy(tx, organization.id).await?;
    policy.require(&identity.issuer)?;
    if !policy.admits(identity.email.as_deref()) {
        return Err(Problem::new(Code::SsoDomainRefused));
    }
    let name = identity.email.clone().unwrap_or_else(|| identity.subject.clone());
    if let Some(same_name) = directory::user_by_name(tx, organization.id, &name).await? {
        if !same_name.active {
            return Err(Problem::new(Code::UserDeactivated));
        }
        // The tenant has proven that the address' domain is its own, and nobody says the address is unchecked: then it names
        // the person. Without that proof, who can make an issuer assert an address would become its owner.
        let email = identity.email.as_deref().unwrap_or_default();
        let linked = !directory::identities_of(tx, same_name.id).await?.is_empty();
        if identity.email_verified == Some(true) && !linked && domains::owns(tx, email).await? {
            directory::link(tx, &same_name, &identity.issuer, &identity.subject).await?;
            return Ok((same_name, None));
        }
        return Err(Problem::new(Code::LinkRequired));
    }
    if !policy.row.jit_provisioning {
        return Err(Problem::new(Code::SsoNotProvisioned));
    }
    let mut resource: Map<String, Value> = Map::new();
    resource.insert("userName".to_owned(), name.into());
    resource.insert("active".to_owned(), true.into());
    if let Some(name) = &identity.name {
        resource.insert(
            "displayName".to_owned(),
            name.chars().filter(|c| !c.is_control()).take(200).collect::<String>().into(),
        );
    }
    if let Some(email) = &identity.email {
        resource.insert("emails".to_owned(), json!([{"value": email, "primary": true}]));
    }
    let role = identity.role.clone().unwrap_or_else(|| policy.row.default_role.clone());
    // A tenant that was made by somebody's coming has nobody yet who could run it.
    let role = if service.config.sso.exchange.auto_provision && nobody_is_there(tx).await? {
        "admin".to_owned()
    } else {
        role
    };
    let new = NewUser { organization: organization.id, resource, source: Source::Jit, role };
    let (user, usage) = directory::create_user(tx, &directory::USERS, new).await?;
    directory::link(tx, &user, &identity.issuer, &identity.subject).await?;
    Ok((user, usage))
}

/// Whether the tenant has no user at all; asked under its lock, so that two who come at once are not both the first.
async fn nobody_is_there(tx: &Tx) -> Result<bool, Problem> {
    let is_empty = async || Ok::<_, Problem>(tx.one(tx.select::<user::Entity>()).await?.is_none());
    if !is_empty().await? {
        return Ok(false);
    }
    tenancy::locked(tx).await?;
    is_empty().await
}

/// Whether nobody knows the organization, or somebody who came a moment before is having its tenant made.
async fn is_missing(service: &Service, named: &Named) -> Result<bool, Problem> {
    match named.tenant(service).await {
        Ok(id) => {
            let row = service.db.read(id, async |view| tenancy::get(view).await).await?;
            Ok(row.status == tenancy::Status::Provisioning)
        }
        Err(problem) if problem.code == Code::TenantUnknown => Ok(true),
        Err(problem) => Err(problem),
    }
}
