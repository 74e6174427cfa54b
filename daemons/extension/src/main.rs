//! `testudo-extension`: evaluates extension rules. See the library for what it promises.

use std::process::ExitCode;

use testudo_extension::service;

fn main() -> ExitCode {
    testudo::daemon::run("extension", service::serve)
}
