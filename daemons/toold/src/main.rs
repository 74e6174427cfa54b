//! `testudo-toold`: acts. See the library for what it promises.

use std::process::ExitCode;

use testudo_toold::controls::Controls;
use testudo_toold::service;

fn main() -> ExitCode {
    testudo::daemon::run("toold", |config, lifecycle| service::serve(config, lifecycle, Controls::all()))
}
