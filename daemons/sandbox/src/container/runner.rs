//! The runner itself: one connection, one call at a time, each in a container that ends with it.
//!
//! A call that is cut short takes its container along, whatever runs in there; the answer comes only when the engine
//! says that it is gone. What a killed runner leaves is found by the next one.

use std::io::{self, Write as _};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::{Component, Path, PathBuf};
use std::process::{Child, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use nix::sys::signalfd::SignalFd;

use super::allowed::{Allowed, AllowedError};
use super::engine::{Engine, EngineError, last_line};
use super::invocation::Invocation;
use super::orphans;
use super::workspace::Workspace;
use crate::apply::OWN_DIRECTORY;
use crate::bulk;
use crate::call;
use crate::collector::{Captured, Collector, Cut, Watched};
use crate::identity::Identity;
use crate::memfd;
use crate::protocol::{Done, Kept, Probe, Program, Proposed, Reply, Request, Run, TIMED_OUT, WORKSPACE};
use crate::stream::Stream;
use crate::syscall;
use crate::template::Template;
use crate::upper;
use crate::wire::{Connection, Message, WireError};
use crate::zygote::{self, ZygoteError};

/// The kind of sandbox whose limits a container has.
const TEMPLATE: Template = Template::Container;

/// The status by which the engine says that it has failed itself.
const ENGINE_FAILED: i32 = 125;

/// Where the runner works.
#[derive(Debug, Clone)]
pub struct Place {
    /// The workspace, which it only reads.
    pub workspace: PathBuf,
    /// A private directory for overlays.
    pub scratch: PathBuf,
}

/// Why the runner ends other than by its client's or manager's wish.
#[derive(Debug, thiserror::Error)]
pub enum ContainerError {
    /// What is allowed is not known.
    #[error(transparent)]
    Allowed(#[from] AllowedError),
    /// The connection, or the wait for it.
    #[error(transparent)]
    Connection(#[from] ZygoteError),
    /// The connection.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// Signals cannot be received.
    #[error("cannot wait for requests: {0}")]
    Signals(#[source] io::Error),
}

/// The runner of one connection.
#[derive(Debug)]
pub struct Runner {
    engine: Engine,
    allowed: Allowed,
    place: Place,
    name: String,
    number: u64,
}

/// Why a call gave no result.
enum Trouble {
    /// Say so; the next call may do better.
    Refused(String),
    /// Nobody waits for an answer.
    End,
}

impl Runner {
    /// A runner for what the configuration at `configuration` allows.
    ///
    /// # Errors
    /// The configuration is not to be read, or names an image without its digest.
    pub fn new(engine: Engine, configuration: &Path, place: Place) -> Result<Self, ContainerError> {
        let allowed = Allowed::load(configuration)?;
        Ok(Self { engine, allowed, place, name: orphans::this_process(), number: 0 })
    }

    /// Serves the connection until it closes.
    ///
    /// # Errors
    /// The connection broke. What is wrong with the engine is told to the client instead.
    pub fn serve(mut self, stream: UnixStream) -> Result<(), ContainerError> {
        let signals = zygote::block_sigterm().map_err(ContainerError::Signals)?;
        if let Err(error) = orphans::sweep(&self.engine) {
            // A broken engine is no reason to hang up: the client asks, and hears why it gets nothing.
            eprintln!("<4>cannot look for containers without a runner: {error}");
        }
        let mut connection = Connection::new(stream);
        while let Some(message) = zygote::next(&mut connection, &signals)? {
            let Some((reply, bulk)) = self.answer(&message, &connection, &signals) else { break };
            let bulk: Vec<_> = bulk.iter().map(AsFd::as_fd).collect();
            connection.send(&reply, &bulk)?;
        }
        Ok(())
    }

    /// None when the client or the manager wants an end.
    fn answer(
        &mut self,
        message: &Message,
        connection: &Connection,
        signals: &SignalFd,
    ) -> Option<(Reply, Vec<OwnedFd>)> {
        let reply = match serde_json::from_slice(&message.frame) {
            Err(error) => Reply::Refused { call: None, reason: format!("cannot read the request: {error}") },
            Ok(Request::Hello {}) => Reply::Hello(Identity::of_this_process()),
            Ok(Request::Probe {}) => Reply::Probe(self.probe()),
            Ok(Request::Run(run)) => match self.run(&run, connection, signals) {
                Ok(answer) => return Some(answer),
                Err(Trouble::End) => return None,
                Err(Trouble::Refused(reason)) => Reply::Refused { call: Some(run.call), reason },
            },
            Ok(_) => {
                let reason = "cannot apply changes here: this runner only runs calls in containers";
                Reply::Refused { call: None, reason: reason.to_owned() }
            }
        };
        Some((reply, Vec::new()))
    }

    fn probe(&self) -> Probe {
        let reason = self.engine.version().err().map(|error| error.to_string());
        Probe {
            landlock_abi: syscall::landlock_abi(),
            // A container's own, always.
            network_empty: true,
            // The engine's matter, who refuses a call that it cannot limit.
            cgroup: false,
            workspace: Kept::Overlay,
            ready: reason.is_none(),
            reason,
        }
    }

    fn run(
        &mut self,
        run: &Run,
        connection: &Connection,
        signals: &SignalFd,
    ) -> Result<(Reply, Vec<OwnedFd>), Trouble> {
        let (argv, cwd) = admitted(run)?;
        let name = run.container.as_deref().unwrap_or_default();
        let image = self.allowed.image(name);
        let image = image
            .ok_or_else(|| refuse(format!("there is no container named {name:?} in the configuration")))?;
        self.engine.require(image).map_err(refuse)?;
        self.number += 1;
        let workspace = Workspace::make(&self.place.workspace, &self.place.scratch, self.number, run.overlay)
            .map_err(|error| refuse(format!("its view of the workspace cannot be made: {error}")))?;
        if workspace.uid == 0 {
            return Err(refuse("the workspace is root's, and no container runs as root"));
        }
        let container = format!("testudo-{}-{}", self.name, self.number);
        let id_file = workspace.top().join("id");
        let limits = run.limits.clone().within(&TEMPLATE.ceiling());
        let invocation = Invocation {
            name: &container,
            runner: &self.name,
            id_file: &id_file,
            image,
            argv,
            cwd: cwd.as_deref(),
            env: &run.env,
            limits: &limits,
            cpu_percent: TEMPLATE.cpu_percent(),
            workspace: &workspace.seen,
            writable: run.overlay,
            covered: self.place.workspace.join(OWN_DIRECTORY).is_dir().then_some(OWN_DIRECTORY),
            uid: workspace.uid,
            gid: workspace.gid,
            input: run.stdin.is_some(),
        };
        let watched = Watched { connection: connection.stream().as_fd(), signals: signals.as_fd() };
        let ended = self.contained(run, &invocation, &watched)?;
        let (changes, proposal) = self.proposed(run, &workspace)?;
        connection.stream().write_all(&ended.unsent).map_err(|_| Trouble::End)?;
        done(run, ended, changes, proposal).map_err(refuse)
    }

    /// Runs the container to its end, which is its removal.
    fn contained(
        &self,
        run: &Run,
        invocation: &Invocation<'_>,
        watched: &Watched<'_>,
    ) -> Result<Ended, Trouble> {
        let started = Instant::now();
        let mut command = self.engine.command(invocation.arguments());
        if let Some(text) = &run.stdin {
            command.stdin(Stdio::from(call::input(text).map_err(refuse)?));
        }
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut engine = command.spawn().map_err(|error| refuse(self.engine.not_started(error)))?;
        let watch = collector(&mut engine, run, invocation).and_then(|mut collector| {
            let exit = syscall::pidfd_open(i32::try_from(engine.id()).unwrap_or_default())?;
            let deadline = started + Duration::from_millis(invocation.limits.wall_ms);
            let cut = collector.until_over(exit.as_fd(), watched, Some(deadline))?;
            Ok((cut, collector))
        });
        if !matches!(watch, Ok((None, _))) {
            self.kill(invocation.name, &mut engine);
        }
        let status = engine.wait().map_err(refuse)?;
        let (mut cut, mut collector) = watch.map_err(refuse)?;
        if matches!(cut, Some(Cut::HungUp | Cut::Stopped)) {
            return Err(Trouble::End);
        }
        if !collector.drain().map_err(refuse)? {
            cut = cut.or(Some(Cut::Output));
        }
        let Collector { stdout, stderr, stream, .. } = collector;
        let unsent = stream.map(Stream::into_rest).unwrap_or_default();
        let ended = Ended { status, cut, stdout, stderr, duration: started.elapsed(), unsent };
        if ended.cut.is_none() && status.code() == Some(ENGINE_FAILED) {
            let said =
                ended.stderr.seal().and_then(|said| memfd::read_sealed(said, invocation.limits.output_bytes));
            return Err(refuse(EngineError::Broken(last_line(&said.map_err(refuse)?))));
        }
        Ok(ended)
    }

    /// Kills the container and then the engine's own process, should it not have ended with it.
    fn kill(&self, container: &str, engine: &mut Child) {
        if let Err(error) = self.engine.remove(container) {
            eprintln!("<3>cannot remove the container {container}: {error}");
        }
        // It has ended, or waits for nothing any more; both are well.
        let _ = engine.kill();
        // Had it been killed between the two, it could have made the container only now.
        if let Err(error) = self.engine.remove(container) {
            eprintln!("<3>cannot remove the container {container}: {error}");
        }
    }

    fn proposed(&self, run: &Run, workspace: &Workspace) -> Result<(Proposed, Vec<OwnedFd>), Trouble> {
        if !run.overlay {
            return Ok((Proposed::Nothing, Vec::new()));
        }
        match upper::read(workspace.upper(), &self.place.workspace, &run.limits) {
            Ok(found) => bulk::proposed(found, &run.limits).map_err(refuse),
            Err(error) => Ok((Proposed::Refused { reason: error.to_string() }, Vec::new())),
        }
    }
}

/// A call whose container is gone.
struct Ended {
    status: ExitStatus,
    cut: Option<Cut>,
    stdout: Captured,
    stderr: Captured,
    duration: Duration,
    unsent: Vec<u8>,
}

fn refuse(error: impl std::fmt::Display) -> Trouble {
    Trouble::Refused(format!("cannot run the call in a container: {error}"))
}

/// What runs, and where, if it may run here at all.
fn admitted(run: &Run) -> Result<(&[String], Option<String>), Trouble> {
    crate::admission::sound(run).map_err(refuse)?;
    if run.network.is_some() {
        return Err(refuse("no container has a network"));
    }
    let Program::Exec { argv, cwd } = &run.program else {
        return Err(refuse("only programs of its image run there"));
    };
    let Some(cwd) = cwd else { return Ok((argv, None)) };
    let inside = Path::new(cwd).strip_prefix(WORKSPACE).unwrap_or(Path::new(cwd));
    let plain = inside.components().all(|part| matches!(part, Component::Normal(_) | Component::CurDir));
    match inside.to_str() {
        Some(inside) if plain => Ok((argv, Some(inside.to_owned()))),
        _ => Err(refuse(format!("{cwd:?} is no directory of the workspace"))),
    }
}

fn collector(engine: &mut Child, run: &Run, invocation: &Invocation<'_>) -> io::Result<Collector> {
    let (Some(stdout), Some(stderr)) = (engine.stdout.take(), engine.stderr.take()) else {
        return Err(io::Error::other("the engine has no output"));
    };
    Ok(Collector {
        stdout: Captured::new(stdout.into())?,
        stderr: Captured::new(stderr.into())?,
        room: invocation.limits.output_bytes,
        endless: false,
        stream: run.stream.then(|| Stream::new(&run.call)),
    })
}

fn done(
    run: &Run,
    ended: Ended,
    changes: Proposed,
    proposal: Vec<OwnedFd>,
) -> io::Result<(Reply, Vec<OwnedFd>)> {
    use std::os::unix::process::ExitStatusExt as _;
    let timed_out = ended.cut == Some(Cut::Deadline);
    let killed = nix::libc::SIGKILL;
    let (exit, signal) = match ended.cut {
        Some(Cut::Deadline) => (Some(TIMED_OUT), None),
        Some(_) => (None, Some(killed)),
        None => (ended.status.code(), ended.status.signal()),
    };
    let reply = Reply::Done(Done {
        call: run.call.clone(),
        exit,
        signal,
        timed_out,
        output_truncated: ended.cut == Some(Cut::Output),
        duration_us: u64::try_from(ended.duration.as_micros()).unwrap_or(u64::MAX),
        stdout_len: ended.stdout.length,
        stderr_len: ended.stderr.length,
        peak_memory: None,
        changes,
    });
    let mut bulk = vec![ended.stdout.seal()?, ended.stderr.seal()?];
    bulk.extend(proposal);
    Ok((reply, bulk))
}
