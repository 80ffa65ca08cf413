//! Open connections: one network doesn't have them all, and those on which nothing goes on are closed.
//!
//! actix bounds the time of a connection's first request head (by [`HEAD_MAX`]), of silence between requests (by [`SILENT_MAX`]), and the
//! number of connections. It bounds neither the time of a later head that comes in part, nor that of an answer which its reader doesn't take:
//! both would hold a place for ever.

use std::any::Any;
use std::collections::HashMap;
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd as _;
use std::pin::Pin;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Context, Poll};
use std::time::{Duration, Instant};

use actix_web::body::{BodySize, BoxBody, MessageBody};
use actix_web::dev::Extensions;
use actix_web::rt;
use actix_web::web::Bytes;
use ipnet::IpNet;

use crate::peer::Network;

/// The head of a request is there within this time, from the connection's beginning or the end of the answer before.
pub const HEAD_MAX: Duration = Duration::from_secs(15);
/// After an answer a connection on which nothing more comes is closed.
pub const SILENT_MAX: Duration = Duration::from_secs(5);
/// An answer of which nothing is taken for this time is given up.
const UNREAD_MAX: Duration = Duration::from_secs(60);
/// How often is looked.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What goes on on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// No request is there as a whole.
    Waiting,
    /// A request is worked on; it has its own time.
    Handling,
    /// An answer goes out.
    Answering,
}

impl Phase {
    /// Whether a connection was in this phase for too long.
    fn is_over(self, since: Duration) -> bool {
        match self {
            Self::Waiting => since >= HEAD_MAX,
            Self::Handling => false,
            Self::Answering => since >= UNREAD_MAX,
        }
    }
}

/// One connection.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: TcpStream,
    network: Network,
    phase: Mutex<(Phase, Instant)>,
}

impl Connection {
    fn is_now(&self, phase: Phase) {
        *self.phase.lock().unwrap_or_else(PoisonError::into_inner) = (phase, Instant::now());
    }

    /// A request came.
    pub(crate) fn handles(&self) {
        self.is_now(Phase::Handling);
    }

    fn is_over(&self) -> bool {
        let (phase, since) = *self.phase.lock().unwrap_or_else(PoisonError::into_inner);
        phase.is_over(since.elapsed())
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

/// What the server keeps beside the socket; when that is gone, so is the entry.
pub(crate) struct OpenConnection {
    id: u64,
    connection: Arc<Connection>,
    all: Arc<Connections>,
}

impl OpenConnection {
    pub(crate) fn connection(&self) -> Arc<Connection> {
        self.connection.clone()
    }
}

impl Drop for OpenConnection {
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

    /// A connection was made. One too many of its network is closed at once.
    pub fn opened(self: &Arc<Self>, io: &dyn Any, data: &mut Extensions) {
        let Some(io) = io.downcast_ref::<rt::net::TcpStream>() else { return };
        let (Ok(socket), Ok(peer)) = (io.as_fd().try_clone_to_owned(), io.peer_addr()) else { return };
        let socket = TcpStream::from(socket);
        let address = peer.ip().to_canonical();
        let network = Network::of(Some(address));
        let shared = self.trusted.iter().any(|trusted| trusted.contains(&address));
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        let of_network = || open.values().filter(|other| other.network == network).count();
        if !shared && of_network() >= self.most {
            metrics::counter!("tenantry_connections_refused_total").increment(1);
            let _ = socket.shutdown(Shutdown::Both);
            return;
        }
        let connection =
            Arc::new(Connection { socket, network, phase: Mutex::new((Phase::Waiting, Instant::now())) });
        let id = self.next.fetch_add(1, Ordering::Relaxed);
        open.insert(id, connection.clone());
        data.insert(OpenConnection { id, connection, all: self.clone() });
    }

    /// Closes, for as long as it is polled, those on which nothing goes on.
    pub async fn watch(self: Arc<Self>) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
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
            connection.is_now(Phase::Waiting);
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
            (Phase::Answering, 59, false),
            (Phase::Answering, 60, true),
        ] {
            assert_eq!(phase.is_over(Duration::from_secs(seconds)), over, "{phase:?} for {seconds} s");
        }
    }
}
