//! The byte codec of requests and answers: a 4-byte big-endian length, then that many bytes.
//!
//! A length over the limit is refused before anything is allocated for it, and memory grows only
//! with what really arrives.

use std::{fmt, io, sync::Arc};

use async_trait::async_trait;
use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use libp2p::{StreamProtocol, request_response};

use crate::traffic::Counters;

/// Reads and writes bounded byte strings.
#[derive(Debug, Clone)]
pub(crate) struct ByteCodec {
    /// Longest request, in bytes.
    pub(crate) request_bytes_max: usize,
    /// Longest answer, in bytes.
    pub(crate) response_bytes_max: usize,
    pub(crate) counters: Arc<Counters>,
}

/// A length over the limit, from the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct OverLimit {
    pub(crate) bytes: usize,
    pub(crate) max_bytes: usize,
}

impl fmt::Display for OverLimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} bytes are over the limit of {}",
            self.bytes, self.max_bytes
        )
    }
}

impl std::error::Error for OverLimit {}

/// Read step, in bytes: a peer that announces much and sends little costs no more than this.
const STEP_BYTES: usize = 64 << 10;

async fn read_bytes<T: AsyncRead + Unpin + Send>(
    io: &mut T,
    max_bytes: usize,
) -> io::Result<Vec<u8>> {
    let mut prefix = [0; 4];
    io.read_exact(&mut prefix).await?;
    let bytes = usize::try_from(u32::from_be_bytes(prefix)).unwrap_or(usize::MAX);
    if bytes > max_bytes {
        return Err(io::Error::new(
            io::ErrorKind::InvalidData,
            OverLimit { bytes, max_bytes },
        ));
    }
    let mut data = Vec::new();
    while data.len() < bytes {
        let start = data.len();
        data.resize(bytes.min(start + STEP_BYTES), 0);
        io.read_exact(&mut data[start..]).await?;
    }
    Ok(data)
}

async fn write_bytes<T: AsyncWrite + Unpin + Send>(io: &mut T, data: &[u8]) -> io::Result<()> {
    let bytes = u32::try_from(data.len()).map_err(io::Error::other)?;
    io.write_all(&bytes.to_be_bytes()).await?;
    io.write_all(data).await?;
    io.flush().await
}

#[async_trait]
impl request_response::Codec for ByteCodec {
    type Protocol = StreamProtocol;
    type Request = Vec<u8>;
    type Response = Vec<u8>;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        let request = read_bytes(io, self.request_bytes_max).await;
        if request.is_err() {
            self.counters.requests_refused.one();
        }
        request
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Vec<u8>>
    where
        T: AsyncRead + Unpin + Send,
    {
        read_bytes(io, self.response_bytes_max).await
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        data: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_bytes(io, &data).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        data: Vec<u8>,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_bytes(io, &data).await
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::expect_used)]

    use futures::{executor::block_on, io::Cursor};

    use super::*;

    #[test]
    fn bytes_survive_the_wire_at_every_boundary() {
        for length in [0, 1, STEP_BYTES - 1, STEP_BYTES, STEP_BYTES + 1] {
            let data = vec![0xA5; length];
            let mut wire = Vec::new();
            block_on(write_bytes(&mut wire, &data)).unwrap();
            assert_eq!(
                block_on(read_bytes(&mut Cursor::new(wire), length)).unwrap(),
                data
            );
        }
    }

    #[test]
    fn announced_length_over_the_limit_is_refused_before_reading() {
        let error =
            block_on(read_bytes(&mut Cursor::new(u32::MAX.to_be_bytes()), 100)).unwrap_err();

        let over = error
            .get_ref()
            .unwrap()
            .downcast_ref::<OverLimit>()
            .unwrap();
        assert_eq!(
            *over,
            OverLimit {
                bytes: 0xFFFF_FFFF,
                max_bytes: 100
            }
        );
    }

    #[test]
    fn truncated_body_is_an_error() {
        let error = block_on(read_bytes(&mut Cursor::new([0, 0, 0, 9, 1, 2]), 100)).unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::UnexpectedEof);
    }
}
