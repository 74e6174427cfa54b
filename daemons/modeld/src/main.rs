//! The model daemon's process; everything is in the library.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::daemon::run("modeld", testudo_modeld::serve)
}
