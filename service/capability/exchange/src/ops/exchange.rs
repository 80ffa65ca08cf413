//! An identity becomes a session and a token.

use std::cell::Cell;

use directory::{Applicant, FirstRuns, Made, Outcome};
use entity::directory::user;
use entity::sessions::session;
use entity::tenancy::tenant;
use identity_core::Source;
use platform::Tx;
use quota::Usage;
use sessions::{Minted, NewSession, Signers, Subject};
use sign_in::NotIn;
use uuid::Uuid;
use web::Tools;

use super::subject::{Identity, SubjectHints, Via};
use crate::error::Error;
use crate::settings::Settings;

/// What a person gets.
pub struct Exchanged {
    pub(crate) tenant: tenant::Model,
    pub(crate) organization: Uuid,
    pub(crate) user: user::Model,
    /// The token by which the session goes on.
    pub refresh_token: String,
    /// The token with which the person acts.
    pub access: Minted,
    pub(crate) usage: Option<Usage>,
}

/// For whom the token is, and who asked.
#[derive(Clone, Debug)]
pub struct Asked {
    /// Who asked.
    pub client_id: String,
    /// For whom the token is.
    pub audience: String,
}

/// What a token says about a person: by the issuer at which the session began, else the tenant's own.
#[must_use]
pub fn subject(
    tools: &Tools,
    tenant: &tenant::Model,
    user: &user::Model,
    session: &session::Model,
) -> Subject {
    let platform = tools.config.public_url();
    let (realm, issuer) = match &session.token_issuer {
        Some(issuer) if *issuer == platform => (None, platform),
        _ => tenancy::issuer_of(tenant, &platform),
    };
    Subject {
        tenant: tenant.id,
        organization: user.organization_id,
        user: user.id,
        role: user.role.0,
        plan: tenant.plan.clone(),
        realm,
        issuer,
    }
}

/// Lets the person of an identity in, and opens their session. `refuses` learns which organization refuses.
pub(crate) async fn open_session(
    tx: &mut Tx,
    (tools, signers): (&Tools, &Signers),
    (identity, hints): (&Identity, &SubjectHints),
    (asked, refuses): (&Asked, &Cell<Option<Uuid>>),
) -> Result<Exchanged, Error> {
    let tenant = tenancy::active(tx).await?;
    let organization = meant(tx, identity, hints).await?;
    let outcome = match &identity.via {
        Via::Connection(connection, profile) => sign_in::admit(tx, connection, profile, None).await,
        Via::Tenant(_) => admit(tx, tools, identity, (&tenant, organization)).await,
    };
    let (user, usage) = match outcome {
        Ok(Outcome::In(admitted)) => (admitted.user, admitted.usage),
        // There is no page here on which to prove anything.
        Ok(Outcome::MustProve(must)) => {
            refuses.set(must.organization.or(refuses.get()));
            return Err(Error::LinkRequired);
        }
        Err(NotIn { organization, error }) => {
            refuses.set(organization.or(refuses.get()));
            return Err(error.into());
        }
    };
    let organization = user.organization_id;
    let new = NewSession {
        organization,
        user: user.id,
        issuer: identity.issuer.clone(),
        client_id: asked.client_id.clone(),
        audience: asked.audience.clone(),
        scope: String::new(),
        token_issuer: None,
        browser: None,
    };
    let (session, refresh_token) = sessions::open(tx, tools, new).await?;
    let access = sessions::mint(tools, signers, &session, &subject(tools, &tenant, &user, &session))?;
    Ok(Exchanged { tenant, organization, user, refresh_token, access, usage })
}

/// The person of an identity that a registered issuer or the gateway vouches for.
async fn admit(
    tx: &mut Tx,
    tools: &Tools,
    identity: &Identity,
    (tenant, organization): (&tenant::Model, Option<Uuid>),
) -> Result<Outcome, NotIn> {
    let runs = tools.config.section::<Settings>().exchange.auto_provision;
    let applicant = Applicant {
        subject: Some(&identity.subject),
        address: identity.email.as_deref(),
        verified: identity.email_verified,
        organization,
        role: identity.role,
        groups: identity.roles.for_tenant(tenant, &identity.issuer),
        first: if runs { FirstRuns::Yes } else { FirstRuns::No },
        made: Made::Named(identity.name.as_deref()),
        ..Applicant::new(Source::Issuer(identity.issuer.clone()))
    };
    Ok(directory::admit(tx, applicant).await?)
}

/// The organization that the claims, the gateway, the caller and the connection name: one, or none.
async fn meant(tx: &Tx, identity: &Identity, hints: &SubjectHints) -> Result<Option<Uuid>, Error> {
    let mut meant = match &identity.via {
        Via::Connection(connection, _) => Some(connection.row.organization_id),
        Via::Tenant(_) => None,
    };
    for name in identity.organizations.iter().chain(&hints.organization) {
        let named = organization_named(tx, name).await?;
        if meant.replace(named).is_some_and(|before| before != named) {
            return Err(Error::OrganizationOther);
        }
    }
    Ok(meant)
}

/// An organization of the tenant's by its id or slug.
async fn organization_named(tx: &Tx, name: &str) -> Result<Uuid, Error> {
    let organization = tenancy::find_organization(tx, name).await?;
    Ok(organization.ok_or(Error::OrganizationUnknown)?.id)
}
