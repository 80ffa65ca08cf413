//! Mail that tells a person where they can sign in: only who reads the address' mail learns it. A job looks for them: who asks does the
//! same work whether anybody has the address or not.

use mail::NewMail;
use platform::jobs::{Backoff, Class, Handler, Job, JobError, JobRun};
use platform::refusal::Classified as _;
use platform::{Ctx, Target, Tx, Work as _};
use serde::{Deserialize, Serialize};
use serde_json::json;
use uuid::Uuid;
use web::{PlatformService, Service, Tools};

use super::discovery::{self, Resident};
use crate::error::Error;

const PURPOSE: &str = "sign-in link";

#[derive(Debug, Serialize, Deserialize)]
struct Request {
    email: String,
    /// A module's request that goes on behind the link.
    waiting: Option<Uuid>,
}

/// Sends the links of an address.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct SendLinks {
    request: mail::Sealed,
}

impl Job for SendLinks {
    const KIND: &'static str = "sso.links";
    const CLASS: Class = Class::Maintenance;

    fn lane(&self) -> Option<String> {
        Some(mail::STRANGERS_LANE.to_owned())
    }
}

/// Runs [`SendLinks`].
pub(crate) fn handler(service: &Service) -> Handler {
    let service = service.clone();
    Handler::new(Backoff::default(), move |job: SendLinks, run| send(service.clone(), job, run))
}

/// Somebody wants to know where an address signs in.
pub(crate) async fn ask(
    service: &PlatformService,
    ctx: &Ctx,
    email: String,
    waiting: Option<Uuid>,
) -> Result<(), Error> {
    let job = SendLinks { request: mail::Sealed::new(service, PURPOSE, &Request { email, waiting })? };
    Ok(mail::ask(service, ctx, &job).await?)
}

/// One mail for each tenant in which somebody has the address.
async fn send(service: Service, job: SendLinks, run: JobRun) -> Result<(), JobError> {
    let request: Option<Request> = job.request.open(&service, PURPOSE);
    let request = request.ok_or_else(|| JobError::Fail("the request can't be opened".to_owned()))?;
    let ctx = Ctx { request_id: run.request_id, ..Ctx::system("sign-in") };
    for resident in discovery::residents(&service, &request.email).await? {
        let work = async |tx: &mut Tx| link(tx, &service, &resident, request.waiting, run.id).await;
        match service.db.write(&ctx, resident.tenant, work).await {
            // Of one tenant: the others' people get their mail.
            Err(error) if error.is_refusal() => {}
            other => other?,
        }
    }
    Ok(())
}

async fn link(
    tx: &mut Tx,
    tools: &Tools,
    resident: &Resident,
    waiting: Option<Uuid>,
    job: Uuid,
) -> Result<(), Error> {
    tx.housekeeping();
    let row = tenancy::active(tx).await?;
    let address = resident.address.as_str();
    if !mail::may_write_to(tx, tools, address).await? {
        return Ok(());
    }
    let request = waiting.map_or(String::new(), |id| format!("&request={id}"));
    let link = format!(
        "{}/login?tenant={}&login_hint={}{request}",
        tools.config.public_url(),
        row.slug,
        url::form_urlencoded::byte_serialize(address.as_bytes()).collect::<String>(),
    );
    // The job's id: a second run of it makes no second mail.
    let mail = NewMail::new("sign-in-link", address, job.to_string(), json!({"link": link}));
    tx.record("sign_in.mail_link", Target::new("tenant", row.id));
    Ok(mail::enqueue(tx, tools, mail).await?)
}
