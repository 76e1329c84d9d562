//! Bytes both ways between this node and the other end of a circuit.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use arti_client::DataStream;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tor_proto::client::stream::ClientStreamCtrl as _;

/// A stream over Tor. What is written leaves in full cells, so that a last part waits for a flush.
#[derive(Debug)]
pub struct Stream(DataStream);

impl Stream {
    pub(crate) const fn new(stream: DataStream) -> Self {
        Self(stream)
    }

    /// Names the circuit that a dialled stream runs over, as long as it is open: two that share a circuit have one name.
    pub fn circuit(&self) -> Option<String> {
        let tunnel = self.0.client_stream_ctrl()?.tunnel()?;
        Some(tunnel.unique_id().to_string())
    }
}

impl AsyncRead for Stream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        AsyncRead::poll_read(Pin::new(&mut self.0), cx, buffer)
    }
}

impl AsyncWrite for Stream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        AsyncWrite::poll_write(Pin::new(&mut self.0), cx, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_flush(Pin::new(&mut self.0), cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        AsyncWrite::poll_shutdown(Pin::new(&mut self.0), cx)
    }
}
