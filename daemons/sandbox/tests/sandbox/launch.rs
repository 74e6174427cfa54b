//! Starts the real runner as its unit would: another user, no network, a tmpfs for scratch.
//!
//! A host outside of the sandbox is played by files under [`Runner::host`] and by a readable stand-in that
//! is mounted over `/etc/shadow`; the test's own `/etc` stays as it is. Descriptor 9 is left open on it.

use std::fs;
use std::os::fd::OwnedFd;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use testudo_sandbox::client::{Instance, Outcome};
use testudo_sandbox::protocol::{Builtin, Limits, Program, Run};

/// The invocation id that every runner is started with.
pub(crate) const INVOCATION: &str = "00112233445566778899aabbccddeeff";

/// The user that owns the workspace and runs the calls.
pub(crate) const WORK: u32 = 65533;

/// A workspace, a host around it, and a runner started on them.
pub(crate) struct Runner {
    pub(crate) instance: Instance,
    pub(crate) process: Child,
    pub(crate) place: Place,
}

/// The directories of a test, owned by [`WORK`]; gone at the end.
pub(crate) struct Place {
    top: tempfile::TempDir,
    /// The control group that runners are given, as if it were delegated to their unit.
    group: Option<PathBuf>,
    /// Whether the scratch is an overlay itself, on which the kernel allows no other.
    copying: bool,
    /// Of the scratch, as `mount` takes it.
    size: &'static str,
}

impl Place {
    pub(crate) fn new() -> Self {
        let place = tempfile::Builder::new().prefix("testudo-sandbox").tempdir_in("/var/tmp").unwrap();
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).unwrap();
        for name in ["workspace", "scratch", "host", "programs"] {
            let path = place.path().join(name);
            fs::create_dir(&path).unwrap();
            own(&path);
        }
        fs::write(place.path().join("shadow"), "root:secret-hash\n").unwrap();
        own(&place.path().join("shadow"));
        Self { top: place, group: None, copying: false, size: "256m" }
    }

    /// The same with a control group; none on a machine where no group of version 2 can be made.
    pub(crate) fn with_group(name: &str) -> Option<(Self, PathBuf)> {
        let mounts = ["/sys/fs/cgroup/unified", "/sys/fs/cgroup"].map(PathBuf::from);
        let mount = mounts.into_iter().find(|mount| mount.join("cgroup.procs").exists())?;
        let group = mount.join(format!("{name}-{}", std::process::id()));
        fs::create_dir(&group).ok()?;
        for file in ["", "cgroup.procs", "cgroup.subtree_control", "cgroup.threads"] {
            own(&group.join(file));
        }
        let mut place = Self::new();
        place.group = Some(group.clone());
        Some((place, group))
    }

    /// The same where the kernel refuses overlays.
    pub(crate) fn copying(mut self) -> Self {
        self.copying = true;
        self
    }

    /// The same with a scratch of this size.
    pub(crate) fn with_scratch(mut self, size: &'static str) -> Self {
        self.size = size;
        self
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.top.path().join("workspace")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.top.path().join("scratch")
    }

    pub(crate) fn host(&self) -> PathBuf {
        self.top.path().join("host")
    }

    #[cfg(feature = "ablation")]
    pub(crate) fn programs(&self) -> PathBuf {
        self.top.path().join("programs")
    }

    /// Puts a file of the work user into the workspace.
    pub(crate) fn file(&self, name: &str, content: &str) {
        let mut at = self.workspace();
        let path = at.join(name);
        for part in Path::new(name).parent().unwrap().components() {
            at.push(part);
            if !at.exists() {
                fs::create_dir(&at).unwrap();
                own(&at);
            }
        }
        fs::write(&path, content).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
        own(&path);
    }

    pub(crate) fn read(&self, name: &str) -> String {
        fs::read_to_string(self.workspace().join(name)).unwrap()
    }

    /// Starts `binary RUNNER…` on a new connection.
    pub(crate) fn start(&self, binary: &str, network: bool, arguments: &[&str]) -> (Instance, Child) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        (Instance::from_stream(ours), self.start_on(theirs, binary, network, arguments))
    }

    /// The same, on a connection that the test made.
    pub(crate) fn start_on(
        &self,
        connection: UnixStream,
        binary: &str,
        network: bool,
        arguments: &[&str],
    ) -> Child {
        let script = format!(
            r#"set -e
            mount --make-rprivate /
            mount -t tmpfs -o size={size},mode=0755,uid={WORK},gid={WORK},nosuid,nodev tmpfs "$1"/scratch
            if test -n "$COPYING"; then
                cd "$1"/scratch
                mkdir lower upper work
                chown {WORK}:{WORK} upper
                mount -t overlay -o lowerdir=lower,upperdir=upper,workdir=work overlay "$1"/scratch
                cd /
            fi
            mount --bind "$1"/shadow /etc/shadow
            if test -n "$GROUP"; then
                mount --bind "${{GROUP%/*}}" /sys/fs/cgroup
                echo $$ > "/sys/fs/cgroup/${{GROUP##*/}}/cgroup.procs"
            fi
            place=$1 binary=$2; shift 2
            exec 9<"$place"/shadow
            exec 3<&0 </dev/null
            exec setpriv --reuid {WORK} --regid {WORK} --clear-groups "$binary" "$@" --connection-fd 3"#,
            size = self.size,
        );
        let mut command = Command::new("unshare");
        command.env("INVOCATION_ID", INVOCATION);
        command.env("GROUP", self.group.as_deref().unwrap_or(Path::new("")));
        command.env("COPYING", if self.copying { "yes" } else { "" });
        command.arg("--mount");
        if !network {
            command.arg("--net");
        }
        command.args(["--", "sh", "-c", &script, "sh"]).arg(self.top.path()).arg(binary).args(arguments);
        command.stdin(Stdio::from(OwnedFd::from(connection))).spawn().unwrap()
    }

    /// Starts the shipped zygote on it.
    pub(crate) fn zygote(self) -> Runner {
        let (workspace, scratch) = (self.workspace(), self.scratch());
        let arguments =
            ["zygote", "--workspace", workspace.to_str().unwrap(), "--scratch", scratch.to_str().unwrap()];
        let (instance, process) = self.start(env!("CARGO_BIN_EXE_testudo-sandbox"), false, &arguments);
        Runner { instance, process, place: self }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let Some(group) = &self.group else { return };
        // What waited for a call may still be dying.
        let _ = fs::write(group.join("cgroup.kill"), "1");
        let deadline = Instant::now() + Duration::from_secs(5);
        while fs::remove_dir(group).is_err() && Instant::now() < deadline {
            let below = fs::read_dir(group).into_iter().flatten().flatten().map(|entry| entry.path());
            for child in below.filter(|path| path.is_dir()) {
                let _ = fs::remove_dir(child);
            }
            std::thread::yield_now();
        }
    }
}

impl Runner {
    /// Runs a shell script on the overlay.
    pub(crate) fn shell(&mut self, script: &str) -> Outcome {
        self.instance.run(&shell(script)).unwrap()
    }

    /// Runs a built-in tool on the overlay; gives its exit status and answer.
    pub(crate) fn builtin(&mut self, builtin: Builtin) -> (i32, serde_json::Value, Outcome) {
        let run = Run { program: Program::Builtin(builtin), ..shell("") };
        let outcome = self.instance.run(&run).unwrap();
        let answer = serde_json::from_slice(&outcome.stdout).unwrap();
        (outcome.done.exit.unwrap(), answer, outcome)
    }
}

impl Drop for Runner {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A call of a shell script on the overlay.
pub(crate) fn shell(script: &str) -> Run {
    let program = Program::Exec { argv: vec!["sh".into(), "-c".into(), script.into()], cwd: None };
    let limits = Limits { wall_ms: 20_000, ..Limits::default() };
    Run { overlay: true, limits, ..Run::new("test", program) }
}

pub(crate) fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).trim().to_owned()
}

pub(crate) fn own(path: &Path) {
    chown(path, Some(WORK), Some(WORK)).unwrap();
}
