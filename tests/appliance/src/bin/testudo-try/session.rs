//! One appliance, one command in it, and nothing afterwards.

use std::ffi::OsString;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use nix::errno::Errno;
use nix::libc;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::prctl;
use nix::sys::signal::{SigSet, Signal, kill};
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::sys::wait::waitpid;
use nix::unistd::Pid;
use testudo_appliance::{Appliance, ApplianceError, Plan};

use crate::catalogue::first_model;
use crate::elevation::PATH_VARIABLE;
use crate::matrix::Matrix;
use crate::model::Model;
use crate::options::Options;
use crate::screen::{Screen, describe_state};

/// How long the command may take to end after it was told to.
const GRACE: Duration = Duration::from_secs(5);

/// Starts the appliance, runs the command, stops the appliance; the command's status, 128 + n for signal n.
///
/// # Errors
/// When the appliance or the command does not start.
pub(crate) fn run(options: &Options) -> Result<u8> {
    let signals = watch_signals()?;
    // What the command leaves behind becomes ours, and ends with us.
    prctl::set_child_subreaper(true).context("cannot adopt what the command leaves behind")?;
    let model = Model::from(|name| std::env::var(name).ok(), first_model)?;
    let screen = Screen::open();
    let mut interrupted = None;
    let matrix = options.matrix.then(|| {
        screen.progress("starting a homeserver");
        Matrix::start(&options.source, options.python.as_deref(), options.keep.as_deref(), |answer| {
            interrupted = first_signal(answer, &signals)?;
            Ok(interrupted.is_none())
        })
    });
    let matrix = matrix.transpose().inspect_err(|_| screen.clear())?.flatten();
    if let Some(signal) = interrupted {
        screen.clear();
        return Ok(status_of_signal(signal as i32));
    }
    let mut plan = plan(options, &model)?;
    if let Some(matrix) = &matrix {
        matrix.enter(&mut plan);
    }
    screen.progress("starting the daemons");
    let appliance = match Appliance::start_unless(plan, signals.as_fd()) {
        Err(ApplianceError::Interrupted) => {
            screen.clear();
            return Ok(pending(&signals).map_or(130, |(signal, _)| status_of_signal(signal as i32)));
        }
        result => result.inspect_err(|_| screen.clear())?,
    };
    let daemons = appliance.status()?.len().saturating_sub(1);
    let workspace = match &options.workspace {
        Some(_) => appliance.workspace().display().to_string(),
        None => format!("{} (--workspace DIR: a folder of yours)", appliance.workspace().display()),
    };
    let mut rows = vec![
        ("model", model.describe()),
        ("workspace", workspace),
        ("state", describe_state(options.keep.as_deref())),
    ];
    rows.extend(matrix.iter().map(|matrix| ("matrix", matrix.describe())));
    screen.summary(daemons, appliance.ready_after(), &rows);
    if let Some(matrix) = &matrix {
        screen.tell(&matrix.invitation(options.action.is_none()));
    }
    let status = command(&appliance, &options.command()).and_then(|mut child| attend(&mut child, &signals));
    screen.progress("stopping");
    let stopped = appliance.stop();
    drop(matrix);
    end_descendants();
    screen.clear();
    stopped?;
    if let (Some(workspace), None) = (&options.workspace, &options.keep) {
        forget_applications(workspace);
    }
    status.map(status_number)
}

/// The list of what was applied to a folder of the user's is of no use without the state that it belongs to. A folder
/// with a journal of something unfinished stays: the next start finishes it.
fn forget_applications(workspace: &Path) {
    let folder = workspace.join(".testudo");
    if !folder.join("journal").exists() {
        // Not there, or not empty: then it has a reason to stay.
        let _ = std::fs::remove_file(folder.join("applied"));
        let _ = std::fs::remove_dir(folder);
    }
}

fn watch_signals() -> Result<SignalFd> {
    let mut mask = SigSet::empty();
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGCHLD] {
        mask.add(signal);
    }
    mask.thread_block().context("cannot block signals")?;
    SignalFd::with_flags(&mask, SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC)
        .context("cannot watch for signals")
}

fn plan(options: &Options, model: &Model) -> Result<Plan> {
    let program = std::env::current_exe().context("cannot find the running program")?;
    let bin_dir = program.parent().map(Path::to_path_buf).unwrap_or_default();
    let mut plan = Plan::from_repo(&options.source, &bin_dir)?;
    plan.keep = options
        .keep
        .as_deref()
        .map(std::path::absolute)
        .transpose()
        .context("cannot find the folder to keep")?;
    plan.workspace = options.workspace.as_deref().map(folder).transpose()?;
    model.enter(&mut plan);
    Ok(plan)
}

fn folder(path: &Path) -> Result<PathBuf> {
    let real = std::fs::canonicalize(path)
        .with_context(|| format!("cannot find the workspace {}", path.display()))?;
    if !real.is_dir() {
        bail!("cannot work on {}: it is not a folder", path.display());
    }
    Ok(real)
}

fn command(appliance: &Appliance, words: &[OsString]) -> Result<Child> {
    let (program, arguments) = words.split_first().context("no command was given")?;
    // Found as the command itself would find it: first ours, then on the human's own PATH.
    let own = std::env::var_os(PATH_VARIABLE).or_else(|| std::env::var_os("PATH")).unwrap_or_default();
    let path = std::iter::once(appliance.bin_dir().to_path_buf()).chain(std::env::split_paths(&own));
    let path = std::env::join_paths(path).context("cannot put testudoctl on the PATH")?;
    let place = if program.to_string_lossy().contains('/') {
        PathBuf::from(program)
    } else {
        let found = std::env::split_paths(&path)
            .map(|directory| directory.join(program))
            .find(|place| place.is_file());
        found.with_context(|| format!("cannot find the command {}", program.display()))?
    };
    let mut command = appliance.run_as_human(&place)?;
    command.args(arguments).env("PATH", path).env_remove(PATH_VARIABLE);
    command.spawn().with_context(|| format!("cannot run {}", program.display()))
}

/// Waits for the command. A signal to us is passed on to it; one of the terminal it has got already.
fn attend(child: &mut Child, signals: &SignalFd) -> Result<ExitStatus> {
    let mut deadline: Option<Instant> = None;
    loop {
        if let Some(status) = child.try_wait().context("cannot wait for the command")? {
            return Ok(status);
        }
        let limit = deadline.map_or(PollTimeout::NONE, |deadline| {
            PollTimeout::try_from(deadline.saturating_duration_since(Instant::now()))
                .unwrap_or(PollTimeout::MAX)
        });
        match poll(&mut [PollFd::new(signals.as_fd(), PollFlags::POLLIN)], limit) {
            Ok(0) => {
                child.kill().context("cannot kill the command")?;
                deadline = None;
            }
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for the command"),
        }
        while let Some((signal, by_terminal)) = pending(signals) {
            let pid = Pid::from_raw(i32::try_from(child.id()).context("cannot signal the command")?);
            if signal == Signal::SIGCHLD || by_terminal && signal != Signal::SIGHUP {
                continue;
            }
            let _ = kill(pid, signal);
            deadline = deadline.or_else(|| Some(Instant::now() + GRACE));
        }
    }
}

/// Waits until something can be read; the signal to end that came before, if one did.
fn first_signal(readable: BorrowedFd<'_>, signals: &SignalFd) -> Result<Option<Signal>> {
    loop {
        let mut both = [readable, signals.as_fd()].map(|fd| PollFd::new(fd, PollFlags::POLLIN));
        match poll(&mut both, PollTimeout::NONE) {
            Ok(_) | Err(Errno::EINTR) => {}
            Err(errno) => return Err(errno).context("cannot wait for the homeserver"),
        }
        let [answer, _] = &both;
        if answer.any().unwrap_or(false) {
            return Ok(None);
        }
        while let Some((signal, _)) = pending(signals) {
            if signal != Signal::SIGCHLD {
                return Ok(Some(signal));
            }
        }
    }
}

/// The next signal, and whether the kernel sent it to the whole foreground group.
fn pending(signals: &SignalFd) -> Option<(Signal, bool)> {
    let info = signals.read_signal().ok()??;
    let signal = Signal::try_from(i32::try_from(info.ssi_signo).ok()?).ok()?;
    Some((signal, info.ssi_code == libc::SI_KERNEL))
}

/// Kills what the command left behind, and what that leaves behind.
pub(crate) fn end_descendants() {
    let path = format!("/proc/self/task/{}/children", std::process::id());
    while let Ok(children) = std::fs::read_to_string(&path) {
        let children: Vec<Pid> =
            children.split_whitespace().filter_map(|p| p.parse().ok()).map(Pid::from_raw).collect();
        if children.is_empty() {
            return;
        }
        for child in children {
            let _ = kill(child, Signal::SIGKILL);
            let _ = waitpid(child, None);
        }
    }
}

fn status_number(status: ExitStatus) -> u8 {
    use std::os::unix::process::ExitStatusExt;
    match (status.code(), status.signal()) {
        (Some(code), _) => u8::try_from(code).unwrap_or(u8::MAX),
        (None, Some(signal)) => status_of_signal(signal),
        (None, None) => u8::MAX,
    }
}

fn status_of_signal(signal: i32) -> u8 {
    u8::try_from(128 + signal).unwrap_or(u8::MAX)
}
