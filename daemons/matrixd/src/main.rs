//! The Matrix daemon's process; everything is in the library.
#![recursion_limit = "256"]

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::daemon::run("matrixd", |config, lifecycle| {
        testudo_matrixd::serving::serve(config, lifecycle, testudo_matrixd::controls::Controls::all())
    })
}
