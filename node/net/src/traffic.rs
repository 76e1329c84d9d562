//! Counters of a swarm, and the stream wrapper that counts bytes.
//!
//! Bytes are counted where streams meet the multiplexer: what protocols wrote and read, without
//! the overhead of yamux, QUIC and TLS. Any transport is counted alike.

use std::{
    io,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    task::{Context, Poll},
};

use futures::{AsyncRead, AsyncWrite, ready};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerBox, StreamMuxerEvent, SubstreamBox};

macro_rules! counters {
    ($($(#[$doc:meta])* $name:ident),* $(,)?) => {
        /// What a swarm has done since it started.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
        pub struct NetMetrics { $($(#[$doc])* pub $name: u64,)* }

        /// The live counters behind [`NetMetrics`].
        #[derive(Debug, Default)]
        pub(crate) struct Counters { $(pub(crate) $name: Count,)* }

        impl Counters {
            /// Reads all counters; each is exact, together they are not one instant.
            pub(crate) fn read(&self) -> NetMetrics {
                NetMetrics { $($name: self.$name.read(),)* }
            }
        }
    };
}

counters! {
    /// Gossip messages handed to the application.
    messages_in,
    /// Copies of messages received, before duplicates are dropped; `message_copies - messages_in`
    /// of them were duplicates.
    message_copies,
    /// Messages published here.
    messages_published,
    /// Messages that the application accepted.
    messages_accepted,
    /// Messages that the application rejected.
    messages_rejected,
    /// Messages that the application ignored.
    messages_ignored,
    /// Verdicts that came too late to have an effect.
    verdicts_late,
    /// Requests answered or awaiting an answer here.
    requests_in,
    /// Requests sent.
    requests_out,
    /// Requests of ours that failed.
    requests_failed,
    /// Requests of others that were over the limit or broke off.
    requests_refused,
    /// Bytes read from streams.
    bytes_in,
    /// Bytes written to streams.
    bytes_out,
    /// Connections established by others.
    connections_in,
    /// Connections established by us.
    connections_out,
    /// Connections closed.
    connections_closed,
    /// Inbound connections refused or broken before they were established.
    connections_refused,
    /// Dials started.
    dials,
    /// The most dials that were ever under way at once.
    dials_peak,
    /// Dials failed.
    dials_failed,
    /// Events dropped because the application did not keep up.
    events_dropped,
}

/// A number that only grows.
#[derive(Debug, Default)]
pub(crate) struct Count(AtomicU64);

impl Count {
    pub(crate) fn add(&self, amount: u64) {
        self.0.fetch_add(amount, Ordering::Relaxed);
    }

    pub(crate) fn one(&self) {
        self.add(1);
    }

    pub(crate) fn raise(&self, least: u64) {
        self.0.fetch_max(least, Ordering::Relaxed);
    }

    fn read(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }
}

/// A multiplexer whose streams count their bytes.
pub(crate) struct CountedMuxer {
    inner: StreamMuxerBox,
    counters: Arc<Counters>,
}

impl CountedMuxer {
    pub(crate) fn new(inner: StreamMuxerBox, counters: Arc<Counters>) -> Self {
        Self { inner, counters }
    }

    fn count(&self, inner: SubstreamBox) -> CountedStream {
        CountedStream {
            inner,
            counters: Arc::clone(&self.counters),
        }
    }
}

impl StreamMuxer for CountedMuxer {
    type Substream = CountedStream;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<CountedStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_inbound(cx))?;
        Poll::Ready(Ok(self.count(stream)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<CountedStream>> {
        let stream = ready!(Pin::new(&mut self.inner).poll_outbound(cx))?;
        Poll::Ready(Ok(self.count(stream)))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        Pin::new(&mut self.inner).poll(cx)
    }
}

/// A stream that counts its bytes.
pub(crate) struct CountedStream {
    inner: SubstreamBox,
    counters: Arc<Counters>,
}

impl AsyncRead for CountedStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let read = ready!(Pin::new(&mut self.inner).poll_read(cx, buffer))?;
        self.counters.bytes_in.add(read as u64);
        Poll::Ready(Ok(read))
    }
}

impl AsyncWrite for CountedStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write(cx, buffer))?;
        self.counters.bytes_out.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffers: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = ready!(Pin::new(&mut self.inner).poll_write_vectored(cx, buffers))?;
        self.counters.bytes_out.add(written as u64);
        Poll::Ready(Ok(written))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_flush(cx)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.inner).poll_close(cx)
    }
}
