//! A conversation as it is kept: lines that only ever follow each other, and what they add up to.
//!
//! Every change is a [`Line`]. [`Conversation::take`] is the only way to change a conversation, for lines that
//! were just written and for those read back at start, so both give the same.

use std::collections::VecDeque;

use serde::{Deserialize, Serialize};
use testudo::label::Labels;
use testudo::model::{Role, Usage};
use testudo::turn::{Call, End, Ended, Finished, Run};

use crate::compaction::Covered;
use crate::context::{Compaction, Context, Pin, day_of};
use crate::cost::Cost;
use crate::said::Said;

/// Messages kept in memory, and all of the running turn; the file has all there ever were.
const MESSAGES_KEPT: usize = 1000;
/// Finished turns that can be asked for again.
const TURNS_KEPT: usize = 100;

/// One line of a session's file. Times are RFC 3339 in UTC.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "line", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Line {
    /// The first line.
    Session {
        /// The format: 1.
        version: u32,
        /// The session's name.
        session: String,
        /// When it began.
        at: String,
    },
    /// A turn began.
    Started {
        /// Its id.
        turn: String,
        /// When.
        at: String,
        /// Whether nobody watches it.
        #[serde(default, skip_serializing_if = "is_false")]
        unattended: bool,
    },
    /// A call of it ended, before what it gave is said.
    Called {
        /// The turn's id.
        turn: String,
        /// When.
        at: String,
        /// The call.
        call: Call,
    },
    /// Something was said in it.
    Said {
        /// The turn's id.
        turn: String,
        /// When.
        at: String,
        /// What.
        said: Said,
    },
    /// It ended.
    Finished {
        /// When.
        at: String,
        /// How.
        finished: Finished,
    },
    /// The daemon was gone before it ended; written when it was back.
    Interrupted {
        /// When this was found.
        at: String,
        /// How it counts.
        finished: Finished,
    },
    /// A model was chosen.
    Model {
        /// When.
        at: String,
        /// Its name; empty for the configured one.
        model: String,
    },
    /// Something was pinned.
    Pinned {
        /// What.
        pin: Pin,
    },
    /// It was taken away.
    Unpinned {
        /// When.
        at: String,
        /// Its number.
        number: u32,
    },
    /// A model was asked.
    Used {
        /// When.
        at: String,
        /// Which.
        model: String,
        /// What that cost, as its provider counted it.
        usage: Usage,
        /// And what it did not count.
        #[serde(default, skip_serializing_if = "is_nothing")]
        estimated: Usage,
    },
    /// A summary stands for the first messages from here on.
    Compacted {
        /// The summary.
        compaction: Compaction,
    },
    /// The day's tokens were used up.
    BudgetReached {
        /// When.
        at: String,
    },
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
const fn is_false(flag: &bool) -> bool {
    !*flag
}

fn is_nothing(usage: &Usage) -> bool {
    *usage == Usage::default()
}

/// A message in its place.
#[derive(Debug, Clone, PartialEq)]
pub struct Spoken {
    /// When.
    pub at: String,
    /// What.
    pub said: Said,
}

/// A conversation.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Conversation {
    /// When it began.
    pub started_at: String,
    /// When something last happened in it.
    pub last_at: String,
    /// How many messages there are, in memory or not.
    pub messages: u64,
    /// How many turns have ended.
    pub turns: u64,
    spoken: VecDeque<Spoken>,
    /// The labels of messages that are in the file alone.
    forgotten: Labels,
    context: Context,
    finished: VecDeque<Finished>,
    open: Option<String>,
    /// What the open turn has called.
    called: Vec<Call>,
    /// Whether nobody watches the last turn that began.
    is_unattended: bool,
    run: Option<Run>,
}

impl Conversation {
    /// Takes the next line in.
    pub fn take(&mut self, line: Line) {
        match line {
            Line::Session { at, .. } => {
                self.started_at.clone_from(&at);
                self.last_at = at;
            }
            Line::Started { turn, at, unattended } => {
                self.open = Some(turn);
                self.called.clear();
                self.is_unattended = unattended;
                self.run = Some(Run { began_at: at.clone(), ended: None });
                self.last_at = at;
            }
            Line::Called { at, call, .. } => {
                self.called.push(call);
                self.last_at = at;
            }
            Line::Said { at, said, .. } => {
                self.messages += 1;
                self.last_at.clone_from(&at);
                self.spoken.push_back(Spoken { at, said });
            }
            Line::Finished { at, finished } | Line::Interrupted { at, finished } => {
                self.turns += 1;
                if let Some(run) = self.run.as_mut().filter(|_| self.open.is_some()) {
                    run.ended = Some(ended(&finished, &at));
                }
                self.open = None;
                self.called.clear();
                self.last_at = at;
                let surplus = self.spoken.len().saturating_sub(MESSAGES_KEPT);
                for spoken in self.spoken.drain(..surplus) {
                    self.forgotten.absorb(&spoken.said.labels);
                }
                self.note(finished);
            }
            Line::Model { at, model } => {
                self.context.model = (!model.is_empty()).then_some(model);
                self.last_at = at;
            }
            Line::Pinned { pin } => {
                self.last_at.clone_from(&pin.at);
                self.context.pinned(pin);
            }
            Line::Unpinned { at, number } => {
                self.context.unpinned(number);
                self.last_at = at;
            }
            Line::Used { at, model, usage: told, estimated } => {
                self.context.used(&at, &model, Cost { told, estimated });
            }
            Line::Compacted { compaction } => {
                self.last_at.clone_from(&compaction.at);
                self.context.compaction = Some(compaction);
            }
            Line::BudgetReached { at } => self.context.budget_reached = day_of(&at),
        }
    }

    /// The last messages, oldest first.
    pub fn spoken(&self) -> impl DoubleEndedIterator<Item = &Spoken> {
        self.spoken.iter()
    }

    /// What is kept beside the messages.
    pub const fn context(&self) -> &Context {
        &self.context
    }

    /// The messages that no summary stands for, oldest first.
    pub fn uncovered(&self) -> impl DoubleEndedIterator<Item = &Said> {
        self.spoken.iter().skip(self.place(self.context.covered())).map(|spoken| &spoken.said)
    }

    /// Everything before the last exchange; none where nothing of it is shown any more.
    pub fn to_compact(&self) -> Option<Covered> {
        let question = self.spoken.iter().rposition(|spoken| spoken.said.message.role == Role::User)?;
        let first = self.place(self.context.covered());
        let said: Vec<Said> =
            self.spoken.iter().take(question).skip(first).map(|spoken| spoken.said.clone()).collect();
        let shown = u64::try_from(said.len()).ok().filter(|count| *count > 0)?;
        // What is in the file alone was never in a summary, but the summary stands for it.
        let mut labels = self.forgotten.clone();
        if let Some(before) = &self.context.compaction {
            labels.absorb(&before.labels);
        }
        for said in &said {
            labels.absorb(&said.labels);
        }
        let before = self.context.compaction.as_ref().map(|compaction| compaction.summary.clone());
        let messages = self.in_file().saturating_add(u64::try_from(question).unwrap_or(u64::MAX));
        Some(Covered { messages, shown, before, said, labels })
    }

    /// The last turn that began.
    pub const fn run(&self) -> Option<&Run> {
        self.run.as_ref()
    }

    /// Whether nobody watches the last turn that began.
    pub const fn is_unattended(&self) -> bool {
        self.is_unattended
    }

    /// How many messages are in the file alone.
    fn in_file(&self) -> u64 {
        self.messages.saturating_sub(u64::try_from(self.spoken.len()).unwrap_or(u64::MAX))
    }

    /// Where the message is in memory before which there are so many; the first one where it is in the file alone.
    fn place(&self, messages: u64) -> usize {
        usize::try_from(messages.saturating_sub(self.in_file())).unwrap_or(usize::MAX)
    }

    /// The last turns that ended, oldest first.
    pub fn finished(&self) -> impl DoubleEndedIterator<Item = &Finished> {
        self.finished.iter()
    }

    /// Notes the end of a turn, also of one that never began, so that whoever waits for it is told.
    pub fn note(&mut self, finished: Finished) {
        self.finished.push_back(finished);
        let surplus = self.finished.len().saturating_sub(TURNS_KEPT);
        self.finished.drain(..surplus);
    }

    /// What must be added because the daemon was gone while a turn ran; nothing if none did. What it had called by then,
    /// and given to people, is in its end.
    pub fn interruption(&self, session: &str, now: &str) -> Vec<Line> {
        let Some(turn) = &self.open else { return Vec::new() };
        let reply = "This turn was interrupted: testudo-agentd stopped while it ran.";
        let why = "interrupted: the record tells whether it had taken effect";
        let lost = self.unanswered().into_iter().map(|call| Said::not_run(&call, why));
        let said = lost.chain([Said::by_system(reply)]);
        let at = now.to_owned();
        let mut lines: Vec<Line> =
            said.map(|said| Line::Said { turn: turn.clone(), at: at.clone(), said }).collect();
        let finished = Finished {
            session: session.to_owned(),
            turn: turn.clone(),
            reply: reply.to_owned(),
            calls: self.called.clone(),
            end: End::Failed,
        };
        lines.push(Line::Interrupted { at, finished });
        lines
    }

    /// The calls of the last reply that have no outcome.
    fn unanswered(&self) -> Vec<testudo::model::ToolCall> {
        let outcomes =
            self.spoken.iter().rev().map_while(|spoken| spoken.said.message.tool_call_id.as_deref());
        let answered: Vec<&str> = outcomes.collect();
        let reply = self.spoken.iter().rev().nth(answered.len());
        let calls = reply.map(|spoken| spoken.said.message.tool_calls.as_slice()).unwrap_or_default();
        calls.iter().filter(|call| !answered.contains(&call.id.as_str())).cloned().collect()
    }
}

fn ended(finished: &Finished, at: &str) -> Ended {
    let asked = || finished.calls.iter().rev().find_map(|call| call.error.as_ref()?.approval.clone());
    let question = (finished.end == End::Blocked).then(asked).flatten();
    Ended { at: at.to_owned(), end: finished.end, question }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::label::Labels;
    use testudo::model::ToolCall;

    fn said(said: Said) -> Line {
        Line::Said { turn: "t-1".into(), at: "2".into(), said }
    }

    fn started() -> Conversation {
        let mut conversation = Conversation::default();
        conversation.take(Line::Session { version: 1, session: "main".into(), at: "0".into() });
        conversation.take(Line::Started { turn: "t-1".into(), at: "1".into(), unattended: true });
        conversation
    }

    #[test]
    fn a_turn_that_never_ended_is_closed_with_its_calls() {
        let call = |id: &str| ToolCall { id: id.into(), name: "fs.write".into(), arguments: json!({}) };
        let mut conversation = started();
        conversation.take(said(Said::by_owner("write")));
        conversation.take(said(Said::by_model("", vec![call("c-1"), call("c-2")], &Labels::default())));
        conversation.take(said(Said::by_tool(&call("c-1"), "{}", Labels::default())));

        let lines = conversation.interruption("main", "9");
        assert!(
            matches!(&lines[0], Line::Said { said, .. } if said.message.tool_call_id.as_deref() == Some("c-2"))
        );
        assert!(
            matches!(&lines[2], Line::Interrupted { finished, .. } if finished.end == End::Failed && finished.turn == "t-1")
        );
        assert_eq!(lines.len(), 3);
        for line in lines {
            conversation.take(line);
        }
        assert!(conversation.interruption("main", "9").is_empty());
        assert_eq!((conversation.messages, conversation.turns, conversation.last_at.as_str()), (5, 1, "9"));
    }

    #[test]
    fn a_turn_that_ended_is_not_interrupted() {
        let mut conversation = started();
        let finished = Finished {
            session: "main".into(),
            turn: "t-1".into(),
            reply: "hi".into(),
            calls: vec![],
            end: End::Replied,
        };
        conversation.take(Line::Finished { at: "3".into(), finished });
        assert!(conversation.interruption("main", "9").is_empty());
    }

    #[test]
    fn memory_is_bounded_when_a_turn_ends_and_counts_are_not() {
        let mut conversation = started();
        for _ in 0..MESSAGES_KEPT + 5 {
            conversation.take(said(Said::by_owner("x")));
        }
        assert_eq!(conversation.spoken().count(), MESSAGES_KEPT + 5, "the running turn is whole");
        for line in conversation.interruption("main", "9") {
            conversation.take(line);
        }
        assert_eq!(
            (conversation.spoken().count(), conversation.messages),
            (MESSAGES_KEPT, MESSAGES_KEPT as u64 + 6)
        );
    }
}
