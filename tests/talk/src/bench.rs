//! What talking costs: how long people wait for what, and what the daemon keeps in memory.
//!
//! [`waiting`] is the times and [`keeping`] the memory; [`report`] is what `testudo-bench --talk` puts into its table.
//! People are this program, in whatever build; the daemons are those of a folder. Nothing here passes or fails by a time.

pub mod keeping;
pub mod report;
pub mod waiting;

use std::path::{Path, PathBuf};
use std::time::Duration;

use testudo_appliance::Plan;

use crate::synapse::Synapse;
use crate::talk::Talk;

/// How much is measured, of whose daemons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Arguments {
    /// The folder of the daemons.
    pub daemons: PathBuf,
    /// Rounds that are measured, after a few that are not.
    pub rounds: usize,
    /// Messages, each answered, after which the memory is looked at.
    pub messages: usize,
    /// Further encrypted events, which nobody answers.
    pub events: usize,
}

impl Arguments {
    /// Reads a command line, without the program's name; what is wrong with it otherwise.
    ///
    /// # Errors
    /// When something is no option or has no value.
    pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Self, String> {
        let mut arguments = Self { daemons: PathBuf::new(), rounds: 50, messages: 1_000, events: 10_000 };
        let mut words = words.into_iter();
        while let Some(option) = words.next() {
            let value = words.next().ok_or_else(|| format!("{option} needs a value"))?;
            let number = || value.parse().map_err(|_| format!("{option} needs a number, not {value}"));
            match option.as_str() {
                "--daemons" => arguments.daemons = PathBuf::from(&value),
                "--rounds" => arguments.rounds = number()?,
                "--messages" => arguments.messages = number()?,
                "--events" => arguments.events = number()?,
                _ => return Err(format!("no option {option}")),
            }
        }
        if arguments.daemons.as_os_str().is_empty() {
            return Err("--daemons DIR is missing: the folder of the daemons to measure".to_owned());
        }
        Ok(arguments)
    }
}

/// An appliance of these daemons that talks, where a reaction is enough for what changes files.
fn start(daemons: &Path, change: impl FnOnce(&mut Plan)) -> Talk {
    let daemons = daemons.canonicalize().expect("the folder of the daemons is there");
    Talk::with(Synapse::start(), "reaction", |plan| {
        plan.visible.push(daemons.clone());
        plan.bin_dir = daemons;
        // A measurement makes more calls a minute than any session should.
        plan.set("toold", "calls_per_minute", 1_000_000).set("toold", "burst", 1_000_000);
        change(plan);
    })
}

/// Lets what comes after an answer (the end of typing, receipts) come to its end.
async fn settle() {
    tokio::time::sleep(Duration::from_secs(3)).await;
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(words: &[&str]) -> Result<Arguments, String> {
        Arguments::parse(words.iter().map(|word| (*word).to_owned()))
    }

    #[test]
    fn numbers_have_defaults_and_the_folder_has_none() {
        let daemons = PathBuf::from("d");
        let expected = Arguments { daemons, rounds: 3, messages: 1_000, events: 10_000 };
        assert_eq!(parse(&["--rounds", "3", "--daemons", "d"]), Ok(expected));
        for wrong in
            [&["--rounds", "3"][..], &["--daemons"], &["--daemons", "d", "--rounds", "x"], &["x", "y"]]
        {
            assert!(parse(wrong).is_err(), "{wrong:?}");
        }
    }
}
