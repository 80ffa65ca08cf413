//! Answers that go on for hours (server-sent events): one budget for all kinds of them, and one way in which they end.
//!
//! A task of its own makes what is sent, so that it goes on, and ends, also while its reader doesn't read.

use std::collections::HashMap;
use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use actix_web::web::Bytes;
use actix_web::{HttpResponse, rt};
use futures_util::stream;
use tokio::sync::mpsc::{self, Sender};
use tokio::time::{Instant, timeout};
use uuid::Uuid;

use crate::{Code, Problem, Tools};

/// Streams at once in one process, of all kinds: each is a connection that stays.
const STREAMS_MAX: usize = 500;
/// Streams of one tenant, and of one credential.
const STREAMS_PER_OWNER: usize = 50;
/// Streams that one ticket opens: a browser reconnects before the old connection is known to be gone.
const STREAMS_PER_TICKET: usize = 5;
/// How often it is asked again whether what was shown is still good.
const CHECK_EVERY: Duration = Duration::from_secs(4);
/// A reader who takes nothing for so long is gone.
const READER_TIMEOUT: Duration = Duration::from_secs(5);
/// Pieces that wait for the reader.
const PIECES_MAX: usize = 16;
/// Seconds after which a refused reader may try again.
const RETRY_AFTER: u64 = 30;

/// Whom a stream is counted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamOf {
    /// A tenant.
    Tenant(Uuid),
    /// A credential.
    Credential(Uuid),
    /// A ticket, by the digest of its text.
    Ticket([u8; 32]),
}

impl StreamOf {
    fn most(self) -> usize {
        match self {
            Self::Tenant(_) | Self::Credential(_) => STREAMS_PER_OWNER,
            Self::Ticket(_) => STREAMS_PER_TICKET,
        }
    }
}

#[derive(Debug, Default)]
struct Counts {
    all: usize,
    of: HashMap<StreamOf, usize>,
}

/// The streams of this process.
#[derive(Debug, Default)]
pub struct Streams {
    counts: Mutex<Counts>,
}

/// A place among the streams, given back when it is dropped.
#[derive(Debug)]
pub struct Place {
    streams: Arc<Streams>,
    of: Vec<StreamOf>,
}

impl Streams {
    /// Takes a place.
    ///
    /// # Errors
    /// `rate.limited` for one who has enough, `unavailable` when the process has.
    pub fn take(self: &Arc<Self>, of: &[StreamOf]) -> Result<Place, Problem> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let full = of.iter().any(|one| counts.of.get(one).is_some_and(|count| *count >= one.most()));
        let refused = |code| Problem { retry_after: Some(RETRY_AFTER), ..Problem::new(code) };
        if full {
            return Err(refused(Code::RATE_LIMITED));
        }
        if counts.all >= STREAMS_MAX {
            return Err(refused(Code::UNAVAILABLE));
        }
        counts.all += 1;
        for one in of {
            *counts.of.entry(*one).or_default() += 1;
        }
        Ok(Place { streams: self.clone(), of: of.to_vec() })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.streams.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.all = counts.all.saturating_sub(1);
        for one in &self.of {
            if let Some(count) = counts.of.get_mut(one) {
                *count -= 1;
                if *count == 0 {
                    counts.of.remove(one);
                }
            }
        }
    }
}

/// What a stream sends.
pub trait Source: 'static {
    /// The next piece; `None` ends the stream, and the reader comes back.
    fn next(&mut self) -> impl Future<Output = Option<Bytes>>;

    /// Whether what opened the stream is still good. Asked every few seconds.
    fn is_still_good(&self) -> impl Future<Output = bool>;
}

/// The answer that sends what `source` makes, beginning with `first`.
pub fn live(tools: &Tools, place: Place, first: Bytes, source: impl Source) -> HttpResponse {
    let (sender, receiver) = mpsc::channel(PIECES_MAX);
    let tools = tools.clone();
    rt::spawn(async move {
        // The place is given back when the task ends, whatever its reader does.
        let _place = place;
        run(&tools, &sender, first, source).await;
    });
    let pieces = stream::unfold(receiver, |mut receiver| async move {
        let piece = receiver.recv().await?;
        Some((Ok::<_, Infallible>(piece), receiver))
    });
    HttpResponse::Ok()
        .content_type("text/event-stream")
        .insert_header(("cache-control", "no-store"))
        .insert_header(("x-accel-buffering", "no"))
        .streaming(pieces)
}

async fn run(tools: &Tools, sender: &Sender<Bytes>, first: Bytes, mut source: impl Source) {
    if sender.send(first).await.is_err() {
        return;
    }
    let mut checked = Instant::now();
    loop {
        let left = CHECK_EVERY.saturating_sub(checked.elapsed());
        if left.is_zero() {
            if tools.is_draining() || !source.is_still_good().await {
                return;
            }
            checked = Instant::now();
            continue;
        }
        let next = tokio::select! {
            () = sender.closed() => return,
            next = timeout(left, source.next()) => next,
        };
        match next {
            Ok(Some(piece)) => match timeout(READER_TIMEOUT, sender.send(piece)).await {
                Ok(Ok(())) => {}
                _ => return,
            },
            Ok(None) => return,
            Err(_) => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_counted_for_all_for_each_owner_and_for_each_ticket() {
        let streams = Arc::new(Streams::default());
        let ticket = |number: u8| StreamOf::Ticket([number; 32]);
        let take = |of: &[StreamOf], times: usize| -> Vec<Place> {
            (0..times).map_while(|_| streams.take(of).ok()).collect()
        };
        let one = StreamOf::Tenant(Uuid::from_u128(1));
        let of_ticket = take(&[ticket(1), one], 10);
        assert_eq!(of_ticket.len(), 5);
        let of_tenant = take(&[one], 100);
        assert_eq!(of_tenant.len(), 45);
        assert_eq!(streams.take(&[one]).unwrap_err().code, Code::RATE_LIMITED);
        let others: Vec<Vec<Place>> =
            (0..20).map(|id| take(&[StreamOf::Credential(Uuid::from_u128(id))], 100)).collect();
        assert_eq!(others.iter().map(Vec::len).sum::<usize>(), 450);
        let refused = streams.take(&[ticket(2)]).unwrap_err();
        assert_eq!((refused.code, refused.retry_after), (Code::UNAVAILABLE, Some(30)));
        drop((of_ticket, of_tenant, others));
        let counts = streams.counts.lock().unwrap();
        assert_eq!((counts.all, counts.of.len()), (0, 0));
    }
}
