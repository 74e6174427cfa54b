//! What a call's child tells the zygote about itself, over a pipe that no program inherits.
//!
//! One line per message, each written at once: setting up failed, the program could not be started, or the
//! status with which the program ended. Silence means that everything was killed before its end.

use std::fs::File;
use std::io::{self, Write};
use std::os::fd::{AsRawFd, RawFd};

/// What is known of a call's end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Report {
    /// The confinement could not be set up, so nothing ran.
    Unconfined(String),
    /// The same, because the kernel refuses an overlay of the workspace.
    NoOverlay(String),
    /// The status from `wait`, raw.
    Ended(i32),
    /// Killed before it could say.
    Silent,
}

/// The child's end.
#[derive(Debug)]
pub(crate) struct Reporter(Option<File>);

impl Reporter {
    pub(crate) fn new(pipe: File) -> Self {
        Self(Some(pipe))
    }

    /// Says that nothing ran, and why.
    pub(crate) fn unconfined(&mut self, reason: &str) {
        self.say(&format!("unconfined {}\n", line(reason)));
    }

    /// Says that nothing ran, because there can be no overlay.
    pub(crate) fn no_overlay(&mut self, reason: &str) {
        self.say(&format!("no-overlay {}\n", line(reason)));
    }

    /// Says how the program ended.
    pub(crate) fn ended(&mut self, status: i32) {
        self.say(&format!("ended {status}\n"));
    }

    fn say(&mut self, line: &str) {
        // Nobody listens if the zygote is gone, and then this process is about to be killed.
        let _ = self.0.as_mut().map(|pipe| pipe.write_all(line.as_bytes()));
    }

    /// Says nothing any more.
    pub(crate) fn close(&mut self) {
        self.0 = None;
    }

    /// What it speaks through.
    pub(crate) fn descriptor(&self) -> Option<RawFd> {
        self.0.as_ref().map(AsRawFd::as_raw_fd)
    }
}

fn line(reason: &str) -> String {
    reason.chars().filter(|letter| !letter.is_control()).take(1000).collect()
}

/// Reads what the child said; its writers are gone by now.
pub(crate) fn read(mut pipe: impl io::Read) -> io::Result<Report> {
    let mut text = String::new();
    pipe.read_to_string(&mut text)?;
    Ok(parse(&text))
}

fn parse(text: &str) -> Report {
    let mut report = Report::Silent;
    for line in text.lines() {
        match line.split_once(' ') {
            Some(("unconfined", reason)) => return Report::Unconfined(reason.to_owned()),
            Some(("no-overlay", reason)) => return Report::NoOverlay(reason.to_owned()),
            Some(("ended", status)) => {
                if let Ok(status) = status.parse() {
                    report = Report::Ended(status);
                }
            }
            _ => {}
        }
    }
    report
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_confinement_wins_over_the_status() {
        assert_eq!(parse("unconfined no userns\nended 0\n"), Report::Unconfined("no userns".into()));
        assert_eq!(parse("no-overlay EINVAL\nended 0\n"), Report::NoOverlay("EINVAL".into()));
        assert_eq!(parse("ended 256\n"), Report::Ended(256));
        assert_eq!(parse(""), Report::Silent);
        assert_eq!(parse("ended x\n"), Report::Silent);
    }
}
