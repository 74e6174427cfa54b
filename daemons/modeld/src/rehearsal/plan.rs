//! The steps that a message asks for, and what the planner says about them before it begins.

use testudo::model::ToolSpec;

use super::clause::{self, Clause};
use super::sentence::{self, Wish};
use super::token;

/// The most steps of one message; the rest is reported as not done.
const MOST: usize = 20;

/// What comes of one clause.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Step {
    /// A tool call.
    Do(Wish),
    /// It would be this call, but the tool is not on offer.
    NotOffered(Wish),
    /// The clause, as typed, is not understood.
    Unknown(String),
    /// The clause, as typed, comes after the most steps that one message may have.
    TooMany(String),
}

impl Step {
    /// The call to make for it, if there is one.
    pub(crate) fn wish(&self) -> Option<&Wish> {
        match self {
            Self::Do(wish) => Some(wish),
            _ => None,
        }
    }
}

/// The steps of `message` with the tools on offer.
pub(crate) fn plan(message: &str, offered: &[ToolSpec]) -> Vec<Step> {
    let tokens = token::scan(message);
    let plannable = |clause: Clause<'_>| sentence::understand(clause).is_some();
    let mut steps = Vec::new();
    for clause in clause::split(Clause::whole(message, &tokens), &plannable) {
        if steps.len() >= MOST {
            steps.push(Step::TooMany(clause.raw().to_owned()));
            break;
        }
        let Some(wishes) = sentence::understand(clause) else {
            steps.push(Step::Unknown(clause.raw().to_owned()));
            continue;
        };
        steps.extend(wishes.into_iter().map(|wish| {
            let usable = wish.named || offered.iter().any(|tool| tool.name == wish.tool);
            if usable { Step::Do(wish) } else { Step::NotOffered(wish) }
        }));
    }
    steps
}

/// Said before the first call: the plan, if it has more than that one call.
pub(crate) fn introduction(steps: &[Step]) -> String {
    if steps.len() < 2 {
        return String::new();
    }
    let lines = steps.iter().enumerate().map(|(at, step)| {
        let number = at + 1;
        match step {
            Step::Do(wish) => format!("{number}. {}\n", wish.title),
            Step::NotOffered(wish) => format!("{number}. not possible, no such tool now: {}\n", wish.title),
            Step::Unknown(clause) => format!("{number}. not understood: {clause}\n"),
            Step::TooMany(clause) => format!("{number}. too many steps, not done from here on: {clause}\n"),
        }
    });
    std::iter::once("The plan:\n".to_owned()).chain(lines).collect()
}
