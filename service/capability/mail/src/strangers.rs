//! Mail that callers cause who showed no credential: they name an address, and learn nothing of it.
//!
//! The request leaves one job, whatever it names: as many statements, as much time, the same answer. The job looks who the address is,
//! and the mail goes to the address that is stored, never to the spelling that was typed. How often is counted in the store, under the
//! folded address and its tenant, so that neither another spelling, nor a restart, nor a second replica begins a new count.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use chrono::TimeDelta;
use platform::jobs::Job;
use platform::rules::{Allowance, Rule};
use platform::{Ctx, DbError, Tx, Work as _};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use web::{PlatformService, Tools};

use crate::error::Error;
use crate::settings::Limits;

/// The jobs of strangers run one after the other: a flood of them takes one place from everybody else's.
pub const LANE: &str = "strangers";
/// Mails to one address within a minute.
const PER_MINUTE: Allowance = Allowance { limit: 1, period: TimeDelta::minutes(1) };

/// What a stranger asked for, as it waits in a job: who reads the queue learns nobody's address.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Sealed(String);

impl Sealed {
    /// Seals a request under its purpose.
    ///
    /// # Errors
    /// [`Error::Internal`] and [`Error::Store`].
    pub fn new(tools: &Tools, purpose: &'static str, request: &impl Serialize) -> Result<Self, Error> {
        let plain = serde_json::to_vec(request).map_err(Error::internal)?;
        Ok(Self(STANDARD_NO_PAD.encode(tools.envelope.seal(purpose, LANE.as_bytes(), &plain)?)))
    }

    /// The request; `None` if it was sealed for something else, or under another master key.
    pub fn open<T: DeserializeOwned>(&self, tools: &Tools, purpose: &'static str) -> Option<T> {
        let sealed = STANDARD_NO_PAD.decode(&self.0).ok()?;
        let plain = tools.envelope.open(purpose, LANE.as_bytes(), &sealed).ok()?;
        serde_json::from_slice(&plain).ok()
    }
}

/// Leaves a stranger's request to a job.
///
/// # Errors
/// [`Error::Crowd`]
pub async fn ask(service: &PlatformService, ctx: &Ctx, job: &impl Job) -> Result<(), Error> {
    service.strangers.ask(ctx)?;
    let leave = async |tx: &mut platform::PlatformTx| {
        tx.housekeeping();
        tx.enqueue(job);
        Ok::<_, DbError>(())
    };
    Ok(service.db.write(ctx, leave).await?)
}

/// Whether a stranger may cause one more mail to this address of the tenant; then it is counted. Asked last: what is spent is locked
/// until the commit.
pub async fn may_write_to(tx: &Tx, tools: &Tools, address: &str) -> Result<bool, DbError> {
    let limits = tools.config.section::<Limits>();
    let address = identity_core::fold(address);
    let a_day = Allowance::a_day(limits.stranger_mails_to_address_per_day);
    // The tenant's own last: asking for one address again and again must not use up what all the others have.
    let all = Allowance::a_day(tx.by_plan(limits.stranger_mails_per_day).await?);
    Ok(tx.spend(Rule::StrangerMails, format!("minute {address}"), PER_MINUTE).await?
        && tx.spend(Rule::StrangerMails, format!("day {address}"), a_day).await?
        && tx.spend(Rule::StrangerMails, "all", all).await?)
}
