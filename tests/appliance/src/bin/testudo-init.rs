//! The supervisor's own program. It is started by the library, with the order on standard input, and by nobody else.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo_appliance::run_guardian()
}
