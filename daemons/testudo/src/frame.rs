//! Frames of bytes ended by NUL over a stream, as JSON is sent between two processes without a bus.
//!
//! JSON text never holds a NUL, so the end of a frame cannot be forged from inside of one. [`read`] holds at most
//! one frame, and gives up a peer that sends a longer one before its end has come.

use std::io;

use thiserror::Error;
use tokio::io::{AsyncBufRead, AsyncBufReadExt as _, AsyncWrite, AsyncWriteExt as _};

/// Why a frame could not pass.
#[derive(Debug, Error)]
pub enum FrameError {
    /// The stream failed.
    #[error("cannot use the connection: {0}")]
    Stream(#[from] io::Error),
    /// The frame is longer than both sides agreed.
    #[error("cannot pass a frame of more than {0} bytes")]
    TooLong(usize),
    /// The stream ended inside of a frame.
    #[error("cannot read the frame: the connection ends inside of it")]
    Cut,
}

/// Reads one frame without its NUL; none when the peer hung up between two. Not to be cancelled: what was read of a
/// frame would be lost.
///
/// # Errors
/// After one the connection is of no use any more.
pub async fn read(
    stream: &mut (impl AsyncBufRead + Unpin),
    most: usize,
) -> Result<Option<Vec<u8>>, FrameError> {
    let mut frame = Vec::new();
    loop {
        let bytes = stream.fill_buf().await?;
        if bytes.is_empty() {
            return if frame.is_empty() { Ok(None) } else { Err(FrameError::Cut) };
        }
        let end = bytes.iter().position(|&byte| byte == 0);
        let part = bytes.get(..end.unwrap_or(bytes.len())).unwrap_or_default();
        if frame.len() + part.len() > most {
            return Err(FrameError::TooLong(most));
        }
        frame.extend_from_slice(part);
        let used = part.len() + usize::from(end.is_some());
        stream.consume(used);
        if end.is_some() {
            return Ok(Some(frame));
        }
    }
}

/// Sends one frame, whole.
///
/// # Errors
/// It is too long, and nothing was sent; or the peer is gone.
pub async fn write(
    stream: &mut (impl AsyncWrite + Unpin),
    mut frame: Vec<u8>,
    most: usize,
) -> Result<(), FrameError> {
    if frame.len() > most {
        return Err(FrameError::TooLong(most));
    }
    frame.push(0);
    stream.write_all(&frame).await?;
    Ok(stream.flush().await?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use tokio::io::BufReader;

    fn run<T>(work: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(work)
    }

    proptest! {
        #[test]
        fn frames_survive_any_cutting(
            frames in prop::collection::vec(prop::collection::vec(1u8..=255, 0..40), 0..8),
            cut in 1usize..17,
        ) {
            let found = run(async {
                let mut stream = Vec::new();
                for frame in &frames {
                    write(&mut stream, frame.clone(), 40).await.unwrap();
                }
                let mut reader = BufReader::with_capacity(cut, stream.as_slice());
                let mut found = Vec::new();
                while let Some(frame) = read(&mut reader, 40).await.unwrap() {
                    found.push(frame);
                }
                found
            });
            prop_assert_eq!(found, frames);
        }
    }

    #[test]
    fn a_frame_too_long_is_refused_before_its_end_comes() {
        let endless = vec![b'x'; 11];
        assert!(matches!(run(read(&mut endless.as_slice(), 10)), Err(FrameError::TooLong(10))));
        let mut sent = Vec::new();
        assert!(matches!(run(write(&mut sent, endless, 10)), Err(FrameError::TooLong(10))));
        assert!(sent.is_empty());
    }

    #[test]
    fn an_end_inside_of_a_frame_is_not_its_end() {
        assert!(matches!(run(read(&mut b"half".as_slice(), 10)), Err(FrameError::Cut)));
        assert!(matches!(run(read(&mut b"".as_slice(), 10)), Ok(None)));
    }
}
