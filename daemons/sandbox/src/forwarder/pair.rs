//! Two connections that are one: what comes out of either goes into the other, with little held between.

use std::io::{self, Read, Write};
use std::net::{Shutdown, TcpStream};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;

use nix::poll::{PollFd, PollFlags};

use crate::protocol::Tunnel;

/// Most bytes held for either side.
const ROOM: usize = 32 * 1024;
/// Most bytes of the answer to a CONNECT.
const ANSWER: usize = 8 * 1024;

/// A connection of a program and its other half at `egressd`.
pub(super) struct Pair {
    client: TcpStream,
    egress: UnixStream,
    /// To `egressd`; begins with what says whose connection it is.
    out: Lane,
    /// From it.
    back: Lane,
    /// The answer to a tunnel's CONNECT, as far as it came; nothing of the call passes before it is there.
    answer: Option<Vec<u8>>,
}

/// One direction.
#[derive(Default)]
struct Lane {
    held: Vec<u8>,
    ended: bool,
    shut: bool,
}

impl Lane {
    fn is_over(&self) -> bool {
        self.ended && self.held.is_empty()
    }

    /// Reads what there is room for; false when nothing came.
    fn fill(&mut self, from: &mut impl Read) -> io::Result<bool> {
        let mut buffer = [0_u8; 16 * 1024];
        let room = ROOM.saturating_sub(self.held.len()).min(buffer.len());
        if self.ended || room == 0 {
            return Ok(false);
        }
        match from.read(buffer.get_mut(..room).unwrap_or_default()) {
            Ok(0) => {
                self.ended = true;
                Ok(true)
            }
            Ok(length) => {
                self.held.extend_from_slice(buffer.get(..length).unwrap_or_default());
                Ok(true)
            }
            Err(error) => later(&error).then_some(false).ok_or(error),
        }
    }

    /// Writes what is held; false when nothing went.
    fn empty(&mut self, to: &mut impl Write) -> io::Result<bool> {
        if self.held.is_empty() {
            return Ok(false);
        }
        match to.write(&self.held) {
            Ok(length) => {
                self.held.drain(..length);
                Ok(length > 0)
            }
            Err(error) => later(&error).then_some(false).ok_or(error),
        }
    }
}

fn later(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted)
}

impl Pair {
    /// Two connections that do not block.
    pub(super) fn new(client: TcpStream, egress: UnixStream, hello: &[u8], tunnel: Option<&Tunnel>) -> Self {
        let mut held = hello.to_vec();
        if let Some(Tunnel { host, port, .. }) = tunnel {
            held.extend(
                format!("CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n").into_bytes(),
            );
        }
        let answer = tunnel.map(|_| Vec::new());
        Self { client, egress, out: Lane { held, ..Lane::default() }, back: Lane::default(), answer }
    }

    /// What there is to wait for.
    pub(super) fn wishes(&self) -> impl Iterator<Item = PollFd<'_>> {
        let wish = |read: bool, write: bool| {
            let (mut flags, none) = (PollFlags::empty(), PollFlags::empty());
            flags |= if read { PollFlags::POLLIN } else { none };
            flags |= if write { PollFlags::POLLOUT } else { none };
            flags
        };
        let client = wish(
            self.answer.is_none() && !self.out.ended && self.out.held.len() < ROOM,
            !self.back.held.is_empty(),
        );
        let egress = wish(!self.back.ended && self.back.held.len() < ROOM, !self.out.held.is_empty());
        // One without a wish is left out: a hang-up that cannot be acted on yet would wake us for ever.
        [(self.client.as_fd(), client), (self.egress.as_fd(), egress)]
            .into_iter()
            .filter(|(_, flags)| !flags.is_empty())
            .map(|(socket, flags)| PollFd::new(socket, flags))
    }

    /// Carries what can be carried now; false when the pair is over.
    pub(super) fn carry(&mut self) -> bool {
        self.step().unwrap_or(false)
    }

    fn step(&mut self) -> io::Result<bool> {
        if self.answer.is_none() {
            self.out.fill(&mut self.client)?;
        }
        self.out.empty(&mut self.egress)?;
        self.back.fill(&mut self.egress)?;
        if !self.open() {
            return Ok(false);
        }
        self.back.empty(&mut self.client)?;
        if self.out.is_over() && !std::mem::replace(&mut self.out.shut, true) {
            self.egress.shutdown(Shutdown::Write)?;
        }
        if self.back.is_over() && !std::mem::replace(&mut self.back.shut, true) {
            self.client.shutdown(Shutdown::Write)?;
        }
        Ok(!(self.out.shut && self.back.shut))
    }

    /// Takes the answer to a CONNECT out of what came back; false when the tunnel was refused.
    fn open(&mut self) -> bool {
        let Some(mut answer) = self.answer.take() else { return true };
        answer.append(&mut self.back.held);
        let Some(end) = answer.windows(4).position(|four| four == b"\r\n\r\n") else {
            let whole = answer.len() >= ANSWER || self.back.ended;
            self.answer = Some(answer);
            return !whole;
        };
        let granted = answer.starts_with(b"HTTP/1.1 200 ") || answer.starts_with(b"HTTP/1.1 200\r\n");
        self.back.held = answer.split_off(end + 4);
        granted
    }
}
