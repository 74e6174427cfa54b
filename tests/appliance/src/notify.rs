//! What services say of themselves: datagrams on `$NOTIFY_SOCKET`, attributed by the kernel.

use std::io::IoSliceMut;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixDatagram;
use std::path::Path;

use nix::cmsg_space;
use nix::sys::socket::{
    ControlMessageOwned, MsgFlags, UnixCredentials, recvmsg, setsockopt, sockopt::PassCred,
};

use crate::error::ApplianceError;

/// Where it is, inside.
pub(crate) const PATH: &str = "/run/notify";
/// No honest message is longer; the rest of one is cut.
const MESSAGE_MAX: usize = 4096;

/// One message and who sent it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) pid: i32,
    pub(crate) words: Words,
}

/// What a message may say, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Words {
    pub(crate) ready: bool,
    pub(crate) stopping: bool,
    pub(crate) watchdog: bool,
    pub(crate) status: Option<String>,
}

impl Words {
    pub(crate) fn parse(text: &str) -> Self {
        let mut words = Self::default();
        for line in text.lines() {
            match line.split_once('=') {
                Some(("READY", "1")) => words.ready = true,
                Some(("STOPPING", "1")) => words.stopping = true,
                Some(("WATCHDOG", "1")) => words.watchdog = true,
                Some(("STATUS", status)) => words.status = Some(status.to_owned()),
                _ => {}
            }
        }
        words
    }
}

/// The socket.
pub(crate) struct NotifySocket(UnixDatagram);

impl NotifySocket {
    pub(crate) fn open() -> Result<Self, ApplianceError> {
        let wrap = |e| ApplianceError::file("listen on", PATH, e);
        let socket = UnixDatagram::bind(Path::new(PATH)).map_err(wrap)?;
        socket.set_nonblocking(true).map_err(wrap)?;
        // Anyone may send; who did is in the credentials.
        std::fs::set_permissions(PATH, std::fs::Permissions::from_mode(0o666)).map_err(wrap)?;
        setsockopt(&socket, PassCred, &true).map_err(|e| wrap(e.into()))?;
        Ok(Self(socket))
    }

    /// The next message, if there is one. Messages without a sender are dropped.
    pub(crate) fn receive(&self) -> Option<Message> {
        loop {
            let mut bytes = [0; MESSAGE_MAX];
            let mut control = cmsg_space!(UnixCredentials);
            let mut parts = [IoSliceMut::new(&mut bytes)];
            let received =
                recvmsg::<()>(self.0.as_raw_fd(), &mut parts, Some(&mut control), MsgFlags::MSG_CMSG_CLOEXEC)
                    .ok()?;
            let length = received.bytes;
            let pid = received.cmsgs().ok().into_iter().flatten().find_map(|message| match message {
                ControlMessageOwned::ScmCredentials(sender) => Some(sender.pid()),
                _ => None,
            });
            if let (Some(pid), Some(text)) = (pid, bytes.get(..length)) {
                return Some(Message { pid, words: Words::parse(&String::from_utf8_lossy(text)) });
            }
        }
    }
}

impl AsFd for NotifySocket {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_of_the_protocol_and_nothing_else() {
        let words = Words::parse("READY=1\nSTATUS=Serving 2 rooms; a=b\nMAINPID=7\nWATCHDOG=trigger\n");
        assert_eq!(
            words,
            Words { ready: true, status: Some("Serving 2 rooms; a=b".into()), ..Words::default() }
        );
        assert!(Words::parse("STOPPING=1").stopping && Words::parse("WATCHDOG=1").watchdog);
        assert_eq!(Words::parse("READY=0\nREADY"), Words::default());
    }
}
