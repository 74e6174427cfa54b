//! The supervisor itself, with fixture units: what it promises to the daemons, to the tests of them, and to the machine.
//!
//! Needs root, as the supervisor does; without it every test here fails and says so.

#![expect(clippy::unwrap_used, clippy::panic, reason = "a test stops at the first surprise")]

mod credentials;
mod ends;
mod instances;
mod kept;
mod life;
mod ownership;
mod tried;

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};

use testudo_appliance::{Appliance, Plan};

fn repo() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/repo")
}

fn bin_dir() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_testudo-init")).parent().unwrap()
}

fn plan() -> Plan {
    Plan::from_repo(&repo(), bin_dir()).unwrap()
}

fn start(plan: Plan) -> Appliance {
    Appliance::start(plan).unwrap_or_else(|error| panic!("{error}"))
}

/// Has a shell command run by an instance behind a socket, and returns what it wrote.
fn in_instance(appliance: &Appliance, socket: &str, command: &str) -> String {
    let mut connection = UnixStream::connect(appliance.run_dir().join(format!("{socket}.sock"))).unwrap();
    writeln!(connection, "{command}").unwrap();
    connection.shutdown(Shutdown::Write).unwrap();
    let mut output = String::new();
    connection.read_to_string(&mut output).unwrap();
    output
}
