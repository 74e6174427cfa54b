//! `testudo-egressd`: reaches out. See the library for what it promises.

use std::process::ExitCode;

use testudo_egressd::controls::Controls;
use testudo_egressd::service;

fn main() -> ExitCode {
    testudo::daemon::run("egressd", |config, lifecycle| service::serve(config, lifecycle, Controls::all()))
}
