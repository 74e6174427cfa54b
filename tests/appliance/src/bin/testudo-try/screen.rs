//! What people see while the appliance comes up and goes. Standard error only; colours on a terminal only.

use std::io::{IsTerminal, Write};
use std::path::Path;
use std::time::Duration;

/// The terminal, or what stands for it.
pub(crate) struct Screen {
    terminal: bool,
}

impl Screen {
    pub(crate) fn open() -> Self {
        let colours = std::env::var_os("NO_COLOR").is_none();
        Self { terminal: std::io::stderr().is_terminal() && colours }
    }

    /// Something takes a moment; on a terminal the next line takes its place.
    pub(crate) fn progress(&self, what: &str) {
        if self.terminal {
            eprint!("\r\x1b[2K\x1b[2m{what}…\x1b[0m");
            let _ = std::io::stderr().flush();
        }
    }

    /// What runs and where.
    pub(crate) fn summary(&self, daemons: usize, ready_after: Duration, rows: &[(&str, String)]) {
        self.clear();
        let (bold, dim, plain) = if self.terminal { ("\x1b[1m", "\x1b[2m", "\x1b[0m") } else { ("", "", "") };
        let seconds = ready_after.as_secs_f64();
        eprintln!("{bold}Testudo{plain}: {daemons} daemons on a private bus, ready in {seconds:.2} s");
        for (name, value) in rows {
            eprintln!("  {dim}{name:<9}{plain}  {value}");
        }
    }

    /// Something that people need before they go on.
    pub(crate) fn tell(&self, text: &str) {
        self.clear();
        eprintln!("\n{text}");
    }

    /// Removes a progress line.
    pub(crate) fn clear(&self) {
        if self.terminal {
            eprint!("\r\x1b[2K");
            let _ = std::io::stderr().flush();
        }
    }
}

/// Where the state is, for the summary.
pub(crate) fn describe_state(keep: Option<&Path>) -> String {
    match keep {
        Some(folder) => format!("kept in {}", folder.display()),
        None => "temporary, removed at the end (--keep DIR keeps it)".to_owned(),
    }
}
