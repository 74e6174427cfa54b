//! A Podman with storage of its own, an image in it, and runners started on both.

use std::fs;
use std::os::unix::fs::{PermissionsExt as _, chown};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use testudo_sandbox::client::Instance;

/// The owner of the workspaces.
const OWNER: u32 = 65533;

/// Says that this machine has no Podman that can run containers.
const LEFT_OUT: &str = "TESTUDO_WITHOUT_PODMAN";

/// Puts the host's shell and a few programs with their libraries below `$1`.
const IMAGE: &str = r#"set -e; mkdir -p "$1/tmp" "$1/workspace" "$1/proc" "$1/dev" "$1/sys" "$1/etc"
for name in sh cat ls id sleep touch rm mkdir env true; do
  program=$(readlink -f "$(type -P $name)"); mkdir -p "$1/bin"; cp "$program" "$1/bin/$name"
  for library in $(ldd "$program" | grep -o '/[^ ]*'); do
    mkdir -p "$1$(dirname "$library")"; cp -L "$library" "$1$library"
  done
done; tar -C "$1" -cf "$2" ."#;

/// Podman, in a mount namespace in which it finds one version of control groups.
pub(crate) struct Podman {
    place: TempDir,
    program: PathBuf,
    digest: String,
}

impl Podman {
    /// One that can run containers. None, said aloud, only where it was said beforehand that there is none.
    pub(crate) fn unless_left_out() -> Option<Self> {
        match Self::find() {
            Ok(podman) => Some(podman),
            Err(reason) => {
                let left_out = std::env::var_os(LEFT_OUT).is_some_and(|value| value == "1");
                assert!(left_out, "{reason}; with {LEFT_OUT}=1 what needs Podman is left out");
                eprintln!("left out: {reason}");
                None
            }
        }
    }

    fn find() -> Result<Self, String> {
        let place = tempfile::Builder::new()
            .prefix("testudo-podman")
            .tempdir_in("/var/tmp")
            .map_err(|e| e.to_string())?;
        let program = place.path().join("podman");
        let storage = place.path().display();
        let script = format!(
            "#!/bin/sh\nexec podman --storage-driver=vfs --root={storage}/root --runroot={storage}/run \
             --tmpdir={storage}/tmp --cgroup-manager=cgroupfs --events-backend=none \"$@\"\n"
        );
        fs::write(&program, script).expect("it is ours");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let mut podman = Self { place, program, digest: String::new() };
        let tar = podman.place.path().join("image.tar");
        let root = podman.place.path().join("image");
        let made = Command::new("bash").args(["-c", IMAGE, "bash"]).arg(&root).arg(&tar).output();
        said("an image cannot be made", &made.map_err(|error| error.to_string())?)?;
        said(
            "podman cannot import an image",
            &podman.ask(&["import", "-q", &tar.display().to_string(), "localhost/tool:1"]),
        )?;
        let digest = podman.ask(&["image", "inspect", "--format", "{{.Digest}}", "localhost/tool:1"]);
        podman.digest = said("podman has no image", &digest)?;
        let limits = ["--ulimit=nofile=64:64", "--ulimit=nproc=64:64", "--memory=64m", "--network=none"];
        let mut trial = vec!["run", "--rm", "--pull=never"];
        trial.extend(limits);
        trial.extend(["localhost/tool:1", "true"]);
        said("podman cannot run a container here", &podman.ask(&trial))?;
        Ok(podman)
    }

    fn ask(&self, arguments: &[&str]) -> Output {
        namespace(&self.program).args(arguments).stdin(Stdio::null()).output().expect("unshare is there")
    }

    /// What there is, one line each.
    pub(crate) fn containers(&self) -> String {
        let listed = self.ask(&["ps", "--all", "--format", "{{.Names}} {{.Status}}"]);
        String::from_utf8_lossy(&listed.stdout).trim().to_owned()
    }

    /// Waits for a container whose line has this in it.
    pub(crate) fn wait_for(&self, status: &str) {
        let began = Instant::now();
        while !self.containers().contains(status) {
            assert!(began.elapsed() < Duration::from_secs(20), "no container came up");
        }
    }

    /// Kills, as the kernel does, the runner that the one container belongs to.
    pub(crate) fn kill_runner_of(&self, _call: &str) {
        let name = self.containers();
        let number =
            name.strip_prefix("testudo-").and_then(|rest| rest.split('-').next()).expect("a runner's name");
        let number = nix::unistd::Pid::from_raw(number.parse().expect("a number"));
        nix::sys::signal::kill(number, nix::sys::signal::Signal::SIGKILL).expect("it lives");
    }

    /// A runner that allows the image as `tool`.
    pub(crate) fn start(&self) -> Started {
        let images = format!(
            "[toold.containers.tool]\nimage = \"localhost/tool@{}\"\n[toold.containers.absent]\nimage = \"localhost/tool@sha256:{}\"\n",
            self.digest,
            "0".repeat(64)
        );
        Started::new(&self.program, &images)
    }
}

/// The output, or what failed and how.
fn said(what: &str, output: &Output) -> Result<String, String> {
    if output.status.success() {
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    } else {
        Err(format!("{what}: {}", String::from_utf8_lossy(&output.stderr).trim()))
    }
}

/// A program in a mount namespace without the second version of control groups beside the first. Its standard input
/// is its descriptor 3, too.
fn namespace(program: &Path) -> Command {
    let mut command = Command::new("unshare");
    command
        .args(["--mount", "sh", "-c", "umount /sys/fs/cgroup/unified 2>/dev/null; exec 3<&0 \"$@\"", "sh"])
        .arg(program);
    command
}

/// A runner with a workspace.
pub(crate) struct Started {
    pub(crate) instance: Instance,
    pub(crate) process: Child,
    place: TempDir,
}

impl Started {
    /// A runner with this engine and nothing allowed but one image that is nowhere.
    pub(crate) fn with_engine(engine: &Path) -> Self {
        Self::new(
            engine,
            &format!("[toold.containers.tool]\nimage = \"localhost/tool@sha256:{}\"\n", "a".repeat(64)),
        )
    }

    fn new(engine: &Path, images: &str) -> Self {
        let place =
            tempfile::Builder::new().prefix("testudo-runner").tempdir_in("/var/tmp").expect("a folder");
        fs::set_permissions(place.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let (ours, theirs) = UnixStream::pair().expect("a pair");
        let process = spawn(place.path(), engine, images, theirs).spawn().expect("it starts");
        Self { instance: Instance::from_stream(ours), process, place }
    }

    /// Its workspace.
    pub(crate) fn workspace(&self) -> PathBuf {
        self.place.path().join("workspace")
    }

    /// Puts a file of the owner's into the workspace.
    pub(crate) fn file(&self, name: &str, content: &str) {
        let path = self.workspace().join(name);
        let folder = path.parent().expect("it has one");
        fs::create_dir_all(folder).expect("it is ours");
        fs::write(&path, content).expect("it is ours");
        for path in [folder, &path] {
            chown(path, Some(OWNER), Some(OWNER)).expect("root may chown");
        }
    }
}

impl Drop for Started {
    fn drop(&mut self) {
        // It may have ended; what it left in the engine goes with the engine's storage.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn spawn(place: &Path, engine: &Path, images: &str, connection: UnixStream) -> Command {
    for name in ["workspace", "scratch"] {
        fs::create_dir_all(place.join(name)).expect("it is ours");
    }
    chown(place.join("workspace"), Some(OWNER), Some(OWNER)).expect("root may chown");
    fs::write(place.join("testudo.toml"), images).expect("it is ours");
    let mut command = namespace(Path::new(env!("CARGO_BIN_EXE_testudo-sandbox")));
    command
        .args(["--connection-fd", "3", "container", "--workspace"])
        .arg(place.join("workspace"))
        .arg("--scratch")
        .arg(place.join("scratch"))
        .arg("--config")
        .arg(place.join("testudo.toml"))
        .arg("--engine")
        .arg(engine)
        .env("LEAKED", "LEAKED")
        .stdin(Stdio::from(std::os::fd::OwnedFd::from(connection)));
    command
}

/// What a runner says when one container is configured like this, which is to be nothing that it takes.
pub(crate) fn refused_configuration(place: &Path, container: &str) -> (Option<i32>, String) {
    let (_ours, theirs) = UnixStream::pair().expect("a pair");
    let images = format!("[toold.containers.tool]\n{container}\n");
    let output = spawn(place, "/nonexistent".as_ref(), &images, theirs).output().expect("it starts");
    assert!(!output.status.success());
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}
