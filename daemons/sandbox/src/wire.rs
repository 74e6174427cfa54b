//! Frames with descriptors over a Unix stream socket.
//!
//! [`Connection::receive`] enforces the frame limit while it reads and closes whatever descriptors come
//! beyond the allowed number. Descriptors belong to the frame with whose bytes they arrive.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsRawFd, BorrowedFd, OwnedFd, RawFd};
use std::os::unix::net::UnixStream;

use nix::cmsg_space;
use nix::errno::Errno;
use nix::sys::socket::{ControlMessage, ControlMessageOwned, MsgFlags, recvmsg, sendmsg};
use serde::Serialize;

use crate::frame::{FrameBuffer, FrameTooLong};
use crate::protocol::{MAX_DESCRIPTORS, MAX_FRAME};
use crate::syscall;

/// Most descriptors that the kernel passes with one write.
const KERNEL_MOST: usize = 253;

/// Why a message could not pass.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Reading failed.
    #[error("cannot receive from the peer: {0}")]
    Receive(#[source] io::Error),
    /// Writing failed.
    #[error("cannot send to the peer: {0}")]
    Send(#[source] io::Error),
    /// The message does not fit a frame.
    #[error("cannot send the message: {0}")]
    Encode(#[source] io::Error),
    /// The peer's frame is too long.
    #[error(transparent)]
    TooLong(#[from] FrameTooLong),
    /// The stream ended inside of a frame.
    #[error("cannot read the frame: the stream ends inside of it")]
    Cut,
    /// More descriptors than a frame may carry.
    #[error("cannot accept the frame: it carries more than {MAX_DESCRIPTORS} descriptors")]
    Descriptors,
}

/// One frame and what came with it.
#[derive(Debug)]
pub struct Message {
    /// Without the NUL.
    pub frame: Vec<u8>,
    /// In the order sent; close-on-exec.
    pub descriptors: Vec<OwnedFd>,
}

/// A stream socket that carries frames.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    buffer: FrameBuffer,
    descriptors: Vec<OwnedFd>,
}

impl Connection {
    /// Wraps a connected stream.
    pub fn new(stream: UnixStream) -> Self {
        Self { stream, buffer: FrameBuffer::default(), descriptors: Vec::new() }
    }

    /// The stream, to wait on or to shut down; not to read from.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }

    /// Sends one message.
    ///
    /// # Errors
    /// It does not fit a frame, or the peer is gone.
    pub fn send(
        &mut self,
        message: &impl Serialize,
        descriptors: &[BorrowedFd<'_>],
    ) -> Result<(), WireError> {
        let mut bytes = serde_json::to_vec(message).map_err(|error| WireError::Encode(error.into()))?;
        if bytes.len() > MAX_FRAME {
            return Err(WireError::Encode(io::ErrorKind::FileTooLarge.into()));
        }
        bytes.push(0);
        let raw: Vec<RawFd> = descriptors.iter().map(AsRawFd::as_raw_fd).collect();
        let mut control = if raw.is_empty() { vec![] } else { vec![ControlMessage::ScmRights(&raw)] };
        let mut rest = bytes.as_slice();
        while !rest.is_empty() {
            let part = [IoSlice::new(rest)];
            match sendmsg::<()>(self.stream.as_raw_fd(), &part, &control, MsgFlags::MSG_NOSIGNAL, None) {
                Ok(sent) => {
                    rest = rest.get(sent..).unwrap_or_default();
                    control.clear();
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(WireError::Send(error.into())),
            }
        }
        Ok(())
    }

    /// Waits for one message; none when the peer hung up between frames.
    ///
    /// # Errors
    /// The peer broke the framing, after which the connection is of no use any more.
    pub fn receive(&mut self) -> Result<Option<Message>, WireError> {
        loop {
            if let Some(message) = self.buffered()? {
                return Ok(Some(message));
            }
            if !self.fill()? {
                return Ok(None);
            }
        }
    }

    /// A message that has been read whole already.
    pub(crate) fn buffered(&mut self) -> Result<Option<Message>, WireError> {
        let frame = self.buffer.next_frame()?;
        Ok(frame.map(|frame| Message { frame, descriptors: std::mem::take(&mut self.descriptors) }))
    }

    /// Reads once, waiting if there is nothing; false when the peer hung up between frames.
    pub(crate) fn fill(&mut self) -> Result<bool, WireError> {
        match self.read()? {
            0 if self.buffer.is_empty() => Ok(false),
            0 => Err(WireError::Cut),
            _ => Ok(true),
        }
    }

    fn read(&mut self) -> Result<usize, WireError> {
        let mut bytes = [0_u8; 16 * 1024];
        // Room for all that the kernel passes at once, so that none can arrive and stay unknown.
        let mut space = cmsg_space!([RawFd; KERNEL_MOST]);
        let mut parts = [IoSliceMut::new(&mut bytes)];
        let (length, raw) = loop {
            match recvmsg::<()>(
                self.stream.as_raw_fd(),
                &mut parts,
                Some(&mut space),
                MsgFlags::MSG_CMSG_CLOEXEC,
            ) {
                Ok(message) => {
                    let mut raw = Vec::new();
                    for control in message.cmsgs().map_err(|error| WireError::Receive(error.into()))? {
                        if let ControlMessageOwned::ScmRights(descriptors) = control {
                            raw.extend(descriptors);
                        }
                    }
                    break (message.bytes, raw);
                }
                Err(Errno::EINTR) => {}
                Err(error) => return Err(WireError::Receive(error.into())),
            }
        };
        self.descriptors.extend(raw.into_iter().map(syscall::adopt));
        if self.descriptors.len() > MAX_DESCRIPTORS {
            self.descriptors.clear();
            return Err(WireError::Descriptors);
        }
        self.buffer.push(bytes.get(..length).unwrap_or_default());
        Ok(length)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::memfd;
    use std::io::Write;
    use std::os::fd::AsFd;

    fn pair() -> (Connection, UnixStream) {
        let (one, two) = UnixStream::pair().unwrap();
        (Connection::new(one), two)
    }

    #[test]
    fn descriptors_come_with_their_frame() {
        let (mut receiver, stream) = pair();
        let mut sender = Connection::new(stream);
        let fd = memfd::sealed(c"x", b"bulk").unwrap();
        sender.send(&"hello", &[fd.as_fd()]).unwrap();
        sender.send(&"again", &[]).unwrap();
        let first = receiver.receive().unwrap().unwrap();
        assert_eq!(first.frame, b"\"hello\"");
        let bulk = first.descriptors.into_iter().next().unwrap();
        assert_eq!(memfd::read_sealed(bulk, 4).unwrap(), b"bulk");
        assert!(receiver.receive().unwrap().unwrap().descriptors.is_empty());
    }

    #[test]
    fn too_many_descriptors_are_refused() {
        let (mut receiver, stream) = pair();
        let mut sender = Connection::new(stream);
        let fd = memfd::sealed(c"x", b"").unwrap();
        sender.send(&1, &[fd.as_fd(); MAX_DESCRIPTORS + 1]).unwrap();
        assert!(matches!(receiver.receive(), Err(WireError::Descriptors)));
    }

    #[test]
    fn an_end_inside_of_a_frame_is_an_error_and_between_frames_is_not() {
        let (mut receiver, mut stream) = pair();
        stream.write_all(b"1\0").unwrap();
        drop(stream);
        assert!(receiver.receive().unwrap().is_some());
        assert!(receiver.receive().unwrap().is_none());
        let (mut receiver, mut stream) = pair();
        stream.write_all(b"1").unwrap();
        drop(stream);
        assert!(matches!(receiver.receive(), Err(WireError::Cut)));
    }
}
