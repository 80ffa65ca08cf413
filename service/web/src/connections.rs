//! Open connections: one network doesn't have them all, and those on which nothing goes on are closed.
//!
//! actix bounds the time of a connection's first request head (by [`HEAD_MAX`]), of silence between requests (by [`SILENT_MAX`]), and the
//! number of connections. It bounds neither the time of a later head that comes in part, nor that of an answer which its reader doesn't take:
//! both would hold a place for ever. Nor does it bound what it reads ahead: see [`Transport`].

mod transport;

use std::collections::HashMap;
use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, Waker};
use std::time::{Duration, Instant};

use actix_web::HttpRequest;
use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::rt;
use actix_web::web::Bytes;
use ipnet::IpNet;
use rustix::event::{PollFd, PollFlags, Timespec, poll};

pub use self::transport::Transport;
use crate::peer::Network;
use crate::{Code, Problem};

/// The head of a request is there within this time, from the connection's beginning or the end of the answer before.
pub const HEAD_MAX: Duration = Duration::from_secs(15);
/// After an answer a connection on which nothing more comes is closed.
pub const SILENT_MAX: Duration = Duration::from_secs(5);
/// An answer of which nothing is taken for this time is given up.
const UNREAD_MAX: Duration = Duration::from_secs(60);
/// How long somebody who says nothing more is still answered: a client may close its own direction only.
const GONE_AFTER: Duration = Duration::from_secs(1);
/// How often connections are checked.
const CHECK_INTERVAL: Duration = Duration::from_secs(1);

/// What goes on on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request is there as a whole.
    Waiting,
    /// A request is worked on; it has its own time.
    Handling,
    /// So it is, and it waits for so many more bytes of its body; that has its own time too.
    Receiving(usize),
    /// An answer goes out.
    Answering,
    /// The last answer went out.
    Ended,
}

impl Phase {
    /// Whether a connection was in this phase for too long.
    fn is_over(self, since: Duration) -> bool {
        match self {
            Self::Waiting => since >= HEAD_MAX,
            Self::Handling | Self::Receiving(_) => false,
            Self::Answering => since >= UNREAD_MAX,
            Self::Ended => since >= CHECK_INTERVAL,
        }
    }

    /// What may be read; nothing where nobody wants it yet. As the framework decodes all that was read into requests, or into an item for
    /// each chunk, it is one request, and little of a body.
    fn readable(self) -> Readable {
        match self {
            Self::Waiting => Readable::Head,
            Self::Receiving(wanted) if wanted > 0 => Readable::Body(wanted.min(16 << 10)),
            Self::Receiving(_) | Self::Handling | Self::Answering | Self::Ended => Readable::Nothing,
        }
    }
}

/// What may be read of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Readable {
    /// Nothing: nobody wants it yet.
    Nothing,
    /// No further than to the end of a request's head.
    Head,
    /// So many bytes of a body.
    Body(usize),
}

/// Where a connection is.
#[derive(Debug)]
struct Moment {
    phase: Phase,
    since: Instant,
    /// What follows the answer.
    next: Phase,
    /// Who reads, where it was told to wait until somebody wants more.
    reader: Option<Waker>,
}

impl Moment {
    fn new() -> Self {
        Self { phase: Phase::Waiting, since: Instant::now(), next: Phase::Waiting, reader: None }
    }

    /// Goes on to another phase; answers who is to be woken, as there is something to read again.
    fn is_now(&mut self, phase: Phase) -> Option<Waker> {
        (self.phase, self.since) = (phase, Instant::now());
        if phase.readable() == Readable::Nothing { None } else { self.reader.take() }
    }

    /// What may be read now. If nothing, the reader is woken when there may be something.
    fn readable(&mut self, reader: &Waker) -> Readable {
        let readable = self.phase.readable();
        if readable == Readable::Nothing {
            self.reader = Some(reader.clone());
        }
        readable
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    network: Network,
    moment: Mutex<Moment>,
}

impl Connection {
    fn moment(&self) -> MutexGuard<'_, Moment> {
        self.moment.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn is_now(&self, phase: Phase) {
        let reader = self.moment().is_now(phase);
        if let Some(reader) = reader {
            reader.wake();
        }
    }

    /// A request came, or goes on with what it has of its body.
    pub(crate) fn handles(&self) {
        self.is_now(Phase::Handling);
    }

    /// The request wants more of its body, at most so many bytes.
    pub(crate) fn receives(&self, wanted: usize) {
        self.is_now(Phase::Receiving(wanted));
    }

    /// The answer that is under way is the last one: what else its client sends is a request that was given up.
    pub(crate) fn ends(&self) {
        self.moment().next = Phase::Ended;
    }

    /// The answer went out.
    fn is_answered(&self) {
        let next = self.moment().next;
        self.is_now(next);
    }

    fn readable(&self, reader: &Waker) -> Readable {
        self.moment().readable(reader)
    }

    /// Whether the other end says nothing more, even if bytes of it are still unread.
    fn has_left(&self) -> bool {
        let mut asked = [PollFd::new(&self.socket, PollFlags::RDHUP)];
        poll(&mut asked, Some(&Timespec::default())).is_ok_and(|ended| ended > 0)
    }

    fn is_over(&self) -> bool {
        let moment = self.moment();
        moment.phase.is_over(moment.since.elapsed())
    }
}

/// The open connections of this process.
#[derive(Debug)]
pub struct Connections {
    /// For one network.
    most: usize,
    /// Everybody comes through these.
    trusted: Vec<IpNet>,
    open: Mutex<HashMap<u64, Arc<Connection>>>,
    next: AtomicU64,
}

/// What is kept with the socket; when that is gone, so is the entry.
#[derive(Debug)]
struct Entry {
    id: u64,
    connection: Arc<Connection>,
    all: Arc<Connections>,
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.all.open.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.id);
    }
}

impl Connections {
    /// With the number of all, of which one network may have a quarter, and the proxies through which everybody comes.
    pub fn new(most: usize, trusted: &[IpNet]) -> Arc<Self> {
        let (open, next) = (Mutex::default(), AtomicU64::new(0));
        Arc::new(Self { most: most.div_ceil(4), trusted: trusted.to_vec(), open, next })
    }

    /// Takes a connection that was made, and says whose it is.
    ///
    /// # Errors
    /// One too many of its network is closed at once; so is one that is gone already.
    pub fn open(self: &Arc<Self>, stream: rt::net::TcpStream) -> io::Result<(Transport, SocketAddr)> {
        let peer = stream.peer_addr()?;
        let socket = TcpStream::from(stream.as_fd().try_clone_to_owned()?);
        let entry = self.enter(socket, peer)?;
        Ok((Transport::new(stream, entry), peer))
    }

    fn enter(self: &Arc<Self>, socket: TcpStream, peer: SocketAddr) -> io::Result<Entry> {
        let address = peer.ip().to_canonical();
        let network = Network::of(Some(address));
        let shared = self.trusted.iter().any(|trusted| trusted.contains(&address));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = || open.values().filter(|other| other.network == network).count();
        if !shared && of_network() >= self.most {
            metrics::counter!("tenantry_connections_refused_total").increment(1);
            return Err(io::ErrorKind::QuotaExceeded.into());
        }
        let moment = Mutex::new(Moment::new());
        let connection = Arc::new(Connection { socket, network, moment });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(id, connection.clone());
        Ok(Entry { id, connection, all: self.clone() })
    }

    /// Closes, for as long as it is polled, those on which nothing goes on.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(CHECK_INTERVAL).await;
            let over: Vec<_> = {
                let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
                open.values().filter(|connection| connection.is_over()).cloned().collect()
            };
            for connection in over {
                metrics::counter!("tenantry_connections_given_up_total").increment(1);
                // The server sees its end, and lets go of everything that it holds for it.
                let _ = connection.socket.shutdown(Shutdown::Both);
            }
        }
    }
}

/// Does what nobody but the caller wants, as long as the caller is there. The framework ends the work on a request only when its
/// connection was reset, and goes on where it was closed.
///
/// # Errors
/// What `work` answers; `unavailable` once the caller has closed its side.
pub async fn while_asked<T>(
    request: &HttpRequest,
    work: impl Future<Output = Result<T, Problem>>,
) -> Result<T, Problem> {
    let connection = request.conn_data::<Arc<Connection>>().cloned();
    let gone = async {
        let Some(connection) = connection else { return std::future::pending().await };
        let mut had_left = false;
        loop {
            tokio::time::sleep(GONE_AFTER).await;
            let has_left = connection.has_left();
            if had_left && has_left {
                return;
            }
            had_left = has_left;
        }
    };
    tokio::select! {
        biased;
        done = work => done,
        () = gone => Err(Problem::detailed(Code::UNAVAILABLE, "The client has closed the connection.")),
    }
}

/// An answer's body that tells its connection how it goes on.
#[derive(Debug)]
pub struct Tracked {
    body: BoxBody,
    connection: Option<Arc<Connection>>,
}

impl Tracked {
    pub(crate) fn new(body: BoxBody, connection: Option<Arc<Connection>>) -> Self {
        if let Some(connection) = &connection {
            connection.is_now(Phase::Answering);
        }
        Self { body, connection }
    }
}

impl MessageBody for Tracked {
    type Error = Box<dyn std::error::Error>;

    fn size(&self) -> BodySize {
        self.body.size()
    }

    fn poll_next(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, Self::Error>>> {
        let this = self.get_mut();
        if let Some(connection) = &this.connection {
            connection.is_now(Phase::Answering);
        }
        Pin::new(&mut this.body).poll_next(cx)
    }
}

impl Drop for Tracked {
    fn drop(&mut self) {
        if let Some(connection) = &self.connection {
            connection.is_answered();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_connection_is_closed_when_nothing_goes_on_for_too_long() {
        for (phase, seconds, over) in [
            (Phase::Waiting, 14, false),
            (Phase::Waiting, 15, true),
            (Phase::Handling, 3600, false),
            (Phase::Receiving(1), 3600, false),
            (Phase::Answering, 59, false),
            (Phase::Answering, 60, true),
            (Phase::Ended, 0, false),
            (Phase::Ended, 1, true),
        ] {
            assert_eq!(phase.is_over(Duration::from_secs(seconds)), over, "{phase:?} for {seconds} s");
        }
    }

    #[test]
    fn one_request_is_read_at_a_time() {
        let reader = Waker::noop();
        let mut moment = Moment::new();
        for (phase, readable) in [
            (Phase::Waiting, Readable::Head),
            (Phase::Handling, Readable::Nothing),
            (Phase::Receiving(100_000), Readable::Body(16 << 10)),
            (Phase::Receiving(100), Readable::Body(100)),
            (Phase::Receiving(0), Readable::Nothing),
            (Phase::Answering, Readable::Nothing),
            (Phase::Ended, Readable::Nothing),
        ] {
            moment.is_now(phase);
            assert_eq!(moment.readable(reader), readable, "{phase:?}");
        }
        // Whoever was told to wait is woken as soon as there is something.
        assert!(moment.is_now(Phase::Handling).is_none());
        assert!(moment.is_now(Phase::Waiting).is_some());
        assert!(moment.is_now(Phase::Handling).is_none());
    }
}
