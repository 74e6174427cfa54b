//! `testudo-auditd`: records. See the library for how.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::daemon::run("auditd", |_config, lifecycle| testudo_auditd::serve(lifecycle))
}
