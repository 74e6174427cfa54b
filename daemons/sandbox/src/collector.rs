//! What a running call prints, taken until it ends or a limit cuts it.

use std::fs::File;
use std::io::{self, Read, Seek, Write};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::time::{Duration, Instant};

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use crate::memfd;
use crate::stream::Stream;

/// What cut a call short.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Cut {
    Deadline,
    Output,
    HungUp,
    Stopped,
}

/// What there is to watch beside the call itself.
pub(crate) struct Watched<'a> {
    pub(crate) connection: BorrowedFd<'a>,
    pub(crate) signals: BorrowedFd<'a>,
}

/// One captured stream.
pub(crate) struct Captured {
    pipe: Option<File>,
    bytes: File,
    pub(crate) length: u64,
}

impl Captured {
    pub(crate) fn new(pipe: OwnedFd) -> io::Result<Self> {
        Ok(Self { pipe: Some(nonblocking(pipe)?), bytes: memfd::create(c"output")?, length: 0 })
    }

    /// Takes what is there, up to `room` bytes; false when there is more than that. If it may be `endless`, what came
    /// before is forgotten instead.
    fn take(&mut self, room: &mut u64, endless: bool, mut told: impl FnMut(&[u8])) -> io::Result<bool> {
        let mut buffer = [0_u8; 16 * 1024];
        while let Some(pipe) = &mut self.pipe {
            match pipe.read(&mut buffer) {
                Ok(0) => self.pipe = None,
                Ok(length) => {
                    if endless && length as u64 > *room {
                        self.bytes.set_len(0)?;
                        self.bytes.rewind()?;
                        *room += std::mem::take(&mut self.length);
                    }
                    let kept = usize::try_from(*room).unwrap_or(usize::MAX).min(length);
                    let bytes = buffer.get(..kept).unwrap_or_default();
                    self.bytes.write_all(bytes)?;
                    told(bytes);
                    self.length += kept as u64;
                    *room -= kept as u64;
                    // One read at a time, so that one stream cannot starve the deadline.
                    return Ok(endless || kept == length);
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return Ok(true),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(true)
    }

    /// Adds a sentence of the runner's own.
    pub(crate) fn add(&mut self, text: &str) -> io::Result<()> {
        self.length += text.len() as u64;
        self.bytes.write_all(text.as_bytes())
    }

    /// The bytes, sealed.
    pub(crate) fn seal(self) -> io::Result<OwnedFd> {
        memfd::seal(self.bytes)
    }
}

/// Both streams of a call, the room that is left for them, and who hears of them at once.
pub(crate) struct Collector {
    pub(crate) stdout: Captured,
    pub(crate) stderr: Captured,
    pub(crate) room: u64,
    /// Whether the call goes on when there is no room any more; only its last words are kept then.
    pub(crate) endless: bool,
    pub(crate) stream: Option<Stream>,
}

impl Collector {
    /// Collects until the call has ended, or says what cuts it.
    pub(crate) fn until_over(
        &mut self,
        exit: BorrowedFd<'_>,
        watched: &Watched<'_>,
        deadline: Option<Instant>,
    ) -> io::Result<Option<Cut>> {
        // POLLRDHUP, which nix does not name: the client closed, or shut down, its side.
        let hang_up = PollFlags::from_bits_retain(nix::libc::POLLRDHUP);
        loop {
            let mut polled = vec![
                PollFd::new(exit, PollFlags::POLLIN),
                PollFd::new(watched.connection, hang_up),
                PollFd::new(watched.signals, PollFlags::POLLIN),
            ];
            let pipes = [&self.stdout, &self.stderr];
            polled.extend(
                pipes
                    .iter()
                    .filter_map(|captured| captured.pipe.as_ref())
                    .map(|pipe| PollFd::new(pipe.as_fd(), PollFlags::POLLIN)),
            );
            let due = self.stream.as_ref().and_then(Stream::due);
            let wake = [deadline, due].into_iter().flatten().min();
            match poll(&mut polled, remaining(wake)) {
                Ok(_) => {}
                Err(nix::errno::Errno::EINTR) => continue,
                Err(error) => return Err(error.into()),
            }
            // A revents with bits that nix does not name reads as none; both mean that something is there.
            let mut happened = polled.iter().map(|fd| fd.any().unwrap_or(true));
            let (over, hung_up, stopped) = (happened.next(), happened.next(), happened.next());
            drop(polled);
            if hung_up == Some(true) {
                return Ok(Some(Cut::HungUp));
            }
            if stopped == Some(true) {
                return Ok(Some(Cut::Stopped));
            }
            if !self.take()? {
                return Ok(Some(Cut::Output));
            }
            if let Some(stream) = &mut self.stream {
                stream.tell(watched.connection, Instant::now());
            }
            if over == Some(true) {
                return Ok(None);
            }
            if deadline.is_some_and(|deadline| Instant::now() >= deadline) {
                return Ok(Some(Cut::Deadline));
            }
        }
    }

    /// Takes what the dead left in the pipes; false when it is too much.
    pub(crate) fn drain(&mut self) -> io::Result<bool> {
        loop {
            let before = self.stdout.length + self.stderr.length;
            if !self.take()? {
                return Ok(false);
            }
            if self.stdout.length + self.stderr.length == before {
                return Ok(true);
            }
        }
    }

    fn take(&mut self) -> io::Result<bool> {
        let Self { stdout, stderr, room, endless, stream } = self;
        for (captured, error) in [(stdout, false), (stderr, true)] {
            let told = |bytes: &[u8]| {
                if let Some(stream) = stream {
                    stream.hear(error, bytes);
                }
            };
            if !captured.take(room, *endless, told)? {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

fn remaining(until: Option<Instant>) -> PollTimeout {
    let Some(until) = until else { return PollTimeout::NONE };
    // Rounded up, so that a poll that returns by timeout has reached the moment.
    let left = until.saturating_duration_since(Instant::now()) + Duration::from_micros(999);
    PollTimeout::try_from(left.as_millis()).unwrap_or(PollTimeout::MAX)
}

pub(crate) fn nonblocking(pipe: OwnedFd) -> io::Result<File> {
    fcntl(&pipe, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
    Ok(File::from(pipe))
}
