//! Streams on which the other side sends and does not listen.
//!
//! Kubo sends each block on a stream of its own that it closes at once, both ways. Over QUIC it thereby tells us to stop
//! sending, and the confirmation of the stream's protocol, which we still owe, fails; libp2p then drops the stream with the
//! block unread (seen with Kubo 0.22 and libp2p 0.56). Here, on streams that the other side opened, what it does not want to
//! hear is dropped instead, and what it sent is read.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::{
    StreamMuxer,
    muxing::{StreamMuxerBox, StreamMuxerEvent, SubstreamBox},
};

/// A connection whose inbound streams may be one-way.
pub(super) struct OneWayMuxer(pub(super) StreamMuxerBox);

/// A stream of it.
pub(super) struct OneWayStream {
    inner: SubstreamBox,
    is_inbound: bool,
    /// Whether the other side said that it does not listen.
    is_unheard: bool,
}

impl OneWayStream {
    const fn new(inner: SubstreamBox, is_inbound: bool) -> Self {
        Self {
            inner,
            is_inbound,
            is_unheard: false,
        }
    }

    /// Turns "stop sending" into success. QUIC says it as a reset, and only of this direction.
    fn unless_unheard<T>(
        &mut self,
        done: io::Result<T>,
        dropped: impl FnOnce() -> T,
    ) -> io::Result<T> {
        match done {
            Err(error) if self.is_inbound && error.kind() == io::ErrorKind::ConnectionReset => {
                self.is_unheard = true;
                Ok(dropped())
            }
            done => done,
        }
    }
}

impl StreamMuxer for OneWayMuxer {
    type Substream = OneWayStream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<OneWayStream>> {
        let stream = ready!(Pin::new(&mut self.0).poll_inbound(cx))?;
        Poll::Ready(Ok(OneWayStream::new(stream, true)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<OneWayStream>> {
        let stream = ready!(Pin::new(&mut self.0).poll_outbound(cx))?;
        Poll::Ready(Ok(OneWayStream::new(stream, false)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

impl AsyncRead for OneWayStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.inner).poll_read(cx, buffer)
    }
}

impl AsyncWrite for OneWayStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.is_unheard {
            return Poll::Ready(Ok(buffer.len()));
        }
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buffer));
        Poll::Ready(self.unless_unheard(written, || buffer.len()))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_unheard {
            return Poll::Ready(Ok(()));
        }
        let flushed = ready!(Pin::new(&mut self.inner).poll_flush(cx));
        Poll::Ready(self.unless_unheard(flushed, || ()))
    }

    /// Not passed on when nobody listens: closing what was stopped fails, and libp2p's stream then reads nothing more.
    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.is_unheard {
            return Poll::Ready(Ok(()));
        }
        let closed = ready!(Pin::new(&mut self.inner).poll_close(cx));
        Poll::Ready(self.unless_unheard(closed, || ()))
    }
}
