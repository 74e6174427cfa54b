//! Containers whose runner is gone: found by their label, and removed when the next runner starts.

use std::fs;

use super::engine::{Engine, EngineError};
use super::invocation::RUNNER;

/// Names this process as no other: its number and when it started, which no successor of that number shares.
pub(super) fn this_process() -> String {
    let number = std::process::id();
    format!("{number}-{}", started(number).unwrap_or_default())
}

/// Removes the containers of runners that are not there any more, and returns how many.
pub(super) fn sweep(engine: &Engine) -> Result<usize, EngineError> {
    let format = format!("{{{{.ID}}}} {{{{index .Labels \"{RUNNER}\"}}}}");
    let filter = format!("label={RUNNER}");
    let output = engine.ask(["ps", "--all", "--no-trunc", "--filter", &filter, "--format", &format])?;
    if !output.status.success() {
        return Err(EngineError::Broken(super::engine::last_line(&output.stderr)));
    }
    let listing = String::from_utf8_lossy(&output.stdout);
    let orphans: Vec<&str> = listing
        .lines()
        .filter_map(|line| line.split_once(' '))
        .filter(|(_, runner)| !lives(runner))
        .map(|(id, _)| id)
        .collect();
    for id in &orphans {
        engine.remove(id)?;
    }
    Ok(orphans.len())
}

fn lives(runner: &str) -> bool {
    let Some((number, start)) = runner.trim().split_once('-') else { return false };
    number.parse().ok().and_then(started).is_some_and(|started| started == start)
}

/// When a process started, in the kernel's ticks since the boot.
fn started(number: u32) -> Option<String> {
    let text = fs::read_to_string(format!("/proc/{number}/stat")).ok()?;
    // The name in parentheses may hold anything; the first field after it is the state, the twentieth the time.
    let mut fields = text.rsplit_once(')')?.1.split_whitespace();
    let dead = matches!(fields.next()?, "Z" | "X");
    fields.nth(18).filter(|_| !dead).map(str::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_runner_is_known_by_number_and_start() {
        let this = this_process();
        assert!(lives(&this));
        let (number, start) = this.split_once('-').unwrap();
        assert!(!start.is_empty());
        assert!(!lives(&format!("{number}-{start}0")), "another process with our number");
        for gone in ["", "x", "0-0", "4194305-1"] {
            assert!(!lives(gone), "{gone}");
        }
    }
}
