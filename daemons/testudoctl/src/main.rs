//! `testudoctl`: see the library of the same name; everything is there so that tests can reach it.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudoctl::run(std::env::args_os())
}
