//! A person signed in, in one browser: what the authorization endpoint asks before it sends anybody to an identity provider.

use chrono::TimeDelta;
use entity::sessions::states::Ended;
use entity::sessions::{browser_session as row, session};
use platform::crypto::{one_time_secret, sha256};
use platform::{DbError, Target, Timestamp, Tx, View, Work, ids};
use sea_orm::sea_query::{Expr, SimpleExpr};
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use uuid::Uuid;

/// What a browser session's cookie begins with.
pub const BROWSER_PREFIX: &str = "tnt_bs_";
/// How often a use moves `last_seen_at`.
const SEEN_EVERY: TimeDelta = TimeDelta::minutes(1);
/// Sessions of one person that are listed.
const LISTED_MAX: u64 = 200;

/// A browser session to be opened.
#[derive(Clone, Debug)]
pub struct NewBrowserSession {
    /// The organization.
    pub organization: Uuid,
    /// The person.
    pub user: Uuid,
    /// The connection by which they came in.
    pub connection: Option<Uuid>,
    /// Who the identity provider says it is.
    pub subject: String,
    /// The session there.
    pub upstream_sid: Option<String>,
    /// Sealed: what a logout there needs.
    pub upstream: Option<Vec<u8>>,
    /// Where the browser is.
    pub address: Option<String>,
    /// What the browser calls itself.
    pub user_agent: Option<String>,
    /// When it ends at the latest.
    pub expires_at: Timestamp,
    /// Seconds without use after which it ends.
    pub idle_seconds: Option<i64>,
}

/// Opens a browser session; answers it with its cookie's value.
pub async fn open_browser(tx: &mut Tx, new: NewBrowserSession) -> Result<(row::Model, String), DbError> {
    let (secret, digest) = one_time_secret(BROWSER_PREFIX);
    let opened = row::Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: ids::new(),
        user_id: new.user,
        digest: digest.to_vec(),
        connection_id: new.connection,
        subject: new.subject,
        upstream_sid: new.upstream_sid,
        upstream: new.upstream,
        address: new.address,
        user_agent: new.user_agent.map(|agent| agent.chars().filter(|c| !c.is_control()).take(200).collect()),
        authenticated_at: tx.now(),
        created_at: tx.now(),
        last_seen_at: tx.now(),
        expires_at: new.expires_at,
        idle_seconds: new.idle_seconds,
        ended_at: None,
        ended_reason: None,
    };
    tx.insert(opened.clone()).await?;
    tx.record("session.open", Target::new("browser_session", opened.id));
    Ok((opened, secret.to_string()))
}

/// The digest by which a cookie's session is found; `None` for what can't be one.
pub fn browser_digest(cookie: &str) -> Option<[u8; 32]> {
    (cookie.starts_with(BROWSER_PREFIX) && cookie.len() < 100).then(|| sha256(cookie.as_bytes()))
}

/// The living browser session of this digest.
pub async fn find_browser(view: &View, digest: &[u8]) -> Result<Option<row::Model>, DbError> {
    let select = view.select::<row::Entity>().filter(row::Column::Digest.eq(digest.to_vec()));
    Ok(view.one(select).await?.filter(|found| browser_is_live(found, view.now())))
}

/// The browser session of this id, whether it lives or not.
pub async fn browser(view: &View, id: Uuid) -> Result<Option<row::Model>, DbError> {
    view.one(view.select::<row::Entity>().filter(row::Column::Id.eq(id))).await
}

/// Whether a browser session neither ended nor is over, nor lay unused for too long.
pub fn browser_is_live(session: &row::Model, now: Timestamp) -> bool {
    let idle = session.idle_seconds.and_then(TimeDelta::try_seconds);
    session.ended_at.is_none()
        && session.expires_at > now
        && idle.is_none_or(|idle| session.last_seen_at + idle > now)
}

/// Notes that a browser session was used.
pub async fn seen_browser(tx: &mut Tx, session: &row::Model) -> Result<(), DbError> {
    tx.housekeeping();
    if session.last_seen_at + SEEN_EVERY > tx.now() {
        return Ok(());
    }
    let change = tx.change::<row::Entity>().col_expr(row::Column::LastSeenAt, Expr::value(tx.now()));
    tx.apply(change.filter(row::Column::Id.eq(session.id))).await?;
    Ok(())
}

/// The living browser sessions that a connection's provider knows by subject, and by its own session where it names one.
pub async fn browsers_of_subject(
    view: &View,
    connection: Uuid,
    subject: Option<&str>,
    upstream_sid: Option<&str>,
) -> Result<Vec<row::Model>, DbError> {
    let mut select = view
        .select::<row::Entity>()
        .filter(row::Column::ConnectionId.eq(connection))
        .filter(row::Column::EndedAt.is_null());
    if let Some(subject) = subject {
        select = select.filter(row::Column::Subject.eq(subject));
    }
    if let Some(sid) = upstream_sid {
        select = select.filter(row::Column::UpstreamSid.eq(sid));
    }
    view.all(select.limit(LISTED_MAX)).await
}

/// Sessions with clients that were opened in one browser's session and didn't end yet.
pub async fn sessions_of_browser(view: &View, browser: Uuid) -> Result<Vec<session::Model>, DbError> {
    let select = view
        .select::<session::Entity>()
        .filter(session::Column::BrowserSessionId.eq(browser))
        .filter(session::Column::EndedAt.is_null());
    view.all(select.order_by_asc(session::Column::Id).limit(LISTED_MAX)).await
}

pub(crate) async fn end_where(tx: &Tx, which: SimpleExpr, why: Ended) -> Result<u64, DbError> {
    let change = tx
        .change::<row::Entity>()
        .col_expr(row::Column::EndedAt, Expr::value(tx.now()))
        .col_expr(row::Column::EndedReason, Expr::value(why))
        .filter(row::Column::EndedAt.is_null())
        .filter(which);
    tx.apply(change).await
}

/// Browser sessions of one user or of all, newest first, before the one of this id.
pub async fn browsers(
    view: &View,
    user: Option<Uuid>,
    before: Option<Uuid>,
    limit: u64,
) -> Result<Vec<row::Model>, DbError> {
    let mut select = view.select::<row::Entity>();
    if let Some(user) = user {
        select = select.filter(row::Column::UserId.eq(user));
    }
    if let Some(before) = before {
        select = select.filter(row::Column::Id.lt(before));
    }
    view.all(select.order_by_desc(row::Column::Id).limit(limit)).await
}
