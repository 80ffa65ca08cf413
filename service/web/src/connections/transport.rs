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

use super::{Connection, Entry, Readable};

/// Bytes in which the end of a head is looked for at a time.
const PEEKED: usize = 1 << 10;
/// Bytes of an empty line with the end of the line before.
const EMPTY_LINE: usize = 3;

/// A connection's bytes, as the server reads and writes them.
#[derive(Debug)]
pub struct Transport {
    stream: Take<TcpStream>,
    entry: Entry,
    /// Bytes of a body that were read since others had their turn.
    read: usize,
    /// A head's end was read, and no request has been made of it yet.
    ended: bool,
    /// The last bytes of a head whose end hasn't come: an empty line may be cut.
    unended: Vec<u8>,
}

impl Transport {
    pub(super) fn new(stream: TcpStream, entry: Entry) -> Self {
        Self { stream: stream.take(0), entry, read: 0, ended: false, unended: Vec::new() }
    }

    /// Leaves with the connection's requests what says how it goes on.
    pub fn attach(&self, data: &mut Extensions) {
        data.insert::<Arc<Connection>>(self.entry.connection.clone());
    }

    fn stream(self: Pin<&mut Self>) -> Pin<&mut TcpStream> {
        Pin::new(self.get_mut().stream.get_mut())
    }
}

/// How many of `bytes` belong to the first request's head, and whether that ends there: with an empty line. `unended` is what came before of
/// it, as much as matters, and what will have.
fn of_head(unended: &mut Vec<u8>, bytes: &[u8]) -> (usize, bool) {
    let before = unended.len();
    unended.extend_from_slice(bytes);
    if let Some(end) = end_of_head(unended) {
        unended.clear();
        return (end.saturating_sub(before), true);
    }
    let gone = unended.len().saturating_sub(EMPTY_LINE - 1);
    unended.drain(..gone);
    (bytes.len(), false)
}

/// Where the first request's head ends, if it does in these bytes: after an empty line.
fn end_of_head(bytes: &[u8]) -> Option<usize> {
    (0..bytes.len()).find_map(|at| {
        let rest = bytes.get(at..)?;
        let ends = [b"\n\r\n".as_slice(), b"\n\n"].into_iter().find(|line| rest.starts_with(line))?;
        Some(at + ends.len())
    })
}

impl Transport {
    /// How many bytes may be read at once. The end of the stream is let through whoever is at work: an answer that streams to nobody ends.
    fn poll_allowance(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<usize>> {
        let readable = self.entry.connection.readable(cx.waker());
        if let Readable::Body(bytes) = readable {
            if self.read >= bytes {
                self.read = 0;
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            return Poll::Ready(Ok(bytes.saturating_sub(self.read)));
        }
        self.read = 0;
        if readable == Readable::Nothing {
            self.ended = false;
        }
        let mut bytes = [0; PEEKED];
        let mut peeked = ReadBuf::new(&mut bytes);
        let count = ready!(Pin::new(self.stream.get_mut()).poll_peek(cx, &mut peeked))?;
        match readable {
            // Whoever is at work wakes us.
            Readable::Nothing if count > 0 => Poll::Pending,
            Readable::Head if std::mem::take(&mut self.ended) => {
                // What is behind a head waits until a request has been made of that.
                cx.waker().wake_by_ref();
                Poll::Pending
            }
            Readable::Head if count > 0 => {
                let (allowance, ended) = of_head(&mut self.unended, peeked.filled());
                self.ended = ended;
                Poll::Ready(Ok(allowance))
            }
            _ => Poll::Ready(Ok(1)),
        }
    }
}

impl AsyncRead for Transport {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let allowance = ready!(self.poll_allowance(cx))?;
        let before = buffer.filled().len();
        self.stream.set_limit(u64::try_from(allowance).unwrap_or(u64::MAX));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_head_ends_at_an_empty_line() {
        for (bytes, end) in [
            ("GET / HTTP/1.1\r\nHost: x\r\n\r\nGET", Some(27)),
            ("GET / HTTP/1.1\nHost: x\n\nGET", Some(24)),
            ("GET / HTTP/1.1\r\nHost: x\r\n\r", None),
            ("GET / HTTP/1.1\r\nHost: x\r\n", None),
            ("\r\n\r\nGET", Some(4)),
            ("", None),
        ] {
            assert_eq!(end_of_head(bytes.as_bytes()), end, "{bytes:?}");
        }
    }

    #[test]
    fn a_head_ends_there_however_it_is_cut() {
        let (head, next) = ("GET / HTTP/1.1\r\nHost: x\r\n\r\n", "GET / HTTP/1.1");
        for cut in 1..head.len() {
            let (first, rest) = head.split_at(cut);
            let mut unended = Vec::new();
            assert_eq!(of_head(&mut unended, first.as_bytes()), (first.len(), false));
            let second = format!("{rest}{next}");
            assert_eq!(of_head(&mut unended, second.as_bytes()), (rest.len(), true), "{cut}");
            assert!(unended.is_empty());
        }
    }
}
