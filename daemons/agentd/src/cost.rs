//! What a request to a model costs: as its provider counts it, and estimated where it does not.
//!
//! Pure. A request that was stopped, or that failed once it was on its way, may have been read and paid for, and nobody
//! says how much of it. It counts as one token for every four bytes, of what was sent and of what has arrived, so that
//! neither a model nor its provider can use up tokens of which the day's budget does not know.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use testudo::model::{Completion, Usage};

/// So many bytes count as one token.
const BYTES_OF_A_TOKEN: u64 = 4;

/// Tokens of one request.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Cost {
    /// Those that the provider counted.
    pub told: Usage,
    /// Those that it did not.
    pub estimated: Usage,
}

impl Cost {
    /// Tokens that were read.
    pub const fn input(&self) -> u64 {
        self.told.input_tokens.saturating_add(self.estimated.input_tokens)
    }

    /// Tokens that were written.
    pub const fn output(&self) -> u64 {
        self.told.output_tokens.saturating_add(self.estimated.output_tokens)
    }

    /// How many of both are estimated.
    pub const fn guessed(&self) -> u64 {
        self.estimated.input_tokens.saturating_add(self.estimated.output_tokens)
    }
}

/// Follows one request, for who sends it and for who waits for it.
#[derive(Debug, Clone, Default)]
pub struct Meter(Arc<Mutex<Way>>);

/// How far a request has come.
#[derive(Debug, Clone, Copy, Default)]
enum Way {
    /// It has not left.
    #[default]
    Here,
    /// It is where a model can read it.
    Away { sent: u64, arrived: u64 },
    /// It is paid for, or came back unread.
    Over,
}

impl Meter {
    /// The request is about to leave, with so many bytes. False when it is over already: then it must not.
    #[must_use]
    pub fn leaves(&self, bytes: usize) -> bool {
        let mut way = self.lock();
        let is_here = matches!(*way, Way::Here);
        if is_here {
            *way = Way::Away { sent: number(bytes), arrived: 0 };
        }
        is_here
    }

    /// So many bytes of the answer are here.
    pub fn arrives(&self, bytes: usize) {
        if let Way::Away { arrived, .. } = &mut *self.lock() {
            *arrived = arrived.saturating_add(number(bytes));
        }
    }

    /// It came back, and no model can have read it.
    pub fn returns(&self) {
        *self.lock() = Way::Over;
    }

    /// What it cost, with this answer or without one; none where it never left. From now on it is over: whoever has yet
    /// to send it does not, and nothing of it is told twice.
    pub fn settle(&self, answer: Option<&Completion>) -> Option<Cost> {
        let Way::Away { sent, arrived } = std::mem::replace(&mut *self.lock(), Way::Over) else {
            return None;
        };
        let told = answer.map(|completion| completion.usage).unwrap_or_default();
        let written = answer.map_or(arrived, |completion| arrived.max(length(completion)));
        let unless = |told: u64, bytes: u64| if told == 0 { bytes.div_ceil(BYTES_OF_A_TOKEN) } else { 0 };
        let estimated = Usage {
            input_tokens: unless(told.input_tokens, sent),
            output_tokens: unless(told.output_tokens, written),
        };
        Some(Cost { told, estimated })
    }

    /// Nothing that holds the lock can panic, so a poisoned lock still guards a whole state.
    fn lock(&self) -> MutexGuard<'_, Way> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// How much a model wrote, in bytes.
fn length(completion: &Completion) -> u64 {
    let calls = completion.tool_calls.iter();
    let calls: usize = calls.map(|call| call.name.len() + call.arguments.to_string().len()).sum();
    number(completion.text.len() + calls)
}

fn number(bytes: usize) -> u64 {
    u64::try_from(bytes).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;
    use testudo::model::{Finish, ToolCall};

    fn usage(input_tokens: u64, output_tokens: u64) -> Usage {
        Usage { input_tokens, output_tokens }
    }

    fn answer(text: &str, usage: Usage) -> Completion {
        Completion {
            text: text.into(),
            tool_calls: Vec::new(),
            usage,
            finish: Finish::Stop,
            model: "m".into(),
            provider: "p".into(),
        }
    }

    /// A request of nine bytes, of whose answer five have come.
    fn away() -> Meter {
        let meter = Meter::default();
        assert!(meter.leaves(9));
        meter.arrives(2);
        meter.arrives(3);
        meter
    }

    #[test]
    fn what_a_provider_does_not_count_is_estimated_and_nothing_else() {
        let called = Completion {
            tool_calls: vec![ToolCall { id: "c".into(), name: "echo".into(), arguments: json!({}) }],
            ..answer("", usage(0, 0))
        };
        for (answer, told, estimated) in [
            (None, usage(0, 0), usage(3, 2)),
            (Some(answer("ninebytes", usage(70, 5))), usage(70, 5), usage(0, 0)),
            (Some(answer("ninebytes", usage(0, 0))), usage(0, 0), usage(3, 3)),
            (Some(answer("ninebytes", usage(70, 0))), usage(70, 0), usage(0, 3)),
            (Some(answer("", usage(0, 5))), usage(0, 5), usage(3, 0)),
            (Some(answer("", usage(0, 0))), usage(0, 0), usage(3, 2)),
            (Some(called), usage(0, 0), usage(3, 2)),
        ] {
            assert_eq!(away().settle(answer.as_ref()), Some(Cost { told, estimated }), "{answer:?}");
        }
        let cost = Cost { told: usage(7, 0), estimated: usage(0, u64::MAX) };
        assert_eq!((cost.input(), cost.output(), cost.guessed()), (7, u64::MAX, u64::MAX));
    }

    #[test]
    fn what_never_left_or_came_back_unread_costs_nothing() {
        assert_eq!(Meter::default().settle(None), None);
        let meter = away();
        meter.returns();
        assert_eq!(meter.settle(None), None);
    }

    #[test]
    fn after_it_is_settled_nothing_leaves_and_nothing_is_counted_again() {
        let meter = Meter::default();
        assert_eq!(meter.settle(None), None);
        assert!(!meter.leaves(9), "nobody would count it");
        let meter = away();
        assert!(meter.settle(None).is_some());
        meter.arrives(100);
        assert_eq!(meter.settle(None), None);
    }
}
