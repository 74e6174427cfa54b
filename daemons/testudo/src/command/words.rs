//! What follows a command's name, and how each command reads it.

use super::table::Entry;
use super::{Command, Wrong};
use crate::context::LONGEST_PIN;

/// The most characters of a name or id.
const NAME: usize = 128;
/// The most characters of a reason, an answer or a note.
const TEXT: usize = 2_000;
/// The most characters of a session's name.
const SESSION: usize = 64;

/// What follows a command's name.
pub(super) struct Rest<'l> {
    /// The command.
    pub name: &'static str,
    /// What may follow, as its help says.
    pub arguments: &'static str,
    /// What does, without blanks around.
    pub text: &'l str,
}

type Read = Result<Command, Wrong>;

impl Rest<'_> {
    fn missing(&self, question: &'static str, listed: &'static str) -> Wrong {
        Wrong::Missing { question, name: self.name, arguments: self.arguments, listed }
    }

    fn bounded(&self, text: &str, most: usize) -> Result<String, Wrong> {
        // Bytes first, so that a body of megabytes is not counted through.
        if text.len() > 4 * most || text.chars().count() > most {
            return Err(Wrong::TooLong { name: self.name, most });
        }
        Ok(text.to_owned())
    }

    /// All of it as one name.
    fn one(&self, listed: &'static str) -> Result<String, Wrong> {
        if self.text.is_empty() {
            return Err(self.missing("which one?", listed));
        }
        self.bounded(self.text, NAME)
    }

    /// A name, and a text behind it that may be empty.
    fn one_and_text(&self) -> Result<(String, String), Wrong> {
        if self.text.is_empty() {
            return Err(self.missing("which one?", ""));
        }
        let (id, text) = self.text.split_once(char::is_whitespace).unwrap_or((self.text, ""));
        Ok((self.bounded(id, NAME)?, self.bounded(text.trim(), TEXT)?))
    }
}

#[expect(clippy::unnecessary_wraps, reason = "it is read as the others are")]
pub(super) fn help(rest: &Rest<'_>) -> Read {
    let word = rest.text.strip_prefix('/').unwrap_or(rest.text);
    Ok(Command::Help(Entry::named(word).map(|entry| entry.name)))
}

pub(super) fn new(rest: &Rest<'_>) -> Read {
    if rest.text.is_empty() || rest.arguments.is_empty() {
        return Ok(Command::New(None));
    }
    let is_plain = rest.text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'));
    let begins = rest.text.starts_with(|c: char| c.is_ascii_alphanumeric());
    if is_plain && begins && rest.text.len() <= SESSION {
        Ok(Command::New(Some(rest.text.to_owned())))
    } else {
        Err(Wrong::Name(SESSION))
    }
}

pub(super) fn disable(rest: &Rest<'_>) -> Read {
    rest.one("; /rules lists them").map(Command::Disable)
}

pub(super) fn enable(rest: &Rest<'_>) -> Read {
    rest.one("; /rules lists them").map(Command::Enable)
}

pub(super) fn revoke(rest: &Rest<'_>) -> Read {
    rest.one("; /leases lists them").map(Command::Revoke)
}

pub(super) fn model(rest: &Rest<'_>) -> Read {
    let name = rest.bounded(rest.text, NAME)?;
    Ok(Command::Model((!name.is_empty()).then_some(name)))
}

pub(super) fn pin(rest: &Rest<'_>) -> Read {
    let text = rest.bounded(rest.text, LONGEST_PIN)?;
    Ok(Command::Pin((!text.is_empty()).then_some(text)))
}

pub(super) fn unpin(rest: &Rest<'_>) -> Read {
    if rest.text.is_empty() {
        return Err(rest.missing("which one?", "; /pin lists them"));
    }
    rest.text
        .strip_prefix('#')
        .unwrap_or(rest.text)
        .parse()
        .map(Command::Unpin)
        .map_err(|_| Wrong::Number(rest.name))
}

pub(super) fn approve(rest: &Rest<'_>) -> Read {
    rest.one_and_text().map(|(id, answer)| Command::Approve { id, answer })
}

pub(super) fn deny(rest: &Rest<'_>) -> Read {
    rest.one_and_text().map(|(id, reason)| Command::Deny { id, reason })
}

pub(super) fn approve_context(rest: &Rest<'_>) -> Read {
    if rest.text.is_empty() {
        return Err(rest.missing("what is it?", ""));
    }
    rest.bounded(rest.text, TEXT).map(Command::ApproveContext)
}

/// Commands that nothing follows; what does is not looked at, so that `/stop it` stops.
macro_rules! alone {
    ($($read:ident => $command:ident),+ $(,)?) => {
        $(pub(super) fn $read(_: &Rest<'_>) -> Read {
            Ok(Command::$command)
        })+
    };
}

alone! {
    status => Status, stop => Stop, resume => Resume, sessions => Sessions, rules => Rules, usage => Usage,
    budget => Budget, compact => Compact, jobs => Jobs, memory => Memory, security => Security,
    approvals => Approvals, leases => Leases, quit => Quit,
}
