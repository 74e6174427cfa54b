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
pub(crate) struct Place(tempfile::TempDir);

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
        Self(place)
    }

    pub(crate) fn workspace(&self) -> PathBuf {
        self.0.path().join("workspace")
    }

    pub(crate) fn scratch(&self) -> PathBuf {
        self.0.path().join("scratch")
    }

    #[cfg(feature = "ablation")]
    pub(crate) fn host(&self) -> PathBuf {
        self.0.path().join("host")
    }

    #[cfg(feature = "ablation")]
    pub(crate) fn programs(&self) -> PathBuf {
        self.0.path().join("programs")
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
            mount -t tmpfs -o size=256m,mode=0755,uid={WORK},gid={WORK},nosuid,nodev tmpfs "$1"/scratch
            mount --bind "$1"/shadow /etc/shadow
            place=$1 binary=$2; shift 2
            exec 9<"$place"/shadow
            exec 3<&0 </dev/null
            exec setpriv --reuid {WORK} --regid {WORK} --clear-groups "$binary" "$@" --connection-fd 3"#
        );
        let mut command = Command::new("unshare");
        command.env("INVOCATION_ID", INVOCATION);
        command.arg("--mount");
        if !network {
            command.arg("--net");
        }
        command.args(["--", "sh", "-c", &script, "sh"]).arg(self.0.path()).arg(binary).args(arguments);
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
