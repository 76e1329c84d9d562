//! How asks and answers lie on one onion connection: four bytes of length, big-endian, then so many bytes; an ask, then its
//! answer, then the next ask.

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Something that bytes go both ways on.
pub trait Line: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Line for T {}

/// Sends one frame.
///
/// # Errors
///
/// Returns what the connection said, or that the frame is too long to be one.
pub async fn send(line: &mut (impl AsyncWrite + Unpin + ?Sized), bytes: &[u8]) -> io::Result<()> {
    let length = u32::try_from(bytes.len()).map_err(io::Error::other)?;
    line.write_all(&length.to_be_bytes()).await?;
    line.write_all(bytes).await?;
    line.flush().await
}

/// Waits for the next frame; none if the other side has ended between two.
///
/// # Errors
///
/// Returns what the connection said, or that the frame is longer than `most` bytes.
pub async fn receive(
    line: &mut (impl AsyncRead + Unpin + ?Sized),
    most: usize,
) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 4];
    let first = line.read(&mut length).await?;
    if first == 0 {
        return Ok(None);
    }
    if let Some(rest) = length.get_mut(first..) {
        line.read_exact(rest).await?;
    }
    let length = u32::from_be_bytes(length) as usize;
    if length > most {
        let why = format!("a frame of {length} bytes, {most} are the most");
        return Err(io::Error::new(io::ErrorKind::InvalidData, why));
    }
    let mut bytes = vec![0; length];
    line.read_exact(&mut bytes).await?;
    Ok(Some(bytes))
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[tokio::test]
    async fn frames_come_as_they_were_sent_and_the_end_is_seen() {
        let (mut here, mut there) = tokio::io::duplex(16);
        let sending = tokio::spawn(async move {
            for frame in [b"".as_slice(), b"one", &[7; 100]] {
                send(&mut here, frame).await.unwrap();
            }
        });
        for wanted in [b"".as_slice(), b"one", &[7; 100]] {
            assert_eq!(receive(&mut there, 100).await.unwrap().unwrap(), wanted);
        }
        assert_eq!(receive(&mut there, 100).await.unwrap(), None);
        sending.await.unwrap();
    }

    #[tokio::test]
    async fn a_frame_that_is_too_long_is_refused_before_it_is_read() {
        let (mut here, mut there) = tokio::io::duplex(16);
        here.write_all(&u32::MAX.to_be_bytes()).await.unwrap();
        let refused = receive(&mut there, 1_000).await.unwrap_err();
        assert_eq!(refused.kind(), io::ErrorKind::InvalidData);
    }
}
