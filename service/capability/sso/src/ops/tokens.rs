//! Refresh, introspection, revocation.

use entity::sessions::session;
use platform::Ctx;
use platform::crypto::sha256;
use platform::db::Lookup;
use sessions::{Claims, Ended, Keyring, Minted, Refreshed};
use web::{Code, Problem, Service};

use super::exchange::subject;

/// A refreshed pair.
pub(crate) struct Pair {
    pub(crate) access: Minted,
    pub(crate) refresh_token: String,
}

fn invalid() -> Problem {
    Problem::new(Code::GrantInvalid).dialect("invalid_grant")
}

/// Uses a refresh token up. `may` decides whether the client at hand may use the session.
pub(crate) async fn refresh(
    service: &Service,
    keys: &Keyring,
    ctx: &Ctx,
    token: &str,
    may: impl Fn(&session::Model) -> bool,
) -> Result<Pair, Problem> {
    let digest = sha256(token.as_bytes());
    let tenant = service.db.tenant_of(Lookup::RefreshToken(&digest)).await?.ok_or_else(invalid)?;
    let refreshed = service
        .db
        .write(ctx, tenant, async |tx| {
            let refreshed = sessions::refresh(tx, service, &digest).await?;
            let Refreshed::Fresh(session, refresh_token) = refreshed else { return Ok(None) };
            // Somebody else's client: the token stays unused.
            if !may(&session) {
                return Err(Problem::new(Code::AuthInvalid).dialect("invalid_client"));
            }
            let tenant = tenancy::active(tx).await?;
            let user = directory::user(tx, session.organization_id, session.user_id).await?;
            let user = user.filter(|user| user.active).ok_or_else(invalid)?;
            Ok(Some((session, refresh_token, subject(service, &tenant, &user))))
        })
        .await?;
    let (session, refresh_token, subject) = refreshed.ok_or_else(invalid)?;
    let access = sessions::mint(service, keys, &session, &subject).await?;
    Ok(Pair { access, refresh_token })
}

/// The claims of an access token whose session lives.
pub(crate) async fn introspect(
    service: &Service,
    keys: &Keyring,
    token: &str,
) -> Result<Option<Claims>, Problem> {
    let now = service.db.clock().now();
    let Some(claims) = sessions::verify(service, keys, token, now).await? else { return Ok(None) };
    let live = service
        .db
        .read(claims.tenant_id, async |view| {
            let session = sessions::find(view, claims.sid).await?;
            let tenant = tenancy::get(view).await?;
            let active = tenant.status == "active";
            Ok::<_, Problem>(active && session.is_some_and(|session| sessions::is_live(&session, view.now())))
        })
        .await;
    match live {
        Ok(live) => Ok(Some(claims).filter(|_| live)),
        Err(problem) if problem.code == Code::NotFound => Ok(None),
        Err(problem) => Err(problem),
    }
}

/// Ends the session of an access or refresh token. A token that is none is none already.
pub(crate) async fn revoke(
    service: &Service,
    keys: &Keyring,
    ctx: &Ctx,
    token: &str,
    may: impl Fn(&session::Model) -> bool,
) -> Result<(), Problem> {
    let digest = sha256(token.as_bytes());
    let (tenant, session) = match service.db.tenant_of(Lookup::RefreshToken(&digest)).await? {
        Some(tenant) => {
            let find = async |view: &platform::View| sessions::session_of_refresh(view, &digest).await;
            match service.db.read(tenant, find).await? {
                Some(session) => (tenant, session),
                None => return Ok(()),
            }
        }
        None => match introspect(service, keys, token).await? {
            Some(claims) => (claims.tenant_id, claims.sid),
            None => return Ok(()),
        },
    };
    service
        .db
        .write(ctx, tenant, async |tx| {
            platform::Work::housekeeping(tx);
            match sessions::find(tx, session).await? {
                Some(found) if may(&found) => Ok(sessions::end(tx, session, Ended::Revoked).await?),
                _ => Ok(()),
            }
        })
        .await
}
