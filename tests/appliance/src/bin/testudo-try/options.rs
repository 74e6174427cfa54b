//! The command line.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::{Parser, Subcommand};

/// The one text for people; the script `try` shows it too, before anything is built.
const HELP: &str = include_str!("help.txt");

/// Starts a whole Testudo appliance on a private bus, and a chat with it.
#[derive(Debug, Parser)]
#[command(name = "try", version, override_help = HELP, disable_help_subcommand = true)]
pub(crate) struct Options {
    /// Keep state, logs and workspace in DIR, and go on from what is there
    #[arg(long, value_name = "DIR")]
    pub(crate) keep: Option<PathBuf>,

    /// Let the agent work on this folder of yours; what it creates belongs to the folder's owner
    #[arg(long, value_name = "DIR")]
    pub(crate) workspace: Option<PathBuf>,

    /// Talk in a Matrix room, on a homeserver of your own
    #[arg(long)]
    pub(crate) matrix: bool,

    /// The Python that has a homeserver
    #[arg(long, value_name = "FILE", hide = true)]
    pub(crate) python: Option<PathBuf>,

    /// The checkout whose units and policies are used
    #[arg(long, value_name = "DIR", hide = true, default_value = concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))]
    pub(crate) source: PathBuf,

    #[command(subcommand)]
    pub(crate) action: Option<Action>,
}

/// What to do in the appliance.
#[derive(Debug, Subcommand)]
pub(crate) enum Action {
    /// Run one command
    Run {
        /// The command and its arguments
        #[arg(value_name = "CMD", required = true, trailing_var_arg = true, allow_hyphen_values = true)]
        command: Vec<OsString>,
    },
    /// Talk to the agent (the default)
    Chat,
}

impl Options {
    /// The command that the appliance is for.
    pub(crate) fn command(&self) -> Vec<OsString> {
        match &self.action {
            Some(Action::Run { command }) => command.clone(),
            // The conversation is in the room; here is what an operator does beside it.
            None if self.matrix => vec![std::env::var_os("SHELL").unwrap_or_else(|| "sh".into())],
            Some(Action::Chat) | None => vec!["testudoctl".into(), "chat".into()],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::path::Path;

    fn parse(words: &[&str]) -> Options {
        Options::try_parse_from(std::iter::once("try").chain(words.iter().copied())).unwrap()
    }

    #[test]
    fn options_of_the_command_are_its_own() {
        let options = parse(&["--keep", "k", "run", "ls", "--keep", "-l", "--", "x"]);
        assert_eq!(options.keep.as_deref(), Some(Path::new("k")));
        assert_eq!(options.command(), ["ls", "--keep", "-l", "--", "x"]);
    }

    #[test]
    fn the_help_names_every_option() {
        use clap::CommandFactory;
        for option in
            <Options as CommandFactory>::command().get_arguments().filter(|option| !option.is_hide_set())
        {
            let name = option.get_long().map(|long| format!("--{long}")).unwrap();
            assert!(HELP.contains(&name), "{name}");
        }
    }

    #[test]
    fn the_script_builds_every_daemon_that_is_started() {
        let read = |path: &str| {
            std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../..").join(path)).unwrap()
        };
        let (script, target) = (read("try"), read("units/system/testudo.target"));
        let built = script.lines().find_map(|line| line.strip_prefix("for name in ")?.split(';').next());
        let built: Vec<&str> = built.unwrap().split_whitespace().collect();
        let wanted =
            target.lines().filter_map(|line| line.strip_prefix("Wants=")).flat_map(str::split_whitespace);
        let started: Vec<&str> =
            wanted.filter_map(|unit| unit.strip_prefix("testudo-")?.strip_suffix(".service")).collect();
        assert!(!started.is_empty());
        for daemon in started {
            assert!(built.contains(&daemon), "./try does not build {daemon}");
        }
    }

    #[test]
    fn beside_a_room_it_is_a_shell_unless_named() {
        assert_ne!(parse(&["--matrix"]).command(), ["testudoctl", "chat"]);
        assert_eq!(parse(&["--matrix", "chat"]).command(), ["testudoctl", "chat"]);
        assert_eq!(parse(&["--matrix", "run", "ls"]).command(), ["ls"]);
    }

    #[test]
    fn without_a_command_it_is_the_chat() {
        assert_eq!(parse(&[]).command(), ["testudoctl", "chat"]);
        assert!(Options::try_parse_from(["try", "run"]).is_err());
    }
}
