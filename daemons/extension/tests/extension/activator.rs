//! Plays systemd for one socket: starts the process when somebody connects and none runs.

use std::fs::{self, File};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// A socket, and the processes that it started.
pub(crate) struct Activator {
    directory: tempfile::TempDir,
    seen: Arc<Mutex<Seen>>,
    ended: Receiver<ExitStatus>,
    /// Its other end wakes the thread when it is closed.
    stop: Option<UnixStream>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Default)]
struct Seen {
    running: Option<Pid>,
    starts: usize,
}

impl Activator {
    /// Listens for a process with these components.
    pub(crate) fn new(components: &[PathBuf]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let config = format!("[extension]\ncomponents = {components:?}\n");
        fs::write(directory.path().join("testudo.toml"), config).unwrap();
        let listener = UnixListener::bind(directory.path().join("socket")).unwrap();
        let seen = Arc::<Mutex<Seen>>::default();
        let (stop, stopped) = UnixStream::pair().unwrap();
        let (tell, ended) = channel();
        let mut thread = Thread {
            directory: directory.path().to_path_buf(),
            listener,
            stopped,
            seen: Arc::clone(&seen),
            tell,
        };
        let thread = Some(std::thread::spawn(move || thread.run()));
        Self { directory, seen, ended, stop: Some(stop), thread }
    }

    pub(crate) fn socket(&self) -> PathBuf {
        self.directory.path().join("socket")
    }

    /// How many processes it has started.
    pub(crate) fn starts(&self) -> usize {
        self.seen.lock().unwrap().starts
    }

    /// The one that runs.
    pub(crate) fn pid(&self) -> Pid {
        self.seen.lock().unwrap().running.unwrap()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until the next process has ended.
    pub(crate) fn ended(&self) -> ExitStatus {
        self.ended.recv().unwrap()
    }

    /// What all of them wrote on standard error.
    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.directory.path().join("log")).unwrap()
    }
}

impl Drop for Activator {
    fn drop(&mut self) {
        self.stop = None;
        if let Some(pid) = self.seen.lock().unwrap().running {
            let _ = kill(pid, Signal::SIGKILL);
        }
        let _ = self.thread.take().unwrap().join();
    }
}

struct Thread {
    directory: PathBuf,
    listener: UnixListener,
    stopped: UnixStream,
    seen: Arc<Mutex<Seen>>,
    tell: Sender<ExitStatus>,
}

impl Thread {
    fn run(&mut self) {
        loop {
            let mut both = [
                PollFd::new(std::os::fd::AsFd::as_fd(&self.stopped), PollFlags::POLLIN),
                PollFd::new(std::os::fd::AsFd::as_fd(&self.listener), PollFlags::POLLIN),
            ];
            poll(&mut both, PollTimeout::NONE).unwrap();
            if both[0].any().unwrap() {
                return;
            }
            let mut child = start(&self.directory, &self.listener);
            let pid = Pid::from_raw(child.id().try_into().unwrap());
            {
                let mut seen = self.seen.lock().unwrap();
                seen.starts += 1;
                seen.running = Some(pid);
            }
            // Reaped only once its number is taken back, so that no signal can meet another process.
            let info = nix::sys::wait::waitid(
                nix::sys::wait::Id::Pid(pid),
                nix::sys::wait::WaitPidFlag::WEXITED | nix::sys::wait::WaitPidFlag::WNOWAIT,
            );
            info.unwrap();
            self.seen.lock().unwrap().running = None;
            let _ = self.tell.send(child.wait().unwrap());
        }
    }
}

/// Starts the process with the socket as its descriptor 3, named by the variables of socket activation.
fn start(directory: &Path, listener: &UnixListener) -> Child {
    let log = File::options().create(true).append(true).open(directory.join("log")).unwrap();
    Command::new("/bin/sh")
        .args(["-c", "exec 3<&0 </dev/null; LISTEN_PID=$$ LISTEN_FDS=1 exec \"$0\" --config \"$1\""])
        .arg(env!("CARGO_BIN_EXE_testudo-extension"))
        .arg(directory.join("testudo.toml"))
        .stdin(std::os::fd::OwnedFd::from(listener.try_clone().unwrap()))
        .stderr(log)
        .spawn()
        .unwrap()
}
