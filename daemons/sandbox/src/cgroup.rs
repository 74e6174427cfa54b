//! Control groups of calls, where the service manager delegated the sandbox's own to it.
//!
//! Each call has a group with limits of its own, so that memory counts for all of its processes together and one
//! write kills them all. A process is moved into its group while it waits for its call, because the move can take
//! twenty milliseconds. Where nothing is delegated there are no groups, and resource limits are what holds; a knob
//! that a kernel does not have is no error.

use std::fs::{self, OpenOptions};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::limits::Limits;

/// Where the kernel shows control groups.
const MOUNT: &str = "/sys/fs/cgroup";
/// What is asked for; the more of it there is, the more holds.
const CONTROLLERS: [&str; 3] = ["memory", "pids", "cpu"];
/// The runner's own group: one with children may hold no process itself.
const OWN: &str = "zygote";
/// Of which a call gets its percentage, in microseconds.
const PERIOD: u64 = 100_000;

/// The groups below that of this sandbox.
#[derive(Debug)]
pub(crate) struct Subtree {
    top: PathBuf,
    memory: bool,
    cpu_percent: u32,
}

/// The group of one call.
#[derive(Debug)]
pub(crate) struct Group {
    path: PathBuf,
}

impl Subtree {
    /// The delegated subtree of this process; none where there is none.
    pub(crate) fn of_this_process(cpu_percent: u32) -> Option<Self> {
        let groups = fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
        // Root may write everywhere, and nothing says that it was given this.
        if nix::unistd::getuid().is_root() {
            return None;
        }
        let path = groups.lines().find_map(|line| line.strip_prefix("0::/"))?;
        Self::below(&Path::new(MOUNT).join(path), cpu_percent).ok()
    }

    /// Makes `top` ready for groups of calls: this process moves into one of its own, and what was left is swept.
    ///
    /// # Errors
    /// It is not ours to write.
    fn below(top: &Path, cpu_percent: u32) -> io::Result<Self> {
        // Every cgroup of version 2 has this file; nothing else does.
        let offered = fs::read_to_string(top.join("cgroup.controllers"))?;
        let own = top.join(OWN);
        match fs::create_dir(&own) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        set(&own, "cgroup.procs", "0")?;
        let mut memory = false;
        for controller in
            CONTROLLERS.into_iter().filter(|name| offered.split_whitespace().any(|it| it == *name))
        {
            // One at a time: one that cannot be had must not cost the others.
            let enabled = set(top, "cgroup.subtree_control", &format!("+{controller}")).is_ok();
            memory |= enabled && controller == "memory";
        }
        let subtree = Self { top: top.to_owned(), memory, cpu_percent };
        subtree.sweep();
        Ok(subtree)
    }

    /// Whether memory is limited by groups, for all processes of a call together.
    pub(crate) fn limits_memory(&self) -> bool {
        self.memory
    }

    /// Makes the group of a call, with the limits that it has at most.
    pub(crate) fn group(&self, number: u64, limits: &Limits) -> io::Result<Group> {
        let path = self.top.join(format!("call-{number}"));
        fs::create_dir(&path)?;
        let group = Group { path };
        // An eater takes its whole call along, never a bystander.
        group.try_set("memory.oom.group", "1");
        group.try_set("memory.swap.max", "0");
        group.try_set("cpu.max", &format!("{} {PERIOD}", u64::from(self.cpu_percent) * PERIOD / 100));
        group.limit(limits);
        Ok(group)
    }

    /// Removes what an earlier life of this sandbox left.
    fn sweep(&self) {
        let Ok(entries) = fs::read_dir(&self.top) else { return };
        for entry in
            entries.flatten().filter(|entry| entry.file_name().to_string_lossy().starts_with("call-"))
        {
            let group = Group { path: entry.path() };
            group.kill();
            group.remove();
        }
    }
}

impl Group {
    /// Sets what the call may use up.
    pub(crate) fn limit(&self, limits: &Limits) {
        // Files in memory count to whoever wrote them: its private /tmp must fit beside what its programs need.
        let memory = limits.memory_bytes.saturating_add(limits.tmp_bytes);
        self.try_set("memory.max", &memory.to_string());
        // Beside its own processes there is the one that reaps them.
        self.try_set("pids.max", &limits.processes.saturating_add(1).to_string());
    }

    /// Moves the calling process into it.
    pub(crate) fn enter(&self) -> io::Result<()> {
        set(&self.path, "cgroup.procs", "0")
    }

    /// Kills everything in it at once; a kernel without that leaves it to the PID namespace.
    pub(crate) fn kill(&self) {
        self.try_set("cgroup.kill", "1");
    }

    /// The most memory that it used, in bytes.
    pub(crate) fn peak(&self) -> Option<u64> {
        fs::read_to_string(self.path.join("memory.peak")).ok()?.trim().parse().ok()
    }

    /// Removes it; everything in it is dead.
    pub(crate) fn remove(&self) {
        if let Err(error) = fs::remove_dir(&self.path) {
            eprintln!("<4>cannot remove the control group of a call: {error}");
        }
    }

    fn try_set(&self, knob: &str, value: &str) {
        // Absent without its controller or on an older kernel; resource limits and the PID namespace hold then.
        let _ = set(&self.path, knob, value);
    }
}

/// Writes to a knob that is there.
fn set(group: &Path, knob: &str, value: &str) -> io::Result<()> {
    OpenOptions::new().write(true).truncate(true).open(group.join(knob))?.write_all(value.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A directory that looks like a delegated group; what the kernel would add to new groups is added by hand.
    fn played(controllers: &str) -> tempfile::TempDir {
        let top = tempfile::tempdir().unwrap();
        fs::write(top.path().join("cgroup.controllers"), controllers).unwrap();
        fs::write(top.path().join("cgroup.subtree_control"), "").unwrap();
        knobs(&top.path().join(OWN), &["cgroup.procs"]);
        top
    }

    fn knobs(group: &Path, names: &[&str]) {
        fs::create_dir_all(group).unwrap();
        for name in names {
            fs::write(group.join(name), "").unwrap();
        }
    }

    fn value(group: &Path, knob: &str) -> String {
        fs::read_to_string(group.join(knob)).unwrap()
    }

    #[test]
    fn the_runner_moves_aside_and_takes_what_is_offered() {
        let top = played("cpu memory pids\n");
        let subtree = Subtree::below(top.path(), 50).unwrap();
        assert!(subtree.limits_memory());
        assert_eq!(value(&top.path().join(OWN), "cgroup.procs"), "0");
        assert_eq!(value(top.path(), "cgroup.subtree_control"), "+cpu", "the last that was written");
        let bare = played("");
        assert!(!Subtree::below(bare.path(), 50).unwrap().limits_memory());
    }

    #[test]
    fn a_directory_that_is_no_group_is_left_alone() {
        let top = tempfile::tempdir().unwrap();
        assert!(Subtree::below(top.path(), 50).is_err());
        assert_eq!(fs::read_dir(top.path()).unwrap().count(), 0);
    }

    #[test]
    fn a_call_gets_its_limits_and_absent_knobs_are_no_error() {
        let top = played("memory pids cpu");
        let subtree = Subtree::below(top.path(), 25).unwrap();
        let limits = Limits { memory_bytes: 1000, tmp_bytes: 24, processes: 5, ..Limits::default() };
        let group = subtree.group(7, &limits).unwrap();
        assert_eq!(fs::read_dir(&group.path).unwrap().count(), 0, "nothing is made up");
        assert_eq!(group.peak(), None);
        knobs(&group.path, &["memory.max", "pids.max", "cgroup.procs", "cgroup.kill"]);
        fs::write(group.path.join("memory.peak"), "4096\n").unwrap();
        group.limit(&limits);
        group.enter().unwrap();
        group.kill();
        let set =
            ["memory.max", "pids.max", "cgroup.procs", "cgroup.kill"].map(|knob| value(&group.path, knob));
        assert_eq!(set, ["1024", "6", "0", "1"]);
        assert_eq!(group.peak(), Some(4096));
    }

    #[test]
    fn groups_of_an_earlier_life_go() {
        let top = played("");
        fs::create_dir(top.path().join("call-3")).unwrap();
        Subtree::below(top.path(), 25).unwrap();
        assert!(!top.path().join("call-3").exists() && top.path().join(OWN).exists());
    }
}
