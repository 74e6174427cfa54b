//! What our numbers stand beside: the same `true` with less around it, and the floors that nothing can pass.

use std::fs::File;
use std::io::{Seek as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::rounds::Subject;

/// `true` as a plain child.
pub(crate) const PLAIN: &str = "plain fork+exec of true";
/// `true` in bubblewrap's namespaces: no overlay, no Landlock, no seccomp filter.
pub(crate) const BWRAP: &str = "bwrap --unshare-all --ro-bind / / true";
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
