//! What a running command prints, on its way to those who watch: often enough to be live, seldom enough to be cheap.
//!
//! It is for people alone. The model gets the result, once `toold` has it labelled.

use std::time::{Duration, Instant};

/// A command that is over sooner says nothing but its result.
const FIRST: Duration = Duration::from_millis(500);
/// Between two pieces that are told.
const PAUSE: Duration = Duration::from_millis(100);
/// Of what a command prints between two pieces, so much is told: the last of it, in bytes.
const MOST: usize = 4 * 1024;

/// What waits to be told, of both streams in the order of its coming.
#[derive(Debug)]
pub(crate) struct Live {
    pending: String,
    next: Instant,
}

impl Live {
    /// Of a command that begins now.
    pub(crate) fn new(now: Instant) -> Self {
        Self { pending: String::new(), next: now + FIRST }
    }

    /// Takes what was printed.
    pub(crate) fn push(&mut self, text: &str) {
        self.pending.push_str(text);
        if self.pending.len() > 2 * MOST {
            let cut = self.pending.len() - MOST;
            self.pending = self.pending.split_off(self.pending.ceil_char_boundary(cut));
        }
    }

    /// When there is something to tell.
    pub(crate) fn due(&self) -> Option<Instant> {
        (!self.pending.is_empty()).then_some(self.next)
    }

    /// What is to be told now.
    pub(crate) fn take(&mut self, now: Instant) -> Option<String> {
        if self.due().is_none_or(|due| due > now) {
            return None;
        }
        self.next = now + PAUSE;
        let mut text = std::mem::take(&mut self.pending);
        let cut = text.ceil_char_boundary(text.len().saturating_sub(MOST));
        Some(text.split_off(cut))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_told_after_a_while_and_then_every_now_and_then() {
        let start = Instant::now();
        let (mut live, now) = (Live::new(start), start + FIRST);
        assert_eq!(live.due(), None);
        live.push("one\n");
        assert_eq!((live.take(start), live.due()), (None, Some(now)));
        assert_eq!(live.take(now).as_deref(), Some("one\n"));
        live.push("two\n");
        live.push("three\n");
        assert_eq!((live.take(now), live.due()), (None, Some(now + PAUSE)));
        assert_eq!(live.take(now + PAUSE).as_deref(), Some("two\nthree\n"));
        assert_eq!(live.take(now + 2 * PAUSE), None);
    }

    #[test]
    fn of_a_flood_the_last_is_told_and_no_character_is_cut() {
        let start = Instant::now();
        let (mut live, now) = (Live::new(start), start + FIRST);
        for _ in 0..10_000 {
            live.push("ä");
        }
        live.push("end");
        let told = live.take(now).unwrap();
        assert!(told.len() <= MOST && told.ends_with("äend"), "{}", told.len());
    }
}
