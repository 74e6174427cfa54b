//! Every command, once: its name, what follows it, where there is it, who may give it, and what it does.

use super::words::{self, Rest};
use super::{Channel, Command, Rights, Wrong};

/// How a command is used in one channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Usage {
    /// What follows it, such as `ID [REASON]`; empty for nothing.
    pub arguments: &'static str,
    /// What it does there, in half a sentence.
    pub summary: &'static str,
}

/// One command.
pub struct Entry {
    /// Its name without the slash, in lower case.
    pub name: &'static str,
    /// Other names.
    pub also: &'static [&'static str],
    /// In `testudoctl chat`, if there is it.
    pub chat: Option<Usage>,
    /// In Matrix, if there is it.
    pub matrix: Option<Usage>,
    /// Who may give it in Matrix.
    pub rights: Rights,
    pub(super) read: fn(&Rest<'_>) -> Result<Command, Wrong>,
}

impl Entry {
    /// The command of this name, in capitals or not.
    pub fn named(word: &str) -> Option<&'static Self> {
        let is = |name: &str| name.eq_ignore_ascii_case(word);
        TABLE.iter().find(|entry| is(entry.name) || entry.also.iter().any(|name| is(name)))
    }

    /// How it is used in a channel, if it is there.
    pub const fn usage(&self, channel: Channel) -> Option<Usage> {
        match channel {
            Channel::Chat => self.chat,
            Channel::Matrix => self.matrix,
        }
    }
}

impl Command {
    /// Its line of the table.
    pub fn entry(&self) -> Option<&'static Entry> {
        Entry::named(self.name())
    }

    /// Its name without the slash.
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Help(_) => "help",
            Self::Status => "status",
            Self::Stop => "stop",
            Self::Resume => "resume",
            Self::New(_) => "new",
            Self::Sessions => "sessions",
            Self::Rules => "rules",
            Self::Disable(_) => "disable",
            Self::Enable(_) => "enable",
            Self::Model(_) => "model",
            Self::Usage => "usage",
            Self::Budget => "budget",
            Self::Pin(_) => "pin",
            Self::Unpin(_) => "unpin",
            Self::Compact => "compact",
            Self::Jobs => "jobs",
            Self::Memory => "memory",
            Self::Security => "security",
            Self::ApproveContext(_) => "approve-context",
            Self::Approvals => "approvals",
            Self::Approve { .. } => "approve",
            Self::Deny { .. } => "deny",
            Self::Leases => "leases",
            Self::Revoke(_) => "revoke",
            Self::Quit => "quit",
        }
    }
}

const fn usage(arguments: &'static str, summary: &'static str) -> Usage {
    Usage { arguments, summary }
}

type Read = fn(&Rest<'_>) -> Result<Command, Wrong>;

/// Used in the same way in both channels.
const fn both(name: &'static str, rights: Rights, used: Usage, read: Read) -> Entry {
    Entry { name, also: &[], chat: Some(used), matrix: Some(used), rights, read }
}

/// What waits, and the answers to it; then the conversation; then what guards it; then what it costs.
pub const TABLE: [Entry; 25] = [
    Entry {
        name: "help",
        also: &["?"],
        chat: Some(usage("[COMMAND]", "what there is, or what one command does")),
        matrix: Some(usage("[COMMAND]", "what there is, or what one command does")),
        rights: Rights::Member,
        read: words::help,
    },
    both(
        "approvals",
        Rights::Owner,
        usage("", "what waits for an answer, in every session"),
        words::approvals,
    ),
    Entry {
        name: "approve",
        also: &[],
        chat: Some(usage("ID", "show it and ask for the answer here")),
        matrix: Some(usage(
            "ID CODE [for TIME] [OTP]",
            "say yes to it, with the code that its question shows",
        )),
        rights: Rights::Owner,
        read: words::approve,
    },
    both("deny", Rights::Owner, usage("ID [REASON]", "say no to it"), words::deny),
    both("leases", Rights::Owner, usage("", "the yeses that hold for longer than once"), words::leases),
    both(
        "revoke",
        Rights::Owner,
        usage("LEASE", "end one: what it covered is asked about again"),
        words::revoke,
    ),
    both("status", Rights::Member, usage("", "is everything there, and what goes on"), words::status),
    Entry {
        name: "stop",
        also: &[],
        chat: Some(usage("", "cancel what is running (so does Ctrl-C)")),
        matrix: Some(usage("", "cancel what is running here, at once")),
        rights: Rights::Member,
        read: words::stop,
    },
    Entry {
        name: "resume",
        also: &[],
        chat: Some(usage("", "let this session go on after testudoctl stop")),
        matrix: None,
        rights: Rights::Owner,
        read: words::resume,
    },
    Entry {
        name: "new",
        also: &[],
        chat: Some(usage("[NAME]", "go on in a new session, or in the one of this name")),
        matrix: Some(usage("", "begin a new session here; the old one stays as it is")),
        rights: Rights::Member,
        read: words::new,
    },
    both("sessions", Rights::Owner, usage("", "conversations"), words::sessions),
    both(
        "rules",
        Rights::Owner,
        usage("", "the rules in plain language, as they stand in this session"),
        words::rules,
    ),
    both(
        "disable",
        Rights::Owner,
        usage("RULE", "switch one off in this session, if the policy lets it be"),
        words::disable,
    ),
    both("enable", Rights::Owner, usage("RULE", "switch it on again"), words::enable),
    both(
        "security",
        Rights::Owner,
        usage("", "how it is guarded now: the policy, what is open, what is switched off"),
        words::security,
    ),
    both(
        "approve-context",
        Rights::Owner,
        usage("TEXT", "vouch for something that the judges shall know"),
        words::approve_context,
    ),
    both(
        "model",
        Rights::Owner,
        usage("[NAME]", "which models there are, or have this one answer here"),
        words::model,
    ),
    both("usage", Rights::Owner, usage("", "the tokens that models read and wrote"), words::usage),
    both("budget", Rights::Owner, usage("", "how many they may in a day"), words::budget),
    both(
        "pin",
        Rights::Owner,
        usage("[TEXT]", "keep this before the model's eyes, or list what is kept there"),
        words::pin,
    ),
    both("unpin", Rights::Owner, usage("NUMBER", "take a pin away"), words::unpin),
    both(
        "compact",
        Rights::Owner,
        usage("", "have the model sum up what was said before the last exchange"),
        words::compact,
    ),
    both("jobs", Rights::Owner, usage("", "what runs by itself"), words::jobs),
    both("memory", Rights::Owner, usage("", "what is remembered beyond a session"), words::memory),
    Entry {
        name: "quit",
        also: &["exit"],
        chat: Some(usage("", "leave (so does Ctrl-D); what is running goes on")),
        matrix: None,
        rights: Rights::Owner,
        read: words::quit,
    },
];

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::command::{Line, read};

    /// Each usage as somebody would type it from the help.
    fn lines(channel: Channel) -> Vec<(&'static str, String)> {
        let used = TABLE.iter().filter_map(|entry| Some((entry, entry.usage(channel)?)));
        used.map(|(entry, usage)| (entry.name, format!("/{} {}", entry.name, usage.arguments))).collect()
    }

    #[test]
    fn every_line_of_the_help_is_read_as_its_own_command() {
        for channel in [Channel::Chat, Channel::Matrix] {
            for (name, line) in lines(channel) {
                let line = line.replace(['[', ']'], "").replace("NUMBER", "1");
                match read(&line, channel) {
                    Line::Command(command) => {
                        assert_eq!(command.name(), name, "{line}");
                        assert_eq!(command.entry().map(|entry| entry.name), Some(name));
                    }
                    other => panic!("{line}: {other:?}"),
                }
            }
        }
    }

    #[test]
    fn what_must_follow_is_asked_for_and_what_may_need_not() {
        for channel in [Channel::Chat, Channel::Matrix] {
            for entry in &TABLE {
                let Some(usage) = entry.usage(channel) else { continue };
                let must = !usage.arguments.is_empty() && !usage.arguments.starts_with('[');
                let bare = read(&format!("/{}", entry.name), channel);
                assert_eq!(
                    matches!(bare, Line::Wrong(Wrong::Missing { .. })),
                    must,
                    "{}: {bare:?}",
                    entry.name
                );
            }
        }
    }

    #[test]
    fn names_are_in_lower_case_and_no_two_are_one() {
        let names: Vec<&str> =
            TABLE.iter().flat_map(|entry| entry.also.iter().chain([&entry.name])).copied().collect();
        assert_eq!(names.iter().collect::<BTreeSet<_>>().len(), names.len());
        assert!(
            names
                .iter()
                .all(|name| name.bytes().all(|byte| byte.is_ascii_lowercase() || b"-?".contains(&byte)))
        );
    }

    #[test]
    fn members_get_four_commands_and_no_more() {
        let theirs: BTreeSet<&str> =
            TABLE.iter().filter(|entry| entry.rights == Rights::Member).map(|entry| entry.name).collect();
        assert_eq!(theirs, BTreeSet::from(["help", "status", "stop", "new"]));
    }
}
