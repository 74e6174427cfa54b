//! What our numbers stand beside: the same `true` with less around it, and the floors that nothing can pass.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Seek as _, Write as _};
use std::path::Path;
use std::process::{ChildStdout, Command, Stdio};

use anyhow::{Context as _, Result, ensure};
use serde_json::json;

use crate::rounds::Subject;

/// `true` as a plain child.
pub(crate) const PLAIN: &str = "plain fork+exec of true";
/// `true` in bubblewrap's namespaces: no overlay, no Landlock, no seccomp filter.
pub(crate) const BWRAP: &str = "bwrap --unshare-all --ro-bind / / true";
/// `true` in a container of crun's, the runtime below Podman: namespaces without a cgroup, an overlay or a filter.
pub(crate) const CRUN: &str = "crun run true, namespaces only";
/// What making anything durable costs here.
pub(crate) const FSYNC: &str = "write and fdatasync of 4 KiB";

/// A plain child.
pub(crate) fn plain() -> Subject<'static> {
    Subject::new(PLAIN, || succeeds(&mut Command::new("true")))
}

/// Bubblewrap, if it is installed.
pub(crate) fn bwrap() -> Option<Subject<'static>> {
    let mut words = BWRAP.split(' ');
    let program = words.next()?;
    let there = Command::new(program).arg("--version").stdout(Stdio::null()).status();
    if !there.is_ok_and(|status| status.success()) {
        eprintln!("testudo-bench: bwrap is not installed, so nothing is compared with it");
        return None;
    }
    let arguments: Vec<&str> = words.collect();
    let once = move || succeeds(Command::new(program).args(&arguments));
    Some(Subject::new(BWRAP, once).beside(PLAIN))
}

/// A container by crun, if it is installed and can run here.
pub(crate) fn crun(folder: &Path) -> Option<Subject<'static>> {
    match Crun::start(folder).and_then(|mut crun| crun.once().map(|()| crun)) {
        Ok(mut crun) => Some(Subject::new(CRUN, move || crun.once()).beside(PLAIN)),
        Err(error) => {
            eprintln!("testudo-bench: crun cannot run here, so nothing is compared with it: {error:#}");
            None
        }
    }
}

/// A shell that runs a container for each line that it is given. In mount namespace of its own, because crun refuses
/// to run where it sees both versions of cgroups.
struct Crun {
    shell: std::process::Child,
    answers: BufReader<ChildStdout>,
    count: u32,
}

impl Crun {
    fn start(folder: &Path) -> Result<Self> {
        let place = folder.join("crun");
        let root = place.join("root");
        for name in ["usr", "proc", "dev"] {
            std::fs::create_dir_all(root.join(name))?;
        }
        for name in ["bin", "lib", "lib64"] {
            std::os::unix::fs::symlink(format!("usr/{name}"), root.join(name))?;
        }
        let namespaces = ["pid", "mount", "ipc", "uts", "network"].map(|kind| json!({ "type": kind }));
        let bundle = json!({
            "ociVersion": "1.0.2",
            "process": {
                "user": { "uid": 0, "gid": 0 }, "args": ["/usr/bin/true"], "env": ["PATH=/usr/bin"], "cwd": "/",
                "capabilities": {}, "noNewPrivileges": true,
                "rlimits": [{ "type": "RLIMIT_NOFILE", "hard": 1024, "soft": 1024 }],
            },
            "root": { "path": root, "readonly": true },
            "mounts": [
                { "destination": "/proc", "type": "proc", "source": "proc" },
                { "destination": "/dev", "type": "tmpfs", "source": "tmpfs" },
                { "destination": "/usr", "type": "bind", "source": "/usr", "options": ["rbind", "ro"] },
            ],
            "linux": { "namespaces": namespaces },
        });
        std::fs::write(place.join("config.json"), bundle.to_string())?;
        let script = "umount /sys/fs/cgroup/unified 2>/dev/null
            while read -r id; do
              crun --cgroup-manager=disabled --root state run --no-pivot --bundle . \"$id\" >&2 && echo ok || echo no
            done";
        let mut shell = Command::new("unshare");
        shell.args(["--mount", "sh", "-c", script]).current_dir(&place);
        let mut shell = shell.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null()).spawn()?;
        let answers = BufReader::new(shell.stdout.take().context("a shell has an output")?);
        Ok(Self { shell, answers, count: 0 })
    }

    fn once(&mut self) -> Result<()> {
        self.count += 1;
        let input = self.shell.stdin.as_mut().context("a shell has an input")?;
        writeln!(input, "bench{}", self.count)?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        ensure!(answer == "ok\n", "it did not run a container");
        Ok(())
    }
}

impl Drop for Crun {
    fn drop(&mut self) {
        // It ends with its input.
        drop(self.shell.stdin.take());
        let _ = self.shell.wait();
    }
}

/// A durable write where the appliance keeps its records.
///
/// # Errors
/// When no file can be made there.
pub(crate) fn durable_write(folder: &Path) -> Result<Subject<'static>> {
    let mut file: File = tempfile::tempfile_in(folder)
        .with_context(|| format!("cannot make a file in {}", folder.display()))?;
    Ok(Subject::new(FSYNC, move || {
        file.rewind()?;
        file.write_all(&[7; 4096])?;
        Ok(file.sync_data()?)
    }))
}

fn succeeds(command: &mut Command) -> Result<()> {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).status()?;
    ensure!(status.success(), "it ended with {status}");
    Ok(())
}
