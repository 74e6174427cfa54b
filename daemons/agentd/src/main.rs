//! `testudo-agentd`: see the library for what it does and promises.

use std::process::ExitCode;

fn main() -> ExitCode {
    testudo::daemon::run("agentd", |config, lifecycle| async move {
        let state = testudo::daemon::state_directory()?;
        testudo_agentd::serve(&config.agentd, &config.matrixd, &state, lifecycle).await
    })
}
