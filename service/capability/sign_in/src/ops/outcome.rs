//! The outcome of a sign-in: refused with a reason that is published and stored, or with the browser's session.

use chrono::TimeDelta;
use connections::{Connection, Profile, Refused, is_failure};
use directory::{Admitted, Outcome};
use entity::sessions::browser_session;
use entity::sign_in::attempt::Model;
use entity::sign_in::states::Purpose;
use entity::tenancy::tenant;
use identity_core::Proof;
use platform::{Ctx, DbError, Target, Tx, Work};
use serde_json::{Value, json};
use sessions::NewBrowserSession;
use uuid::Uuid;
use web::{TenantService, Tools};

use super::account_linking;
use super::authorize::{Authorization, Continues};
use super::codes;
use super::sign_in::{Step, locked, push};
use super::status::{End, Status, end};
use crate::error::Error;

// A refused sign-in is published, so that an admin hears of it before the people complain.
platform::events! {
    /// A sign-in was refused after the identity provider had answered.
    pub(crate) struct SignInFailed = "sign_in.failed" {
        sign_in_id: Uuid,
        organization_id: Uuid,
        connection_id: Uuid,
        reason: String,
    }
}

pub(super) fn failed_step(at: platform::Timestamp, refused: &Refused) -> Step {
    Step {
        name: refused.reason.clone(),
        at,
        ok: false,
        expected: refused.expected.clone(),
        got: refused.got.clone(),
        detail: None,
    }
}

/// A sign-in that failed: what its page says.
#[derive(Debug)]
pub(crate) struct Failed {
    /// For support.
    pub(crate) code: Option<String>,
    pub(crate) error: Error,
    pub(crate) refused: Option<Refused>,
}

impl From<Error> for Failed {
    fn from(error: Error) -> Self {
        Self { code: None, error, refused: None }
    }
}

impl Failed {
    /// Refused, with no trace to be found by a code.
    pub(crate) fn untraced(refused: Refused) -> Self {
        Self { code: None, error: Error::of(&refused), refused: Some(refused) }
    }
}

/// The same as [`fail`], for an answer that no provider is known to have made: a stranger's, perhaps. Beyond what strangers may leave
/// behind the attempt stays as it is, and is removed as one to which nothing came back.
pub(crate) async fn fail_unproven(
    service: &TenantService,
    ctx: &Ctx,
    row: &Model,
    refused: Refused,
) -> Failed {
    if service.strangers.may_leave_trace(ctx) {
        fail(service, ctx, row, refused).await
    } else {
        Failed { code: Some(row.code.clone()), ..Failed::untraced(refused) }
    }
}

/// Writes down that the sign-in failed, and why, unless it has ended already.
pub(crate) async fn fail(service: &TenantService, ctx: &Ctx, row: &Model, refused: Refused) -> Failed {
    let work = async |tx: &mut Tx| {
        let mut row = locked(tx, row.id).await?;
        if !row.status.is_open() {
            // It went on meanwhile, and has ended: what became of it stays true.
            tx.housekeeping();
            return Ok(());
        }
        push(&mut row, failed_step(tx.now(), &refused))?;
        end(service, &mut row, tx.now(), End::Failed(&refused.reason))?;
        let details = json!({
            "reason": refused.reason, "connectionId": row.connection_id, "organizationId": row.organization_id,
            "code": Error::of(&refused).code_name(), "trace": row.code,
        });
        let target = Target::new("sign_in", row.id).with(details);
        match is_failure(&refused.reason) {
            // The provider, or we: nobody was denied anything.
            true => tx.record("sign_in.fail", target),
            false => tx.record_refused("sign_in.fail", target),
        }
        tx.emit(&SignInFailed {
            sign_in_id: row.id,
            organization_id: row.organization_id,
            connection_id: row.connection_id,
            reason: refused.reason.clone(),
        });
        tx.update(row).await?;
        Ok::<_, Error>(())
    };
    let error = match service.db.write(ctx, work).await {
        Ok(()) => Error::of(&refused),
        Err(error) => error,
    };
    Failed { code: Some(row.code.clone()), error, refused: Some(refused) }
}

/// How a sign-in went on after the provider was believed.
#[derive(Debug)]
pub(crate) enum SignInOutcome {
    /// Signed in.
    In(Box<SignedIn>),
    /// A test: what came, and no session.
    Tested(Box<Profile>),
    /// The person must prove that an account is theirs.
    MustProve(Uuid),
}

/// A browser that is signed in, and goes on.
#[derive(Debug)]
pub(crate) struct SignedIn {
    pub(crate) session: browser_session::Model,
    pub(crate) cookie: String,
    pub(crate) tenant: tenant::Model,
    pub(crate) onward: Onward,
}

/// Where it goes on.
#[derive(Debug)]
pub(crate) enum Onward {
    /// To the module, with a code.
    Module(Box<Authorization>, String),
    /// To our own page, which says who is signed in.
    Here {
        /// The person's.
        name: String,
    },
}

/// What of a profile the trace keeps: that something came, not what.
fn outline(profile: &Profile) -> Value {
    json!({
        "subject": profile.subject.chars().count(),
        "emailDomain": profile.email.as_deref().and_then(identity_core::domain_of),
        "emailVerified": profile.email_verified,
        "name": profile.name.is_some(),
        "groups": profile.groups.as_ref().map(Vec::len),
    })
}

/// The provider is believed: admits the person and opens the browser's session, in one transaction.
pub(crate) async fn complete(
    service: &TenantService,
    ctx: &Ctx,
    connection: &Connection,
    row: &Model,
    profile: Profile,
    agent: Option<String>,
) -> Result<SignInOutcome, Failed> {
    let work =
        async |tx: &mut Tx| complete_attempt(tx, service, connection, row.id, &profile, agent.clone()).await;
    match directory::again_after_race(Error::is_race, async || service.db.write(ctx, work).await).await {
        Ok(outcome) => Ok(outcome),
        Err(error) => Err(refused_or_not(service, ctx, row, error).await),
    }
}

/// What stood in the way of a sign-in whose provider is believed: told with a reason where there is one.
pub(super) async fn refused_or_not(service: &TenantService, ctx: &Ctx, row: &Model, error: Error) -> Failed {
    match error.refused() {
        Some(refused) => fail(service, ctx, row, refused).await,
        None => Failed { code: Some(row.code.clone()), error, refused: None },
    }
}

async fn complete_attempt(
    tx: &mut Tx,
    tools: &Tools,
    connection: &Connection,
    id: Uuid,
    profile: &Profile,
    agent: Option<String>,
) -> Result<SignInOutcome, Error> {
    let mut row = locked(tx, id).await?;
    // Taken once: of two browsers' windows that go on at the same moment, one signs in.
    if row.status != Status::Answered {
        return Err(Error::StateUnknown);
    }
    push(
        &mut row,
        Step {
            name: "provider.believed".to_owned(),
            at: tx.now(),
            ok: true,
            expected: None,
            got: None,
            detail: Some(outline(profile)),
        },
    )?;
    if row.purpose == Purpose::Test {
        // It may have been disabled while the admin was at the provider.
        connections::enabled(tx, connection.row.id).await?;
        end(tools, &mut row, tx.now(), End::Succeeded(None))?;
        tx.update(row).await?;
        connections::tested(tx, &connection.row).await?;
        return Ok(SignInOutcome::Tested(Box::new(profile.clone())));
    }
    connections::signed_in(tx, &connection.row).await?;
    let proven = invited(tx, &row, profile).await?;
    match account_linking::admit(tx, connection, profile, proven).await? {
        Outcome::In(admitted) => open_session(tx, tools, row, &admitted, profile, agent).await,
        Outcome::MustProve(must) => super::proof::ask(tx, tools, row, &must, profile).await,
    }
}

/// What the person proved who was sent here with the token of their invitation: that they read the mail of its address.
async fn invited(tx: &Tx, row: &Model, profile: &Profile) -> Result<Option<Proof>, DbError> {
    match (&row.invitation_digest, &profile.email) {
        (Some(digest), Some(email)) => directory::proof_of_token(tx, digest, email).await,
        _ => Ok(None),
    }
}

pub(crate) async fn open_session(
    tx: &mut Tx,
    tools: &Tools,
    mut row: Model,
    Admitted { user, policy, .. }: &Admitted,
    profile: &Profile,
    agent: Option<String>,
) -> Result<SignInOutcome, Error> {
    let longest = TimeDelta::from_std(tools.config.section::<sessions::Settings>().session_lifetime)
        .unwrap_or(TimeDelta::days(30));
    let wanted = policy.row.session_seconds.and_then(TimeDelta::try_seconds).unwrap_or(longest);
    let mut expires_at = tx.now() + wanted.min(longest);
    if let Some(end) = profile.session_ends {
        expires_at = expires_at.min(end);
    }
    let upstream = match &profile.logout {
        Some(text) => Some(tools.envelope.seal("browser_session", row.id.as_bytes(), text.as_bytes())?),
        None => None,
    };
    let upstream = upstream.map(|sealed| [row.id.as_bytes().as_slice(), &sealed].concat());
    let new = NewBrowserSession {
        organization: user.organization_id,
        user: user.id,
        connection: Some(row.connection_id),
        subject: profile.subject.clone(),
        upstream_sid: profile.upstream_sid.clone(),
        upstream,
        address: row.ip_address.clone(),
        user_agent: agent,
        expires_at,
        idle_seconds: policy.row.idle_seconds,
    };
    let (session, cookie) = sessions::open_browser(tx, new).await?;
    push(
        &mut row,
        Step {
            name: "session.opened".to_owned(),
            at: tx.now(),
            ok: true,
            expected: None,
            got: None,
            detail: Some(json!({"userId": user.id, "source": user.source})),
        },
    )?;
    end(tools, &mut row, tx.now(), End::Succeeded(Some(user.id)))?;
    let details = json!({"connectionId": row.connection_id, "userId": user.id});
    tx.record("sign_in.succeed", Target::new("sign_in", row.id).with(details));
    let continues: Continues = serde_json::from_value(row.continues.clone()).map_err(Error::internal)?;
    tx.update(row).await?;
    // The code with the session: a sign-in that is done has left for the module, whatever fails behind it.
    let onward = match continues {
        Continues::Authorize(asked) => {
            let code = codes::grant(tx, session.id, &asked).await?;
            Onward::Module(asked, code)
        }
        Continues::Home | Continues::Test => Onward::Here { name: directory::name_of(user).to_owned() },
    };
    let tenant = tenancy::get(tx).await?;
    Ok(SignInOutcome::In(Box::new(SignedIn { session, cookie, tenant, onward })))
}

/// What the provider needs to end its own session, as it was sealed.
#[must_use]
pub fn upstream_of(tools: &Tools, session: &browser_session::Model) -> Option<String> {
    let (id, sealed) = session.upstream.as_ref()?.split_at_checked(16)?;
    let plain = tools.envelope.open("browser_session", id, sealed).ok()?;
    String::from_utf8(plain.to_vec()).ok()
}
