//! The zygote: waits for calls on its one connection and runs them, one after the other.
//!
//! It ends with status 0 when the client hangs up or the manager says SIGTERM; a call that is running then is
//! killed as a whole. It holds no state between calls but what it was started with.

mod running;

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{SigSet, Signal};
use nix::sys::signalfd::{SfdFlags, SignalFd};

use crate::cgroup::Subtree;
use crate::identity::Identity;
use crate::inbox::{Inbox, InboxError};
use crate::landlock;
use crate::layers::{Layer, Layers};
use crate::network;
use crate::prepared::Prepared;
use crate::protocol::{Builtin, Done, Kept, Limits, Probe, Profile, Program, Reply, Request, Run, valid_id};
use crate::seccomp::{Filters, SeccompError};
use crate::session::Session;
use crate::syscall;
use crate::template::Template;
use crate::tool_root::Expected;
use crate::wire::{Connection, Message, WireError};

/// Where the zygote works; all of it is the host's.
#[derive(Debug, Clone)]
pub struct Deployment {
    /// The workspace, which the zygote only reads.
    pub workspace: PathBuf,
    /// A private directory for overlays, or for copies where there can be none; a tmpfs of bounded size.
    pub scratch: PathBuf,
    /// Trees of programs that calls see, read-only, at the same paths.
    pub programs: Vec<PathBuf>,
    /// What kind of sandbox this is.
    pub template: Template,
    /// Where `egressd` listens; without it no call has a network.
    pub egress: Option<PathBuf>,
    /// What calls see as `/usr`, once it is verified; without it, the host's.
    pub tool_root: Option<Expected>,
}

impl Deployment {
    /// The tree of which calls see `/usr` and what belongs to it.
    pub(crate) fn base(&self) -> &Path {
        self.tool_root.as_ref().map_or(Path::new("/"), |expected| &expected.root)
    }
}

/// Why the zygote ends other than by its client's or manager's wish.
#[derive(Debug, thiserror::Error)]
pub enum ZygoteError {
    /// The system call table.
    #[error(transparent)]
    Seccomp(#[from] SeccompError),
    /// The connection.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Signals cannot be received.
    #[error("cannot wait for requests: {0}")]
    Wait(#[source] io::Error),
}

/// Serves one connection until it closes.
///
/// # Errors
/// The zygote cannot work at all. What is wrong with the kernel or the network is told to the client instead.
pub fn serve(stream: UnixStream, deployment: Deployment, layers: Layers) -> Result<(), ZygoteError> {
    let signals = block_sigterm().map_err(ZygoteError::Wait)?;
    let template = deployment.template;
    let mut zygote = Zygote {
        identity: Identity::of_this_process(),
        filters: Filters::up_to(if layers.has(Layer::Template) {
            template.profile()
        } else {
            Profile::StandardNet
        })?,
        subtree: Subtree::of_this_process(template.cpu_percent()),
        session: Session::default(),
        // Before the first child, whose root shows it.
        inbox: Inbox::create(&deployment.scratch).ok(),
        workspace: Kept::Overlay,
        next: None,
        number: 0,
        deployment,
        layers,
        signals,
    };
    let mut connection = Connection::new(stream);
    loop {
        // While the client goes on. What it cannot do now it says when the call is there.
        zygote.make_ready();
        let message = match next(&mut connection, &zygote.signals) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(()),
            Err(error) => {
                let reason = error.to_string();
                // The stream is broken; the client may not even be there to hear why.
                let _ = connection.send(&Reply::Refused { call: None, reason }, &[]);
                return Err(error);
            }
        };
        let Some(answer) = zygote.answer(&message, &connection) else { return Ok(()) };
        let bulk: Vec<_> = answer.bulk.iter().map(AsFd::as_fd).collect();
        connection.send(&answer.reply, &bulk)?;
        // Only now, while the client goes on, but before the next call.
        drop(answer.remains);
    }
}

/// Waits for a message or for the wish to stop.
pub(crate) fn next(connection: &mut Connection, signals: &SignalFd) -> Result<Option<Message>, ZygoteError> {
    loop {
        if let Some(message) = connection.buffered()? {
            return Ok(Some(message));
        }
        let mut polled = [
            PollFd::new(connection.stream().as_fd(), PollFlags::POLLIN),
            PollFd::new(signals.as_fd(), PollFlags::POLLIN),
        ];
        match poll(&mut polled, PollTimeout::NONE) {
            Ok(_) | Err(nix::errno::Errno::EINTR) => {}
            Err(error) => return Err(ZygoteError::Wait(error.into())),
        }
        let [readable, stop] = polled.map(|fd| fd.any().unwrap_or(true));
        if stop || (readable && !connection.fill()?) {
            return Ok(None);
        }
    }
}

/// From now on SIGTERM is read, not suffered.
pub(crate) fn block_sigterm() -> io::Result<SignalFd> {
    let mut set = SigSet::empty();
    set.add(Signal::SIGTERM);
    set.thread_block()?;
    Ok(SignalFd::with_flags(&set, SfdFlags::SFD_CLOEXEC | SfdFlags::SFD_NONBLOCK)?)
}

struct Zygote {
    deployment: Deployment,
    layers: Layers,
    signals: SignalFd,
    identity: Option<Identity>,
    filters: Filters,
    /// None where no control groups are delegated.
    subtree: Option<Subtree>,
    /// What the session's shell keeps.
    session: Session,
    /// What people sent; none where there is no room for it.
    inbox: Option<Inbox>,
    /// An overlay, until the kernel refuses it.
    workspace: Kept,
    /// The child that waits for the next call.
    next: Option<Prepared>,
    /// Counts the children of this zygote.
    number: u64,
}

struct Answer {
    reply: Reply,
    bulk: Vec<OwnedFd>,
    /// What the call leaves in the kernel and in the scratch. It goes when this is dropped.
    remains: Option<Prepared>,
}

impl From<Reply> for Answer {
    fn from(reply: Reply) -> Self {
        Self { reply, bulk: Vec::new(), remains: None }
    }
}

/// Why a call gave no result.
enum Trouble {
    /// Say so; the next call may do better.
    Refused(String),
    /// Nobody waits for an answer.
    End,
}

fn refuse(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(error.to_string())
}

impl Zygote {
    /// None when the client or the manager wants an end.
    fn answer(&mut self, message: &Message, connection: &Connection) -> Option<Answer> {
        let refused = |call: Option<&str>, reason: String| {
            Some(Reply::Refused { call: call.map(str::to_owned), reason }.into())
        };
        match serde_json::from_slice(&message.frame) {
            Err(error) => refused(None, format!("cannot read the request: {error}")),
            Ok(Request::Hello {}) => Some(Reply::Hello(self.identity.clone()).into()),
            Ok(Request::Receive { name }) => match self.receive(&name, message) {
                Ok(()) => Some(Reply::Received {}.into()),
                Err(error) => refused(None, error.to_string()),
            },
            Ok(Request::Probe {}) => Some(Reply::Probe(self.probe(connection)?).into()),
            Ok(Request::Run(run)) => match self.run(&run, connection) {
                Ok(answer) => Some(answer),
                Err(Trouble::End) => None,
                Err(Trouble::Refused(reason)) => {
                    refused(valid_id(&run.call).then_some(run.call.as_str()), reason)
                }
            },
            Ok(_) => refused(None, "cannot apply changes here: this runner only runs calls".to_owned()),
        }
    }

    fn receive(&mut self, name: &str, message: &Message) -> Result<(), InboxError> {
        self.inbox.as_mut().ok_or(InboxError::Closed)?.take(name, message.descriptors.first())
    }

    fn probe(&mut self, connection: &Connection) -> Option<Probe> {
        // Not admitted as others are: what this tells must not depend on how little time the template gives.
        let trial = Run {
            overlay: true,
            limits: Limits { wall_ms: 10_000, ..Limits::default() },
            profile: Profile::Strict,
            ..Run::new("probe", Program::Builtin(Builtin::Exists { path: ".".to_owned() }))
        };
        let reason = match self.carry_out(trial, connection) {
            Ok(Answer { reply: Reply::Done(Done { exit: Some(0), .. }), .. }) => None,
            Ok(_) => Some("a trial call did not end as it should".to_owned()),
            Err(Trouble::Refused(reason)) => Some(reason),
            Err(Trouble::End) => return None,
        };
        Some(Probe {
            landlock_abi: landlock::used(syscall::landlock_abi()),
            network_empty: network::require_empty().is_ok(),
            cgroup: self.subtree.as_ref().is_some_and(Subtree::limits_memory),
            workspace: self.workspace,
            ready: reason.is_none(),
            reason,
        })
    }
}
