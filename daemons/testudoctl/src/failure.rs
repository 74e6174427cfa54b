//! Why a command did not do what it was asked: one sentence, what helps, and the exit status.

use std::fmt::Display;
use std::io;
use std::process::ExitCode;

use serde_json::json;
use testudo::fault::{bus_error_text, is_peer_gone};
use thiserror::Error;

use crate::page::Page;
use crate::screen;

/// Wrong usage, as `clap` has it.
pub const EXIT_USAGE: u8 = 2;
/// A line of a data file cannot be (`EX_DATAERR`).
pub const EXIT_DATA: u8 = 65;
/// A file has mistakes (`EX_CONFIG`).
pub const EXIT_CONFIG: u8 = 78;

/// Why a command failed.
#[derive(Debug, Error)]
pub enum Failure {
    /// The bus or a daemon did not do it.
    #[error("cannot {doing}: {cause}")]
    Bus {
        /// What was tried, as a verb and its object.
        doing: String,
        /// What the bus or the daemon said.
        cause: String,
        /// What may help.
        remedy: Option<&'static str>,
    },
    /// A daemon answered something that this version does not understand.
    #[error("cannot understand the answer of {daemon}: {cause}")]
    Answer {
        /// Who answered.
        daemon: &'static str,
        /// What is odd about it.
        cause: String,
    },
    /// Something on this machine could not be read.
    #[error("cannot read {what}: {source}")]
    Read {
        /// The file or stream.
        what: String,
        /// Why.
        source: io::Error,
    },
    /// The answer could not be written.
    #[error("cannot write the answer: {0}")]
    Output(#[from] io::Error),
    /// An argument cannot be.
    #[error("{0}")]
    Usage(String),
    /// There is no such thing, or it may not be.
    #[error("{0}")]
    Refused(String),
    /// A line of a data file cannot be.
    #[error("{0}")]
    Line(String),
    /// The answer has been shown, and it is a no.
    #[error("refused")]
    Shown,
    /// The answer has been shown: a file has mistakes.
    #[error("mistakes")]
    Mistakes,
}

impl Failure {
    /// The exit status.
    pub fn status(&self) -> u8 {
        match self {
            Self::Output(error) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            Self::Usage(_) => EXIT_USAGE,
            Self::Line(_) => EXIT_DATA,
            Self::Mistakes => EXIT_CONFIG,
            _ => 1,
        }
    }

    /// What may help.
    pub const fn remedy(&self) -> Option<&'static str> {
        match self {
            Self::Bus { remedy, .. } => *remedy,
            Self::Answer { .. } => Some("are testudoctl and the daemons of the same version?"),
            _ => None,
        }
    }

    /// The same; where nothing better is known, with how to start the appliance.
    #[must_use]
    pub fn or_start(mut self) -> Self {
        if let Self::Bus { remedy, .. } = &mut self {
            remedy.get_or_insert(START);
        }
        self
    }

    /// Tells the person, or the program with `--json`, and gives the exit status.
    pub fn report(&self, page: &Page) -> ExitCode {
        let quiet = match self {
            Self::Shown | Self::Mistakes => true,
            Self::Output(error) => error.kind() == io::ErrorKind::BrokenPipe,
            _ => false,
        };
        if !quiet {
            let text = screen::lines(&self.to_string());
            eprintln!("testudoctl: {text}");
            if let Some(remedy) = self.remedy() {
                eprintln!("  {remedy}");
            }
            if page.is_json() {
                // The status says the same to whoever is gone.
                let _ = page.json(&json!({"error": {"message": self.to_string()}}));
            }
        }
        ExitCode::from(self.status())
    }
}

/// Says what was being done when the bus failed.
pub trait Doing<T> {
    /// `what` is a verb and its object: "list the approvals".
    ///
    /// # Errors
    /// The failure with what helps.
    fn doing(self, what: impl Display) -> Result<T, Failure>;
}

impl<T> Doing<T> for zbus::Result<T> {
    fn doing(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(|error| Failure::Bus {
            doing: what.to_string(),
            cause: bus_error_text(&error),
            remedy: remedy(&error),
        })
    }
}

impl<T> Doing<T> for zbus::fdo::Result<T> {
    fn doing(self, what: impl Display) -> Result<T, Failure> {
        self.map_err(zbus::Error::from).doing(what)
    }
}

fn remedy(error: &zbus::Error) -> Option<&'static str> {
    use zbus::fdo::Error as Fdo;
    match error {
        zbus::Error::FDO(inner) if matches!(**inner, Fdo::AccessDenied(_) | Fdo::AuthFailed(_)) => {
            Some("only root and the group testudo may: `usermod -aG testudo USER`, then log in again")
        }
        zbus::Error::MethodError(name, Some(text), _)
            if name.as_str() == "org.testudo.Error.Denied" && text.starts_with("only an operator") =>
        {
            Some("only root and the group testudo may: `usermod -aG testudo USER`, then log in again")
        }
        // The daemon's own words already say what it lacks.
        zbus::Error::MethodError(name, _, _) if name.starts_with("org.testudo.Error.") => None,
        other if is_peer_gone(other) => Some(START),
        _ => None,
    }
}

const START: &str = "is testudo.target running? `systemctl status testudo.target`, or start ./try";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bus_that_is_not_there_is_said_with_what_helps() {
        let error: zbus::Result<()> = Err(zbus::Error::Failure("failed to connect".into()));
        let failure = error.doing("reach the bus").unwrap_err().or_start();
        assert!(failure.to_string().starts_with("cannot reach the bus: "), "{failure}");
        assert_eq!(failure.remedy(), Some(START));
        assert_eq!(failure.status(), 1);
    }

    #[test]
    fn a_stranger_is_told_of_the_group() {
        let error: zbus::Result<()> =
            Err(zbus::Error::FDO(Box::new(zbus::fdo::Error::AccessDenied("policy".into()))));
        let failure = error.doing("list the approvals").unwrap_err();
        assert!(failure.remedy().unwrap().contains("group testudo"));
    }

    #[test]
    fn a_reader_that_left_is_no_failure() {
        assert_eq!(Failure::Output(io::Error::from(io::ErrorKind::BrokenPipe)).status(), 0);
        assert_eq!(Failure::Output(io::Error::from(io::ErrorKind::StorageFull)).status(), 1);
    }
}
