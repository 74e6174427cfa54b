//! What a session keeps beside what was said in it: its model, what is pinned, a summary, and what it used.
//!
//! Like the messages it is only ever changed by lines of the session's file, see [`crate::conversation`].

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use testudo::context::Today;
use testudo::label::{Labels, Source};
use testudo::model::Message;
use testudo::observation::Author;
use testudo::visible;

use crate::cost::Cost;
use crate::said::Said;
use crate::speaker::Speaker;

/// The most models whose use is counted by name: a provider may call itself anything.
const MOST_MODELS: usize = 32;
/// Under this name all others are counted.
const OTHERS: &str = "(others)";

/// Something that the model is shown first, whatever else it is shown.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pin {
    /// Its number, which no other pin of the session ever has.
    pub number: u32,
    /// What it says.
    pub text: String,
    /// Who pinned it.
    pub by: String,
    /// When.
    pub at: String,
    /// Who could have written it.
    pub labels: Labels,
}

/// A summary that is shown instead of the messages that it covers.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Compaction {
    /// When it was made.
    pub at: String,
    /// Who asked for it.
    pub by: String,
    /// So many messages, from the first one on, are not shown any more.
    pub covers: u64,
    /// The model's words about them.
    pub summary: String,
    /// Everybody who could have written a part of what it covers, and the model.
    pub labels: Labels,
}

/// What a model was asked for and used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Tokens {
    /// How many times it was asked.
    pub requests: u64,
    /// Tokens that it read.
    pub input: u64,
    /// Tokens that it wrote.
    pub output: u64,
    /// How many of both are estimated.
    pub estimated: u64,
}

impl Tokens {
    fn add(&mut self, cost: Cost) {
        self.requests = self.requests.saturating_add(1);
        self.input = self.input.saturating_add(cost.input());
        self.output = self.output.saturating_add(cost.output());
        self.estimated = self.estimated.saturating_add(cost.guessed());
    }
}

/// All of it.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Context {
    /// The model that was chosen; none for the configured one.
    pub model: Option<String>,
    /// What is pinned, by number.
    pub pins: Vec<Pin>,
    /// The last summary.
    pub compaction: Option<Compaction>,
    /// What each model used.
    pub usage: BTreeMap<String, Tokens>,
    /// What the session used on the last day on which it used something.
    pub last_day: Option<(Date, Today)>,
    /// When it last met the end of the budget.
    pub budget_reached: Option<Date>,
    /// The number of the last pin.
    last_pin: u32,
}

impl Context {
    /// The number of the next pin.
    pub const fn next_pin(&self) -> u32 {
        self.last_pin.saturating_add(1)
    }

    /// How many messages a summary stands for.
    pub fn covered(&self) -> u64 {
        self.compaction.as_ref().map_or(0, |compaction| compaction.covers)
    }

    pub(crate) fn pinned(&mut self, pin: Pin) {
        self.last_pin = self.last_pin.max(pin.number);
        self.pins.push(pin);
    }

    pub(crate) fn unpinned(&mut self, number: u32) {
        self.pins.retain(|pin| pin.number != number);
    }

    pub(crate) fn used(&mut self, at: &str, model: &str, cost: Cost) {
        let is_known = self.usage.contains_key(model) || self.usage.len() < MOST_MODELS;
        self.usage.entry(if is_known { model } else { OTHERS }.to_owned()).or_default().add(cost);
        let Some(day) = day_of(at) else { return };
        let before =
            self.last_day.filter(|(last, _)| *last == day).map(|(_, today)| today).unwrap_or_default();
        self.last_day = Some((day, sum(before, today(cost))));
    }

    /// What stands before everything else that the model is shown: as people and models take turns in it, there is an
    /// answer to what is pinned, and before a summary something that it answers.
    pub fn head(&self) -> Vec<Said> {
        let summary = self.compaction.as_ref().map(|compaction| {
            let text = format!("{SUMMARY}\n{}", compaction.summary);
            Said {
                message: Message::assistant(text, Vec::new()),
                labels: compaction.labels.clone(),
                tool: None,
            }
        });
        let system = |message| Said { message, labels: Labels::of(Source::System), tool: None };
        match (self.pinned_words(), summary) {
            (None, None) => Vec::new(),
            (Some(pins), None) => vec![pins, system(Message::assistant(NOTED, Vec::new()))],
            (None, Some(summary)) => vec![system(Message::user(LEFT_OUT)), summary],
            (Some(pins), Some(summary)) => vec![pins, summary],
        }
    }

    fn pinned_words(&self) -> Option<Said> {
        let mut text = PINNED.to_owned();
        let mut labels = Labels::default();
        for Pin { number, text: words, by, labels: theirs, .. } in &self.pins {
            text.push_str(&format!("\n\nPin {number}, by {}:\n{words}", visible::line(by)));
            labels.absorb(theirs);
        }
        (!self.pins.is_empty()).then(|| Said { message: Message::user(text), labels, tool: None })
    }
}

/// Before what is pinned.
const PINNED: &str = "Pinned by the owner for all of this conversation:";
/// What answers it where no summary does.
const NOTED: &str = "(Kept in mind.)";
/// Before a summary where nothing is pinned.
const LEFT_OUT: &str =
    "(Testudo: what was said before this is left out from here on, and what follows is a summary of it.)";
/// How a summary begins.
const SUMMARY: &str = "Summary by the model of what was said before; these are not the words of the owner:";

impl Pin {
    /// What somebody pins, with the labels of what he says.
    pub fn by(speaker: &Speaker, text: &str, number: u32, at: &str) -> Self {
        let source = match speaker.author {
            Author::Owner => Source::Owner,
            Author::Member => Source::Member,
            Author::Bridged => Source::Bridged,
            Author::Stranger => Source::Stranger,
        };
        Self {
            number,
            text: text.to_owned(),
            by: speaker.name.clone(),
            at: at.to_owned(),
            labels: Labels::of(source),
        }
    }
}

/// A day on which this was all.
pub(crate) const fn today(cost: Cost) -> Today {
    Today { input: cost.input(), output: cost.output(), estimated: cost.guessed() }
}

/// Both together.
pub(crate) const fn sum(one: Today, other: Today) -> Today {
    Today {
        input: one.input.saturating_add(other.input),
        output: one.output.saturating_add(other.output),
        estimated: one.estimated.saturating_add(other.estimated),
    }
}

/// The day of a time, in UTC.
pub fn day_of(at: &str) -> Option<Date> {
    at.parse::<Timestamp>().ok().map(|at| at.to_zoned(TimeZone::UTC).date())
}

#[cfg(test)]
mod tests {
    use super::*;
    use testudo::model::{Role, Usage};

    /// What was read the provider counted, and what was written it did not.
    fn cost(input_tokens: u64, output_tokens: u64) -> Cost {
        Cost {
            told: Usage { input_tokens, output_tokens: 0 },
            estimated: Usage { input_tokens: 0, output_tokens },
        }
    }

    fn pin(number: u32, text: &str) -> Pin {
        let speaker = Speaker { author: Author::Owner, name: "matrix @ann:home.org".into() };
        Pin::by(&speaker, text, number, "2026-01-01T00:00:00Z")
    }

    #[test]
    fn use_is_counted_by_model_and_for_the_last_day() {
        let mut context = Context::default();
        context.used("2026-01-01T23:59:59.999Z", "big", cost(100, 10));
        context.used("2026-01-02T00:00:00.000Z", "big", cost(7, 1));
        context.used("2026-01-02T12:00:00.000Z", "small", cost(u64::MAX, 1));
        assert_eq!(context.usage["big"], Tokens { requests: 2, input: 107, output: 11, estimated: 11 });
        let today = Today { input: u64::MAX, output: 2, estimated: 2 };
        assert_eq!(context.last_day, Some((Date::constant(2026, 1, 2), today)));
        for number in 0..100 {
            context.used("2026-01-02T12:00:00.000Z", &format!("m{number}"), cost(1, 1));
        }
        assert_eq!((context.usage.len(), context.usage[OTHERS].requests), (MOST_MODELS + 1, 70));
    }

    #[test]
    fn a_number_is_never_given_twice() {
        let mut context = Context::default();
        context.pinned(pin(1, "a"));
        context.pinned(pin(2, "b"));
        context.unpinned(2);
        assert_eq!((context.pins.len(), context.next_pin()), (1, 3));
    }

    #[test]
    fn what_stands_first_says_who_said_it_and_takes_turns() {
        let mut context = Context::default();
        assert!(context.head().is_empty());
        context.pinned(pin(4, "never on Sundays"));
        let compaction = Compaction {
            at: "x".into(),
            by: "root".into(),
            covers: 3,
            summary: "They spoke.".into(),
            labels: Labels::of(Source::Web("evil.org".into())),
        };
        let roles =
            |context: &Context| context.head().iter().map(|said| said.message.role).collect::<Vec<_>>();
        assert_eq!(roles(&context), [Role::User, Role::Assistant]);
        context.compaction = Some(compaction);
        let head = context.head();
        assert_eq!(roles(&context), [Role::User, Role::Assistant]);
        assert!(head[0].message.content.ends_with("Pin 4, by matrix @ann:home.org:\nnever on Sundays"));
        assert_eq!(head[0].labels, Labels::of(Source::Owner));
        assert!(
            head[1].message.content.starts_with("Summary by the model") && head[1].labels.sources.len() == 1
        );
        context.unpinned(4);
        assert_eq!(roles(&context), [Role::User, Role::Assistant]);
        assert_eq!(context.head()[0].labels, Labels::of(Source::System), "nobody said that");
    }
}
