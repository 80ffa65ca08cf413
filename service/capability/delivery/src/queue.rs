//! A receiver's queue: what is due goes out round after round, until nothing is, the receiver is left alone, or another one wants the place.
//! Deliveries of events and pushes of flags are such queues.

use std::time::{Duration, Instant};

use platform::Timestamp;
use platform::jobs::JobError;

/// After this time a run lets another receiver have its place.
pub const RUN_MAX: Duration = Duration::from_secs(20);

/// What there is to do for a receiver.
#[derive(Debug)]
pub enum QueueState<R> {
    /// The receiver is gone, or nothing waits.
    Nothing,
    /// Not before this moment: the receiver is left alone, or what waits is not due.
    Rest(Timestamp),
    /// This, now.
    Round(R),
}

/// A receiver's queue.
pub trait Queue {
    /// What is sent together, and noted together.
    type Round;

    /// What there is to do.
    fn state(&self) -> impl Future<Output = Result<QueueState<Self::Round>, JobError>>;

    /// Sends a round and notes what came of it. Who dies before the note sends it again, under the same ids.
    fn work(&self, round: Self::Round) -> impl Future<Output = Result<(), JobError>>;

    /// Leaves the job that goes on: at this moment, or as soon as there is a place.
    fn wake(&self, at: Option<Timestamp>) -> impl Future<Output = Result<(), JobError>>;
}

/// Works a queue off.
///
/// # Errors
/// What the queue answers: that the store failed.
pub async fn work_off(queue: &impl Queue) -> Result<(), JobError> {
    let begun = Instant::now();
    loop {
        match queue.state().await? {
            QueueState::Nothing => return Ok(()),
            QueueState::Rest(until) => return queue.wake(Some(until)).await,
            QueueState::Round(round) => queue.work(round).await?,
        }
        if begun.elapsed() > RUN_MAX {
            return queue.wake(None).await;
        }
    }
}
