//! What the token endpoint hands out for a code or a refresh token; introspection, revocation.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use entity::directory::states::AddressProof;
use entity::directory::user;
use entity::ids::OrganizationId;
use entity::sessions::session;
use exchange::subject;
use identity_core::{connection_of, issuers_of};
use platform::crypto::{same, sha256};
use platform::db::TenantDb;
use platform::refusal::Classified as _;
use platform::{Ctx, DbError, Target, Tx, View, Work as _};
use serde_json::{Map, Value, json};
use sessions::{Claims, Ended, Keyring, Minted, NewSession, Refreshed, Signers, Subject};
use sign_in::{AuthorizationCode, Redemption};
use uuid::Uuid;
use web::{PlatformService, Tools};

use crate::error::Error;

/// What the token endpoint hands out.
pub(crate) struct Pair {
    pub(crate) access: Minted,
    pub(crate) refresh_token: String,
    pub(crate) id_token: Option<String>,
    pub(crate) scope: String,
}

/// What a rule refuses is the grant's end (RFC 6749, section 5.2). A failing store isn't: who heard of an end would sign its person out.
fn ended(error: Error) -> Error {
    if error.is_refusal() { Error::GrantInvalid } else { error }
}

/// Uses a refresh token up. `may` decides whether the client at hand may use the session.
pub(crate) async fn refresh(
    service: &PlatformService,
    tenant: &TenantDb,
    keys: &Keyring,
    ctx: &Ctx,
    digest: &[u8],
    may: impl Fn(&session::Model) -> bool,
) -> Result<Pair, Error> {
    let work = async |tx: &mut Tx, signers: &Signers| {
        let refreshed = sessions::refresh(tx, service, digest).await?;
        let Refreshed::Fresh(session, refresh_token) = refreshed else { return Ok(None) };
        // Somebody else's client: the token stays unused.
        if !may(&session) {
            return Err(Error::ClientOther);
        }
        let tenant = tenancy::active(tx).await.map_err(|error| ended(error.into()))?;
        let user = directory::user(tx, OrganizationId(session.organization_id), session.user_id).await?;
        let user = user.filter(user::Model::may_come).ok_or(Error::GrantInvalid)?;
        // What the policy says now counts, not what it said when the session began.
        connections::still_holds(tx, session.organization_id, connection_of(&session.issuer))
            .await
            .map_err(|error| ended(error.into()))?;
        let verified = email_verified(tx, &user).await?;
        let subject = subject(service, &tenant, &user, &session);
        let minting = Minting { session: *session, refresh_token, subject, user, nonce: None, verified };
        mint(service, signers, minting).map(Some)
    };
    keys.write_signed(service, tenant, ctx, work).await?.ok_or(Error::GrantInvalid)
}

/// What tokens are made of.
struct Minting {
    session: session::Model,
    refresh_token: String,
    subject: Subject,
    user: user::Model,
    nonce: Option<String>,
    /// Whether the tenant has proven the domain of the address.
    verified: bool,
}

fn mint(tools: &Tools, signers: &Signers, minting: Minting) -> Result<Pair, Error> {
    let Minting { session, refresh_token, subject, user, nonce, verified } = minting;
    let access = sessions::mint(tools, signers, &session, &subject)?;
    let scopes: Vec<&str> = session.scope.split(' ').collect();
    let id_token = if scopes.contains(&"openid") {
        let claims = id_claims(tools, &session, &subject, &user, (nonce, verified), &access.token);
        Some(signers.sign(subject.realm, None, &claims)?)
    } else {
        None
    };
    Ok(Pair { access, refresh_token, id_token, scope: session.scope })
}

/// OpenID Connect Core, section 2.
fn id_claims(
    tools: &Tools,
    session: &session::Model,
    subject: &Subject,
    user: &user::Model,
    (nonce, verified): (Option<String>, bool),
    access_token: &str,
) -> Map<String, Value> {
    let now = tools.clock.now().timestamp();
    let lifetime =
        i64::try_from(tools.config.section::<sessions::Settings>().access_lifetime.as_secs()).unwrap_or(300);
    let digest = sha256(access_token.as_bytes());
    let half = digest.get(..16).unwrap_or_default();
    let mut claims = user_claims(user, &session.scope, verified);
    let own = json!({
        "iss": subject.issuer, "sub": subject.user, "aud": session.client_id, "azp": session.client_id,
        "exp": now + lifetime, "iat": now, "sid": session.id, "tenant_id": subject.tenant, "org_id": subject.organization,
        "roles": [subject.role.name()], "plan": subject.plan,
        "auth_time": session.authenticated_at.unwrap_or(session.created_at).timestamp(),
        "at_hash": URL_SAFE_NO_PAD.encode(half),
    });
    if let Value::Object(own) = own {
        claims.extend(own);
    }
    claims.extend(nonce.map(|nonce| ("nonce".to_owned(), nonce.into())));
    claims
}

/// What the scopes let a client know about a person (OpenID Connect Core, section 5.4).
pub(crate) fn user_claims(user: &user::Model, scope: &str, verified: bool) -> Map<String, Value> {
    let mut claims = Map::new();
    let scopes: Vec<&str> = scope.split(' ').collect();
    if scopes.contains(&"email")
        && let Some(email) = &user.email
    {
        claims.insert("email".to_owned(), email.as_str().into());
        claims.insert("email_verified".to_owned(), verified.into());
    }
    if scopes.contains(&"profile") {
        claims.insert("preferred_username".to_owned(), user.user_name.as_str().into());
        claims.insert("updated_at".to_owned(), user.updated_at.timestamp().into());
        if let Some(name) = &user.display_name {
            claims.insert("name".to_owned(), name.as_str().into());
        }
    }
    claims
}

/// Whether the tenant answers for a user's address: its domain is proven, and it isn't one that was only said.
pub(crate) async fn email_verified(view: &View, user: &user::Model) -> Result<bool, DbError> {
    match &user.email {
        Some(_) if user.address_proof == Some(AddressProof::Nothing) => Ok(false),
        Some(email) => connections::owns_domain_of(view, email).await,
        None => Ok(false),
    }
}

/// Changes a code into tokens, once. A code that comes a second time ends what its first use began (RFC 6749, section 4.1.2).
pub(crate) async fn redeem(
    service: &PlatformService,
    tenant: &TenantDb,
    keys: &Keyring,
    ctx: &Ctx,
    (digest, redirect_uri, verifier): (&[u8], &str, &str),
    client_id: &str,
) -> Result<Pair, Error> {
    let challenge = URL_SAFE_NO_PAD.encode(sha256(verifier.as_bytes()));
    let work = async |tx: &mut Tx, signers: &Signers| {
        let row = match sign_in::redeem_code(tx, digest).await?.ok_or(Error::GrantInvalid)? {
            Redemption::First(row) => *row,
            Redemption::Replay(row) => {
                platform::Work::housekeeping(tx);
                if let Some(session) = row.session_id {
                    sessions::end(tx, session, Ended::CodeReused).await?;
                }
                return Ok(None);
            }
        };
        // A wrong guess uses the code up: whoever has it hasn't what belongs to it.
        let fits = row.client_id == client_id
            && row.redirect_uri == redirect_uri
            && row.expires_at > tx.now()
            && same(challenge.as_bytes(), row.code_challenge.as_bytes());
        if !fits {
            tx.record("authorization.refuse", Target::new("client", client_id));
            return Ok(None);
        }
        mint(service, signers, open_for(tx, service, row).await?).map(Some)
    };
    keys.write_signed(service, tenant, ctx, work).await?.ok_or(Error::GrantInvalid)
}

async fn open_for(tx: &mut Tx, tools: &Tools, row: AuthorizationCode) -> Result<Minting, Error> {
    let tenant = tenancy::active(tx).await.map_err(|error| ended(error.into()))?;
    let browser = sessions::browser(tx, row.browser_session_id).await?;
    let browser =
        browser.filter(|one| sessions::browser_is_live(one, tx.now())).ok_or(Error::GrantInvalid)?;
    let user = directory::user(tx, OrganizationId(row.organization_id), row.user_id).await?;
    let user = user.filter(user::Model::may_come).ok_or(Error::GrantInvalid)?;
    // The code was given out before the policy, or the connection, was what it is now.
    connections::still_holds(tx, row.organization_id, browser.connection_id)
        .await
        .map_err(|error| ended(error.into()))?;
    let issuer = browser.connection_id.map_or_else(|| "operator".to_owned(), issuers_of);
    let new = NewSession {
        organization: row.organization_id,
        user: row.user_id,
        issuer,
        client_id: row.client_id.clone(),
        audience: row.audience.clone(),
        scope: row.scope.clone(),
        token_issuer: Some(row.issuer.clone()),
        browser: Some(browser),
    };
    let (session, refresh_token) = sessions::open(tx, tools, new).await?;
    let verified = email_verified(tx, &user).await?;
    let subject = subject(tools, &tenant, &user, &session);
    let nonce = row.nonce.clone();
    sign_in::record_session(tx, row, session.id).await?;
    Ok(Minting { session, refresh_token, subject, user, nonce, verified })
}

/// The person of an access token, if they may still come in, and whether the tenant answers for their address.
pub(crate) async fn person(view: &View, claims: &Claims) -> Result<Option<(user::Model, bool)>, Error> {
    let Ok(id) = claims.sub.parse() else { return Ok(None) };
    let user = directory::user(view, OrganizationId(claims.org_id), id).await?;
    match user.filter(user::Model::may_come) {
        Some(user) => {
            let verified = email_verified(view, &user).await?;
            Ok(Some((user, verified)))
        }
        None => Ok(None),
    }
}

/// Whether the session of an access token lives: its person, their tenant and the policy still allow it.
pub(crate) async fn is_live(view: &View, claims: &Claims) -> Result<bool, Error> {
    let session = sessions::find(view, claims.sid).await?;
    let Some(tenant) = tenancy::find(view).await? else { return Ok(false) };
    let session = session.filter(|session| sessions::is_live(session, view.now()));
    let active = tenant.status == tenancy::Status::Active;
    let Some(session) = session.filter(|_| active) else { return Ok(false) };
    let user = directory::user(view, OrganizationId(session.organization_id), session.user_id).await?;
    let connection = connection_of(&session.issuer);
    match connections::still_holds(view, session.organization_id, connection).await {
        Ok(()) => Ok(user.is_some_and(|user| user.may_come())),
        Err(error) if error.is_refusal() => Ok(false),
        Err(error) => Err(Error::from(error)),
    }
}

/// Ends a session whose token its client gives back.
pub(crate) async fn revoke(
    tx: &mut Tx,
    session: Uuid,
    may: impl Fn(&session::Model) -> bool,
) -> Result<(), Error> {
    tx.housekeeping();
    match sessions::find(tx, session).await? {
        Some(found) if may(&found) => Ok(sessions::end(tx, session, Ended::Revoked).await?),
        _ => Ok(()),
    }
}
