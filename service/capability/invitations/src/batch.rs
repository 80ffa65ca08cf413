//! Many invitations at once: a file is taken as a whole and worked off by a job, some lines in each transaction; every line says what came
//! of it.

use std::time::{Duration, Instant};

use entity::invitations::states::{BatchStatus, LineStatus};
use entity::invitations::{batch, batch_row};
use platform::jobs::{Backoff, Class, Handler, Job, JobError};
use platform::refusal::{Classified as _, Invalid};
use platform::{Ctx, DbError, Target, Tx, View, Work, ids};
use policy_core::TenantRole;
use sea_orm::{ColumnTrait, QueryFilter, QueryOrder, QuerySelect};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use web::{Service, TenantService, Tools};

use crate::error::Error;
use crate::ops::{self, NewInvitation};
use crate::rules::{self, Behind};
use crate::stranger::{self, AnswerJoin};

/// Lines of one batch.
pub(crate) const LINES_MAX: usize = 10_000;
/// Batches of a tenant within a day, on the smallest plan: each may leave ten thousand lines, which are there for 90 days.
const BATCHES_PER_DAY: u64 = 20;
/// Lines of one transaction.
const STEP: u64 = 50;
/// After this time a batch lets others have its place.
const RUN_MAX: Duration = Duration::from_secs(30);

/// What is said of a line whose role isn't one.
pub(crate) const NO_ROLE: &str = "must be admin, contributor, viewer, guest or service";

/// One line, as it was sent and checked.
#[derive(Debug)]
pub(crate) struct Line {
    pub(crate) email: String,
    pub(crate) role: String,
    pub(crate) message: Option<String>,
    pub(crate) locale: Option<String>,
    /// What is wrong with it, if anything is.
    pub(crate) problem: Option<&'static str>,
}

/// A batch to be made.
pub(crate) struct NewBatch {
    pub(crate) organization: Uuid,
    pub(crate) inviter: String,
    /// Whether the organization's daily number holds for who sent it.
    pub(crate) limited: bool,
    pub(crate) created_by: String,
    pub(crate) lines: Vec<Line>,
}

/// Works on a batch until every line is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct WorkOff {
    tenant: Uuid,
    batch: Uuid,
}

impl Job for WorkOff {
    const KIND: &'static str = "invitations.bulk";
    const CLASS: Class = Class::Directory;
    const ATTEMPTS_MAX: u32 = 1000;

    fn lane(&self) -> Option<String> {
        Some(format!("invitations:{}", self.tenant))
    }
}

/// Runs batches and answers to strangers.
pub(crate) fn handlers(service: &Service) -> Vec<Handler> {
    let (batches, strangers) = (service.clone(), service.clone());
    vec![
        Handler::new(Backoff::default(), move |job: WorkOff, _| work_off(batches.of(job.tenant), job)),
        Handler::new(Backoff::default(), move |job: AnswerJoin, run| {
            stranger::answer(strangers.clone(), job, run)
        }),
    ]
}

/// Takes a file as a whole.
pub(crate) async fn create(tx: &mut Tx, new: NewBatch) -> Result<batch::Model, Error> {
    rules::require_batch(tx, BATCHES_PER_DAY).await?;
    let row = batch::Model {
        tenant_id: tx.tenant(),
        organization_id: new.organization,
        id: ids::new(),
        status: BatchStatus::Running,
        limited: new.limited,
        inviter: new.inviter,
        total: i64::try_from(new.lines.len()).unwrap_or(i64::MAX),
        created_by: new.created_by,
        created_at: tx.now(),
        finished_at: None,
    };
    tx.insert(row.clone()).await?;
    let line = |(line, number): (Line, i64)| batch_row::Model {
        tenant_id: row.tenant_id,
        batch_id: row.id,
        number,
        email: line.email,
        role: line.role,
        message: line.message,
        locale: line.locale,
        status: if line.problem.is_some() { LineStatus::Refused } else { LineStatus::Waiting },
        code: line.problem.map(|_| "validation.failed".to_owned()),
        detail: line.problem.map(ToOwned::to_owned),
        invitation_id: None,
    };
    tx.insert_all(new.lines.into_iter().zip(1..).map(line).collect()).await?;
    tx.enqueue(&WorkOff { tenant: row.tenant_id, batch: row.id });
    let target = Target::new("invitation_batch", row.id).with(json!({"total": row.total}));
    tx.record("invitation.bulk", target);
    Ok(row)
}

async fn work_off(service: TenantService, job: WorkOff) -> Result<(), JobError> {
    let begun = Instant::now();
    loop {
        let step = async |tx: &mut Tx| step(tx, &service, job.batch).await;
        let more = service.db.write(&Ctx::system("invitations"), step).await?;
        platform::crash_point!("invitations.step");
        if !more {
            return Ok(());
        }
        // An attempt has its time; the batch may need more.
        if begun.elapsed() > RUN_MAX {
            let go_on = async |tx: &mut Tx| {
                tx.housekeeping();
                tx.enqueue(&job);
                Ok::<_, DbError>(())
            };
            return Ok(service.db.write(&Ctx::system("invitations"), go_on).await?);
        }
    }
}

pub(crate) async fn find(view: &View, id: Uuid) -> Result<Option<batch::Model>, DbError> {
    view.one(view.select::<batch::Entity>().filter(batch::Column::Id.eq(id))).await
}

/// Answers some lines; whether there are more.
async fn step(tx: &mut Tx, tools: &Tools, id: Uuid) -> Result<bool, Error> {
    tx.housekeeping();
    let Some(batch) = find(tx, id).await?.filter(|batch| batch.status == BatchStatus::Running) else {
        return Ok(false);
    };
    let waiting = tx.select::<batch_row::Entity>().filter(batch_row::Column::BatchId.eq(id));
    let waiting = waiting.filter(batch_row::Column::Status.eq(LineStatus::Waiting));
    let lines = tx.all(waiting.order_by_asc(batch_row::Column::Number).limit(STEP)).await?;
    let more = lines.len() as u64 == STEP;
    let mut allowance = match batch.limited {
        true => rules::allowance(tx, tools, batch.organization_id, Behind::Admins).await?,
        false => u64::MAX,
    };
    for line in lines {
        let answered = match invite(tx, tools, &batch, &line, allowance).await {
            Ok(invitation) => {
                allowance = allowance.saturating_sub(1);
                batch_row::Model { status: LineStatus::Invited, invitation_id: Some(invitation), ..line }
            }
            Err(error) if error.is_refusal() => {
                let (code, detail) = error.code_and_detail();
                let (code, detail) = (Some(code.to_owned()), Some(detail));
                batch_row::Model { status: LineStatus::Refused, code, detail, ..line }
            }
            Err(error) => return Err(error),
        };
        tx.update(answered).await?;
    }
    if !more {
        let done = batch::Model { status: BatchStatus::Done, finished_at: Some(tx.now()), ..batch };
        tx.update(done).await?;
    }
    Ok(more)
}

/// One line. What can refuse it is asked before anything is written: the transaction goes on with the next line.
async fn invite(
    tx: &mut Tx,
    tools: &Tools,
    batch: &batch::Model,
    line: &batch_row::Model,
    allowance: u64,
) -> Result<Uuid, Error> {
    let tenant = tenancy::active(tx).await?;
    let organization = batch.organization_id;
    rules::require_invitable(tx, &tenant, organization, &line.email).await?;
    if allowance == 0 {
        rules::require_allowance(tx, tools, organization, Behind::Admins).await?;
    }
    let no_role = || Invalid::at("/role", NO_ROLE);
    let role = TenantRole::parse(&line.role).ok_or_else(no_role)?;
    ops::require_below_limit(tx, organization, &line.email, role).await?;
    mail::require_below_limit(tx, tools).await?;
    rules::require_patience(tx, tools, &line.email).await?;
    let (email, inviter) = (line.email.clone(), batch.inviter.clone());
    let new = NewInvitation::personal(organization, email, role, inviter);
    let new = NewInvitation {
        message: line.message.clone(),
        locale: line.locale.clone(),
        batch: Some(batch.id),
        ..new
    };
    // Another mail took the last place since: the line is half written, so all of the step is done again.
    let again = |error: Error| match error {
        Error::Mail(mail::Error::Limited(_)) => Error::PlaceTaken,
        other => other,
    };
    Ok(ops::create(tx, tools, &tenant, new).await.map_err(again)?.id)
}
