//! Opening, refreshing, ending.

use chrono::TimeDelta;
use entity::sessions::states::{Ended, SessionVerb};
use entity::sessions::{browser_session, refresh_token, session};
use platform::crypto::one_time_secret;
use platform::rules::Rule;
use platform::{DbError, PlatformView, Target, Timestamp, Tx, View, Work, ids};
use sea_orm::sea_query::Expr;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect, Select};
use uuid::Uuid;
use web::Tools;

use crate::settings::Settings;
use crate::{browser, store};

/// Sessions of one person that go on; a further one ends the oldest.
const SESSIONS_MAX: u64 = 100;
/// Below so many nobody asks whether another one opens a session at the same moment. The rest is more than a tenant has under way at
/// once: half of the connections of each process, of which there would have to be 160. The next sign-in ends what were too many.
const SESSIONS_FEW: u64 = SESSIONS_MAX / 5;
/// Sessions that one sign-in ends at most.
const SUPERSEDED_AT_ONCE: u64 = 20;
/// What a refresh token begins with.
const PREFIX: &str = "tnt_rt_";

/// A session to be opened.
#[derive(Clone, Debug)]
pub struct NewSession {
    /// The organization.
    pub organization: Uuid,
    /// The person.
    pub user: Uuid,
    /// Who vouched for the person.
    pub issuer: String,
    /// Who asked.
    pub client_id: String,
    /// For whom the tokens are.
    pub audience: String,
    /// What the client asked for (RFC 6749, section 3.3).
    pub scope: String,
    /// The issuer at which it asked; `None`: the tenant's own.
    pub token_issuer: Option<String>,
    /// The browser's session in which it asked.
    pub browser: Option<browser_session::Model>,
}

platform::events! {
    /// One or more sessions ended.
    pub struct SessionsEnded = "session.ended" {
        /// Whose they were, if they were one person's.
        pub user_id: Option<Uuid>,
        /// The one that ended, if it was one.
        pub session_id: Option<Uuid>,
        /// The organization whose sessions ended, if it was all of them.
        pub organization_id: Option<Uuid>,
        /// Why.
        pub reason: Ended,
        /// How many.
        pub count: u64,
    }
}

impl SessionsEnded {
    fn of(why: Ended, count: u64) -> Self {
        Self { user_id: None, session_id: None, organization_id: None, reason: why, count }
    }
}

/// Opens a session; answers it with its first refresh token.
pub async fn open(tx: &mut Tx, tools: &Tools, new: NewSession) -> Result<(session::Model, String), DbError> {
    let lifetime = TimeDelta::from_std(tools.config.section::<Settings>().session_lifetime)
        .unwrap_or(TimeDelta::days(30));
    let until = tx.now() + lifetime;
    let browser = new.browser;
    let row = session::Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: ids::new(),
        user_id: new.user,
        issuer: new.issuer,
        client_id: new.client_id,
        audience: new.audience,
        created_at: tx.now(),
        expires_at: browser.as_ref().map_or(until, |browser| browser.expires_at.min(until)),
        ended_at: None,
        ended_reason: None,
        browser_session_id: browser.as_ref().map(|browser| browser.id),
        token_issuer: new.token_issuer,
        scope: new.scope,
        authenticated_at: browser.map(|browser| browser.authenticated_at),
    };
    // Written first: it takes a share in the user's row, which comes before the rule and before rows of sessions in the order of locks.
    if tx.insert_and_find(row.clone(), older(tx, &row, SESSIONS_FEW, 1)).await? {
        end_oldest(tx, &row).await?;
    }
    let refresh = issue(tx, tools, &row);
    tx.record("session.open", Target::new("session", row.id));
    Ok((row, refresh))
}

/// Ends a person's oldest sessions where this one, which was written just now, is one too many: a client that signs in again and
/// again instead of refreshing fills no table.
async fn end_oldest(tx: &mut Tx, new: &session::Model) -> Result<(), DbError> {
    tx.exclusive(Rule::Sessions, new.user_id).await?;
    let superseded =
        older(tx, new, SESSIONS_MAX, SUPERSEDED_AT_ONCE).select_only().column(session::Column::Id);
    for id in tx.tuples::<_, Uuid>(superseded).await? {
        end(tx, id, Ended::Superseded).await?;
    }
    Ok(())
}

/// Sessions of the same person that go on, without the `newest`: at most so many.
fn older(tx: &Tx, new: &session::Model, newest: u64, most: u64) -> Select<session::Entity> {
    tx.select::<session::Entity>()
        .filter(session::Column::OrganizationId.eq(new.organization_id))
        .filter(session::Column::UserId.eq(new.user_id))
        .filter(session::Column::EndedAt.is_null())
        .filter(session::Column::ExpiresAt.gt(tx.now()))
        .order_by_desc(session::Column::Id)
        .offset(newest)
        .limit(most)
}

fn issue(tx: &mut Tx, tools: &Tools, session: &session::Model) -> String {
    let (secret, digest) = one_time_secret(PREFIX);
    let lifetime = TimeDelta::from_std(tools.config.section::<Settings>().refresh_lifetime)
        .unwrap_or(TimeDelta::days(7));
    let token = refresh_token::Model {
        tenant_id: tx.tenant(),
        session_id: session.id,
        digest: digest.to_vec(),
        created_at: tx.now(),
        expires_at: (tx.now() + lifetime).min(session.expires_at),
        used_at: None,
    };
    tx.insert_last(token);
    secret.to_string()
}

/// What came of a refresh.
#[derive(Debug)]
pub enum Refreshed {
    /// A new token; the old one is used up.
    Fresh(Box<session::Model>, String),
    /// The token is unknown, over, or its session has ended.
    Refused,
    /// The token was used before: its session has ended with this.
    Reused,
}

/// Uses a refresh token up. Expiry and single use are decided by the update itself: of many at once, one wins.
pub async fn refresh(tx: &mut Tx, tools: &Tools, digest: &[u8]) -> Result<Refreshed, DbError> {
    let used = store::use_refresh_token(tx, digest).await?;
    let row = tx.select::<refresh_token::Entity>().filter(refresh_token::Column::Digest.eq(digest.to_vec()));
    let Some(token) = tx.one(row).await? else {
        tx.housekeeping();
        return Ok(Refreshed::Refused);
    };
    let live = find(tx, token.session_id).await?.filter(|session| is_live(session, tx.now()));
    let Some(session) = live else {
        tx.housekeeping();
        return Ok(Refreshed::Refused);
    };
    if used {
        let fresh = issue(tx, tools, &session);
        tx.record("session.refresh", Target::new("session", session.id));
        return Ok(Refreshed::Fresh(Box::new(session), fresh));
    }
    if token.used_at.is_none() {
        tx.housekeeping();
        return Ok(Refreshed::Refused);
    }
    end(tx, session.id, Ended::RefreshReused).await?;
    Ok(Refreshed::Reused)
}

/// The session, whether it lives or not.
pub async fn find(view: &View, id: Uuid) -> Result<Option<session::Model>, DbError> {
    view.one(view.select::<session::Entity>().filter(session::Column::Id.eq(id))).await
}

/// The session that a refresh token belongs to, by the token's digest.
pub async fn session_of_refresh(view: &View, digest: &[u8]) -> Result<Option<Uuid>, DbError> {
    let row =
        view.select::<refresh_token::Entity>().filter(refresh_token::Column::Digest.eq(digest.to_vec()));
    Ok(view.one(row).await?.map(|token| token.session_id))
}

/// Whether a session neither ended nor is over.
pub fn is_live(session: &session::Model, now: platform::Timestamp) -> bool {
    session.state(now).after(SessionVerb::Refresh).is_some()
}

/// Ends one session. Ending twice is the same as once.
pub async fn end(tx: &mut Tx, id: Uuid, why: Ended) -> Result<(), DbError> {
    let user_id = find(tx, id).await?.map(|session| session.user_id);
    let ended = end_where(tx, session::Column::Id.eq(id), why).await?;
    tx.record("session.end", Target::new("session", id).with(serde_json::json!({"reason": why})));
    if ended > 0 {
        tx.emit(&SessionsEnded { user_id, session_id: Some(id), ..SessionsEnded::of(why, ended) });
    }
    Ok(())
}

/// Ends all sessions of a user; tells how many.
pub async fn end_all_of_user(tx: &mut Tx, user: Uuid, why: Ended) -> Result<u64, DbError> {
    browser::end_where(tx, browser_session::Column::UserId.eq(user), why).await?;
    let ended = end_where(tx, session::Column::UserId.eq(user), why).await?;
    if ended > 0 {
        tx.record("session.end", Target::new("user", user).with(ended_details(why, ended)));
        tx.emit(&SessionsEnded { user_id: Some(user), ..SessionsEnded::of(why, ended) });
    }
    Ok(ended)
}

/// Ends all sessions of the tenant; tells how many.
pub async fn end_all_of_tenant(tx: &mut Tx, why: Ended) -> Result<u64, DbError> {
    browser::end_where(tx, browser_session::Column::EndedAt.is_null(), why).await?;
    let ended = end_where(tx, session::Column::EndedAt.is_null(), why).await?;
    if ended > 0 {
        tx.emit(&SessionsEnded::of(why, ended));
    }
    Ok(ended)
}

/// Ends all sessions of an organization; tells how many.
pub async fn end_all_of_organization(tx: &mut Tx, organization: Uuid, why: Ended) -> Result<u64, DbError> {
    browser::end_where(tx, browser_session::Column::OrganizationId.eq(organization), why).await?;
    let ended = end_where(tx, session::Column::OrganizationId.eq(organization), why).await?;
    tx.record("session.end", Target::new("organization", organization).with(ended_details(why, ended)));
    if ended > 0 {
        let organization_id = Some(organization);
        tx.emit(&SessionsEnded { organization_id, ..SessionsEnded::of(why, ended) });
    }
    Ok(ended)
}

/// Ends all sessions that were opened in one browser's session, and that one. Each is told by itself: who hears that a person's
/// session ended, and not which one, has to end all of them.
pub async fn end_browser(tx: &mut Tx, browser: &browser_session::Model, why: Ended) -> Result<(), DbError> {
    let sessions = browser::sessions_of_browser(tx, browser.id).await?;
    browser::end_where(tx, browser_session::Column::Id.eq(browser.id), why).await?;
    let ended = end_where(tx, session::Column::BrowserSessionId.eq(browser.id), why).await?;
    let details = ended_details(why, ended);
    tx.record("session.end", Target::new("browser_session", browser.id).with(details));
    let user_id = Some(browser.user_id);
    if ended > sessions.len() as u64 {
        tx.emit(&SessionsEnded { user_id, ..SessionsEnded::of(why, ended) });
        return Ok(());
    }
    for session in &sessions {
        tx.emit(&SessionsEnded { user_id, session_id: Some(session.id), ..SessionsEnded::of(why, 1) });
    }
    Ok(())
}

fn ended_details(why: Ended, count: u64) -> serde_json::Value {
    serde_json::json!({"reason": why, "count": count})
}

async fn end_where(tx: &Tx, which: sea_orm::sea_query::SimpleExpr, why: Ended) -> Result<u64, DbError> {
    let change = tx
        .change::<session::Entity>()
        .col_expr(session::Column::EndedAt, Expr::value(tx.now()))
        .col_expr(session::Column::EndedReason, Expr::value(why))
        .filter(session::Column::EndedAt.is_null())
        .filter(which);
    tx.apply(change).await
}

/// Sessions of a tenant that ended at that instant and are with one of these clients, in the order of their ids, behind one of them.
pub async fn ended_at(
    view: &PlatformView,
    (tenant, at): (Uuid, Timestamp),
    clients: &[String],
    after: Option<Uuid>,
    limit: u64,
) -> Result<Vec<session::Model>, DbError> {
    let mut select = view
        .across::<session::Entity>()
        .filter(session::Column::TenantId.eq(tenant))
        .filter(session::Column::EndedAt.eq(at))
        .filter(session::Column::ClientId.is_in(clients.iter().map(String::as_str)));
    if let Some(after) = after {
        select = select.filter(session::Column::Id.gt(after));
    }
    view.all(select.order_by_asc(session::Column::Id).limit(limit)).await
}
