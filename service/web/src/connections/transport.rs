//! What is read of a connection: a little at a time, and nothing ahead of the request that is being answered.
//!
//! actix-http looks at its bound of sixteen pipelined requests before it decodes what was read, not while. Whoever sends thousands in one
//! piece would have them all in memory at some kilobytes each, and chunks of one byte would be an item each of a body that nobody reads yet.

use std::io::{self, IoSlice};
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};

use actix_web::dev::Extensions;
use actix_web::rt::net::TcpStream;
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, ReadBuf, Take};

use super::{Connection, Entry};

/// A connection's bytes, as the server reads and writes them.
#[derive(Debug)]
pub struct Transport {
    stream: Take<TcpStream>,
    entry: Entry,
    /// Bytes read since others had their turn.
    read: usize,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, entry: Entry) -> Self {
        Self { stream: stream.take(0), entry, read: 0 }
    }

    /// Leaves with the connection's requests what says how it goes on.
    pub fn tell(&self, data: &mut Extensions) {
        data.insert::<Arc<Connection>>(self.entry.connection.clone());
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(self.get_mut().stream.get_mut())
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let readable = self.entry.connection.readable(cx.waker());
        let mut room = readable.saturating_sub(self.read);
        if readable == 0 {
            self.read = 0;
            // Its end is let through, whoever is at work: an answer that streams to nobody ends.
            let mut byte = [0];
            if ready!(self.as_mut().stream().poll_peek(cx, &mut ReadBuf::new(&mut byte)))? > 0 {
                return Poll::Pending;
            }
            self.entry.connection.left.notify_one();
            room = 1;
        } else if room == 0 {
            self.read = 0;
            cx.waker().wake_by_ref();
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        self.stream.set_limit(u64::try_from(room).unwrap_or(u64::MAX));
        let polled = Pin::new(&mut self.stream).poll_read(cx, buffer);
        // Pending: the socket is empty, and whoever waits for it gives others their turn.
        self.read = match polled {
            Poll::Ready(_) => self.read.saturating_add(buffer.filled().len().saturating_sub(before)),
            Poll::Pending => 0,
        };
        polled
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        self.stream().poll_write(cx, bytes)
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        self.stream().poll_write_vectored(cx, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.get_ref().is_write_vectored()
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_flush(cx)
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.stream().poll_shutdown(cx)
    }
}
