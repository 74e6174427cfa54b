//! A clock for daemons, which goes by another time than the machine's: libfaketime, wound by a file while they run.
//!
//! Only the time of day is another one. What waits goes by the monotonic clock and waits as long as ever.

use std::fs;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use testudo_appliance::Plan;

/// What is laid between a program and the time.
const LIBRARY: &str = "faketime/libfaketimeMT.so.1";

/// The clock. It outlives who goes by it.
pub struct Clock {
    folder: TempDir,
}

impl Clock {
    /// One that is right until it is set.
    pub fn new() -> Self {
        use std::os::unix::fs::PermissionsExt as _;
        let folder = tempfile::tempdir().expect("a folder can be made");
        fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
        let clock = Self { folder };
        clock.set("+0");
        clock
    }

    /// Puts it ahead of the machine's, or behind: `+2h`, `-1d`. It holds at once.
    pub fn set(&self, offset: &str) {
        let (new, file) = (self.folder.path().join("new"), self.file());
        fs::write(&new, offset).expect("a file can be written");
        // Whoever looks at it meanwhile sees the one or the other.
        fs::rename(new, file).expect("a file can be renamed");
    }

    /// These daemons of an appliance go by it.
    pub fn enter(&self, plan: &mut Plan, daemons: &[&str]) {
        plan.visible.push(self.folder.path().to_path_buf());
        for daemon in daemons {
            plan.variable(daemon, "LD_PRELOAD", &library().to_string_lossy())
                .variable(daemon, "FAKETIME_TIMESTAMP_FILE", &self.file().to_string_lossy())
                .variable(daemon, "FAKETIME_NO_CACHE", "1")
                .variable(daemon, "FAKETIME_DONT_FAKE_MONOTONIC", "1")
                .variable(daemon, "NO_FAKE_STAT", "1");
        }
    }

    fn file(&self) -> PathBuf {
        self.folder.path().join("time")
    }
}

impl Default for Clock {
    fn default() -> Self {
        Self::new()
    }
}

/// Where the library lies: distributions put it beside all others or into a folder for the processor's kind.
fn library() -> PathBuf {
    let folders = fs::read_dir("/usr/lib").expect("there are libraries").flatten().map(|entry| entry.path());
    let found = std::iter::once(Path::new("/usr/lib").to_path_buf())
        .chain(folders)
        .map(|folder| folder.join(LIBRARY))
        .find(|library| library.exists());
    found.unwrap_or_else(|| panic!("there is no {LIBRARY} in /usr/lib: install the package faketime"))
}
