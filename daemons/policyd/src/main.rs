//! `testudo-policyd`: decides. See the library for what it promises.

use std::process::ExitCode;

use testudo_policyd::controls::Controls;
use testudo_policyd::serve::serve;

fn main() -> ExitCode {
    testudo::daemon::run("policyd", |config, lifecycle| serve(config, lifecycle, Controls::all()))
}
