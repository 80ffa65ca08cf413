//! Accepted: by the mailed token, or by an identity provider where the organization wants nothing else.

use directory::{Applicant, Made, Outcome};
use entity::ids::OrganizationId;
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::InvitationKind;
use entity::tenancy::tenant;
use identity_core::{Grant, Source};
use platform::crypto::sha256;
use platform::{Tx, View};
use sea_orm::{ColumnTrait, QueryFilter};
use uuid::Uuid;
use web::{Caller, TenantCaller, Tools};

use crate::error::{Error, NotAccepted};
use crate::join;
use crate::lookup::by_invitation;
use crate::ops::get;

/// What an invitation leads to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) row: Model,
    pub(crate) tenant: tenant::Model,
    /// Where to come in, if the organization wants people to come in by its identity provider only.
    pub(crate) sso: Option<String>,
}

async fn inviting(caller: &Caller, digest: &[u8]) -> Result<TenantCaller, Error> {
    caller.at(by_invitation(digest)).await?.ok_or(Error::Unknown)
}

/// The sign-in of the organization, for this person. It goes on by itself: the address finds the connection. The token goes with them: it
/// proves there that the address is theirs.
fn sign_in(tools: &Tools, tenant: &tenant::Model, row: &Model, token: &str) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("tenant", &tenant.slug);
    query.append_pair("organization", &row.organization_id.to_string());
    query.append_pair("login_hint", &row.email);
    query.append_pair("invitation", token);
    format!("{}/login?{}", tools.config.public_url(), query.finish())
}

async fn sso_of(
    view: &View,
    tools: &Tools,
    tenant: &tenant::Model,
    row: &Model,
    token: &str,
) -> Result<Option<String>, Error> {
    let enforced = connections::is_enforced(view, row.organization_id).await?;
    Ok(enforced.then(|| sign_in(tools, tenant, row, token)))
}

/// An invitation that can be accepted now, and by whose invitation.
pub(crate) async fn find_open(caller: &Caller, token: &str) -> Result<Found, Error> {
    let digest = sha256(token.as_bytes());
    let caller = inviting(caller, &digest).await?;
    caller
        .read(async |view| {
            let tenant = tenancy::active(view).await?;
            let row =
                view.one(view.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
            let row = row.ok_or(Error::Unknown)?;
            // Whoever holds a dead token is told that it is dead, and nothing else.
            let row = directory::require_open(row, view.now())?;
            let sso = sso_of(view, caller.tools(), &tenant, &row, token).await?;
            Ok(Found { row, tenant, sso })
        })
        .await
}

/// Who accepts.
#[derive(Debug)]
pub(crate) struct Acceptor<'a> {
    pub(crate) token: &'a str,
    pub(crate) display_name: Option<String>,
    /// The browser's session, if it has one.
    pub(crate) session: Option<&'a str>,
}

/// Redeems a token: of many at once, one wins. The person becomes a user of the organization, or has asked to.
///
/// # Errors
/// [`Error::Directory`] where it is gone, [`Error::Unknown`], [`Error::OtherAddress`]; [`Error::SignInEnforced`] with where to go
/// instead.
pub(crate) async fn accept(
    caller: &Caller,
    acceptor: Acceptor<'_>,
) -> Result<(Model, tenant::Model), NotAccepted> {
    let digest = sha256(acceptor.token.as_bytes());
    let caller = inviting(caller, &digest).await?;
    let work = async |tx: &mut Tx| {
        let tenant = tenancy::active(tx).await.map_err(Error::from)?;
        let row = tx.one(tx.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
        let row = row.ok_or(Error::Unknown)?;
        let organization = row.organization_id;
        let accepted = redeem(tx, caller.tools(), &tenant, row, &acceptor).await;
        let refused =
            |error| NotAccepted { tenant: Some(tenant.id), organization: Some(organization), error };
        let accepted = accepted.map_err(refused)?;
        Ok::<_, NotAccepted>((accepted, tenant))
    };
    let is_race = |refused: &NotAccepted| refused.error.is_race();
    let done = directory::again_after_race(is_race, async || caller.write(work).await).await;
    done.map_err(|refused| NotAccepted { tenant: Some(caller.tenant()), ..refused })
}

async fn redeem(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    row: Model,
    acceptor: &Acceptor<'_>,
) -> Result<Model, Error> {
    let row = directory::require_open(row, tx.now())?;
    if let Some(sign_in) = sso_of(tx, tools, tenant, &row, acceptor.token).await? {
        return Err(Error::SignInEnforced { sign_in });
    }
    let signed_in = match acceptor.session {
        Some(session) => require_same_person(tx, session, &row).await?,
        None => None,
    };
    match row.kind {
        InvitationKind::Request => ask(tx, tools, tenant, &row, acceptor.display_name.clone()).await,
        InvitationKind::Personal | InvitationKind::Join => {
            come(tx, &row, acceptor.display_name.as_deref(), signed_in).await
        }
    }
}

/// Redeems the token of a person who may only ask to join.
async fn ask(
    tx: &mut Tx,
    tools: &Tools,
    tenant: &tenant::Model,
    row: &Model,
    display_name: Option<String>,
) -> Result<Model, Error> {
    let row = directory::open_invitation(tx, row.id).await?;
    join::ask(tx, tools, tenant, &row, display_name).await?;
    Ok(directory::accept_invitation(tx, row, None).await?)
}

/// Redeems the token of somebody who is in with it: a new user, or one who was there before and may be more from now on.
async fn come(
    tx: &mut Tx,
    row: &Model,
    display_name: Option<&str>,
    signed_in: Option<Uuid>,
) -> Result<Model, Error> {
    let applicant = Applicant {
        address: Some(&row.email),
        organization: Some(row.organization_id),
        grant: Some(Grant { invitation: Some(row.id), role: row.role.0, signed_in }),
        made: Made::Named(display_name),
        ..Applicant::new(Source::Invitation)
    };
    match directory::admit(tx, applicant).await? {
        Outcome::In(admitted) => Ok(Model { role: admitted.user.role, ..get(tx, row.id).await? }),
        Outcome::MustProve(..) => Err(Error::MustProve),
    }
}

/// Somebody who is signed in with another address doesn't accept what was meant for this one. Answers as whom the browser is signed in.
async fn require_same_person(tx: &Tx, session: &str, row: &Model) -> Result<Option<Uuid>, Error> {
    let Some(digest) = sessions::browser_digest(session) else { return Ok(None) };
    let Some(session) = sessions::find_browser(tx, &digest).await? else { return Ok(None) };
    let Some(user) = directory::user(tx, OrganizationId(session.organization_id), session.user_id).await?
    else {
        return Ok(None);
    };
    let same = directory::users_of_address(tx, session.organization_id, &row.email).await?;
    if same.iter().any(|same| same.id == user.id) { Ok(Some(user.id)) } else { Err(Error::OtherAddress) }
}
