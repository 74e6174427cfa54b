//! `testudo-probe NAME [KEY=VALUE…]`: makes one attack from inside of a tool call, and says in one line of JSON whether it
//! got through: `{"probe":…,"reached":…,"detail":…}`.
//!
//! A probe reaches its goal when the kernel served what it asked for, not when it merely got another error. None of them
//! harms the machine when it succeeds: what would is opened and not written, or written with what it holds already.
//! What stops each of them is in `tests/attacks/table`, and `tests/tests/attack_suite` runs them all.

mod files;
mod kernel;
mod limits;
mod mounts;
mod namespaces;
mod processes;
mod sockets;
mod system;

use std::collections::BTreeMap;
use std::process::ExitCode;

use nix::errno::Errno;
use system::Outcome;

/// What the runner prepared outside: a port, a path, a number of a process.
pub(crate) struct Stage(BTreeMap<String, String>);

impl Stage {
    /// A value that this probe cannot do without.
    pub(crate) fn get(&self, key: &str) -> Result<&str, Errno> {
        self.0.get(key).map(String::as_str).ok_or(Errno::EINVAL)
    }
}

/// One probe: its name, and what it does.
type Probe = (&'static str, fn(&Stage) -> Outcome);

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let name = arguments.next().unwrap_or_default();
    let pairs = arguments
        .filter_map(|word| word.split_once('=').map(|(key, value)| (key.to_owned(), value.to_owned())));
    let stage = Stage(pairs.collect());
    let families = [
        files::PROBES,
        kernel::PROBES,
        limits::PROBES,
        mounts::PROBES,
        namespaces::PROBES,
        processes::PROBES,
        sockets::PROBES,
    ];
    let Some((_, probe)) = families.iter().copied().flatten().find(|(known, _)| *known == name) else {
        eprintln!("testudo-probe: there is no probe `{name}`");
        return ExitCode::from(2);
    };
    let (reached, detail) = match probe(&stage) {
        Ok(detail) => (true, detail),
        Err(errno) => (false, format!("{errno:?}")),
    };
    println!("{}", serde_json::json!({ "probe": name, "reached": reached, "detail": detail }));
    ExitCode::SUCCESS
}

/// An error of the standard library as the kernel's.
pub(crate) fn errno(error: &std::io::Error) -> Errno {
    Errno::from_raw(error.raw_os_error().unwrap_or(nix::libc::EIO))
}
