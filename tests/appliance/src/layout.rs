//! Where an appliance keeps things on the machine's disk.
//!
//! ```text
//!  base/  (always temporary)          state/  (base/state, or the folder to keep)
//!    run/     /run/testudo inside       lib/        /var/lib/testudo inside
//!    root/    becomes / inside          log/        one file for each unit
//!    tmp/     TMPDIR of the human       workspace/  unless the user has one
//! ```

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::{Path, PathBuf};

use nix::fcntl::{Flock, FlockArg};
use serde::{Deserialize, Serialize};

use crate::error::ApplianceError;
use crate::plan::Plan;

/// Marks a folder as a kept state.
const MARK: &str = ".testudo-state";
/// The longest path of a Unix socket, without the ending NUL.
const SOCKET_PATH_MAX: usize = 107;

/// The directories of one appliance.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Layout {
    pub(crate) base: PathBuf,
    pub(crate) state: PathBuf,
    pub(crate) workspace: PathBuf,
}

impl Layout {
    /// Makes them. What is in a kept state stays.
    pub(crate) fn create(plan: &Plan) -> Result<Self, ApplianceError> {
        let parent = match std::env::temp_dir() {
            // Room for "/testudo-XXXXXX/run/sandbox/integration-test.sock".
            long if long.as_os_str().len() + 50 > SOCKET_PATH_MAX => PathBuf::from("/tmp"),
            parent => parent,
        };
        let base = tempfile::Builder::new()
            .prefix("testudo-")
            .tempdir_in(&parent)
            .map_err(|source| ApplianceError::file("make a directory in", &parent, source))?;
        let state = plan.keep.clone().unwrap_or_else(|| base.path().join("state"));
        if plan.keep.is_some() {
            claim(&state)?;
        }
        let layout = Self {
            workspace: plan.workspace.clone().unwrap_or_else(|| state.join("workspace")),
            base: base.path().to_path_buf(),
            state,
        };
        // 0711: the human behind sudo reaches the bus and the fresh workspace, and can list nothing.
        mode(&layout.base, 0o711)?;
        directory(&layout.state, 0o711)?;
        for (path, bits) in [
            (layout.root(), 0o755),
            (layout.run(), 0o755),
            (layout.tmp(), 0o700),
            (layout.lib(), 0o755),
            (layout.log(), 0o755),
        ] {
            directory(&path, bits)?;
        }
        let (uid, gid) = (Some(plan.human.uid), Some(plan.human.gid));
        let own = |path: &Path| chown(path, uid, gid).map_err(|e| ApplianceError::file("own", path, e));
        own(&layout.tmp())?;
        if plan.workspace.is_none() && !layout.workspace.exists() {
            directory(&layout.workspace, 0o750)?;
            own(&layout.workspace)?;
        }
        // From here on the guardian removes it.
        let _ = base.keep();
        Ok(layout)
    }

    pub(crate) fn root(&self) -> PathBuf {
        self.base.join("root")
    }

    pub(crate) fn run(&self) -> PathBuf {
        self.base.join("run")
    }

    pub(crate) fn tmp(&self) -> PathBuf {
        self.base.join("tmp")
    }

    pub(crate) fn lib(&self) -> PathBuf {
        self.state.join("lib")
    }

    pub(crate) fn log(&self) -> PathBuf {
        self.state.join("log")
    }

    /// Removes what is temporary. Errors do not matter: it is the last thing that happens.
    pub(crate) fn sweep(&self) {
        let _ = fs::remove_dir_all(&self.base);
    }
}

/// Makes a folder ours, unless it holds something else: its mode and owner are about to change.
fn claim(state: &Path) -> Result<(), ApplianceError> {
    fs::create_dir_all(state).map_err(|source| ApplianceError::file("make", state, source))?;
    let entries = fs::read_dir(state).map_err(|source| ApplianceError::file("read", state, source))?;
    if entries.count() > 0 && !state.join(MARK).exists() {
        let why = "it is not empty and not from an earlier run; give a new folder";
        return Err(ApplianceError::Keep { path: state.to_path_buf(), why });
    }
    Ok(())
}

/// Marks a kept state and holds it for one appliance at a time: until the file is closed.
pub(crate) fn hold(state: &Path) -> Result<Flock<fs::File>, ApplianceError> {
    let path = state.join(MARK);
    let file = fs::OpenOptions::new().create(true).append(true).open(&path);
    let file = file.map_err(|source| ApplianceError::file("make", &path, source))?;
    Flock::lock(file, FlockArg::LockExclusiveNonblock).map_err(|_| ApplianceError::Keep {
        path: state.to_path_buf(),
        why: "another appliance is running on it",
    })
}

/// Makes a directory with these permission bits, whatever the umask; one that is there gets the bits.
pub(crate) fn directory(path: &Path, bits: u32) -> Result<(), ApplianceError> {
    fs::create_dir_all(path).map_err(|source| ApplianceError::file("make", path, source))?;
    mode(path, bits)
}

fn mode(path: &Path, bits: u32) -> Result<(), ApplianceError> {
    fs::set_permissions(path, fs::Permissions::from_mode(bits))
        .map_err(|source| ApplianceError::file("set the mode of", path, source))
}
