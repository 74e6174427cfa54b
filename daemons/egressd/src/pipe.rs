//! A body that one task writes and another sends, piece by piece, so that a slow reader slows the writer.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use hyper::body::{Body, Frame, SizeHint};
use tokio::sync::mpsc;

/// Pieces under way; each is at most what one read gives.
const PIECES: usize = 4;

/// The body was cut off; the connection that it is sent on ends, so that nobody takes it for whole.
#[derive(Debug, Clone, Copy, thiserror::Error)]
#[error("the body was cut off")]
pub(crate) struct Cut;

/// The writing end.
pub(crate) type Writer = mpsc::Sender<Result<Bytes, Cut>>;

/// The reading end.
pub(crate) struct Pipe {
    pieces: mpsc::Receiver<Result<Bytes, Cut>>,
    left: Option<u64>,
}

impl Pipe {
    /// Both ends; `length` is what the body will have, where it is known.
    pub(crate) fn new(length: Option<u64>) -> (Writer, Self) {
        let (writer, pieces) = mpsc::channel(PIECES);
        (writer, Self { pieces, left: length })
    }
}

impl Body for Pipe {
    type Data = Bytes;
    type Error = Cut;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Cut>>> {
        self.pieces.poll_recv(context).map(|piece| match piece {
            Some(Ok(bytes)) => {
                self.left = self.left.map(|left| left.saturating_sub(bytes.len() as u64));
                Some(Ok(Frame::data(bytes)))
            }
            Some(Err(cut)) => Some(Err(cut)),
            // A writer that is gone before it wrote everything was cut off.
            None if self.left.is_some_and(|left| left > 0) => Some(Err(Cut)),
            None => None,
        })
    }

    fn is_end_stream(&self) -> bool {
        self.left == Some(0)
    }

    fn size_hint(&self) -> SizeHint {
        self.left.map_or_else(SizeHint::new, SizeHint::with_exact)
    }
}
