//! The words of an answer. Pure: text in, what it says out.
//!
//! ```text
//! yes CODE [OTP]              session CODE [OTP]      1-3 CODE [OTP]           (steps of a plan)
//! yes CODE for 2h [OTP]       always CODE [OTP]       /approve ID CODE [for 2h] [OTP]
//! for 2h CODE [OTP]           no [CODE] [reason]      /deny ID [reason]
//! yes CODE I break 6 decisions [OTP]                  (a change of the policy that breaks much)
//! ```
//! Nothing but exactly these words on one line is a yes, in either case and with any number of blanks between them.
//! What is typed from `I break` on is handed on as it stands there, capitals and blanks: `policyd` compares it.
//! A no may be said more freely: it is harmless to take for one what was none.

use std::fmt;

use testudo::approval::Scope;
use testudo::quantity;
use zeroize::Zeroizing;

use super::code::Code;

/// Most characters of a reason; `policyd` keeps no more.
const REASON: usize = 1024;
/// Most bytes of the longest yes that there is.
const LONGEST: usize = 128;
/// Digits of a one-time code.
const OTP: usize = 6;

/// An answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// A yes.
    Yes(Yes),
    /// A no.
    No(No),
}

/// A yes in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Yes {
    /// The approval that it names, if it does.
    pub id: Option<String>,
    /// The code that it gives.
    pub code: Code,
    /// How far it reaches.
    pub reach: Reach,
    /// For a plan: the steps that are meant; none for all.
    pub steps: Option<String>,
    /// A one-time code for `policyd`.
    pub otp: Option<Otp>,
    /// What was typed for a change of the policy, to the letter.
    pub phrase: Option<String>,
}

/// A no in words.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct No {
    /// The approval that it names, if it does.
    pub id: Option<String>,
    /// The code that it gives, if it does.
    pub code: Option<Code>,
    /// Why; may be empty.
    pub reason: String,
}

/// How far a yes reaches.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Reach {
    /// This once.
    #[default]
    Once,
    /// In this session.
    Session,
    /// For a time, such as `2h`.
    Until(String),
    /// For exactly these arguments, until it is revoked.
    Always,
}

impl Reach {
    /// As the options of `Approve` name it.
    pub const fn scope(&self) -> Scope {
        match self {
            Self::Once => Scope::Once,
            Self::Session => Scope::Session,
            Self::Until(_) => Scope::Until,
            Self::Always => Scope::Always,
        }
    }
}

/// A one-time code: carried to `policyd`, and neither shown nor kept.
#[derive(Clone, PartialEq, Eq)]
pub struct Otp(Zeroizing<String>);

impl Otp {
    fn parse(word: &str) -> Option<Self> {
        let is_one = word.len() == OTP && word.bytes().all(|byte| byte.is_ascii_digit());
        is_one.then(|| Self(Zeroizing::new(word.to_owned())))
    }

    /// The digits.
    pub fn digits(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Otp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Otp(…)")
    }
}

/// What a text says, if it is an answer.
pub fn parse(text: &str) -> Option<Answer> {
    let text = text.trim();
    yes(text).map(Answer::Yes).or_else(|| no(text).map(Answer::No))
}

fn yes(text: &str) -> Option<Yes> {
    if text.len() > LONGEST || !text.bytes().all(|byte| byte.is_ascii_graphic() || byte == b' ') {
        return None;
    }
    let (text, phrase) = typed(text);
    let yes = words(text)?;
    let Some(phrase) = phrase else { return Some(yes) };
    // The phrase stands behind the code and before a one-time code, and such a yes is for once and for all of it.
    let (phrase, otp) = match phrase.rsplit_once(' ') {
        Some((phrase, word)) if Otp::parse(word).is_some() => (phrase.trim_end(), Otp::parse(word)),
        _ => (phrase, None),
    };
    let is_plain = yes.reach == Reach::Once && yes.steps.is_none() && yes.otp.is_none();
    is_plain.then(|| Yes { otp, phrase: Some(phrase.to_owned()), ..yes })
}

/// A yes and the phrase in it: the words of the grammar, and all from `I break` on as it was typed. A wrong one is one,
/// too, so that `policyd` says what is wrong with it.
fn typed(text: &str) -> (&str, Option<&str>) {
    let lower = text.to_ascii_lowercase();
    let begins = |at: &usize| {
        let rest = lower.get(at + " i ".len()..).unwrap_or_default();
        rest.trim_start().starts_with("break ")
    };
    let at = lower.match_indices(" i ").map(|(at, _)| at).find(begins);
    match at.and_then(|at| text.split_at_checked(at)) {
        Some((words, phrase)) => (words, Some(phrase.trim())),
        None => (text, None),
    }
}

fn words(text: &str) -> Option<Yes> {
    let lower = text.to_ascii_lowercase();
    let words: Vec<&str> = lower.split(' ').filter(|word| !word.is_empty()).collect();
    let plain = |code: &str, reach: Reach, tail: &[&str]| {
        let otp = match tail {
            [] => None,
            [word] => Some(Otp::parse(word)?),
            _ => return None,
        };
        Some(Yes { id: None, code: Code::parse(code)?, reach, steps: None, otp, phrase: None })
    };
    match words.as_slice() {
        ["yes", code, tail @ ..] => {
            let (reach, tail) = reach(tail)?;
            plain(code, reach, tail)
        }
        ["/approve", id, code, tail @ ..] if is_id(id) => {
            let (reach, tail) = reach(tail)?;
            plain(code, reach, tail).map(|yes| Yes { id: Some((*id).to_owned()), ..yes })
        }
        ["for", time, code, tail @ ..] => plain(code, until(time)?, tail),
        ["session", code, tail @ ..] => plain(code, Reach::Session, tail),
        ["always", code, tail @ ..] => plain(code, Reach::Always, tail),
        [steps, code, tail @ ..] if is_steps(steps) => {
            plain(code, Reach::Once, tail).map(|yes| Yes { steps: Some((*steps).to_owned()), ..yes })
        }
        _ => None,
    }
}

/// What stands behind the code: perhaps a time, and then perhaps more.
fn reach<'a, 'w>(tail: &'a [&'w str]) -> Option<(Reach, &'a [&'w str])> {
    match tail {
        ["for", time, rest @ ..] => Some((until(time)?, rest)),
        rest => Some((Reach::Once, rest)),
    }
}

fn until(time: &str) -> Option<Reach> {
    quantity::duration(time).ok().filter(|lasts| !lasts.is_zero()).map(|_| Reach::Until(time.to_owned()))
}

/// `a-7`.
fn is_id(word: &str) -> bool {
    word.strip_prefix("a-").is_some_and(|number| {
        (1..=12).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

/// `1-3`, `1,3` or `-2`; which steps there are `policyd` knows.
fn is_steps(word: &str) -> bool {
    word.bytes().any(|byte| byte.is_ascii_digit())
        && word.bytes().all(|byte| byte.is_ascii_digit() || matches!(byte, b'-' | b','))
}

fn no(text: &str) -> Option<No> {
    let (first, rest) = split(text);
    let first = first.trim_end_matches([',', '.', '!', ':', ';']).to_lowercase();
    match first.as_str() {
        "no" | "deny" => {
            let (word, after) = split(rest);
            let code = Code::parse(word);
            let reason = reason(if code.is_some() { after } else { rest });
            Some(No { id: None, code, reason })
        }
        "/deny" => {
            let (id, rest) = split(rest);
            let id = id.to_ascii_lowercase();
            is_id(&id).then(|| No { id: Some(id), code: None, reason: reason(rest) })
        }
        _ => None,
    }
}

fn reason(text: &str) -> String {
    let text = text.trim_start_matches([',', '.', '!', ':', ';', ' ']);
    let text = match split(text) {
        (word, rest) if word.eq_ignore_ascii_case("because") => rest,
        _ => text,
    };
    text.chars().take(REASON).collect()
}

/// The first word and what follows it.
fn split(text: &str) -> (&str, &str) {
    let text = text.trim_start();
    text.split_once(char::is_whitespace).map_or((text, ""), |(word, rest)| (word, rest.trim()))
}

#[cfg(test)]
mod tests;
