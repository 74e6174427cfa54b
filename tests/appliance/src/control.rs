//! What the caller asks the supervisor: one request, one answer, each over a socket pair of its own.
//!
//! The lifeline carries the requests and with each one end of a pair, on which the answer comes; so a long wait of one
//! thread does not hold up another one. Messages are JSON, one a packet.

use std::io::{self, IoSlice, IoSliceMut};
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, FromRawFd, OwnedFd};
use std::time::Duration;

use nix::cmsg_space;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{
    AddressFamily, ControlMessage, ControlMessageOwned, MsgFlags, SockFlag, SockType, recvmsg, sendmsg,
    socketpair,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

/// No message is longer. A plan is the longest.
const MESSAGE_MAX: usize = 128 * 1024;

/// Where a service stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum State {
    /// For the units that it comes after.
    Waiting,
    /// Runs and has not said that it is ready.
    Starting,
    /// Serves.
    Ready,
    /// Was killed, and its end was not seen yet.
    Dying,
    /// Was asked to end.
    Stopping,
    /// Failed and starts again after a delay.
    Restarting,
    /// Ended as asked, or by itself without an error.
    Stopped,
    /// Failed and is not started again.
    Failed,
}

/// One service, as `systemctl status` would show it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitStatus {
    /// The short name, such as `policyd`.
    pub name: String,
    /// Where it stands.
    pub state: State,
    /// Its process, as seen inside of the appliance.
    pub pid: Option<i32>,
    /// What it last said of itself.
    pub status_text: String,
    /// How often it was started again after a failure.
    pub restarts: u32,
    /// How it last ended.
    pub outcome: Option<String>,
    /// From its start until it was ready, the last time.
    pub ready_after: Option<Duration>,
}

/// What is asked.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Request {
    Status,
    Signal {
        unit: String,
        signal: i32,
    },
    Stop {
        unit: String,
    },
    Start {
        unit: String,
    },
    Restart {
        unit: String,
    },
    /// Answered when the unit, or every one, is ready or will not be.
    AwaitReady {
        unit: Option<String>,
    },
    /// Answered when the unit has failed and been started again so often.
    AwaitRestarts {
        unit: String,
        at_least: u32,
    },
    /// Answered when the unit is down.
    AwaitStopped {
        unit: String,
    },
    /// The processes of a socket's instances.
    Instances {
        socket: String,
    },
    SignalInstances {
        socket: String,
        signal: i32,
    },
    Shutdown,
}

/// What is answered.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Answer {
    Done,
    Status(Vec<UnitStatus>),
    Pids(Vec<i32>),
    NoSuchUnit(String),
    /// The unit will not be ready.
    Hopeless {
        unit: String,
        outcome: String,
    },
    Failed(String),
}

/// What the supervisor says first.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) enum Report {
    /// The number of the process that is PID 1 inside.
    Init(i32),
    /// Everything is set up; the services start.
    Up,
    /// Nothing started.
    Failed(String),
    /// PID 1 is no more.
    Ended,
}

/// Two ends that keep packets apart; neither survives an execution by itself.
pub(crate) fn pair() -> io::Result<(OwnedFd, OwnedFd)> {
    Ok(socketpair(AddressFamily::Unix, SockType::SeqPacket, None, SockFlag::SOCK_CLOEXEC)?)
}

/// Sends one message, with one end of a pair if an answer is wanted.
pub(crate) fn send(
    socket: &OwnedFd,
    message: &impl Serialize,
    answer_to: Option<&OwnedFd>,
) -> io::Result<()> {
    let text = serde_json::to_vec(message)?;
    let descriptors: Vec<i32> = answer_to.iter().map(|end| end.as_raw_fd()).collect();
    let rights = [ControlMessage::ScmRights(&descriptors)];
    let rights = if descriptors.is_empty() { &[][..] } else { &rights[..] };
    sendmsg::<()>(socket.as_raw_fd(), &[IoSlice::new(&text)], rights, MsgFlags::MSG_NOSIGNAL, None)?;
    Ok(())
}

/// Receives one message, waiting for it; the other side's end is an error.
pub(crate) fn receive<M: DeserializeOwned>(socket: &OwnedFd) -> io::Result<(M, Option<OwnedFd>)> {
    let mut bytes = vec![0; MESSAGE_MAX];
    let mut control = cmsg_space!([i32; 1]);
    let mut parts = [IoSliceMut::new(&mut bytes)];
    let received =
        recvmsg::<()>(socket.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)?;
    let length = received.bytes;
    let end = received.cmsgs()?.find_map(|message| match message {
        ControlMessageOwned::ScmRights(descriptors) => descriptors.first().copied(),
        _ => None,
    });
    let end = end.map(own);
    if length == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok((serde_json::from_slice(bytes.get(..length).unwrap_or_default())?, end))
}

/// Receives one message, or times out, or is interrupted when another descriptor becomes readable.
pub(crate) fn receive_unless<M: DeserializeOwned>(
    socket: &OwnedFd,
    within: Duration,
    interrupt: Option<BorrowedFd<'_>>,
) -> io::Result<M> {
    let limit = PollTimeout::try_from(within).unwrap_or(PollTimeout::MAX);
    let mut awaited = vec![PollFd::new(socket.as_fd(), PollFlags::POLLIN)];
    awaited.extend(interrupt.map(|descriptor| PollFd::new(descriptor, PollFlags::POLLIN)));
    if poll(&mut awaited, limit)? == 0 {
        return Err(io::ErrorKind::TimedOut.into());
    }
    if awaited.get(1).is_some_and(|interrupt| interrupt.any().unwrap_or(false)) {
        return Err(io::ErrorKind::Interrupted.into());
    }
    receive(socket).map(|(message, _)| message)
}

#[expect(unsafe_code, reason = "a descriptor that came in a message is only a number")]
fn own(descriptor: i32) -> OwnedFd {
    // SAFETY: the kernel has just made this descriptor for the one message that it came with; nothing else owns it.
    unsafe { OwnedFd::from_raw_fd(descriptor) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_travels_with_the_place_for_its_answer() {
        let (here, there) = pair().unwrap();
        let (mine, yours) = pair().unwrap();
        send(&here, &Request::Stop { unit: "toold".into() }, Some(&yours)).unwrap();
        drop(yours);
        let (request, end) = receive::<Request>(&there).unwrap();
        assert!(matches!(request, Request::Stop { unit } if unit == "toold"));
        send(&end.unwrap(), &Answer::Done, None).unwrap();
        assert!(matches!(receive_unless(&mine, Duration::from_secs(5), None), Ok(Answer::Done)));
        drop(here);
        assert_eq!(receive::<Request>(&there).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
    }
}
