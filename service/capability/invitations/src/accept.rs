//! Accepted: by the mailed token, or by an identity provider where the organization wants nothing else.

use directory::{NewUser, Source};
use entity::invitations::invitation::{Column, Entity, Model};
use entity::invitations::states::{InvitationKind, InvitationStatus};
use entity::tenancy::tenant;
use platform::crypto::sha256;
use platform::db::Lookup;
use platform::{Ctx, Target, Tx, View, Work};
use sea_orm::{ColumnTrait, QueryFilter};
use serde_json::{Map, Value, json};
use uuid::Uuid;
use web::{Code, Problem, Service};

use crate::join;
use crate::ops::{Accepted, facts};

/// What an invitation leads to.
#[derive(Debug)]
pub(crate) struct Found {
    pub(crate) row: Model,
    pub(crate) tenant: tenant::Model,
    /// Where to come in, if the organization wants people to come in by its identity provider only.
    pub(crate) sso: Option<String>,
}

async fn tenant_of(service: &Service, digest: &[u8]) -> Result<Uuid, Problem> {
    let found = service.db.tenant_of(Lookup::Invitation(digest)).await?;
    found.ok_or_else(|| Problem::new(Code::InvitationUnknown))
}

/// The sign-in of the organization, for this person. It goes on by itself: the address finds the connection.
fn sign_in(service: &Service, tenant: &tenant::Model, row: &Model) -> String {
    let mut query = url::form_urlencoded::Serializer::new(String::new());
    query.append_pair("tenant", &tenant.slug);
    query.append_pair("organization", &row.organization_id.to_string());
    query.append_pair("login_hint", &row.email);
    format!("{}/login?{}", service.config.public_url(), query.finish())
}

async fn sso_of(
    view: &View,
    service: &Service,
    tenant: &tenant::Model,
    row: &Model,
) -> Result<Option<String>, Problem> {
    let enforced = sso::is_enforced(view, row.organization_id).await?;
    Ok(enforced.then(|| sign_in(service, tenant, row)))
}

/// An invitation that can be accepted now, and by whose invitation.
pub(crate) async fn look(service: &Service, token: &str) -> Result<Found, Problem> {
    let digest = sha256(token.as_bytes());
    let tenant = tenant_of(service, &digest).await?;
    service
        .db
        .read(tenant, async |view| {
            let tenant = tenancy::active(view).await?;
            let row =
                view.one(view.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
            let row = row.ok_or_else(|| Problem::new(Code::InvitationUnknown))?;
            // Whoever holds a dead token is told that it is dead, and nothing else.
            if row.status != InvitationStatus::Pending || row.expires_at <= view.now() {
                return Err(Problem::new(Code::InvitationGone));
            }
            let sso = sso_of(view, service, &tenant, &row).await?;
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
/// `invitation.gone`, `invitation.unknown`, `invitation.other_address`; `sso.enforced` with where to go instead.
pub(crate) async fn accept(
    service: &Service,
    ctx: &Ctx,
    acceptor: Acceptor<'_>,
) -> Result<(Model, tenant::Model), Problem> {
    let digest = sha256(acceptor.token.as_bytes());
    let tenant = tenant_of(service, &digest).await?;
    let work = async |tx: &mut Tx| {
        let tenant = tenancy::active(tx).await?;
        let sql = "UPDATE invitation SET status = 'accepted', accepted_at = $3, updated_at = $3, version = version + 1 \
                   WHERE tenant_id = $1 AND token_digest = $2 AND status = 'pending' AND expires_at > $3";
        let redeemed = tx.execute(sql, vec![digest.to_vec().into(), tx.now().into()]).await?;
        if redeemed == 0 {
            return Err(Problem::new(Code::InvitationGone));
        }
        let row = tx.one(tx.select::<Entity>().filter(Column::TokenDigest.eq(digest.to_vec()))).await?;
        let row = row.ok_or_else(|| Problem::new(Code::InvitationUnknown))?;
        if let Some(sign_in) = sso_of(tx, service, &tenant, &row).await? {
            return Err(Problem::new(Code::SsoEnforced).fact("ssoUrl", sign_in));
        }
        if let Some(session) = acceptor.session {
            require_same_person(tx, session, &row).await?;
        }
        let row = match row.kind {
            InvitationKind::Request => {
                join::ask(tx, service, &tenant, &row, acceptor.display_name).await?;
                row
            }
            InvitationKind::Personal | InvitationKind::Join => {
                directory::forget_expected(tx, row.id).await?;
                let user = member(tx, &row, acceptor.display_name).await?;
                Model { user_id: Some(user), ..row }
            }
        };
        tx.update(row.clone()).await?;
        tx.record("invitation.accept", Target::new("invitation", row.id));
        tx.emit(&Accepted(facts(&row)));
        Ok((row, tenant))
    };
    service.db.write(ctx, tenant, work).await
}

/// Somebody who is signed in with another address doesn't accept what was meant for this one.
async fn require_same_person(tx: &Tx, session: &str, row: &Model) -> Result<(), Problem> {
    let Some(digest) = sessions::browser_digest(session) else { return Ok(()) };
    let Some(session) = sessions::find_browser(tx, &digest).await? else { return Ok(()) };
    let Some(user) = directory::user(tx, session.organization_id, session.user_id).await? else {
        return Ok(());
    };
    let same = directory::user_by_email(tx, session.organization_id, &row.email).await?;
    let same = same.is_some_and(|same| same.id == user.id) || user.user_name_key == row.email_key;
    if same { Ok(()) } else { Err(Problem::new(Code::InvitationOtherAddress)) }
}

/// The user whom the invitation makes; whoever already has this name stays who they are.
pub(crate) async fn member(tx: &mut Tx, row: &Model, display_name: Option<String>) -> Result<Uuid, Problem> {
    if let Some(there) = directory::user_by_name(tx, row.organization_id, &row.email).await? {
        return if there.active { Ok(there.id) } else { Err(Problem::new(Code::UserDeactivated)) };
    }
    let new = new_user(row.organization_id, &row.email, &row.role, display_name);
    let (user, _) = directory::create_user(tx, &directory::USERS, new).await?;
    Ok(user.id)
}

pub(crate) fn new_user(organization: Uuid, email: &str, role: &str, display_name: Option<String>) -> NewUser {
    let mut resource: Map<String, Value> = Map::new();
    resource.insert("userName".to_owned(), email.into());
    resource.insert("active".to_owned(), true.into());
    resource.insert("emails".to_owned(), json!([{"value": email, "primary": true}]));
    if let Some(name) = display_name {
        resource.insert("displayName".to_owned(), name.into());
    }
    NewUser { organization, resource, source: Source::Invitation, role: role.to_owned() }
}

/// Who was invited came in by an identity provider: that accepts the invitation. Twice is once.
pub(crate) async fn arrived(tx: &mut Tx, invitation: Uuid, user: Uuid) -> Result<(), Problem> {
    let found = tx.lock(tx.select::<Entity>().filter(Column::Id.eq(invitation))).await?;
    let open = |row: &Model| matches!(row.status, InvitationStatus::Pending | InvitationStatus::Expired);
    let Some(row) = found.filter(open) else {
        tx.housekeeping();
        return Ok(());
    };
    let row = Model {
        status: InvitationStatus::Accepted,
        accepted_at: Some(tx.now()),
        user_id: Some(user),
        version: row.version + 1,
        updated_at: tx.now(),
        ..row
    };
    tx.update(row.clone()).await?;
    tx.record("invitation.accept", Target::new("invitation", row.id));
    tx.emit(&Accepted(facts(&row)));
    Ok(())
}
