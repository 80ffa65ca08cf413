//! Somebody who isn't known asks to join. A job answers: the request itself does the same whether tenant, person or invitation exist.

use entity::invitations::states::{InvitationKind, JoinMode};
use platform::db::Lookup;
use platform::jobs::{Class, Job, JobError, JobRun};
use platform::refusal::Classified as _;
use platform::{Ctx, Tx, Work as _};
use serde::{Deserialize, Serialize};
use web::{PlatformService, Service, Tools};

use crate::error::Error;
use crate::join;
use crate::ops::{self, NewInvitation};
use crate::rules::{self, Behind};

const PURPOSE: &str = "join";

/// What somebody asks for.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Request {
    /// The tenant's slug.
    pub(crate) tenant: String,
    pub(crate) email: String,
    pub(crate) locale: Option<String>,
}

/// Answers a [`Request`].
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct AnswerJoin {
    request: mail::Sealed,
}

impl Job for AnswerJoin {
    const KIND: &'static str = "invitations.join";
    const CLASS: Class = Class::Maintenance;

    fn lane(&self) -> Option<String> {
        Some(mail::STRANGERS_LANE.to_owned())
    }
}

/// Takes the request. Whoever asks learns nothing.
pub(crate) async fn ask(service: &PlatformService, ctx: &Ctx, request: &Request) -> Result<(), Error> {
    let job = AnswerJoin { request: mail::Sealed::new(service, PURPOSE, request)? };
    Ok(mail::ask(service, ctx, &job).await?)
}

/// If the person's domain has a rule they get a mail with a link.
pub(crate) async fn answer(service: Service, job: AnswerJoin, run: JobRun) -> Result<(), JobError> {
    let request: Option<Request> = job.request.open(&service, PURPOSE);
    let request = request.ok_or_else(|| JobError::Fail("the request can't be opened".to_owned()))?;
    let Some(tenant) = service.db.tenant_of(Lookup::slug(&request.tenant)).await? else {
        return Ok(());
    };
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("join") };
    let work = async |tx: &mut Tx| {
        tx.housekeeping();
        invite(tx, &service, &request).await
    };
    match service.db.write(&ctx, tenant, work).await {
        // Who may not join gets no mail: nothing is left to be tried.
        Err(error) if error.is_refusal() => Ok(()),
        other => Ok(other?),
    }
}

/// Nothing that an admin made is touched: their invitation stays as it is, with its link, its end and its mail. Who asked themselves and
/// asks again gets the same link again.
async fn invite(tx: &mut Tx, tools: &Tools, request: &Request) -> Result<(), Error> {
    let email = request.email.as_str();
    let tenant = tenancy::active(tx).await?;
    let Some(rule) = join::rule_of(tx, email).await? else { return Ok(()) };
    let organization = rule.organization_id;
    rules::require_invitable(tx, &tenant, organization, email).await?;
    let there = ops::pending_for(tx, organization, email).await?.filter(|row| row.expires_at > tx.now());
    if let Some(there) = there {
        if there.kind != InvitationKind::Personal && mail::may_write_to(tx, tools, email).await? {
            ops::remind(tx, tools, &tenant, &there).await?;
        }
        return Ok(());
    }
    rules::require_allowance(tx, tools, organization, Behind::Strangers).await?;
    if !mail::may_write_to(tx, tools, email).await? {
        return Ok(());
    }
    let kind = match rule.mode {
        JoinMode::Auto => InvitationKind::Join,
        JoinMode::Request => InvitationKind::Request,
    };
    let new = NewInvitation::personal(organization, email.to_owned(), rule.role.0, tenant.name.clone());
    let new = NewInvitation { kind, locale: request.locale.clone(), ..new };
    ops::create(tx, tools, &tenant, new).await.map(drop)
}
