//! From an ordinary user to root, for this one program and for a stated reason.

use std::os::unix::process::CommandExt;
use std::process::Command;

use anyhow::anyhow;

/// The human's own PATH: sudo puts another one in its place.
pub(crate) const PATH_VARIABLE: &str = "TESTUDO_TRY_PATH";

/// Executes this program again through sudo, with the same arguments and environment. Returns only if that fails.
pub(crate) fn again_as_root() -> anyhow::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return anyhow!(error).context("cannot find the running program"),
    };
    eprintln!(
        "Needs root: it makes users, namespaces and mounts that only the appliance sees.\n\
         Asking sudo to run {}; your command itself runs as you.",
        program.display()
    );
    let error = Command::new("sudo")
        .args(["--preserve-env", "--"])
        .arg(program)
        .args(std::env::args_os().skip(1))
        .env(PATH_VARIABLE, std::env::var_os("PATH").unwrap_or_default())
        .exec();
    anyhow!(error).context("cannot become root with sudo; run it as root")
}
