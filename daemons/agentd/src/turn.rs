//! The loop of one turn, without any I/O: what came in goes to [`Turn::advance`], what to do next comes out.
//!
//! ```text
//!             ┌────────── outcome of the last call ──────────┐
//!             ▼                                               │
//!  start ──▶ Ask ── completion with calls ──▶ Call ── outcome ┴─▶ Call … one after the other
//!             │ └─ completion without calls ──▶ End(Replied)
//!             └─ no completion ──▶ End(Failed)       anywhere: stop ──▶ End(Cancelled | Failed)
//!  a call that was parked, because nobody is there to ask ──▶ End(Blocked)
//!  no tokens left for today ──▶ End(BudgetReached)
//! ```
//! At its end every call that the model asked for has an outcome in the history, run or not.

use std::collections::VecDeque;

use serde_json::Value;
use testudo::label::Labels;
use testudo::limits::{self, Limits};
use testudo::model::{Completion, Finish, ToolCall};
use testudo::refusal::{Code, Refusal};
use testudo::tool::Outcome;
use testudo::turn::{Call, End};

use crate::said::Said;
use crate::{cut, outcome};

/// How many calls whose arguments are no JSON object a turn bears before it ends.
const INVALID_BORNE: u32 = 3;
/// The most calls of one reply that are run.
const CALLS_AT_ONCE: usize = 8;
/// The most bytes of a model's text that are kept.
const LONGEST_TEXT: usize = 64 * 1024;
/// The most bytes of one call's arguments that are kept for the model to see again; what is run is whole.
const LONGEST_ARGUMENTS: usize = 16 * 1024;
/// The deepest nesting of arguments that are kept as they are.
const DEEPEST_ARGUMENTS: usize = 32;
/// The longest name of a tool that is passed on.
const LONGEST_NAME: usize = 64;

/// Why a turn is stopped from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Stop {
    /// A person cancelled it.
    Cancelled,
    /// The daemon is asked to stop.
    Ending,
}

/// What came in.
#[derive(Debug)]
pub enum Input {
    /// The model answered, after reading content with these labels.
    Completion(Completion, Labels),
    /// The day's tokens are used up, in words for the person.
    Spent(String),
    /// There is no answer of the model, and why.
    NoCompletion(String),
    /// The running call ended.
    Outcome(Outcome),
    /// Nothing more is to be done.
    Stop(Stop),
}

/// What to do next.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Ask the model.
    Ask,
    /// Run this call, by this id.
    Call(ToolCall),
    /// Nothing: the turn is over.
    End {
        /// How.
        end: End,
        /// What the agent says.
        reply: String,
    },
}

/// What one input leads to.
#[derive(Debug, PartialEq)]
pub struct Next {
    /// What to add to the history, before the step is taken.
    pub said: Vec<Said>,
    /// The call that ended with this input, by its id in the history, if one did.
    pub ended: Option<(String, Call)>,
    /// The step.
    pub step: Step,
}

/// One turn.
pub struct Turn {
    limit: u32,
    /// Gives every call an id of ours: an id chosen by a model could be that of another call.
    mint: Box<dyn FnMut() -> String + Send + Sync>,
    completions: u32,
    invalid: u32,
    running: Option<ToolCall>,
    waiting: VecDeque<ToolCall>,
    calls: Vec<Call>,
}

impl Turn {
    /// A turn of at most `limit` completions, whose first step is [`Step::Ask`]. `mint` gives ids of calls.
    pub fn new(limit: u32, mint: impl FnMut() -> String + Send + Sync + 'static) -> Self {
        Self {
            limit,
            mint: Box::new(mint),
            completions: 0,
            invalid: 0,
            running: None,
            waiting: VecDeque::new(),
            calls: Vec::new(),
        }
    }

    /// The calls that ended so far.
    pub fn calls(&self) -> &[Call] {
        &self.calls
    }

    /// How many completions there were.
    pub const fn completions(&self) -> u32 {
        self.completions
    }

    /// Takes what came in and says what to do next.
    pub fn advance(&mut self, input: Input) -> Next {
        match input {
            Input::Completion(completion, read) => self.completed(completion, &read),
            Input::Spent(why) => self.end(Vec::new(), End::BudgetReached, why),
            Input::NoCompletion(why) => self.end(Vec::new(), End::Failed, why),
            Input::Outcome(outcome) => self.answered(&outcome),
            Input::Stop(stop) => self.stopped(stop),
        }
    }

    fn completed(&mut self, completion: Completion, read: &Labels) -> Next {
        self.completions += 1;
        let Completion { text, tool_calls, finish, .. } = completion;
        if finish == Finish::Cancelled {
            return self.end(Vec::new(), End::Failed, "The model was stopped before it had answered.".into());
        }
        let text = cut::text(&text, LONGEST_TEXT).into_owned();
        if tool_calls.is_empty() {
            return replied(text, finish, read);
        }
        let asked_for = tool_calls.len();
        let calls: Vec<ToolCall> =
            tool_calls.into_iter().take(CALLS_AT_ONCE + 1).map(|call| self.tame(call)).collect();
        let mut said = vec![Said::by_model(text, calls.iter().map(shortened).collect(), read)];
        self.waiting.extend(calls);
        if self.completions >= self.limit {
            let reply = format!(
                "I stopped after asking the model {} times, the most for one turn. Say \"go on\" and I will.",
                self.limit
            );
            return self.end(said, End::TurnLimit, reply);
        }
        if self.waiting.len() > CALLS_AT_ONCE
            && let Some(call) = self.waiting.pop_back()
        {
            let why = format!(
                "{asked_for} calls in one reply are too many: the first {CALLS_AT_ONCE} were run, ask again for the others"
            );
            said.push(Said::not_run(&call, &why));
        }
        self.next_call(said)
    }

    fn answered(&mut self, outcome: &Outcome) -> Next {
        let Some(call) = self.running.take() else {
            return self.end(Vec::new(), End::Failed, "A call ended that was not running.".into());
        };
        let summary = outcome::summary(outcome);
        self.calls.push(summary.clone());
        let said = vec![Said::by_tool(&call, outcome::told(outcome), outcome::labels(outcome))];
        let parked = outcome.error.as_ref().and_then(|error| error.approval.as_deref());
        let next = match parked {
            Some(approval) => self.end(said, End::Blocked, blocked(approval, &call.name)),
            None => self.next_call(said),
        };
        Next { ended: Some((call.id, summary)), ..next }
    }

    fn stopped(&mut self, stop: Stop) -> Next {
        let (end, reply) = match stop {
            Stop::Cancelled => (End::Cancelled, "This turn was cancelled."),
            Stop::Ending => (End::Failed, "This turn was ended because testudo-agentd stops."),
        };
        self.end(Vec::new(), end, reply.into())
    }

    fn next_call(&mut self, said: Vec<Said>) -> Next {
        let Some(call) = self.waiting.pop_front() else {
            return Next { said, ended: None, step: Step::Ask };
        };
        if call.object().is_none() {
            self.invalid += 1;
            if self.invalid > INVALID_BORNE {
                self.waiting.push_front(call);
                let reply = format!(
                    "The model asked {} times for calls that cannot be read, so I stopped.",
                    self.invalid
                );
                return self.end(said, End::Failed, reply);
            }
            // It is passed on all the same: refusing it, and recording that, is the tool daemon's part.
        }
        self.running = Some(call.clone());
        Next { said, ended: None, step: Step::Call(call) }
    }

    fn end(&mut self, mut said: Vec<Said>, end: End, reply: String) -> Next {
        let ended = self.running.take().map(|call| {
            let why = "stopped with its turn while it ran; the record tells whether it had taken effect";
            said.push(Said::not_run(&call, why));
            let error = Some(Refusal::new(Code::HandlerError, why));
            let summary = Call {
                id: call.id.clone(),
                tool: call.name,
                verdict: None,
                error,
                duration_ms: 0,
                files: Vec::new(),
            };
            self.calls.push(summary.clone());
            (call.id, summary)
        });
        said.extend(
            self.waiting.drain(..).map(|call| Said::not_run(&call, "not run: the turn ended before")),
        );
        said.push(Said::by_system(&reply));
        Next { said, ended, step: Step::End { end, reply } }
    }

    /// A call with an id of ours and a name that can be passed on; a name that is changed by this is of no tool.
    fn tame(&mut self, call: ToolCall) -> ToolCall {
        let is_plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        let name: String =
            call.name.chars().take(LONGEST_NAME).map(|c| if is_plain(c) { c } else { '_' }).collect();
        let name = if name.is_empty() { "_".to_owned() } else { name };
        ToolCall { id: (self.mint)(), name, arguments: call.arguments }
    }
}

/// What a person reads when nobody was there to ask.
fn blocked(approval: &str, tool: &str) -> String {
    format!(
        "I am blocked: {tool} needs an answer to {approval}, and nobody watches this session. After a yes, a message \
         such as \"go on\" continues it."
    )
}

fn replied(text: String, finish: Finish, read: &Labels) -> Next {
    let reply = match (text.trim().is_empty(), finish) {
        (true, _) => "(The model gave no answer.)".to_owned(),
        (false, Finish::Length) => {
            format!("{text}\n(The answer ends here because the model's limit cut it.)")
        }
        (false, _) => text,
    };
    let said = vec![Said::by_model(reply.clone(), Vec::new(), read)];
    Next { said, ended: None, step: Step::End { end: End::Replied, reply } }
}

/// Arguments that could make the whole conversation too long or too deep for the bus are kept in part, so that
/// one call cannot end a session for good.
fn shortened(call: &ToolCall) -> ToolCall {
    let depth = Limits { message: usize::MAX, string: usize::MAX, depth: DEEPEST_ARGUMENTS };
    let text = call.arguments.to_string();
    let arguments = match limits::scan(&text, depth) {
        Ok(()) => cut::json(&call.arguments, LONGEST_ARGUMENTS).unwrap_or_else(|| call.arguments.clone()),
        Err(_) => Value::from(cut::head(&text, LONGEST_ARGUMENTS / 2)),
    };
    ToolCall { arguments, ..call.clone() }
}

#[cfg(test)]
mod tests;
